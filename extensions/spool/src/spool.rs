//! The writing end: one run's records of one process.
//!
//! ```text
//! <directory>/<run>-<pid>-<n>/head                    whose it is, how far it is delivered; locked while the owner lives
//!                             0000000000000000.seg     records; removed when delivered
//!                             files/                   copies of artifacts that wait
//! ```
//! What `append` has returned from is in the page cache of a file: it outlives the process, however that ends, but not the machine.
use crate::batch::{Batch, Most, Writers, collect};
use crate::header::{Head, Header};
use crate::record::{Kind, METRIC_FIXED, Record, metric_fixed};
use crate::segment::{Segment, frame};
use crate::SpoolError;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

/// Size of the first segment in bytes: most runs are small, and sweeps have many.
const FIRST_SEGMENT: u64 = 64 << 10;
/// Size of later segments in bytes, reached by steps of four.
const SEGMENT: u64 = 1 << 20;
/// Most bytes of one record's payload; longer texts become files.
pub const LARGEST_RECORD: usize = 256 << 10;
/// What may wait for delivery, in bytes: about five million metrics.
pub const LIMIT: u64 = 256 << 20;
/// What is kept in memory when the disk is full, in bytes.
const MEMORY_LIMIT: u64 = 64 << 20;
/// Keys up to this many bytes are written without an allocation.
const SHORT_KEY: usize = 104;
/// Folder for copies of artifacts.
pub(crate) const FILES: &str = "files";

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In a file: the death of the process does not hurt it.
    OnDisk,
    /// The disk is full: in memory, until it is delivered or the process ends.
    InMemory,
}

/// The durable queue of one run in one process. Any thread may write; one at a time delivers.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    head: Head,
    limit: u64,
    current: RwLock<Arc<Segment>>,
    chain: Mutex<Chain>,
    copies: AtomicU64,
}

/// All segments that hold something undelivered, oldest first; the last is the current one.
#[derive(Debug)]
struct Chain {
    segments: VecDeque<Arc<Segment>>,
    /// The one after the current, made before it is needed.
    prepared: Option<Segment>,
}

impl Spool {
    /// Makes a spool below `directory`. `limit` bounds what may wait in bytes ([`LIMIT`]; `u64::MAX` where nobody delivers).
    pub fn create(directory: &Path, header: &Header, limit: u64) -> Result<Self, SpoolError> {
        private().recursive(true).create(directory).map_err(SpoolError::file("create", directory))?;
        let (aside, place) = places(directory, header)?;
        let made = Head::create(&aside, header).and_then(|head| {
            let first = first_segment(&aside, head.nonce)?;
            std::fs::rename(&aside, &place).map_err(SpoolError::file("name", &place))?;
            Ok((head, first))
        });
        let (head, mut first) = made.inspect_err(|_| drop(std::fs::remove_dir_all(&aside)))?;
        first.moved(&place);
        let first = Arc::new(first);
        Ok(Self {
            directory: place,
            head,
            limit,
            current: RwLock::new(Arc::clone(&first)),
            chain: Mutex::new(Chain { segments: VecDeque::from([first]), prepared: None }),
            copies: AtomicU64::new(0),
        })
    }

    /// The spool's own directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    pub fn header(&self) -> &Header {
        &self.head.header
    }

    /// Appends a record. When it returns, the record outlives the process.
    pub fn append(&self, record: &Record) -> Result<Kept, SpoolError> {
        // A copy inside the spool is found by its place in there, so that a spool can be carried to another machine.
        let inside = match record {
            Record::Artifact { path, file, owned: true } => {
                file.strip_prefix(&self.directory).ok().map(|file| Record::Artifact { path: path.clone(), file: file.to_owned(), owned: true })
            }
            _ => None,
        };
        let (kind, payload) = inside.as_ref().unwrap_or(record).encode();
        self.put(kind, &payload)
    }

    /// Appends a metric without an allocation.
    #[inline]
    pub fn metric(&self, key: &str, value: f64, timestamp_ms: i64, step: i64) -> Result<Kept, SpoolError> {
        let fixed = metric_fixed(value, timestamp_ms, step);
        let length = METRIC_FIXED + key.len();
        if key.len() <= SHORT_KEY {
            let mut payload = [0; METRIC_FIXED + SHORT_KEY];
            payload[..METRIC_FIXED].copy_from_slice(&fixed);
            payload[METRIC_FIXED..length].copy_from_slice(key.as_bytes());
            self.put(Kind::Metric, &payload[..length])
        } else {
            self.put(Kind::Metric, &[&fixed[..], key.as_bytes()].concat())
        }
    }

    #[inline]
    fn put(&self, kind: Kind, payload: &[u8]) -> Result<Kept, SpoolError> {
        if payload.len() > LARGEST_RECORD {
            return Err(SpoolError::TooLarge { bytes: payload.len(), limit: LARGEST_RECORD });
        }
        loop {
            let base = {
                let current = self.current.read().unwrap_or_else(|e| e.into_inner());
                if current.write(kind, payload).is_some() {
                    return Ok(if current.is_in_memory() { Kept::InMemory } else { Kept::OnDisk });
                }
                current.base
            };
            self.rotate(base, frame(payload.len()))?;
        }
    }

    /// Puts a new segment in the place of the one that begins at `full`, if that is still the current one.
    #[cold]
    fn rotate(&self, full: u64, room: u64) -> Result<(), SpoolError> {
        let mut chain = self.chain();
        let Some(last) = chain.segments.back().map(Arc::clone).filter(|s| s.base == full) else { return Ok(()) };
        let waiting = last.after() - self.head.delivered();
        if waiting >= self.limit {
            return Err(SpoolError::Full { bytes: waiting, limit: self.limit });
        }
        let prepared = chain.prepared.take_if(|p| p.fits(room));
        let next = match prepared {
            Some(prepared) => prepared,
            None => {
                // One that was made for smaller records stands in the place of the one that is made now.
                chain.prepared.take().inspect(Segment::remove);
                self.next_segment(&chain, &last, room)?
            }
        };
        let next = Arc::new(next);
        let mut current = self.current.write().unwrap_or_else(|e| e.into_inner());
        // All who were writing are done: they held the lock.
        last.seal();
        *current = Arc::clone(&next);
        chain.segments.push_back(next);
        Ok(())
    }

    fn next_segment(&self, chain: &Chain, last: &Segment, room: u64) -> Result<Segment, SpoolError> {
        let size = (last.size * 4).min(SEGMENT).max((room + crate::segment::HEADER).next_power_of_two());
        Segment::create(&self.directory, last.after(), size, self.head.nonce).or_else(|disk| {
            let in_memory: u64 = chain.segments.iter().filter(|s| s.is_in_memory()).map(|s| s.size).sum();
            if in_memory + size > MEMORY_LIMIT {
                return Err(SpoolError::NoRoom(disk));
            }
            Segment::in_memory(last.after(), size, self.head.nonce).map_err(SpoolError::NoRoom)
        })
    }

    /// Makes the next segment before a write needs it; whoever delivers calls it now and then.
    pub fn prepare(&self) {
        let mut chain = self.chain();
        let Some(last) = chain.segments.back().map(Arc::clone) else { return };
        if chain.prepared.is_none() && last.is_used_by_half() && last.after() - self.head.delivered() < self.limit {
            // A full disk is met again, and said, by the write that needs the room.
            chain.prepared = Segment::create(&self.directory, last.after(), (last.size * 4).clamp(FIRST_SEGMENT, SEGMENT), self.head.nonce).ok();
        }
    }

    /// What is to be delivered next: records from the delivered position on.
    pub fn batch(&self, most: Most) -> Batch {
        let segments: Vec<Arc<Segment>> = self.chain().segments.iter().cloned().collect();
        collect(&segments, self.head.delivered(), most, Writers::Alive, &self.directory)
    }

    /// A batch is kept elsewhere: the room is given back, and copies of its artifacts are removed.
    pub fn delivered(&self, batch: &Batch) {
        if self.head.is_parents() {
            return;
        }
        remove_copies(batch, &self.directory);
        self.head.deliver(batch.end);
        let mut chain = self.chain();
        while chain.segments.len() > 1 && chain.segments.front().is_some_and(|s| s.is_sealed() && s.after() <= batch.end) {
            if let Some(done) = chain.segments.pop_front() {
                done.remove();
            }
        }
    }

    /// Whether something waits for delivery.
    pub fn is_drained(&self) -> bool {
        self.batch(Most { records: 1, bytes: 1 }).is_empty()
    }

    /// Whether nothing was even begun to be written since the last delivery. A deliverer that says that it sleeps, and then sees this, is woken by the next
    /// writer that looks after its write: both sides are in one order.
    pub fn is_quiet(&self) -> bool {
        self.chain().segments.back().is_none_or(|s| s.base + s.used() <= self.head.delivered().max(s.base + crate::segment::HEADER))
    }

    /// Bytes of files (and memory) that wait, about.
    pub fn waiting(&self) -> u64 {
        self.chain().segments.back().map_or(0, |s| (s.base + s.used()).saturating_sub(self.head.delivered()))
    }

    /// A name for a copy of an artifact inside the spool, in a folder of its own so that the copy may keep the file's name.
    pub fn place_for_copy(&self, name: &str) -> Result<PathBuf, SpoolError> {
        let folder = self.directory.join(FILES).join(self.copies.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir_all(&folder).map_err(SpoolError::file("create", &folder))?;
        Ok(folder.join(if name.is_empty() || name.contains('/') || name.starts_with('.') { "file" } else { name }))
    }

    /// Ends a spool of which everything is delivered: it is removed. One that is not drained stays for whoever sweeps.
    pub fn finish(self) -> bool {
        if self.head.is_parents() || !self.is_drained() {
            return false;
        }
        drop(std::fs::remove_dir_all(&self.directory));
        true
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The first segment: without room for it there is no spool on the disk, but there may be one in memory.
fn first_segment(directory: &Path, nonce: u64) -> Result<Segment, SpoolError> {
    Segment::create(directory, 0, FIRST_SEGMENT, nonce).or_else(|disk| Segment::in_memory(0, FIRST_SEGMENT, nonce).map_err(|_| SpoolError::NoRoom(disk)))
}

/// Removes the spool's own copies of the artifacts in a batch, and nothing else.
pub(crate) fn remove_copies(batch: &Batch, spool: &Path) {
    for record in batch.records() {
        if let Record::Artifact { file, owned: true, .. } = record
            && file.starts_with(spool.join(FILES))
        {
            let _ = std::fs::remove_file(&file);
            let _ = file.parent().map(std::fs::remove_dir);
        }
    }
}

/// Makes directories that are nobody else's business. Those that exist stay as they are.
fn private() -> std::fs::DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Makes a directory under a name that is not taken, and says the final name: what is found under that is whole, and locked as long as its owner lives.
fn places(directory: &Path, header: &Header) -> Result<(PathBuf, PathBuf), SpoolError> {
    /// Characters of the run's id in the name: enough to be found by eye.
    const SHOWN: usize = 40;
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let run: String = header.run_id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(SHOWN).collect();
    loop {
        let name = format!("{run}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let (aside, place) = (directory.join(format!(".new-{name}")), directory.join(name));
        // An earlier process may have had this number.
        if place.try_exists().map_err(SpoolError::file("look for", &place))? {
            continue;
        }
        match private().create(&aside) {
            Ok(()) => return Ok((aside, place)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(SpoolError::File { what: "create", path: aside, source }),
        }
    }
}
