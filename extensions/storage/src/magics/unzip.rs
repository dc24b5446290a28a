//! `%unzip`: archives from anywhere to a directory or a store.
use super::{ends, urls};
use crate::archive::{Archive, Entry, Limits, Unpacked, unpack};
use crate::copy::{Blob, Wish};
use crate::progress::{Gauge, watched};
use crate::ranges::{LocalFile, RangeSource, open_blob};
use crate::spot::Spot;
use crate::target::{LocalSink, Sink, blocking};
use crate::web::WebFile;
use crate::{Storage, size};
use futures::TryStreamExt;
use ochre_api::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// The magic.
pub(crate) struct Unzip(pub(crate) Arc<Storage>);

const SPEC: Spec = Spec {
    name: "unzip",
    aliases: &[],
    area: "storage",
    form: Form::Line,
    arguments: &[
        Argument::positional("from", Value::Path, "a zip file: a path, a store's URL, or an https:// address").required(),
        Argument::positional("to", Value::Path, "a directory or a store's URL").required(),
        Argument::flag("overwrite", "replaces what is there"),
        Argument::flag("create", "makes the container or bucket where it is missing"),
        Argument::option("max-size", Value::Text, "largest total of the unpacked files (default: 100 times the archive, at least 1 GB)"),
    ],
    summary: "unpacks a zip archive, from and to stores too",
    help: "An archive in a store is not downloaded first: its directory is read, then the entries, many in parallel. Lengths and CRCs are checked, and \
           nothing is visible under its name before it is whole.\n\n\
           Refused before anything is written: names that lead outside TO, absolute names, links and devices, names that are there twice, entries \
           that share bytes, encrypted ones, and more than `--max-size` in all. Files that are there already with the right length are left as they \
           are: running the cell twice is harmless.",
    examples: &[
        Example { text: "%unzip az://pictures@myaccount/cats.zip az://pictures@myaccount/cats", does: "within a container" },
        Example { text: "%unzip https://example.org/data.zip data", does: "from the web into a directory" },
        Example { text: "%unzip logs.zip logs --max-size 50GB", does: "allows more than 100 times its size" },
    ],
};

/// Names of files in the way that an error lists.
const SHOWN: usize = 3;

#[async_trait]
impl Magic for Unzip {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        if matches!(argument.name, "from" | "to") { urls(&self.0, prefix) } else { Vec::new() }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        let (from, to) = ends(&self.0, arguments, &session.directory()).await?;
        let wish = Wish { overwrite: arguments.has("overwrite"), create: arguments.has("create"), ..Wish::default() };
        let total = arguments.value("max-size").map(|text| size::parse(text).ok_or_else(|| Failure::usage(format!("`{text}` is no size")).hint("write `--max-size 50GB`")));
        let limits = Limits { total: total.transpose()? };
        let gauge = Gauge::new(format!("unpacking {}", from.name()));
        let began = Instant::now();
        let stopped = "files that were whole are kept; run the cell again to unpack the rest";
        let work = unzip(self.0.clone(), from, to.clone(), wish, limits, gauge.clone());
        let (done, present) = watched(session, &gauge, stopped, work).await?;
        let took = began.elapsed();
        if done.files == 0 && present > 0 {
            return Ok(MagicOutcome::text(format!("{} there already with the right length; nothing was unpacked to {}", if present == 1 { "1 file is".to_owned() } else { format!("{} are", size::count(present, "file")) }, to.shown())));
        }
        let already = if present > 0 { format!("; {} there already with the same length", if present == 1 { "1 was".to_owned() } else { format!("{} were", size::grouped(present)) }) } else { String::new() };
        let rate = size::rate(done.bytes, took);
        Ok(MagicOutcome::text(format!(
            "unpacked {}, {} to {} in {} ({rate}); lengths and CRCs verified{already}",
            size::count(done.files, "file"),
            size::text(done.bytes),
            to.shown(),
            size::clock(took)
        )))
    }
}

/// What was unpacked, and how many files were there already.
async fn unzip(storage: Arc<Storage>, from: Spot, to: Spot, wish: Wish, limits: Limits, gauge: Arc<Gauge>) -> Result<(Unpacked, u64), Failure> {
    if let Spot::Web(_) = to {
        return Err(storage.no_web_target(&to));
    }
    // Kept until the end: an archive that had to be downloaded lies in it.
    let scratch;
    let source: Arc<dyn RangeSource> = match &from {
        Spot::Local { path, .. } => Arc::new(LocalFile::open(path)?),
        Spot::Store { location, .. } => {
            let blob = Blob { container: storage.open(location).await?, path: location.path.clone() };
            Arc::new(open_blob(&blob).await?)
        }
        Spot::Web(url) => {
            let file = WebFile::open(url).await?;
            if file.has_ranges() {
                Arc::new(file)
            } else {
                scratch = tempfile::tempdir().map_err(|e| Failure::io("cannot make a temporary directory", e).hint("set TMPDIR to one with room"))?;
                Arc::new(downloaded(&file, scratch.path(), &gauge).await?)
            }
        }
    };
    let mut archive = Archive::open(source.as_ref(), limits).await?;
    if let (Spot::Store { location, .. }, true) = (&to, wish.create) {
        match storage.open(location).await?.create().await {
            Ok(()) | Err(ochre_blobs::BlobError::Exists { .. }) => {}
            Err(error) => return Err(crate::failures::of_blob(error)),
        }
    }
    let target = storage.target(&to, wish.mode()).await?;
    let mut present = 0;
    if !wish.overwrite {
        let there = target.present().await?;
        (archive.entries, present) = without_present(archive.entries, &there)?;
    }
    let files = || archive.entries.iter().filter(|e| !e.directory);
    gauge.set_total(files().map(|e| e.size).sum());
    gauge.set_files(files().count() as u64);
    let done = unpack(source, archive, target, gauge).await?;
    Ok((done, present))
}

/// A server without ranges is read once, into a file.
async fn downloaded(file: &WebFile, directory: &std::path::Path, gauge: &Arc<Gauge>) -> Result<LocalFile, Failure> {
    let mut sink = Sink::File(Some(LocalSink::create(directory, "archive.zip", true, false)?));
    let mut pieces = std::pin::pin!(file.stream().await?);
    let mut bytes = 0;
    while let Some(piece) = pieces.try_next().await? {
        bytes += piece.len() as u64;
        gauge.add(piece.len() as u64);
        sink.write(piece).await?;
    }
    sink.finish().await?;
    gauge.take_back(bytes);
    let path = directory.join("archive.zip");
    blocking(move || LocalFile::open(&path)).await
}

/// Leaves out files that are there with the right length; another length is an error before anything is written.
fn without_present(entries: Vec<Entry>, there: &HashMap<String, u64>) -> Result<(Vec<Entry>, u64), Failure> {
    let mut other = Vec::new();
    let before = entries.len();
    let mut left = Vec::with_capacity(before);
    for entry in entries {
        match there.get(&entry.name) {
            Some(length) if !entry.directory && *length == entry.size => {}
            Some(_) if !entry.directory => other.push(format!("`{}`", entry.name)),
            _ => left.push(entry),
        }
    }
    if other.is_empty() {
        let present = (before - left.len()) as u64;
        return Ok((left, present));
    }
    let more = if other.len() > SHOWN { format!(" and {} more", size::grouped((other.len() - SHOWN) as u64)) } else { String::new() };
    other.truncate(SHOWN);
    let failure = Failure::usage(format!("there already with another length: {}{more}", other.join(", ")));
    Err(failure.hint("nothing was written; add `--overwrite` to replace, or choose another destination"))
}
