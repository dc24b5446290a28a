//! Tabular learning without frames: preparation, models, judging of predictions, searches and AutoML on plain columns.
//!
//! Both sides of the link may use it; `ochre-ml` gives it to cells over polars' frames. It shows nothing, logs nothing and knows no run.
//!
//! ```text
//! Table (named columns) --Pipeline--> Table --> Matrix --Model--> Predictions --judge--> reports and curves
//! ```
//! Definitions and defaults are scikit-learn's where it has them, and are tested against it.
#![forbid(unsafe_code)]

mod error;
pub mod exact;
mod matrix;
mod random;
mod table;
mod tabular;

pub mod auto;
pub mod judge;
pub mod models;
pub mod prepare;
pub mod search;
pub mod split;

pub use error::LearningError;
pub use matrix::Matrix;
pub use random::Random;
pub use table::{Column, Table, Values};
pub use tabular::{Item, Tabular, ToValues, numbers};

/// What long calls look at between two pieces of work; `true` ends them with [`LearningError::Stopped`].
pub type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// For calls that nothing stops.
pub fn never() -> bool {
    false
}
