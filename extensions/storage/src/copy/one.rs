//! One file from where it is to where it goes. Local files and blobs go by the parallel, resumable transfers of `ochre-blobs`; everything else is
//! read by ranges in parallel and written in order.
use super::plan::{Item, Source};
use super::{Checks, Wish};
use crate::failures::of_blob;
use crate::progress::Gauge;
use crate::ranges::{LocalFile, RangeSource, open_blob};
use crate::target::{Sink, Target};
use crate::web::WebFile;
use futures::stream::{self, StreamExt, TryStreamExt};
use ochre_api::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a part that is read at once.
const PART: u64 = 8 << 20;
/// Parts that are read ahead: enough to fill a fast line at 60 MB/s per connection; 128 MiB of memory.
const AHEAD: usize = 16;
/// Whole tries of a source that cannot be read by ranges.
const WHOLE_TRIES: u32 = 4;

/// What became of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) bytes: u64,
    pub(super) resumed: u64,
    pub(super) checks: Checks,
}

impl Done {
    fn new(bytes: u64, checks: Checks) -> Self {
        Self { bytes, resumed: 0, checks }
    }

    /// What the first word of a transfer said of earlier runs; all of it is said by a transfer in one request, which resumed nothing.
    fn after(self, first: &AtomicU64) -> Self {
        let first = first.load(Ordering::Relaxed);
        Self { resumed: if first < self.bytes { first } else { 0 }, ..self }
    }
}

pub(super) async fn copy(item: &Item, target: &Target, wish: Wish, gauge: &Arc<Gauge>) -> Result<Done, Failure> {
    match (&item.from, target) {
        (Source::Local(path), Target::Store { container, location, mode }) => {
            let (progress, resumed) = gauge.progress();
            let meta = container.upload(path, &location.child(&item.name).path, progress, *mode).await.map_err(of_blob)?;
            Ok(Done::new(meta.size, Checks::LengthAndChecksum).after(&resumed))
        }
        (Source::Blob(blob), Target::Directory { mounted: false, .. }) => {
            let path = target.local_path(&item.name, wish.overwrite).await?;
            let (progress, resumed) = gauge.progress();
            let meta = blob.container.download(&blob.path, &path, progress).await.map_err(of_blob)?;
            Ok(Done::new(meta.size, Checks::LengthAndChecksum).after(&resumed))
        }
        (Source::Blob(blob), Target::Store { container, location, mode }) if blob.container.location().root() == container.location().root() => {
            container.copy(&blob.path, &location.child(&item.name).path, *mode).await.map_err(of_blob)?;
            let size = item.known.map_or(0, |k| k.size);
            gauge.add(size);
            Ok(Done::new(size, Checks::Service))
        }
        (Source::Blob(blob), _) => {
            let source = open_blob(blob).await?;
            ranged(Arc::new(source), item, target, gauge, Checks::LengthAndVersion).await
        }
        (Source::Local(path), Target::Directory { .. }) => ranged(Arc::new(LocalFile::open(path)?), item, target, gauge, Checks::Length).await,
        (Source::Web(file), _) if file.has_ranges() => {
            let checks = if file.is_pinned() { Checks::LengthAndVersion } else { Checks::Length };
            ranged(file.clone(), item, target, gauge, checks).await
        }
        (Source::Web(file), _) => whole(file, item, target, gauge).await,
    }
}

async fn ranged(source: Arc<dyn RangeSource>, item: &Item, target: &Target, gauge: &Arc<Gauge>, checks: Checks) -> Result<Done, Failure> {
    let mut sink = target.sink(&item.name).await?;
    pump(source.clone(), &mut sink, gauge).await?;
    sink.finish().await?;
    Ok(Done::new(source.size(), checks))
}

/// Moves all of a source into a sink: parts are read in parallel and written in order.
async fn pump(source: Arc<dyn RangeSource>, sink: &mut Sink, gauge: &Arc<Gauge>) -> Result<(), Failure> {
    let size = source.size();
    let parts = (0..size).step_by(PART as usize).map(|from| {
        let source = source.clone();
        // A task of its own, so that parts arrive while another is written.
        AbortOnDrop(tokio::spawn(async move { source.read(from, PART.min(size - from) as usize).await }))
    });
    let mut parts = stream::iter(parts).buffered(AHEAD);
    while let Some(part) = parts.try_next().await? {
        let length = part.len() as u64;
        sink.write(part).await?;
        gauge.add(length);
    }
    Ok(())
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<Result<T, Failure>>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        let joined = std::pin::Pin::new(&mut self.0).poll(cx);
        joined.map(|end| end.unwrap_or_else(|e| Err(Failure::bug("reading panicked").because(e))))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// From a server without ranges: one stream, begun anew when it is cut.
async fn whole(file: &WebFile, item: &Item, target: &Target, gauge: &Arc<Gauge>) -> Result<Done, Failure> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut sink = target.sink(&item.name).await?;
        match stream_into(file, &mut sink, gauge).await {
            (bytes, Ok(())) => {
                sink.finish().await?;
                return Ok(Done::new(bytes, Checks::Length));
            }
            (bytes, Err(failure)) => {
                gauge.take_back(bytes);
                drop(sink);
                if tries >= WHOLE_TRIES || failure.fault != ochre_api::Fault::Remote {
                    return Err(failure.hint("the server cannot send parts, so a cut copy begins anew; try again later"));
                }
            }
        }
    }
}

/// Bytes that came, and how it ended; a length that the server said must be met.
async fn stream_into(file: &WebFile, sink: &mut Sink, gauge: &Arc<Gauge>) -> (u64, Result<(), Failure>) {
    let mut bytes = 0;
    let end = async {
        let mut pieces = std::pin::pin!(file.stream().await?);
        while let Some(piece) = pieces.try_next().await? {
            let length = piece.len() as u64;
            bytes += length;
            sink.write(piece).await?;
            gauge.add(length);
        }
        match file.length() {
            Some(length) if length != bytes => Err(Failure::remote(format!("the server said {length} bytes and sent {bytes}"))),
            _ => Ok(()),
        }
    }
    .await;
    (bytes, end)
}
