//! Pictures and charts of a notebook: `ochre::image`, `ochre::images`, `ochre::plot`.
//!
//! A chart goes out as vega-lite (for front ends that draw it) with a PNG of the same chart beside it (for
//! those that do not, and for exports), so everything is decided before either is written:
//!
//! ```text
//! Chart (what was asked)  --resolve-->  Figure (typed, reduced data)  --spec-->  vega-lite JSON
//!                                                                     --draw-->  PNG
//! ```
#![forbid(unsafe_code)]

mod beside;
mod chart;
mod draft;
mod error;
mod field;
mod grid;
mod picture;
mod tensor;
#[cfg(test)]
mod tests;

pub use beside::{Charts, charts};
pub use chart::{Chart, plot};
pub use error::PlotError;
pub use grid::{ImagesGrid, images};
pub use picture::{Picture, ToPicture, image};

/// Marker of this crate's implementations of [`ochre_runtime::Show`].
pub struct Plots;
