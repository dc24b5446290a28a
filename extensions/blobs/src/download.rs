//! An object into a file, in parallel parts, resumed after a cut. The bytes go into `FILE.ochre-part` with a journal beside it; while parts arrive, a
//! thread reads the file from the front: what an earlier try left is compared with the CRC that it had when it came, and the whole with the MD5 that
//! the service has for it. Then the file is renamed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use bytes::Bytes;
use futures::stream::{self, TryStreamExt};
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::http::hex;
use crate::journal::Journal;
use crate::parts::{PART, fetch};
use crate::writer::{WAIT_FOR_MEMORY, shared_budget};
use crate::{BlobError, Container, Meta, Progress, Result};

const DOING: &str = "downloading";
/// The smallest part a file is cut into.
const SMALL_PART: u64 = 1 << 20;
/// Tasks that may wait for their turn; the engine decides how many of them are in flight.
const TASKS: usize = 64;
/// Times a download begins anew because the object changed, or its bytes contradict a checksum.
const TRIES: u32 = 3;
/// Bytes that are read at a time to verify.
const VERIFIED_AT_ONCE: u64 = 1 << 20;

pub(crate) async fn download(container: &Container, path: &str, file: &Path, progress: Progress) -> Result<Meta> {
    let mut seen: Option<String> = None;
    let mut tries = 0;
    loop {
        tries += 1;
        let place = Place::open(file)?;
        let meta = container.stat(path).await?;
        match transfer(container, &meta, &place, &progress).await {
            Ok(sum) => match check(container, &meta, sum, &mut seen, tries) {
                Verdict::Whole => {
                    place.publish()?;
                    return Ok(meta);
                }
                Verdict::Again => place.forget(),
                Verdict::Corrupt(error) => {
                    place.forget();
                    return Err(error);
                }
            },
            Err(BlobError::Changed { .. }) if tries < TRIES => place.forget(),
            Err(error @ BlobError::Corrupt { .. }) => {
                place.forget();
                if tries >= TRIES {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

enum Verdict {
    Whole,
    Again,
    Corrupt(BlobError),
}

/// Whether the MD5 of what arrived is the service's. An S3 ETag may be no MD5 at all: two transfers that agree are believed there.
fn check(container: &Container, meta: &Meta, sum: Option<String>, seen: &mut Option<String>, tries: u32) -> Verdict {
    let (Some(sum), Some(expected)) = (sum, &meta.md5) else { return Verdict::Whole };
    if sum == *expected || (!container.trusts_md5() && seen.as_ref() == Some(&sum)) {
        return Verdict::Whole;
    }
    *seen = Some(sum);
    if tries < TRIES {
        return Verdict::Again;
    }
    let detail = "it does not have the MD5 that the service has for it".to_owned();
    Verdict::Corrupt(BlobError::Corrupt { doing: DOING, at: container.at(&meta.path), detail })
}

/// The file, what it is called until it is whole, and its journal.
struct Place {
    file: PathBuf,
    part: PathBuf,
    journal: Journal,
    lines: Vec<Value>,
}

impl Place {
    fn open(file: &Path) -> Result<Self> {
        let beside = |suffix: &str| {
            let mut name = file.file_name().unwrap_or_default().to_owned();
            name.push(suffix);
            file.with_file_name(name)
        };
        let (journal, lines) = Journal::open(&beside(".ochre-part.journal"))?;
        Ok(Self { file: file.to_owned(), part: beside(".ochre-part"), journal, lines })
    }

    /// What is left of an earlier try of the same version: ranges and their CRC.
    fn resumed(&self, head: &Value) -> BTreeMap<u64, (u64, u32)> {
        if self.lines.first() != Some(head) || !self.part.exists() {
            return BTreeMap::new();
        }
        let number = |line: &Value, name: &str| line.get(name).and_then(Value::as_u64);
        let parts = self.lines[1..].iter();
        parts.filter_map(|line| Some((number(line, "part")?, (number(line, "end")?, u32::try_from(number(line, "crc")?).ok()?)))).collect()
    }

    fn publish(&self) -> Result<()> {
        std::fs::rename(&self.part, &self.file).map_err(|error| BlobError::local(DOING, &self.file, &error))?;
        self.journal.remove();
        Ok(())
    }

    fn forget(&self) {
        std::fs::remove_file(&self.part).ok();
        self.journal.remove();
    }
}

/// Fetches what is missing; the MD5 of the whole if the service has one to compare.
async fn transfer(container: &Container, meta: &Meta, place: &Place, progress: &Progress) -> Result<Option<String>> {
    let local = |error: std::io::Error| BlobError::local(DOING, &place.part, &error);
    let head = json!({"of": container.at(&meta.path), "etag": meta.etag, "size": meta.size});
    let mut have = if meta.etag.is_some() { place.resumed(&head) } else { BTreeMap::new() };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&place.part).map_err(local)?;
    if have.is_empty() {
        file.set_len(0).map_err(local)?;
        place.journal.restart(&head)?;
    }
    file.set_len(meta.size).map_err(local)?;
    have.retain(|start, (end, _)| start < end && *end <= meta.size);
    let file = Arc::new(file);
    let missing = missing(meta.size, &have, container.engine().limit());
    let done = AtomicU64::new(have.iter().map(|(start, (end, _))| end - start).sum());
    progress.say(done.load(Ordering::Relaxed), meta.size);
    let (tell, told) = mpsc::channel();
    have.into_iter().for_each(|(start, (end, sum))| tell.send((start, (end, Some(sum)))).unwrap_or_default());
    let verifier = {
        let (file, wants, size, at) = (Arc::clone(&file), meta.md5.is_some(), meta.size, container.at(&meta.path));
        tokio::task::spawn_blocking(move || verify(&file, size, wants, &told, &at))
    };
    let location = container.path(&meta.path)?;
    let fetched = stream::iter(missing.into_iter().map(Ok::<_, BlobError>)).try_for_each_concurrent(TASKS, |range| {
        let (file, tell, location, done) = (Arc::clone(&file), tell.clone(), &location, &done);
        async move {
            let sum = one(container, location, meta, range.clone(), &file, &place.part).await?;
            place.journal.add(&json!({"part": range.start, "end": range.end, "crc": sum}))?;
            let so_far = done.fetch_add(range.end - range.start, Ordering::Relaxed) + range.end - range.start;
            progress.say(so_far, meta.size);
            tell.send((range.start, (range.end, None))).ok();
            Ok(())
        }
    });
    let fetched = fetched.await;
    drop(tell);
    let verified = verifier.await.map_err(|error| container.internal(DOING, &meta.path, &error.to_string()))?;
    // A part that is not as it came is told before a transfer that broke off: what is on the disk cannot be resumed.
    match (fetched, verified) {
        (_, Err(error @ BlobError::Corrupt { .. })) => Err(error),
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        (Ok(()), Ok(sum)) => Ok(sum),
    }
}

/// The ranges of `0..size` that `have` lacks, cut into parts.
fn missing(size: u64, have: &BTreeMap<u64, (u64, u32)>, limit: usize) -> Vec<Range<u64>> {
    let part = (size / limit as u64).clamp(SMALL_PART, PART).next_multiple_of(4096);
    let mut gaps = Vec::new();
    let mut at = 0;
    for (start, (end, _)) in have {
        gaps.push(at..*start);
        at = at.max(*end);
    }
    gaps.push(at..size);
    gaps.into_iter().flat_map(|gap| gap.clone().step_by(part as usize).map(move |start| start..gap.end.min(start + part))).collect()
}

/// One part into the file; its CRC as it came.
async fn one(container: &Container, location: &object_store::path::Path, meta: &Meta, range: Range<u64>, file: &Arc<File>, name: &Path) -> Result<u32> {
    let ticket = container.engine().enter().await;
    let length = range.end - range.start;
    let _share = shared_budget().take(length, WAIT_FOR_MEMORY).await;
    let mut pieces: Vec<Bytes> = Vec::new();
    let start = range.start;
    let fetched = fetch(container, location, meta.etag.as_deref(), range, |piece| {
        pieces.push(piece);
        Ok(())
    });
    fetched.await.map_err(|error| container.failed(DOING, &meta.path, &error))?;
    ticket.done(length);
    let file = Arc::clone(file);
    let written = tokio::task::spawn_blocking(move || {
        let mut sum = crc32fast::Hasher::new();
        let mut at = start;
        for piece in pieces {
            sum.update(&piece);
            file.write_all_at(&piece, at)?;
            at += piece.len() as u64;
        }
        Ok::<_, std::io::Error>(sum.finalize())
    });
    written.await.map_err(|error| container.internal(DOING, &meta.path, &error.to_string()))?.map_err(|error| BlobError::local(DOING, name, &error))
}

/// Where a part begins and ends, and its CRC if it was left by an earlier try.
type Told = (u64, (u64, Option<u32>));

/// Reads the file from the front as far as it is there: parts of an earlier try against their CRC, and the MD5 of the whole if it is wanted.
fn verify(file: &File, size: u64, wants: bool, told: &mpsc::Receiver<Told>, at: &str) -> Result<Option<String>> {
    let mut waiting = BTreeMap::new();
    let mut whole = Md5::new();
    let mut front = 0;
    let mut buffer = vec![0; VERIFIED_AT_ONCE as usize];
    while front < size {
        let Some((end, sum)) = waiting.remove(&front) else {
            match told.recv() {
                Ok((start, rest)) => waiting.insert(start, rest),
                // The transfer broke off; whoever asked knows why.
                Err(_) => return Ok(None),
            };
            continue;
        };
        let mut crc = crc32fast::Hasher::new();
        if !wants && sum.is_none() {
            front = end;
        }
        while front < end {
            let some = &mut buffer[..(end - front).min(VERIFIED_AT_ONCE) as usize];
            file.read_exact_at(some, front).map_err(|error| BlobError::Local { doing: DOING, path: at.to_owned(), detail: error.to_string(), kind: error.kind() })?;
            if sum.is_some() {
                crc.update(some);
            }
            if wants {
                whole.update(&*some);
            }
            front += some.len() as u64;
        }
        if sum.is_some_and(|sum| crc.finalize() != sum) {
            return Err(BlobError::Corrupt { doing: DOING, at: at.to_owned(), detail: "the file does not hold what was written into it".to_owned() });
        }
    }
    Ok(wants.then(|| hex(&whole.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_asked_for_once() {
        let have = BTreeMap::from([(0, (1 << 20, 1)), (3 << 20, (4 << 20, 2))]);
        let ranges = missing(5 << 20, &have, 16);
        assert_eq!(ranges, [1 << 20..2 << 20, 2 << 20..3 << 20, 4 << 20..5 << 20]);
        assert_eq!(missing(0, &BTreeMap::new(), 16), Vec::<Range<u64>>::new());
        assert_eq!(missing(100, &BTreeMap::new(), 16), [0..100]);
        let whole: u64 = missing(1 << 30, &BTreeMap::new(), 16).iter().map(|range| range.end - range.start).sum();
        assert_eq!(whole, 1 << 30);
    }
}
