//! What cells call to log into a run: `ochre::run::*`. A call writes into a spool and returns; a thread of its own delivers to the kernel.
//!
//! ```text
//! cell --log_metric--> recorder --which run?--> (first call of an execution) kernel, service `runs`
//!                         \--Spool::metric--> mapped file        returns here
//! pump thread --Spool::batch--> kernel --> backend;  Spool::delivered <--acknowledged--
//! ```
//! The same calls work without a kernel: `MLFLOW_RUN_ID` and `MLFLOW_TRACKING_URI` name the run, and the records stay in the spool for who fetches it.
#![forbid(unsafe_code)]

mod active;
mod artifacts;
mod error;
#[cfg(feature = "frames")]
mod frames;
mod pump;
mod recorder;
mod registry;
pub mod run;
mod said;
mod value;

pub use error::LogError;

/// Marker of this crate's implementations of [`ochre_runtime::Show`].
pub struct Logging;
