//! One picture: `ochre::image(&bytes)`.
use crate::{PlotError, Plots};
use image::{DynamicImage, GenericImageView, ImageBuffer, ImageFormat, Luma, Rgb, Rgba};
use ochre_runtime::{Data, Mime, Show, shown::escape};

/// Longest side that is sent; larger pictures are made smaller first, since no screen shows more.
const SIDE_LIMIT: u32 = 2_000;
/// Pictures smaller than this are shown larger, by whole factors and without blur (digits, icons).
const SMALL_SIDE: u32 = 64;
/// About the side that small pictures are blown up to.
const SMALL_TARGET: u32 = 128;

/// A picture that is ready to be shown, or the reason why there is none.
#[derive(Clone, Debug)]
pub struct Picture(Result<Shown, PlotError>);

#[derive(Clone, Debug)]
struct Shown {
    media_type: &'static str,
    bytes: Vec<u8>,
    width: u32,
    height: u32,
    shown_width: u32,
}

/// What can be shown as a picture: encoded bytes, or a picture of the crate `image`.
pub trait ToPicture {
    /// The decoded picture.
    fn to_picture(&self) -> Result<DynamicImage, PlotError>;

    /// The bytes of a picture file, where the value is one.
    fn encoded(&self) -> Option<&[u8]> {
        None
    }
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, PlotError> {
    image::load_from_memory(bytes).map_err(|error| PlotError::NotAPicture(error.to_string()))
}

macro_rules! bytes {
    ($([$($generics:tt)*] $type:ty),*) => {$(
        impl<$($generics)*> ToPicture for $type {
            fn to_picture(&self) -> Result<DynamicImage, PlotError> {
                decode(self)
            }
            fn encoded(&self) -> Option<&[u8]> {
                Some(&self[..])
            }
        }
    )*};
}
bytes!([] [u8], [const N: usize] [u8; N], [] Vec<u8>);

macro_rules! pixels {
    ($($pixel:ty => $variant:ident),*) => {$(
        impl ToPicture for ImageBuffer<$pixel, Vec<u8>> {
            fn to_picture(&self) -> Result<DynamicImage, PlotError> {
                Ok(DynamicImage::$variant(self.clone()))
            }
        }
    )*};
}
pixels!(Luma<u8> => ImageLuma8, Rgb<u8> => ImageRgb8, Rgba<u8> => ImageRgba8);

impl ToPicture for DynamicImage {
    fn to_picture(&self) -> Result<DynamicImage, PlotError> {
        Ok(self.clone())
    }
}

impl<T: ToPicture + ?Sized> ToPicture for &T {
    fn to_picture(&self) -> Result<DynamicImage, PlotError> {
        (**self).to_picture()
    }
    fn encoded(&self) -> Option<&[u8]> {
        (**self).encoded()
    }
}

impl ToPicture for Picture {
    fn to_picture(&self) -> Result<DynamicImage, PlotError> {
        self.0.as_ref().map_err(Clone::clone).and_then(|shown| decode(&shown.bytes))
    }
}

/// A picture from the bytes of a file, or from a picture of the crate `image`.
pub fn image<T: ToPicture + ?Sized>(source: &T) -> Picture {
    match source.encoded() {
        Some(bytes) => Picture::of_file(bytes),
        None => Picture(source.to_picture().and_then(|picture| shown(&picture))),
    }
}

impl Picture {
    /// Grey (1), RGB (3) or RGBA (4 channels) pixels, row by row from the top.
    pub fn from_pixels(width: u32, height: u32, pixels: &[u8]) -> Self {
        Self(of_pixels(width, height, pixels).and_then(|picture| shown(&picture)))
    }

    /// Keeps the file as it is where the front end can read it.
    fn of_file(bytes: &[u8]) -> Self {
        let media_type = match image::guess_format(bytes) {
            Ok(ImageFormat::Png) => "image/png",
            Ok(ImageFormat::Jpeg) => "image/jpeg",
            Ok(ImageFormat::Gif) => "image/gif",
            _ => return Self(decode(bytes).and_then(|picture| shown(&picture))),
        };
        Self(decode(bytes).and_then(|picture| {
            let (width, height) = picture.dimensions();
            if width.max(height) > SIDE_LIMIT {
                return shown(&picture);
            }
            Ok(Shown { media_type, bytes: bytes.to_vec(), width, height, shown_width: enlarged(width, height) })
        }))
    }

    /// The PNG (or the file that was given), or why there is none.
    pub fn bytes(&self) -> Result<&[u8], PlotError> {
        self.0.as_ref().map(|shown| shown.bytes.as_slice()).map_err(Clone::clone)
    }

    /// Width and height in pixels of what is shown.
    pub fn size(&self) -> Option<(u32, u32)> {
        self.0.as_ref().ok().map(|shown| (shown.width, shown.height))
    }

    /// What is shown instead of a picture: the sentence that says why there is none.
    pub fn failed(error: PlotError) -> Self {
        Self(Err(error))
    }

    /// A picture made by us at twice its size on the page, for sharp text.
    pub(crate) fn of_sharp(picture: &DynamicImage) -> Self {
        Self(shown(picture).map(|shown| Shown { shown_width: shown.width / 2, ..shown }))
    }
}

/// Pixels as a picture of the crate `image`.
fn of_pixels(width: u32, height: u32, pixels: &[u8]) -> Result<DynamicImage, PlotError> {
    let area = width as usize * height as usize;
    let channels = if area == 0 { 1 } else { (pixels.len() / area) as u32 };
    let bytes = pixels.to_vec();
    let picture = match channels {
        1 => ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8),
        3 => ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8),
        4 => ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageRgba8),
        _ => None,
    };
    let whole = pixels.len() == area * channels as usize;
    picture.filter(|_| whole).ok_or_else(|| {
        let channels = channels.clamp(1, 3);
        PlotError::WrongSize { width, height, channels, needed: area * channels as usize, given: pixels.len() }
    })
}

/// Encodes a picture as PNG, made smaller where it is too large.
fn shown(picture: &DynamicImage) -> Result<Shown, PlotError> {
    let (width, height) = picture.dimensions();
    if width == 0 || height == 0 {
        return Err(PlotError::Empty(format!("the picture is {width}×{height}")));
    }
    let small;
    let picture = if width.max(height) > SIDE_LIMIT {
        small = picture.thumbnail(SIDE_LIMIT, SIDE_LIMIT);
        &small
    } else {
        picture
    };
    let (width, height) = picture.dimensions();
    Ok(Shown { media_type: "image/png", bytes: ochre_charts::encode(picture)?, width, height, shown_width: enlarged(width, height) })
}

fn enlarged(width: u32, height: u32) -> u32 {
    let side = width.max(height);
    if side == 0 || side > SMALL_SIDE { width } else { width * (SMALL_TARGET / side).max(1) }
}

impl Show<Plots> for Picture {
    fn show(&self) -> Mime {
        match &self.0 {
            Ok(shown) => bundle(shown),
            Err(error) => failure(error),
        }
    }
}

fn bundle(shown: &Shown) -> Mime {
    let Shown { media_type, width, height, shown_width, .. } = shown;
    let mut mime = Mime::new()
        .with(*media_type, Data::Bytes(shown.bytes.clone()))
        .with_text("text/plain", format!("<picture, {width}×{height}>"));
    if shown_width != width {
        let shown_height = (u64::from(*height) * u64::from(*shown_width) / u64::from(*width)) as u32;
        mime.metadata = Some(format!("{{\"{media_type}\":{{\"width\":{shown_width},\"height\":{shown_height}}}}}"));
        if shown_width > width {
            // Front ends blur what they enlarge unless they are told not to; only HTML can say so.
            let data = ochre_runtime::shown::base64(&shown.bytes);
            mime = mime.with_text("text/html", format!("<img width=\"{shown_width}\" style=\"image-rendering:pixelated\" src=\"data:{media_type};base64,{data}\">"));
        }
    }
    mime
}

/// The reason why there is no picture, in red where there is colour.
pub(crate) fn failure(error: &PlotError) -> Mime {
    let text = error.to_string();
    let html = format!(
        "<pre style=\"white-space:pre-wrap;color:var(--jp-error-color1,var(--vscode-errorForeground,#b00020))\">{}</pre>",
        escape(&text)
    );
    Mime::new().with_text("text/html", html).with_text("text/plain", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey() -> DynamicImage {
        of_pixels(2, 1, &[0, 255]).expect("two pixels")
    }

    #[test]
    fn a_file_stays_as_it_is() {
        let bytes = ochre_charts::encode(&grey()).expect("a picture");
        assert_eq!(image(&bytes).bytes(), Ok(&bytes[..]));
        assert_eq!(image(&bytes[..]).size(), Some((2, 1)));
    }

    #[test]
    fn small_pictures_are_shown_larger_and_sharp() {
        let mime = image(&grey()).show();
        assert_eq!(mime.metadata.as_deref(), Some("{\"image/png\":{\"width\":128,\"height\":64}}"));
        assert!(mime.get("text/html").is_some());
        assert_eq!(mime.plain(), "<picture, 2×1>");
    }

    #[test]
    fn what_is_no_picture_says_so() {
        let mime = image(b"not a picture").show();
        assert!(mime.plain().starts_with("the bytes are no picture"), "{}", mime.plain());
        assert_eq!(
            Picture::from_pixels(2, 2, &[0; 5]).bytes().map_err(|e| e.to_string()),
            Err("a picture of 2×2 with 1 channels needs 4 bytes, but 5 were given".to_owned())
        );
    }

    #[test]
    fn huge_pictures_are_made_smaller() {
        let wide = DynamicImage::new_luma8(SIDE_LIMIT * 2, 10);
        assert_eq!(image(&wide).size(), Some((SIDE_LIMIT, 5)));
    }
}
