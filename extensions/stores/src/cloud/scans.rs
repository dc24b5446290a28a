//! Reading: what the kernel writes into cells in place of polars' own functions of the same names.
use super::{path, prepare};
use ochre_blobs::Location;
use polars::io::ipc::IpcScanOptions;
use polars::prelude::cloud::CloudOptions;
use polars::prelude::*;
use polars_buffer::Buffer;

/// `LazyFrame`'s functions that scan. In cells `LazyFrame::scan_parquet(…)` means the one here.
pub trait LazyScans: Sized {
    fn scan_parquet(path: PlRefPath, args: ScanArgsParquet) -> PolarsResult<Self>;
    fn scan_parquet_files(paths: Buffer<PlRefPath>, args: ScanArgsParquet) -> PolarsResult<Self>;
    fn scan_parquet_sources(sources: ScanSources, args: ScanArgsParquet) -> PolarsResult<Self>;
    fn scan_ipc(path: PlRefPath, options: IpcScanOptions, args: UnifiedScanArgs) -> PolarsResult<Self>;
    fn scan_ipc_sources(sources: ScanSources, options: IpcScanOptions, args: UnifiedScanArgs) -> PolarsResult<Self>;
}

impl LazyScans for LazyFrame {
    fn scan_parquet(path: PlRefPath, args: ScanArgsParquet) -> PolarsResult<Self> {
        LazyScans::scan_parquet_files(Buffer::from(vec![path]), args)
    }

    fn scan_parquet_files(paths: Buffer<PlRefPath>, args: ScanArgsParquet) -> PolarsResult<Self> {
        LazyScans::scan_parquet_sources(ScanSources::Paths(paths), args)
    }

    fn scan_parquet_sources(sources: ScanSources, mut args: ScanArgsParquet) -> PolarsResult<Self> {
        let sources = ready(sources, &mut args.cloud_options)?;
        LazyFrame::scan_parquet_sources(sources, args)
    }

    fn scan_ipc(path: PlRefPath, options: IpcScanOptions, args: UnifiedScanArgs) -> PolarsResult<Self> {
        LazyScans::scan_ipc_sources(ScanSources::Paths(Buffer::from(vec![path])), options, args)
    }

    fn scan_ipc_sources(sources: ScanSources, options: IpcScanOptions, mut args: UnifiedScanArgs) -> PolarsResult<Self> {
        let sources = ready(sources, &mut args.cloud_options)?;
        LazyFrame::scan_ipc_sources(sources, options, args)
    }
}

/// The functions that make `LazyCsvReader` and `LazyJsonLineReader`.
pub trait ReaderScans: Sized {
    fn new(path: PlRefPath) -> Self;
    fn new_paths(paths: Buffer<PlRefPath>) -> Self;
    fn new_with_sources(sources: ScanSources) -> Self;
}

impl ReaderScans for LazyCsvReader {
    fn new(path: PlRefPath) -> Self {
        ReaderScans::new_paths(Buffer::from(vec![path]))
    }

    fn new_paths(paths: Buffer<PlRefPath>) -> Self {
        ReaderScans::new_with_sources(ScanSources::Paths(paths))
    }

    fn new_with_sources(sources: ScanSources) -> Self {
        let (sources, options) = ready_or_broken(sources);
        LazyCsvReader::new_with_sources(sources).with_cloud_options(options)
    }
}

impl ReaderScans for LazyJsonLineReader {
    fn new(path: PlRefPath) -> Self {
        ReaderScans::new_paths(Buffer::from(vec![path]))
    }

    fn new_paths(paths: Buffer<PlRefPath>) -> Self {
        ReaderScans::new_with_sources(ScanSources::Paths(paths))
    }

    fn new_with_sources(sources: ScanSources) -> Self {
        let (sources, options) = ready_or_broken(sources);
        LazyJsonLineReader::new_with_sources(sources).with_cloud_options(options)
    }
}

/// Sources that polars can read, with the options that they need. All paths of a scan have the options of the first,
/// so they must lie in one container.
fn ready(sources: ScanSources, options: &mut Option<CloudOptions>) -> PolarsResult<ScanSources> {
    let ScanSources::Paths(paths) = &sources else { return Ok(sources) };
    if !paths.iter().any(|p| path::is_ours(p.as_str())) {
        return Ok(sources);
    }
    let given = options.clone();
    let mut first: Option<Location> = None;
    let mut changed = Vec::with_capacity(paths.len());
    for one in paths.iter() {
        let root = crate::grants::locate(one.as_str())?.root();
        if given.is_none() && *first.get_or_insert_with(|| root.clone()) != root {
            polars_bail!(InvalidOperation: "one scan reads one container, and these paths are in several; scan each, then `concat(&frames, UnionArgs::default())`");
        }
        let (path, needed) = prepare(one, given.clone())?;
        changed.push(path);
        *options = needed;
    }
    Ok(ScanSources::Paths(Buffer::from(changed)))
}

/// The same where no error can be given: then it comes when something is read.
fn ready_or_broken(sources: ScanSources) -> (ScanSources, Option<CloudOptions>) {
    let mut options = None;
    match ready(sources.clone(), &mut options) {
        Ok(sources) => (sources, options),
        Err(_) => {
            let ScanSources::Paths(paths) = &sources else { return (sources, None) };
            let (paths, options): (Vec<PlRefPath>, Vec<CloudOptions>) = paths.iter().map(super::broken).unzip();
            (ScanSources::Paths(Buffer::from(paths)), options.into_iter().next())
        }
    }
}
