//! The durable queue between a log call and the place where runs are kept. Used on both sides of the link; knows no backend.
//!
//! ```text
//! ochre::run::log_metric --Spool::metric--> mapped file --Spool::batch--> pump --wire--> kernel --> backend
//!                                               \--(process dies)--> abandoned() --Reader::batch--> kernel --> backend
//! ```
//! A record is in the file when the call that wrote it returns, stays there until [`Spool::delivered`] or [`Reader::delivered`] says that the backend
//! has it, and may be delivered twice in between: backends take it once (see [`Metric`]).
#![deny(unsafe_code)]

mod batch;
mod error;
mod header;
pub mod limits;
mod places;
mod reader;
mod record;
mod segment;
mod spool;
#[allow(unsafe_code)]
mod sys;
pub mod wire;

pub use batch::{Batch, Most};
pub use error::SpoolError;
pub use header::Header;
pub use places::{SPOOL_VARIABLE, spool_directory};
pub use reader::{Reader, abandoned, spools};
pub use record::{Metric, Record};
pub use spool::{Kept, LARGEST_RECORD, LIMIT, Spool};
pub use sys::{forks, now_ms};

/// Version of the format: of heads, segments and records.
pub const FORMAT: u64 = 1;
