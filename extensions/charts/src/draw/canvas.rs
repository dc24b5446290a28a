//! A white page to draw on, in CSS pixels: shapes and text by plotters, smoothed by drawing larger.
use crate::DrawError;
use image::{DynamicImage, RgbImage};
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle, register_font};
use std::sync::Once;

/// Pixels of the picture for each CSS pixel, so that it is sharp on dense screens.
pub const SCALE: u32 = 2;
/// Pixels that are drawn for each pixel of the picture in each direction, and averaged.
const SMOOTH: u32 = 2;
const DEVICE: f64 = (SCALE * SMOOTH) as f64;
/// Name under which the font is known to plotters.
const FONT: &str = "ochre-sans";
/// Glyph height that plotters is asked for, as a multiple of the CSS font size: it means ascent plus descent.
const FONT_HEIGHT: f64 = 1.15;

/// An opaque colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

pub const INK: Rgb = Rgb(0x30, 0x34, 0x3a);
pub const FAINT: Rgb = Rgb(0x6b, 0x70, 0x78);
pub const AXIS: Rgb = Rgb(0x9a, 0x9f, 0xa6);
pub const GRID: Rgb = Rgb(0xe6, 0xe8, 0xeb);

/// Which point of a text stands at the given place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Centre,
    Right,
}

/// How a text is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub size: f64,
    pub align: Align,
    pub colour: Rgb,
    pub bold: bool,
    /// From the bottom to the top, as along a vertical axis.
    pub upward: bool,
}

impl Style {
    pub fn new(size: f64, align: Align, colour: Rgb) -> Self {
        Self { size, align, colour, bold: false, upward: false }
    }

    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub fn upward(self) -> Self {
        Self { upward: true, ..self }
    }
}

/// The page. What goes wrong while drawing is kept and told by [`Canvas::finish`].
pub struct Canvas {
    pixels: Vec<u8>,
    width: u32,
    height: u32,
    error: Option<String>,
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        static FONTS: Once = Once::new();
        FONTS.call_once(|| {
            // Fails only for bytes that are no font; a text drawn without it reports that.
            let _ = register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
        });
        let (width, height) = ((width * DEVICE).ceil() as u32 / SMOOTH * SMOOTH, (height * DEVICE).ceil() as u32 / SMOOTH * SMOOTH);
        Self { pixels: vec![255; width as usize * height as usize * 3], width, height, error: None }
    }

    fn draw(&mut self, draw: impl FnOnce(&mut BitMapBackend) -> Result<(), String>) {
        let mut backend = BitMapBackend::with_buffer(&mut self.pixels, (self.width, self.height));
        if let Err(error) = draw(&mut backend) {
            self.error.get_or_insert(error);
        }
    }

    pub fn rect(&mut self, x: [f64; 2], y: [f64; 2], colour: Rgb, alpha: f64) {
        let (left, right) = (device(x[0].min(x[1])), device(x[0].max(x[1])));
        let (top, bottom) = (device(y[0].min(y[1])), device(y[0].max(y[1])));
        if right > left && bottom > top {
            // Plotters' fast path leaves out the last column and row, which suits edges.
            self.draw(|backend| backend.draw_rect((left, top), (right, bottom), &paint(colour, alpha), true).map_err(|e| e.to_string()));
        }
    }

    pub fn polygon(&mut self, points: &[(f64, f64)], colour: Rgb, alpha: f64) {
        let points: Vec<(i32, i32)> = points.iter().map(|&(x, y)| (device(x), device(y))).collect();
        if points.len() > 2 {
            self.draw(|backend| backend.fill_polygon(points, &paint(colour, alpha)).map_err(|e| e.to_string()));
        }
    }

    pub fn disc(&mut self, (x, y): (f64, f64), radius: f64, colour: Rgb, alpha: f64) {
        self.draw(|backend| backend.draw_circle((device(x), device(y)), device(radius) as u32, &paint(colour, alpha), true).map_err(|e| e.to_string()));
    }

    /// A straight horizontal or vertical line, exact to the pixel.
    pub fn rule(&mut self, from: (f64, f64), to: (f64, f64), colour: Rgb) {
        let half = 0.5;
        if from.1 == to.1 {
            self.rect([from.0, to.0], [from.1 - half, from.1 + half], colour, 1.0);
        } else {
            self.rect([from.0 - half, from.0 + half], [from.1, to.1], colour, 1.0);
        }
    }

    /// A line through points with round joints.
    ///
    /// Plotters' own thick paths grow spikes at sharp corners, so each piece is a rectangle of its own.
    pub fn polyline(&mut self, points: &[(f64, f64)], colour: Rgb, width: f64) {
        let half = width / 2.0;
        for pair in points.windows(2) {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            let length = (x1 - x0).hypot(y1 - y0);
            if length > 0.0 {
                let (dx, dy) = ((x1 - x0) / length * half, (y1 - y0) / length * half);
                self.polygon(&[(x0 - dy, y0 + dx), (x1 - dy, y1 + dx), (x1 + dy, y1 - dx), (x0 + dy, y0 - dx)], colour, 1.0);
            }
        }
        // A pixel less, since plotters' discs stand out by one.
        points.iter().for_each(|&point| self.disc(point, half - 1.0 / DEVICE, colour, 1.0));
    }

    /// A text whose baseline is at `y` (at `x` when it runs upward).
    pub fn text(&mut self, text: &str, (x, y): (f64, f64), style: Style) {
        let size = style.size * FONT_HEIGHT * DEVICE;
        // Plotters puts the baseline half a glyph height below the place it is given.
        let drop = (size / 2.0).floor();
        let (x, y) = if style.upward { (x * DEVICE - drop, y * DEVICE) } else { (x * DEVICE, y * DEVICE - drop) };
        let text_style = font(style);
        let shifts: &[i32] = if style.bold { &[0, 1] } else { &[0] };
        for shift in shifts {
            let place = (x.round() as i32 + shift, y.round() as i32);
            self.draw(|backend| backend.draw_text(text, &text_style, place).map_err(|e| e.to_string()));
        }
    }

    /// The page as a picture.
    pub fn finish(self) -> Result<DynamicImage, DrawError> {
        if let Some(error) = self.error {
            return Err(DrawError(error));
        }
        let (width, height) = (self.width / SMOOTH, self.height / SMOOTH);
        let row = self.width as usize * 3;
        let mut small = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height as usize {
            let rows = [&self.pixels[2 * y * row..][..row], &self.pixels[(2 * y + 1) * row..][..row]];
            for x in 0..width as usize {
                for channel in 0..3 {
                    let at = 6 * x + channel;
                    let sum: u16 = rows.iter().map(|row| u16::from(row[at]) + u16::from(row[at + 3])).sum();
                    small.push((sum / 4) as u8);
                }
            }
        }
        let picture = RgbImage::from_raw(width, height, small);
        picture.map(DynamicImage::ImageRgb8).ok_or_else(|| DrawError("the page has no size".to_owned()))
    }
}

/// Width of a text in CSS pixels.
pub fn text_width(text: &str, size: f64) -> f64 {
    let font = FontDesc::new(FontFamily::Name(FONT), size * FONT_HEIGHT * DEVICE, FontStyle::Normal);
    font.layout_box(text).map_or(text.len() as f64 * size * 0.5, |(_, (width, _))| f64::from(width) / DEVICE)
}

/// A text that fits a width, with an ellipsis where it was cut.
pub fn fit(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.len() > 1 {
        kept.pop();
        let cut: String = kept.iter().collect::<String>().trim_end().to_owned() + "…";
        if text_width(&cut, size) <= width {
            return cut;
        }
    }
    "…".to_owned()
}

fn font(style: Style) -> TextStyle<'static> {
    let turn = if style.upward { FontTransform::Rotate270 } else { FontTransform::None };
    let font = FontDesc::new(FontFamily::Name(FONT), style.size * FONT_HEIGHT * DEVICE, FontStyle::Normal).transform(turn);
    let Rgb(r, g, b) = style.colour;
    let side = match style.align {
        Align::Left => HPos::Left,
        Align::Centre => HPos::Center,
        Align::Right => HPos::Right,
    };
    font.color(&RGBColor(r, g, b)).pos(Pos::new(side, VPos::Top))
}

fn paint(Rgb(r, g, b): Rgb, alpha: f64) -> ShapeStyle {
    ShapeStyle { color: RGBColor(r, g, b).mix(alpha), filled: true, stroke_width: 1 }
}

fn device(length: f64) -> i32 {
    (length * DEVICE).round() as i32
}
