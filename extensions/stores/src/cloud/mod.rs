//! polars on URLs: paths in the forms that Ochre's magics take, and credentials that the kernel gives.
//!
//! polars has no place where one could hook in, so where a cell says `LazyFrame::scan_parquet` the kernel writes
//! `<LazyFrame as ::ochre::__stores::LazyScans>::scan_parquet` (see `ochre-cells`): functions of the same names and
//! forms, which change URLs of ours and fill in `cloud_options` where there are none. The rest goes through as it is.
mod options;
mod path;
mod scans;
mod sinks;

pub use scans::{LazyScans, ReaderScans};
pub use sinks::{FrameWrites, LazySinks, sink_arguments, sink_destination};

use polars::prelude::cloud::CloudOptions;
use polars::prelude::{PlRefPath, PolarsResult};

/// polars' options for a URL of ours: account, endpoint, and a provider that asks the kernel for a credential when one
/// is needed, and again before it ends. No key is in them, nor in the environment.
///
/// Scans and sinks in cells fill these in by themselves; this is for what takes `CloudOptions` otherwise. When there
/// is no credential, the first use of the options says why.
pub fn cloud_options(url: &str) -> CloudOptions {
    options::for_url(url)
}

/// Path and options for a URL whose options could not be made: reading it says why.
pub(crate) fn broken(path: &PlRefPath) -> (PlRefPath, CloudOptions) {
    let readable = path::Typed::read(path.as_str()).map_or_else(|_| path.clone(), |typed| typed.public());
    (readable, cloud_options(path.as_str()))
}

/// A path and the options that it needs. What is not a URL of ours, or has options already, keeps its options.
pub(crate) fn prepare(path: &PlRefPath, given: Option<CloudOptions>) -> PolarsResult<(PlRefPath, Option<CloudOptions>)> {
    if !path::is_ours(path.as_str()) {
        return Ok((path.clone(), given));
    }
    let typed = path::Typed::read(path.as_str())?;
    if given.is_some() || ochre_runtime::host::get().is_none() {
        // Without a kernel polars looks for credentials itself, as it does elsewhere.
        return Ok((typed.public(), given));
    }
    let grant = crate::grants::grant(&typed.location, false)?;
    Ok((typed.with(&grant), Some(options::of(&typed.location, &grant))))
}
