//! A file into an object, in parallel parts, resumed after a cut: the journal says which parts of which upload are there, with the CRC of what was
//! sent; before a part is left out, the file is read again and must still have that CRC.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use md5::{Digest, Md5};
use object_store::multipart::{MultipartStore, PartId};
use object_store::{MultipartId, PutPayload};
use serde_json::{Value, json};

use crate::http::hex;
use crate::journal::Journal;
use crate::writer::{ONE_PUT, WAIT_FOR_MEMORY, commit, confirm, parts_are_gone, shared_budget};
use crate::{BlobError, Container, Meta, Mode, Progress, Result, WriteOptions};

const DOING: &str = "uploading";
/// Most parts of an upload: S3 has room for 10,000.
const PARTS: u64 = 9_000;
/// An upload older than this is begun anew: Azure throws its blocks away after a week.
const OLDEST: Duration = Duration::from_secs(6 * 24 * 3600);
/// Tasks that may wait for their turn; the engine decides how many of them are in flight.
const TASKS: usize = 64;

pub(crate) async fn upload(container: &Container, file: &Path, path: &str, progress: Progress, mode: Mode) -> Result<Meta> {
    let source = Source::open(file)?;
    if mode == Mode::Create {
        match container.stat(path).await {
            Ok(_) => return Err(BlobError::Exists { doing: DOING, at: container.at(path) }),
            Err(BlobError::NotFound { .. } | BlobError::Denied { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    progress.say(0, source.size);
    let sent = if source.size <= ONE_PUT {
        let bytes = source.read(0, source.size).await?;
        let put = container.put(path, bytes, mode).await?;
        let done = object_store::PutResult { e_tag: put.etag, version: None };
        confirm(container, &container.path(path)?, source.size, done).await
    } else if container.steady().has_parts() {
        match in_parts(container, &source, path, &progress, mode).await {
            // The service threw away what an earlier try had sent.
            Err(error) if parts_are_gone(&error) => in_parts(container, &source, path, &progress, mode).await,
            other => other,
        }
    } else {
        in_order(container, &source, path, &progress, mode).await
    }?;
    source.unchanged()?;
    progress.say(source.size, source.size);
    Ok(sent)
}

/// For stores that keep no parts over a cut: local files.
async fn in_order(container: &Container, source: &Source, path: &str, progress: &Progress, mode: Mode) -> Result<Meta> {
    let mut writer = container.writer(path, WriteOptions { mode, budget: (**shared_budget()).clone() }).await?;
    let mut at = 0;
    while at < source.size {
        let bytes = source.read(at, source.size.min(at + ONE_PUT)).await?;
        at += bytes.len() as u64;
        writer.write(bytes).await?;
        progress.say(at, source.size);
    }
    source.unchanged()?;
    writer.finish().await
}

async fn in_parts(container: &Container, source: &Source, path: &str, progress: &Progress, mode: Mode) -> Result<Meta> {
    let location = container.path(path)?;
    let failed = |error: object_store::Error| container.failed(DOING, path, &error);
    let (journal, lines) = Journal::open(&journal_of(source, &container.at(path))?)?;
    let part = ONE_PUT.max(source.size.div_ceil(PARTS).next_multiple_of(1 << 20));
    let head = json!({"file": source.path.display().to_string(), "size": source.size, "changed": source.changed, "to": container.at(path), "part": part});
    let (id, mut have) = match resumed(&lines, &head) {
        Some(found) => found,
        None => {
            let id = container.steady().create_multipart(&location).await.map_err(failed)?;
            journal.restart(&head)?;
            journal.add(&json!({"upload": id, "since": now()}))?;
            (id, BTreeMap::new())
        }
    };
    let sizes = |index: u64| index * part..source.size.min((index + 1) * part);
    let count = source.size.div_ceil(part);
    have.retain(|index, _| *index < count);
    have = source.still(have, sizes).await?;
    let done = AtomicU64::new(have.keys().map(|index| sizes(*index).end - sizes(*index).start).sum());
    progress.say(done.load(Ordering::Relaxed), source.size);
    let missing: Vec<u64> = (0..count).filter(|index| !have.contains_key(index)).collect();
    let (journal, done) = (&journal, &done);
    let mut sending = stream::iter(missing)
        .map(|index| {
            let (id, location, range) = (&id, &location, sizes(index));
            async move {
                let ticket = container.sending().enter().await;
                let _share = shared_budget().take(range.end - range.start, WAIT_FOR_MEMORY).await;
                let bytes = source.read(range.start, range.end).await?;
                let (length, sum) = (bytes.len() as u64, crc(&bytes));
                let sent = container.steady().put_part(location, id, index as usize, PutPayload::from_bytes(bytes)).await.map_err(failed)?;
                ticket.done(length);
                journal.add(&json!({"part": index, "id": sent.content_id, "crc": sum}))?;
                progress.say(done.fetch_add(length, Ordering::Relaxed) + length, source.size);
                Ok::<_, BlobError>((index, (sent.content_id, sum)))
            }
        })
        .buffer_unordered(TASKS);
    while let Some(sent) = sending.next().await {
        match sent {
            Ok((index, part)) => _ = have.insert(index, part),
            Err(error) => {
                if parts_are_gone(&error) {
                    journal.remove();
                }
                return Err(error);
            }
        }
    }
    drop(sending);
    if let Err(changed) = source.unchanged() {
        container.steady().abort_multipart(&location, &id).await.ok();
        journal.remove();
        return Err(changed);
    }
    let mut whole = crc32fast::Hasher::new();
    for (index, (_, sum)) in &have {
        whole.combine(&crc32fast::Hasher::new_with_initial_len(*sum, sizes(*index).end - sizes(*index).start));
    }
    let ids = have.into_values().map(|(content_id, _)| PartId { content_id }).collect();
    match commit(container, &location, &id, ids, mode == Mode::Create, source.size, whole.finalize()).await {
        Ok(done) => {
            journal.remove();
            confirm(container, &location, source.size, done).await
        }
        Err(error) => {
            if parts_are_gone(&error) || matches!(error, BlobError::Exists { .. }) {
                container.steady().abort_multipart(&location, &id).await.ok();
                journal.remove();
            }
            Err(error)
        }
    }
}

type Sent = BTreeMap<u64, (String, u32)>;

/// The upload that `lines` tell of, if it is of the same file and place and not too old.
fn resumed(lines: &[Value], head: &Value) -> Option<(MultipartId, Sent)> {
    let [first, begun, parts @ ..] = lines else { return None };
    let since = begun.get("since").and_then(Value::as_u64)?;
    if first != head || now().saturating_sub(since) > OLDEST.as_secs() {
        return None;
    }
    let id = begun.get("upload").and_then(Value::as_str)?.to_owned();
    let read = |line: &Value| {
        let sum = u32::try_from(line.get("crc")?.as_u64()?).ok()?;
        Some((line.get("part")?.as_u64()?, (line.get("id")?.as_str()?.to_owned(), sum)))
    };
    Some((id, parts.iter().filter_map(read).collect()))
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Where the journal of this upload lies: with the user's caches, since what is uploaded may lie where nothing can be written.
fn journal_of(source: &Source, to: &str) -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache"))).unwrap_or_else(std::env::temp_dir);
    let folder = caches.join("ochre").join("uploads");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| BlobError::local(DOING, &folder, &error))?;
    let name = hex(&Md5::digest(format!("{}\n{to}", source.path.display())));
    Ok(folder.join(format!("{name}.journal")))
}

/// The file, as it was when the upload began.
struct Source {
    path: PathBuf,
    file: Arc<File>,
    size: u64,
    /// Time of the last change, in nanoseconds since 1970, and the inode.
    changed: String,
}

fn stamp(meta: &std::fs::Metadata) -> String {
    format!("{}.{:09} {}", meta.mtime(), meta.mtime_nsec(), meta.ino())
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| BlobError::local(DOING, path, &error);
        let path = path.canonicalize().map_err(failed)?;
        let file = File::open(&path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(failed(std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is no file")));
        }
        Ok(Self { path, file: Arc::new(file), size: meta.len(), changed: stamp(&meta) })
    }

    async fn read(&self, from: u64, to: u64) -> Result<Bytes> {
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; (to - from) as usize];
            file.read_exact_at(&mut bytes, from).map(|()| Bytes::from(bytes))
        });
        let read = read.await.map_err(|error| BlobError::Internal { doing: DOING, at: self.path.display().to_string(), detail: error.to_string() })?;
        read.map_err(|error| if error.kind() == std::io::ErrorKind::UnexpectedEof { self.changed() } else { BlobError::local(DOING, &self.path, &error) })
    }

    /// Of the parts that were sent, those whose bytes are still in the file.
    async fn still(&self, sent: Sent, range: impl Fn(u64) -> std::ops::Range<u64>) -> Result<Sent> {
        let mut still = BTreeMap::new();
        for (index, (id, sum)) in sent {
            let range = range(index);
            if crc(&self.read(range.start, range.end).await?) == sum {
                still.insert(index, (id, sum));
            }
        }
        Ok(still)
    }

    fn changed(&self) -> BlobError {
        BlobError::Changed { doing: DOING, at: self.path.display().to_string(), etag: self.changed.clone() }
    }

    fn unchanged(&self) -> Result<()> {
        let meta = self.path.metadata().map_err(|error| BlobError::local(DOING, &self.path, &error))?;
        if meta.len() == self.size && stamp(&meta) == self.changed { Ok(()) } else { Err(self.changed()) }
    }
}
