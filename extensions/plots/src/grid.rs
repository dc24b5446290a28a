//! A labelled grid of pictures: `ochre::images(&list, ImagesGrid::columns(5).labels(names))`.
use ochre_charts::draw::canvas::{Align, Canvas, INK, Rgb, SCALE, Style, fit};
use crate::picture::{Picture, ToPicture};
use crate::PlotError;
use image::{DynamicImage, imageops};

/// Most pictures of one grid.
const MOST: usize = 400;
/// Side that a picture without a scale of its own is shown at, in CSS pixels.
const SIDE: f64 = 96.0;
/// Columns of a grid that does not say.
const COLUMNS: usize = 8;
const GAP: f64 = 8.0;
const LABEL_SIZE: f64 = 11.0;
const LABEL_HEIGHT: f64 = 17.0;
/// Of marked pictures.
const MARK: Rgb = Rgb(0xd6, 0x27, 0x28);
/// Width of the frame around them.
const FRAME: f64 = 2.5;

/// How a grid of pictures is laid out.
#[derive(Clone, Debug, Default)]
pub struct ImagesGrid {
    columns: Option<usize>,
    labels: Vec<String>,
    marked: Vec<usize>,
    scale: Option<f64>,
}

impl ImagesGrid {
    /// A grid of this many columns.
    pub fn columns(columns: usize) -> Self {
        Self { columns: Some(columns.max(1)), ..Self::default() }
    }

    /// One label below each picture.
    pub fn labels<L: ToString>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.labels = labels.into_iter().map(|label| label.to_string()).collect();
        self
    }

    /// Frames these pictures (counted from 0) in red, and writes their labels so: what was predicted wrong.
    pub fn marked(mut self, pictures: &[usize]) -> Self {
        self.marked = pictures.to_vec();
        self
    }

    /// Pixels of the page for each pixel of the pictures.
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = Some(scale);
        self
    }
}

/// A grid of pictures, as one picture.
pub fn images<T: ToPicture>(pictures: &[T], grid: ImagesGrid) -> Picture {
    let decoded: Result<Vec<DynamicImage>, PlotError> = pictures.iter().take(MOST).map(ToPicture::to_picture).collect();
    match decoded.and_then(|decoded| compose(&decoded, pictures.len(), &grid)) {
        Ok(page) => Picture::of_sharp(&page),
        Err(error) => Picture::failed(error),
    }
}

fn compose(pictures: &[DynamicImage], total: usize, grid: &ImagesGrid) -> Result<DynamicImage, PlotError> {
    if pictures.is_empty() {
        return Err(PlotError::Empty("the list of pictures is empty".to_owned()));
    }
    let columns = grid.columns.unwrap_or(COLUMNS).min(pictures.len());
    let rows = pictures.len().div_ceil(columns);
    let widest = pictures.iter().map(DynamicImage::width).max().unwrap_or(1).max(1);
    let tallest = pictures.iter().map(DynamicImage::height).max().unwrap_or(1).max(1);
    let scale = grid.scale.unwrap_or_else(|| natural_scale(f64::from(widest.max(tallest)))).clamp(0.01, 100.0);
    let (cell_width, cell_height) = (f64::from(widest) * scale, f64::from(tallest) * scale);
    let label_height = if grid.labels.is_empty() { 0.0 } else { LABEL_HEIGHT };
    let (step_x, step_y) = (cell_width + GAP, cell_height + label_height + GAP);
    let note = (total > pictures.len()).then(|| format!("{} of {total} pictures", pictures.len()));
    let note_height = if note.is_some() { LABEL_HEIGHT } else { 0.0 };

    let mut canvas = Canvas::new(step_x * columns as f64 + GAP, step_y * rows as f64 + GAP + note_height);
    let place = |index: usize| (GAP + step_x * (index % columns) as f64, GAP + step_y * (index / columns) as f64);
    for (index, label) in grid.labels.iter().take(pictures.len()).enumerate() {
        let (x, y) = place(index);
        let label = fit(label, LABEL_SIZE, step_x);
        let style = Style::new(LABEL_SIZE, Align::Centre, if grid.marked.contains(&index) { MARK } else { INK });
        canvas.text(&label, (x + cell_width / 2.0, y + cell_height + 12.0), style);
    }
    for &index in grid.marked.iter().filter(|&&index| index < pictures.len()) {
        let (x, y) = place(index);
        canvas.rect([x - FRAME, x + cell_width + FRAME], [y - FRAME, y + cell_height + FRAME], MARK, 1.0);
    }
    if let Some(note) = note {
        canvas.text(&note, (GAP, step_y * rows as f64 + GAP + 10.0), Style::new(LABEL_SIZE, Align::Left, INK));
    }
    let mut page = canvas.finish()?.to_rgba8();
    for (index, picture) in pictures.iter().enumerate() {
        let (x, y) = place(index);
        let size = |side: u32| (f64::from(side) * scale * f64::from(SCALE)).round().max(1.0) as u32;
        let filter = if scale >= 1.0 { imageops::Nearest } else { imageops::Triangle };
        let sized = imageops::resize(&picture.to_rgba8(), size(picture.width()), size(picture.height()), filter);
        let pixel = |place: f64| (place * f64::from(SCALE)).round() as i64;
        // Smaller pictures stand in the middle of their cell.
        let dx = (i64::from(size(widest)) - i64::from(sized.width())) / 2;
        let dy = (i64::from(size(tallest)) - i64::from(sized.height())) / 2;
        imageops::overlay(&mut page, &sized, pixel(x) + dx, pixel(y) + dy);
    }
    Ok(DynamicImage::ImageRgba8(page))
}

/// Whole factors for small pictures, so that their pixels stay squares.
fn natural_scale(side: f64) -> f64 {
    if side >= SIDE { SIDE * 1.5 / side.max(SIDE * 1.5) } else { (SIDE / side).floor() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_the_size_of_its_cells() {
        let digits: Vec<DynamicImage> = (0..5).map(|_| DynamicImage::new_luma8(8, 8)).collect();
        let grid = images(&digits, ImagesGrid::columns(3).labels(0..5).scale(4.0));
        // Three columns and two rows of 32 + 8, with a gap around, and 17 for the labels; at twice the size.
        assert_eq!(grid.size(), Some((2 * (3 * 40 + 8), 2 * (2 * (40 + 17) + 8))));
    }

    #[test]
    fn a_marked_picture_has_a_red_frame() {
        let black: Vec<DynamicImage> = (0..2).map(|_| DynamicImage::new_luma8(8, 8)).collect();
        let grid = images(&black, ImagesGrid::columns(2).marked(&[1, 7]).scale(4.0)).to_picture().expect("a picture").to_rgb8();
        // Each picture begins at 8 + 40 n, at twice the size; the frame is just outside.
        assert_eq!((grid.get_pixel(2 * 8 - 2, 40).0, grid.get_pixel(2 * 48 - 2, 40).0, grid.get_pixel(2 * 48 + 2, 40).0), ([255; 3], [0xd6, 0x27, 0x28], [0; 3]));
    }

    #[test]
    fn an_empty_list_says_so() {
        let grid = images::<DynamicImage>(&[], ImagesGrid::default());
        assert_eq!(grid.bytes().map_err(|e| e.to_string()), Err("there is nothing to draw: the list of pictures is empty".to_owned()));
    }
}
