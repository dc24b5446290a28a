//! The directory of an archive: found, read, and checked whole before anything is written.
use super::entry::{Entry, Method};
use super::record::{Central, END, END_BYTES, END64, END64_BYTES, End, Fields, LOCAL_BYTES, LOCATOR64, LOCATOR64_BYTES};
use super::{ArchiveError, names};
use crate::ranges::RangeSource;
use crate::size;
use ochre_api::Failure;
use std::collections::{HashMap, HashSet};

/// Longest comment behind the end record, bytes (its length has 16 bits).
const MAX_COMMENT: usize = 0xffff;
/// Longest directory that is read, bytes: 4 million entries of usual names; it is kept in memory.
const MAX_DIRECTORY: u64 = 512 << 20;
/// Entries that are unpacked at most.
const MAX_ENTRIES: u64 = 5_000_000;
/// Unpacked bytes for one of the archive before it counts as a bomb: text and tables stay below 50, while deflate can reach 1,032.
const RATIO: u64 = 100;
/// Unpacked bytes that are never too many by ratio: small archives of zeros are harmless.
const HARMLESS: u64 = 1 << 30;

/// What is unpacked at most.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Bytes in all; `None` is [`RATIO`] times the archive, and [`HARMLESS`] at least.
    pub(crate) total: Option<u64>,
}

/// An archive whose entries were checked.
#[derive(Debug)]
pub(crate) struct Archive {
    /// In the order of their places.
    pub(crate) entries: Vec<Entry>,
    /// Bytes of all files, unpacked.
    pub(crate) total: u64,
}

impl Archive {
    /// Reads the directory and applies every rule that does not need the entries' bytes.
    pub(crate) async fn open(source: &dyn RangeSource, limits: Limits) -> Result<Self, Failure> {
        let found = find_end(source).await?;
        check_end(&found.end, found.at)?;
        let bytes = source.read(found.directory_at, found.end.directory_bytes as usize).await?;
        let mut entries = entries(&bytes, found.end.entries, found.prefix)?;
        set_bounds(&mut entries, found.directory_at)?;
        check_names(&entries)?;
        let archive = Self { total: sum(&entries, |e| e.size), entries };
        archive.check_total(source.size(), limits)?;
        Ok(archive)
    }

    fn check_total(&self, archive: u64, limits: Limits) -> Result<(), ArchiveError> {
        let limit = limits.total.unwrap_or_else(|| HARMLESS.max(archive.saturating_mul(RATIO)));
        if self.total <= limit {
            return Ok(());
        }
        Err(ArchiveError::TooLarge { archive: size::text(archive), total: size::text(self.total), limit: size::text(limit) })
    }
}

fn sum(entries: &[Entry], part: impl Fn(&Entry) -> u64) -> u64 {
    entries.iter().map(part).fold(0, u64::saturating_add)
}

/// Where the end record is and what it leads to.
struct Found {
    end: End,
    /// Where the (64-bit) end record begins: the directory ends before it.
    at: u64,
    directory_at: u64,
    /// Bytes before the archive (self-extracting programs): all offsets count from behind them.
    prefix: u64,
}

async fn find_end(source: &dyn RangeSource) -> Result<Found, Failure> {
    let size = source.size();
    let tail_bytes = size.min((MAX_COMMENT + END_BYTES + LOCATOR64_BYTES + END64_BYTES) as u64);
    let tail_at = size - tail_bytes;
    let tail = source.read(tail_at, tail_bytes as usize).await?;
    let last = tail.len().checked_sub(END_BYTES).ok_or(ArchiveError::NoArchive)?;
    // The comment must end where the file does: a signature inside a comment is no end record.
    let fits = |at: &usize| Fields(&tail).u32(*at) == Some(END) && Fields(&tail).u16(at + 20).map(usize::from) == Some(tail.len() - at - END_BYTES);
    let at = (0..=last).rev().find(fits).ok_or(ArchiveError::NoArchive)?;
    let damaged = |what: &str| ArchiveError::Damaged { what: what.to_owned() };
    let mut end = End::read(Fields(&tail[at..])).ok_or_else(|| damaged("the end record is cut off"))?;
    let mut begins = tail_at + at as u64;
    let locator = at.checked_sub(LOCATOR64_BYTES).filter(|l| Fields(&tail).u32(*l) == Some(LOCATOR64));
    if let (true, Some(locator)) = (end.overflows(), locator) {
        let said = Fields(&tail).u64(locator + 8).ok_or_else(|| damaged("the zip64 locator is cut off"))?;
        let (wide, wide_at) = read_end64(source, said, tail_at + locator as u64).await?;
        (end, begins) = (wide, wide_at);
    }
    let directory_at = begins.checked_sub(end.directory_bytes).ok_or_else(|| damaged("its directory is longer than the file"))?;
    let prefix = directory_at.checked_sub(end.directory_at).ok_or_else(|| damaged("its directory is not where it says"))?;
    Ok(Found { end, at: begins, directory_at, prefix })
}

/// The 64-bit end record: where the locator says, or (with bytes before the archive) right before the locator.
async fn read_end64(source: &dyn RangeSource, said: u64, locator: u64) -> Result<(End, u64), Failure> {
    for at in [Some(said), locator.checked_sub(END64_BYTES as u64)].into_iter().flatten() {
        if at.checked_add(END64_BYTES as u64).is_none_or(|end| end > locator) {
            continue;
        }
        let bytes = source.read(at, END64_BYTES).await?;
        if Fields(&bytes).u32(0) == Some(END64)
            && let Some(end) = End::read64(Fields(&bytes))
        {
            return Ok((end, at));
        }
    }
    Err(ArchiveError::Damaged { what: "its zip64 end record is missing".to_owned() }.into())
}

fn check_end(end: &End, at: u64) -> Result<(), ArchiveError> {
    if end.disk != 0 {
        return Err(ArchiveError::Split { disk: end.disk });
    }
    if end.entries > MAX_ENTRIES || end.directory_bytes > MAX_DIRECTORY {
        return Err(ArchiveError::TooMany { entries: end.entries, limit: MAX_ENTRIES });
    }
    if end.directory_bytes > at {
        return Err(ArchiveError::Damaged { what: "its directory is longer than the file".to_owned() });
    }
    Ok(())
}

fn entries(bytes: &[u8], count: u64, prefix: u64) -> Result<Vec<Entry>, ArchiveError> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let what = || format!("record {} of its directory is cut off", entries.len() + 1);
        let record = Central::read(Fields(&bytes[at..])).ok_or_else(|| ArchiveError::Damaged { what: what() })?;
        at += record.length;
        entries.push(checked(&record, prefix)?);
    }
    if entries.len() as u64 != count {
        return Err(ArchiveError::Damaged { what: format!("its directory has {} entries and says {count}", entries.len()) });
    }
    Ok(entries)
}

/// One record against all rules that need no other record.
fn checked(record: &Central<'_>, prefix: u64) -> Result<Entry, ArchiveError> {
    const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
    let text = names::decode(record.name);
    let name = names::safe(&text)?;
    let directory = text.ends_with(['/', '\\']);
    match kind(record) {
        Kind::Link => return Err(ArchiveError::Link { name }),
        Kind::Special => return Err(ArchiveError::Special { name }),
        Kind::File => {}
    }
    if record.flags & ENCRYPTED != 0 || record.method == 99 {
        return Err(ArchiveError::Encrypted { name });
    }
    let method = match record.method {
        0 => Method::Stored,
        8 => Method::Deflate,
        other => return Err(ArchiveError::Method { name, method: method_name(other) }),
    };
    if directory && record.size > 0 {
        return Err(ArchiveError::Damaged { what: format!("the directory `{name}` has content") });
    }
    if method == Method::Stored && record.size != record.compressed {
        return Err(ArchiveError::Entry { name, what: "it is stored and says two lengths".to_owned() });
    }
    let header = record.header.checked_add(prefix).ok_or_else(|| ArchiveError::Entry { name: name.clone(), what: "its place is behind the end of the file".to_owned() })?;
    Ok(Entry { name, raw: record.name.to_owned(), directory, method, compressed: record.compressed, size: record.size, crc: record.crc, header, bound: 0 })
}

enum Kind {
    File,
    Link,
    Special,
}

/// What the entry is on systems of Unix's kind (host 3, and 19 for macOS), from the mode in the upper half of its attributes.
fn kind(record: &Central<'_>) -> Kind {
    if !matches!(record.made_by >> 8, 3 | 19) {
        return Kind::File;
    }
    match record.attributes >> 16 & 0o170_000 {
        0o120_000 => Kind::Link,
        0 | 0o100_000 | 0o040_000 => Kind::File,
        _ => Kind::Special,
    }
}

fn method_name(method: u16) -> String {
    match method {
        9 => "deflate64".to_owned(),
        12 => "bzip2".to_owned(),
        14 => "LZMA".to_owned(),
        93 => "zstd".to_owned(),
        95 => "XZ".to_owned(),
        98 => "PPMd".to_owned(),
        other => format!("method {other}"),
    }
}

/// Sorts by place and refuses entries that share bytes with the next one or with the directory.
fn set_bounds(entries: &mut [Entry], directory_at: u64) -> Result<(), ArchiveError> {
    entries.sort_by_key(|e| e.header);
    for at in 0..entries.len() {
        let (bound, next) = match entries.get(at + 1) {
            Some(next) => (next.header, next.name.clone()),
            None => (directory_at, "the directory".to_owned()),
        };
        let entry = &mut entries[at];
        let least = (LOCAL_BYTES + entry.raw.len()) as u64;
        let end = entry.header.checked_add(least).and_then(|e| e.checked_add(entry.compressed));
        if end.is_none_or(|end| end > bound) {
            return Err(ArchiveError::Overlap { first: entry.name.clone(), second: next });
        }
        entry.bound = bound;
    }
    Ok(())
}

/// Refuses names that are there twice, and files that other entries would need as directories.
fn check_names(entries: &[Entry]) -> Result<(), ArchiveError> {
    let mut seen: HashMap<&str, bool> = HashMap::with_capacity(entries.len());
    for entry in entries {
        match seen.insert(&entry.name, entry.directory) {
            Some(directory) if directory != entry.directory => return Err(ArchiveError::FileAndDirectory { name: entry.name.clone() }),
            Some(false) => return Err(ArchiveError::Twice { name: entry.name.clone() }),
            // A directory that is listed twice means the same both times.
            _ => {}
        }
    }
    let mut checked: HashSet<&str> = HashSet::new();
    for entry in entries {
        let mut name = entry.name.as_str();
        while let Some((parent, _)) = name.rsplit_once('/') {
            if !checked.insert(parent) {
                break;
            }
            if seen.get(parent) == Some(&false) {
                return Err(ArchiveError::FileAndDirectory { name: parent.to_owned() });
            }
            name = parent;
        }
    }
    Ok(())
}
