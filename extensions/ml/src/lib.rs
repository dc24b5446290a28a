//! What cells call to prepare, train and judge: `ochre::ml` and `ochre::sweep`, over frames.
//!
//! All arithmetic is `ochre-learning`'s. Here frames become its tables, its values are shown as tables and charts, trials and candidates become
//! runs, and long calls hear an interrupt.
#![forbid(unsafe_code)]

mod sweep;
mod view;

#[cfg(feature = "frames")]
mod automl;
#[cfg(feature = "frames")]
mod charts;
#[cfg(feature = "frames")]
mod frames;
#[cfg(feature = "frames")]
mod judged;
#[cfg(feature = "frames")]
pub mod ml;

pub use ochre_learning::search::{Setting, Space};
pub use sweep::{Score, Sweep, Trial, TrialEnd, TrialOutcome, sweep};

/// Marker of this crate's implementations of other crates' traits.
pub struct Ml;
