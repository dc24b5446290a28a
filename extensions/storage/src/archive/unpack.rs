//! Entries become files: small ones are fetched many at a time with one range, large ones stream; lengths and CRCs are checked for each.
use super::entry::{Entry, Method};
use super::record::{Fields, LOCAL_BYTES, Local};
use super::{Archive, ArchiveError};
use crate::progress::Gauge;
use crate::ranges::RangeSource;
use crate::target::{Sink, Target};
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use ochre_api::Failure;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Compressed bytes up to which an entry is fetched together with its neighbours: one request then serves many.
const SMALL: u64 = 4 << 20;
/// Unpacked bytes up to which an entry is held whole in memory.
const WHOLE: u64 = 16 << 20;
/// Bytes that are fetched at once for neighbours, and in one part of a large entry.
const FETCH: u64 = 8 << 20;
/// Unwanted bytes between neighbours that are fetched rather than asked around.
const GAP: u64 = 256 << 10;
/// Fetches of neighbours at a time; with [`FETCH`] this bounds what is held to 64 MiB.
const GROUPS: usize = 8;
/// Files written at a time from one fetch.
const WRITES: usize = 8;
/// Unpacked megabytes of small entries in memory at a time.
const MEMORY_MB: u32 = 256;
/// Large entries at a time, and parts of each that are fetched ahead: 4 x 3 x 8 MiB.
const LARGE: usize = 4;
const AHEAD: usize = 3;
/// Bytes unpacked in one step: a millisecond's work, so that an interrupt is heard.
const STEP: usize = 256 << 10;
/// Longest extra field and data descriptor, bytes.
const EXTRA: u64 = 0xffff + 24;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

struct Work {
    source: Arc<dyn RangeSource>,
    target: Target,
    gauge: Arc<Gauge>,
    memory: Semaphore,
}

/// Writes the entries; dropping the future stops all of it.
pub(crate) async fn unpack(source: Arc<dyn RangeSource>, archive: Archive, target: Target, gauge: Arc<Gauge>) -> Result<Unpacked, Failure> {
    let work = Arc::new(Work { source, target, gauge, memory: Semaphore::new(MEMORY_MB as usize) });
    let mut done = Unpacked::default();
    let mut small: Vec<Entry> = Vec::new();
    let mut large: Vec<Entry> = Vec::new();
    for entry in archive.entries {
        if entry.directory {
            work.target.directory(&entry.name).await?;
            continue;
        }
        done.files += 1;
        done.bytes += entry.size;
        if entry.compressed <= SMALL && entry.size <= WHOLE { small.push(entry) } else { large.push(entry) }
    }
    run(groups(small), GROUPS, |group| neighbours(work.clone(), group)).await?;
    run(large, LARGE, |entry| streamed(work.clone(), entry)).await?;
    Ok(done)
}

/// Does the jobs, `limit` at a time, each as a task of its own; the first error ends the others.
async fn run<T, F>(jobs: Vec<T>, limit: usize, start: impl Fn(T) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut jobs = jobs.into_iter();
    loop {
        while tasks.len() < limit
            && let Some(job) = jobs.next()
        {
            tasks.spawn(start(job));
        }
        match tasks.join_next().await {
            Some(end) => end.map_err(|e| Failure::bug("unpacking panicked").because(e))??,
            None => return Ok(()),
        }
    }
}

/// Where an entry's bytes have ended at the latest.
fn last(entry: &Entry) -> u64 {
    entry.bound.min(entry.header + (LOCAL_BYTES + entry.raw.len()) as u64 + EXTRA + entry.compressed)
}

/// Entries in the order of their places, in groups that one fetch serves.
fn groups(entries: Vec<Entry>) -> Vec<Vec<Entry>> {
    let mut groups: Vec<Vec<Entry>> = Vec::new();
    for entry in entries {
        let fits = groups.last().and_then(|g| Some((g.first()?, g.last()?))).is_some_and(|(first, before)| {
            entry.header - last(before).min(entry.header) <= GAP && last(&entry) - first.header <= FETCH
        });
        match groups.last_mut().filter(|_| fits) {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups
}

async fn neighbours(work: Arc<Work>, group: Vec<Entry>) -> Result<(), Failure> {
    let (Some(first), Some(end)) = (group.first().map(|e| e.header), group.iter().map(last).max()) else { return Ok(()) };
    let bytes = work.source.read(first, (end - first) as usize).await?;
    let files = group.into_iter().map(|entry| {
        let (from, to) = ((entry.header - first) as usize, (last(&entry) - first) as usize);
        let (work, piece) = (work.clone(), bytes.slice(from..to));
        async move { small(&work, &entry, &piece).await }
    });
    stream::iter(files).buffer_unordered(WRITES).try_collect::<()>().await
}

async fn small(work: &Work, entry: &Entry, bytes: &Bytes) -> Result<(), Failure> {
    let from = data_begins(entry, bytes)?;
    let packed = bytes.slice(from..from + entry.compressed as usize);
    let megabytes = (entry.size >> 20) as u32 + 1;
    let _room = work.memory.acquire_many(megabytes.min(MEMORY_MB)).await.map_err(|e| Failure::bug("unpacking ended early").because(e))?;
    let mut check = Check::new(entry);
    let whole = match entry.method {
        Method::Stored => {
            check.add(&packed)?;
            packed
        }
        Method::Deflate => {
            let mut inflate = Inflate::new(entry);
            let mut whole = Vec::with_capacity(entry.size as usize);
            inflate.feed(&packed, &mut check, |piece| whole.extend_from_slice(piece))?;
            inflate.end()?;
            whole.into()
        }
    };
    check.end()?;
    let length = whole.len() as u64;
    work.target.whole(&entry.name, whole).await?;
    work.gauge.add(length);
    work.gauge.add_file();
    Ok(())
}

async fn streamed(work: Arc<Work>, entry: Entry) -> Result<(), Failure> {
    let head = work.source.read(entry.header, (last(&entry) - entry.header).min(EXTRA + (LOCAL_BYTES + entry.raw.len()) as u64) as usize).await?;
    let data = entry.header + data_begins_in(&entry, &head, entry.bound)? as u64;
    let parts = (0..entry.compressed).step_by(FETCH as usize).map(|from| {
        let work = work.clone();
        let length = FETCH.min(entry.compressed - from) as usize;
        async move { work.source.read(data + from, length).await }
    });
    let mut parts = stream::iter(parts).buffered(AHEAD);
    let mut sink = work.target.sink(&entry.name).await?;
    let mut check = Check::new(&entry);
    let mut inflate = Inflate::new(&entry);
    while let Some(part) = parts.try_next().await? {
        match entry.method {
            Method::Stored => {
                check.add(&part)?;
                write(&work, &mut sink, part).await?;
            }
            Method::Deflate => {
                // Step by step, so that a part of zeros does not become gigabytes in memory.
                let mut at = 0;
                while at < part.len() || inflate.pending {
                    let mut piece = Vec::with_capacity(STEP);
                    let used = inflate.step(&part[at..], &mut check, &mut piece)?;
                    at += used;
                    if used == 0 && piece.is_empty() {
                        break;
                    }
                    write(&work, &mut sink, piece.into()).await?;
                }
            }
        }
    }
    if entry.method == Method::Deflate {
        inflate.end()?;
    }
    check.end()?;
    sink.finish().await?;
    work.gauge.add_file();
    Ok(())
}

async fn write(work: &Work, sink: &mut Sink, bytes: Bytes) -> Result<(), Failure> {
    let length = bytes.len() as u64;
    sink.write(bytes).await?;
    work.gauge.add(length);
    Ok(())
}

/// Where the data begins, counted from the local header; all of it is in `bytes`.
fn data_begins(entry: &Entry, bytes: &[u8]) -> Result<usize, ArchiveError> {
    data_begins_in(entry, bytes, entry.header + bytes.len() as u64)
}

/// The same; the data must end before `bound`.
fn data_begins_in(entry: &Entry, bytes: &[u8], bound: u64) -> Result<usize, ArchiveError> {
    let wrong = |what: &str| ArchiveError::Entry { name: entry.name.clone(), what: what.to_owned() };
    let local = Local::read(Fields(bytes)).ok_or_else(|| wrong("its own header is missing or cut off"))?;
    if local.name != entry.raw {
        return Err(wrong("its own header gives it another name"));
    }
    if entry.header + local.length as u64 + entry.compressed > bound {
        return Err(wrong("its bytes reach into what follows"));
    }
    Ok(local.length)
}

/// Counts and sums what was unpacked of one entry.
struct Check<'a> {
    entry: &'a Entry,
    crc: crc32fast::Hasher,
    length: u64,
}

impl<'a> Check<'a> {
    fn new(entry: &'a Entry) -> Self {
        Self { entry, crc: crc32fast::Hasher::new(), length: 0 }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.length += bytes.len() as u64;
        if self.length > self.entry.size {
            return Err(self.wrong(format!("it unpacks to more than the {} bytes that it says", self.entry.size)));
        }
        self.crc.update(bytes);
        Ok(())
    }

    fn end(self) -> Result<(), ArchiveError> {
        if self.length != self.entry.size {
            return Err(self.wrong(format!("it unpacks to {} bytes and says {}", self.length, self.entry.size)));
        }
        match self.crc.clone().finalize() == self.entry.crc {
            true => Ok(()),
            false => Err(self.wrong("its CRC-32 differs".to_owned())),
        }
    }

    fn wrong(&self, what: String) -> ArchiveError {
        ArchiveError::Entry { name: self.entry.name.clone(), what }
    }
}

/// Deflate, in steps.
struct Inflate {
    name: String,
    stream: flate2::Decompress,
    ended: bool,
    /// The last step filled its room: more may come without more input.
    pending: bool,
}

impl Inflate {
    fn new(entry: &Entry) -> Self {
        Self { name: entry.name.clone(), stream: flate2::Decompress::new(false), ended: false, pending: false }
    }

    fn wrong(&self, what: &str) -> ArchiveError {
        ArchiveError::Entry { name: self.name.clone(), what: what.to_owned() }
    }

    /// Unpacks until `out` is full or the input is used up; gives how much of the input was used.
    fn step(&mut self, input: &[u8], check: &mut Check<'_>, out: &mut Vec<u8>) -> Result<usize, ArchiveError> {
        if self.ended {
            return if input.is_empty() { Ok(0) } else { Err(self.wrong("bytes follow its end")) };
        }
        let (before_in, before_out) = (self.stream.total_in(), out.len());
        let status = self.stream.decompress_vec(input, out, flate2::FlushDecompress::None).map_err(|_| self.wrong("its packed bytes are no deflate stream"))?;
        check.add(&out[before_out..])?;
        self.ended = status == flate2::Status::StreamEnd;
        self.pending = !self.ended && out.len() == out.capacity();
        Ok((self.stream.total_in() - before_in) as usize)
    }

    /// Unpacks all of the input.
    fn feed(&mut self, input: &[u8], check: &mut Check<'_>, mut take: impl FnMut(&[u8])) -> Result<(), ArchiveError> {
        let mut at = 0;
        let mut piece = Vec::with_capacity(STEP);
        loop {
            piece.clear();
            let used = self.step(&input[at..], check, &mut piece)?;
            at += used;
            take(&piece);
            if at == input.len() && !self.pending {
                return Ok(());
            }
            if used == 0 && piece.is_empty() {
                return Err(self.wrong("its packed bytes are no deflate stream"));
            }
        }
    }

    fn end(&self) -> Result<(), ArchiveError> {
        if self.ended { Ok(()) } else { Err(self.wrong("its packed bytes end too early")) }
    }
}
