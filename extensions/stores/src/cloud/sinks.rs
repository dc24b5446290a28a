//! Writing frames to a URL or a file, in one call each, under py-polars' names: polars for Rust has `.sink(…)` with
//! five types to name, and nothing for a `DataFrame`.
use super::prepare;
use crate::places::replaying;
use polars::prelude::*;
use std::cell::RefCell;
use std::sync::Arc;

/// Writes what a `LazyFrame` computes, in pieces, without holding all of it in memory. The file is there when the
/// call returns; a URL's blob is not seen before it is whole.
pub trait LazySinks: Sized {
    /// As Parquet, compressed with zstd.
    fn sink_parquet(self, path: &str) -> PolarsResult<()>;
    /// As CSV with a header.
    fn sink_csv(self, path: &str) -> PolarsResult<()>;
    /// As Arrow IPC (Feather).
    fn sink_ipc(self, path: &str) -> PolarsResult<()>;
    /// As JSON, one object per line.
    fn sink_ndjson(self, path: &str) -> PolarsResult<()>;
}

impl LazySinks for LazyFrame {
    fn sink_parquet(self, path: &str) -> PolarsResult<()> {
        sink(self, path, FileWriteFormat::Parquet(Arc::new(ParquetWriteOptions::default())))
    }

    fn sink_csv(self, path: &str) -> PolarsResult<()> {
        sink(self, path, FileWriteFormat::Csv(CsvWriterOptions { check_extension: false, ..CsvWriterOptions::default() }))
    }

    fn sink_ipc(self, path: &str) -> PolarsResult<()> {
        sink(self, path, FileWriteFormat::Ipc(IpcWriterOptions::default()))
    }

    fn sink_ndjson(self, path: &str) -> PolarsResult<()> {
        sink(self, path, FileWriteFormat::NDJson(NDJsonWriterOptions { check_extension: false, ..NDJsonWriterOptions::default() }))
    }
}

/// Writes a `DataFrame`.
pub trait FrameWrites {
    /// As Parquet, compressed with zstd.
    fn write_parquet(&self, path: &str) -> PolarsResult<()>;
    /// As CSV with a header.
    fn write_csv(&self, path: &str) -> PolarsResult<()>;
    /// As Arrow IPC (Feather).
    fn write_ipc(&self, path: &str) -> PolarsResult<()>;
    /// As JSON, one object per line.
    fn write_ndjson(&self, path: &str) -> PolarsResult<()>;
}

impl FrameWrites for DataFrame {
    fn write_parquet(&self, path: &str) -> PolarsResult<()> {
        self.clone().lazy().sink_parquet(path)
    }

    fn write_csv(&self, path: &str) -> PolarsResult<()> {
        self.clone().lazy().sink_csv(path)
    }

    fn write_ipc(&self, path: &str) -> PolarsResult<()> {
        self.clone().lazy().sink_ipc(path)
    }

    fn write_ndjson(&self, path: &str) -> PolarsResult<()> {
        self.clone().lazy().sink_ndjson(path)
    }
}

fn sink(frame: LazyFrame, path: &str, format: FileWriteFormat) -> PolarsResult<()> {
    if replaying(path) {
        return Ok(());
    }
    let (path, options) = prepare(&PlRefPath::new(path), None)?;
    let args = UnifiedSinkArgs { cloud_options: options.map(Arc::new), ..UnifiedSinkArgs::default() };
    frame.sink(SinkDestination::File { target: SinkTarget::Path(path) }, format, args)?.collect().map(drop)
}

thread_local! {
    /// Options between the first and the third argument of one `.sink(…)`.
    static NEEDED: RefCell<Option<Arc<cloud::CloudOptions>>> = const { RefCell::new(None) };
}

/// What the kernel writes around the first argument of `.sink(…)`.
#[doc(hidden)]
pub fn sink_destination(destination: SinkDestination) -> SinkDestination {
    let changed = |path: PlRefPath| match prepare(&path, None) {
        Ok((path, options)) => {
            NEEDED.set(options.map(Arc::new));
            path
        }
        // The sink's first write says why.
        Err(_) => {
            let (path, options) = super::broken(&path);
            NEEDED.set(Some(Arc::new(options)));
            path
        }
    };
    match destination {
        SinkDestination::File { target: SinkTarget::Path(path) } => SinkDestination::File { target: SinkTarget::Path(changed(path)) },
        SinkDestination::Partitioned { base_path, file_path_provider, partition_strategy, max_rows_per_file, approximate_bytes_per_file } => {
            SinkDestination::Partitioned { base_path: changed(base_path), file_path_provider, partition_strategy, max_rows_per_file, approximate_bytes_per_file }
        }
        other => other,
    }
}

/// What it writes around the third.
#[doc(hidden)]
pub fn sink_arguments(mut arguments: UnifiedSinkArgs) -> UnifiedSinkArgs {
    if let Some(options) = NEEDED.take() {
        arguments.cloud_options.get_or_insert(options);
    }
    arguments
}
