//! Decided charts as vega-lite and as pictures: typed rows, scales, colours and panels in, the same chart in two forms out.
//!
//! Both sides of the link use it: `ochre-plots` for frames in cells, `ochre-runs` for live views in the kernel. It reads no frame
//! (no polars here) and shows nothing by itself.
//!
//! ```text
//! Figure (one chart)             --spec::write-->  vega-lite JSON      --draw::figure-->  picture
//! Board (heading, many figures)  --Board::spec-->  vega-lite JSON      --Board::draw-->   picture
//! ```
#![forbid(unsafe_code)]

pub mod board;
pub mod draw;
pub mod figure;
pub mod reduce;
pub mod scale;
pub mod spec;

pub use board::Board;
use image::{DynamicImage, ImageFormat};

/// The picture could not be made; the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DrawError(pub String);

/// A picture as the bytes of a PNG file.
pub fn encode(picture: &DynamicImage) -> Result<Vec<u8>, DrawError> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|error| DrawError(error.to_string()))?;
    Ok(bytes.into_inner())
}
