//! Records on their way: a stretch of a spool, as it is sent and acknowledged.
use crate::record::{Kind, Record};
use crate::segment::{Found, Segment};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes before a payload in a batch: kind and length.
const PREFIX: usize = 5;

/// Records of one spool in the order in which they were written, between two positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub from: u64,
    /// What is acknowledged when all of it is kept.
    pub end: u64,
    /// kind u8 | length u32 | payload, per record.
    pub(crate) raw: Vec<u8>,
    count: usize,
    /// The spool's directory, below which its own copies of artifacts are.
    home: PathBuf,
}

impl Batch {
    /// How many records it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Nothing to send; `end` may yet be beyond `from` (the rest of a segment).
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records. Those of kinds that this version does not know are left out.
    pub fn records(&self) -> Vec<Record> {
        let mut out = Vec::with_capacity(self.count);
        self.each(|kind, payload| out.extend(self.decode(kind, payload)));
        out
    }

    fn decode(&self, kind: Option<Kind>, payload: &[u8]) -> Option<Record> {
        let mut record = Record::decode(kind?, payload)?;
        if let Record::Artifact { file, owned: true, .. } = &mut record {
            // An absolute path stays what it is.
            *file = self.home.join(&file);
        }
        Some(record)
    }

    /// The batch without its artifacts that are files, and those: a file of another machine goes on its own.
    pub fn without_files(&self) -> (Batch, Vec<(String, PathBuf)>) {
        let (mut rest, mut files) = (Batch { from: self.from, end: self.end, home: self.home.clone(), ..Batch::default() }, Vec::new());
        self.each(|kind, payload| match self.decode(kind, payload) {
            Some(Record::Artifact { path, file, .. }) => files.push((path, file)),
            Some(_) => {
                rest.raw.push(kind.map_or(0, |k| k as u8));
                rest.raw.extend_from_slice(&(payload.len() as u32).to_le_bytes());
                rest.raw.extend_from_slice(payload);
                rest.count += 1;
            }
            None => {}
        });
        (rest, files)
    }

    /// As it came over the wire; `None` if the lengths do not add up.
    pub(crate) fn of_raw(spool: &str, from: u64, end: u64, raw: Vec<u8>) -> Option<Self> {
        let mut batch = Self { from, end, raw, count: 0, home: spool.into() };
        let mut count = 0;
        let read = batch.each(|_, _| count += 1);
        batch.count = count;
        (read == batch.raw.len()).then_some(batch)
    }

    /// Calls with each record; gives how many bytes were understood.
    fn each(&self, mut with: impl FnMut(Option<Kind>, &[u8])) -> usize {
        let mut rest = &self.raw[..];
        while let Some((&[kind, a, b, c, d], tail)) = rest.split_first_chunk::<PREFIX>() {
            let Some((payload, after)) = tail.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize) else { break };
            with(Kind::of(kind), payload);
            rest = after;
        }
        self.raw.len() - rest.len()
    }

    fn push(&mut self, kind: Kind, segment: &Segment, position: u64) {
        let start = self.raw.len();
        self.raw.extend_from_slice(&[kind as u8, 0, 0, 0, 0]);
        segment.payload(position, &mut self.raw);
        let length = (self.raw.len() - start - PREFIX) as u32;
        self.raw[start + 1..start + PREFIX].copy_from_slice(&length.to_le_bytes());
        self.count += 1;
    }
}

/// How large a batch may become.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    pub records: usize,
    /// A batch has one record at least, however large.
    pub bytes: usize,
}

/// Who wrote what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    /// May still write: reading stops where nothing stands yet.
    Alive,
    /// Will not write any more: what nobody finished is passed over.
    Dead,
}

/// Reads records from a position on. `segments` are in order and begin at or before it.
pub(crate) fn collect(segments: &[Arc<Segment>], from: u64, most: Most, writers: Writers, home: &Path) -> Batch {
    let mut batch = Batch { from, end: from, home: home.to_owned(), ..Batch::default() };
    for segment in segments.iter().filter(|s| s.after() > from) {
        let mut at = batch.end.max(segment.base);
        loop {
            if batch.count >= most.records || (batch.count > 0 && batch.raw.len() >= most.bytes) {
                batch.end = at;
                return batch;
            }
            match segment.look(at) {
                Found::Record { kind, next } => {
                    batch.push(kind, segment, at);
                    at = next;
                }
                Found::Nothing if writers == Writers::Alive => {
                    batch.end = at;
                    return batch;
                }
                Found::Nothing => match segment.resume(at) {
                    Some(next) => at = next,
                    None => break,
                },
                Found::End => break,
            }
        }
        batch.end = segment.after();
    }
    batch
}
