//! One file of a spool: a header, then records behind each other.
//!
//! ```text
//! magic | base | size | end | nonce | 0 0 0      64 bytes; `end` is 0 until the next segment has taken over
//! word | payload, filled to 8 bytes | word | …    word = checksum << 32 | bytes << 8 | kind, 0 = not (yet) written
//! ```
//! A writer reserves room with one addition, copies the payload and stores the word last. A process that is killed in between leaves a hole of
//! zeros or of half a payload, behind which records of other threads may stand: a reader of what the dead left looks for the next word
//! that fits. A checksum begins with the record's place and the spool's nonce, so that no payload can pass for a record.
use crate::record::Kind;
use crate::sys::{self, Map, WORD};
use crate::SpoolError;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes before the first record.
pub const HEADER: u64 = 64;
const MAGIC: u64 = u64::from_le_bytes(*b"OCHSEG01");
const AT_MAGIC: usize = 0;
const AT_BASE: usize = 8;
const AT_SIZE: usize = 16;
const AT_END: usize = 24;
const AT_NONCE: usize = 32;
/// Low bits of a word: the kind, then the payload's length.
const KIND_BITS: u32 = 8;
const LENGTH_BITS: u32 = 24;
/// Suffix of segment files; their name is their base in 16 hexadecimal digits.
const SUFFIX: &str = "seg";

/// Bytes that a record of that payload takes.
pub const fn frame(payload: usize) -> u64 {
    (WORD + payload.next_multiple_of(WORD)) as u64
}

/// A stretch of a spool. Positions are counted over all segments of a spool; `base` is the position of the first byte.
#[derive(Debug)]
pub struct Segment {
    map: Map,
    path: Option<PathBuf>,
    pub base: u64,
    pub size: u64,
    nonce: u64,
    /// Bytes reserved; goes beyond `size` when writers met the end.
    reserved: AtomicU64,
    /// Where the first reservation that did not fit began.
    crossed: AtomicU64,
}

/// What stands at a position.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Record { kind: Kind, next: u64 },
    /// Nothing (yet).
    Nothing,
    /// The segment has no more.
    End,
}

impl Segment {
    /// Makes a segment file whose blocks are there.
    pub fn create(directory: &Path, base: u64, size: u64, nonce: u64) -> io::Result<Self> {
        let path = directory.join(format!("{base:016x}.{SUFFIX}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let map = sys::allocate(&file, size).and_then(|()| Map::file(&file, size as usize, true));
        match map {
            Ok(map) => Ok(Self::begin(map, Some(path), base, nonce)),
            Err(error) => {
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// A segment that ends with the process.
    pub fn in_memory(base: u64, size: u64, nonce: u64) -> io::Result<Self> {
        Ok(Self::begin(Map::memory(size as usize)?, None, base, nonce))
    }

    fn begin(map: Map, path: Option<PathBuf>, base: u64, nonce: u64) -> Self {
        map.touch();
        let size = map.len() as u64;
        for (at, value) in [(AT_BASE, base), (AT_SIZE, size), (AT_NONCE, nonce), (AT_MAGIC, MAGIC)] {
            map.word(at).store(value, Ordering::Release);
        }
        Self { map, path, base, size, nonce, reserved: AtomicU64::new(HEADER), crossed: AtomicU64::new(u64::MAX) }
    }

    /// Opens a segment to read it; `None` if it is none of this spool (a process may be killed while it makes one).
    pub fn open(path: &Path, nonce: u64) -> Result<Option<Self>, SpoolError> {
        let file = File::open(path).map_err(SpoolError::file("open", path))?;
        let size = file.metadata().map_err(SpoolError::file("read", path))?.len();
        if size < HEADER || !size.is_multiple_of(WORD as u64) {
            return Ok(None);
        }
        let map = Map::file(&file, size as usize, false).map_err(SpoolError::file("map", path))?;
        let word = |at| map.word(at).load(Ordering::Acquire);
        if word(AT_MAGIC) != MAGIC || word(AT_SIZE) != size || word(AT_NONCE) != nonce {
            return Ok(None);
        }
        let base = word(AT_BASE);
        Ok(Some(Self { map, path: Some(path.to_owned()), base, size, nonce, reserved: AtomicU64::new(size), crossed: AtomicU64::new(u64::MAX) }))
    }

    /// The segment files of a spool's directory, oldest first.
    pub fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == SUFFIX) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Writes a record; `None` if it does not fit any more.
    #[inline]
    pub fn write(&self, kind: Kind, payload: &[u8]) -> Option<u64> {
        let length = frame(payload.len());
        // In one order with a deliverer that goes to sleep (see `Spool::is_quiet`).
        let at = self.reserved.fetch_add(length, Ordering::SeqCst);
        if at + length > self.size {
            self.crossed.fetch_min(at, Ordering::Relaxed);
            return None;
        }
        let checksum = self.checksum(at, payload);
        self.map.put(at as usize + WORD, payload);
        let word = u64::from(checksum) << (KIND_BITS + LENGTH_BITS) | (payload.len() as u64) << KIND_BITS | kind as u64;
        self.map.word(at as usize).store(word, Ordering::Release);
        Some(self.base + at + length)
    }

    /// No more is written here: the caller made sure that nobody is writing.
    pub fn seal(&self) {
        let end = self.crossed.load(Ordering::Relaxed).min(self.reserved.load(Ordering::Relaxed)).min(self.size);
        self.map.word(AT_END).store(end, Ordering::Release);
    }

    /// Whether another segment has taken over.
    pub fn is_sealed(&self) -> bool {
        self.map.word(AT_END).load(Ordering::Acquire) != 0
    }

    /// What stands at a position of this segment.
    pub fn look(&self, position: u64) -> Found {
        let at = (position - self.base).max(HEADER);
        let sealed = self.map.word(AT_END).load(Ordering::Acquire);
        if at >= self.size || (sealed != 0 && at >= sealed) {
            return Found::End;
        }
        match self.check(at) {
            Some((kind, length)) => Found::Record { kind, next: self.base + at + frame(length) },
            None => Found::Nothing,
        }
    }

    /// The payload of the record at a position, behind what `out` has.
    pub fn payload(&self, position: u64, out: &mut Vec<u8>) {
        let at = (position - self.base).max(HEADER) as usize;
        let length = length_of(self.map.word(at).load(Ordering::Acquire));
        self.map.get(at + WORD, length, out);
    }

    /// The next position from which on something stands, behind a hole.
    pub fn resume(&self, position: u64) -> Option<u64> {
        let first = (position - self.base).max(HEADER);
        (first..self.size).step_by(WORD).find(|&at| self.check(at).is_some()).map(|at| self.base + at)
    }

    /// Kind and payload length of the record that begins here, if one does.
    fn check(&self, at: u64) -> Option<(Kind, usize)> {
        let word = self.map.word(at as usize).load(Ordering::Acquire);
        let length = length_of(word);
        let kind = Kind::of(word as u8)?;
        if at + frame(length) > self.size {
            return None;
        }
        let mut payload = Vec::with_capacity(length.next_multiple_of(WORD));
        self.map.get(at as usize + WORD, length, &mut payload);
        (u64::from(self.checksum(at, &payload)) == word >> (KIND_BITS + LENGTH_BITS)).then_some((kind, length))
    }

    #[inline]
    fn checksum(&self, at: u64, payload: &[u8]) -> u32 {
        let place = (self.base + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.nonce;
        let mut hasher = crc32fast::Hasher::new_with_initial((place ^ (place >> 32)) as u32);
        hasher.update(payload);
        hasher.finalize()
    }

    /// The position behind this segment.
    pub fn after(&self) -> u64 {
        self.base + self.size
    }

    /// Bytes in use, about.
    pub fn used(&self) -> u64 {
        self.reserved.load(Ordering::SeqCst).min(self.size)
    }

    /// Whether a new segment of this size takes a record of `room` bytes.
    pub fn fits(&self, room: u64) -> bool {
        HEADER + room <= self.size
    }

    /// Whether it is time to make the next one.
    pub fn is_used_by_half(&self) -> bool {
        self.used() > self.size / 2
    }

    /// The directory has got another name.
    pub fn moved(&mut self, directory: &Path) {
        if let Some(path) = &mut self.path {
            *path = directory.join(path.file_name().unwrap_or_default());
        }
    }

    pub fn is_in_memory(&self) -> bool {
        self.path.is_none()
    }

    /// Removes the file; the mapping stays for those who hold it.
    pub fn remove(&self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn length_of(word: u64) -> usize {
    (word >> KIND_BITS) as usize & ((1 << LENGTH_BITS) - 1)
}
