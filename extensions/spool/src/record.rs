//! The records of a spool and their bytes.
//!
//! ```text
//! metric              timestamp i64 | step i64 | value f64 | key
//! param, tag, text    length of the first u32 | first | second
//! artifact            length of the path u32 | path | 1 if the file is the spool's own | file
//! ```
//! Numbers are little-endian; a value keeps its bits, because it is a part of a metric's identity.
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// One point of a metric. All fields but the key, and the run, are MLflow's primary key: the same point twice is one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub key: String,
    pub value: f64,
    /// Milliseconds since 1970, fixed when it was logged.
    pub timestamp_ms: i64,
    pub step: i64,
}

/// What a log call leaves behind.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Metric(Metric),
    /// The first value of a key stays.
    Param { key: String, value: String },
    /// The last value of a key wins.
    Tag { key: String, value: String },
    /// An artifact that is a text.
    Text { path: String, text: String },
    /// An artifact that is a file. With `owned` the file is a copy inside the spool (by its place in there on the disk), removed with the record.
    Artifact { path: String, file: PathBuf, owned: bool },
}

/// The first byte of a record's commit word; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Metric = 1,
    Param = 2,
    Tag = 3,
    Text = 4,
    Artifact = 5,
}

impl Kind {
    pub fn of(byte: u8) -> Option<Self> {
        [Kind::Metric, Kind::Param, Kind::Tag, Kind::Text, Kind::Artifact].into_iter().find(|&k| k as u8 == byte)
    }
}

/// Bytes of a metric before its key.
pub(crate) const METRIC_FIXED: usize = 24;

/// Writes the fixed part of a metric.
pub(crate) fn metric_fixed(value: f64, timestamp_ms: i64, step: i64) -> [u8; METRIC_FIXED] {
    let mut out = [0; METRIC_FIXED];
    out[..8].copy_from_slice(&timestamp_ms.to_le_bytes());
    out[8..16].copy_from_slice(&step.to_le_bytes());
    out[16..].copy_from_slice(&value.to_bits().to_le_bytes());
    out
}

impl Record {
    pub(crate) fn encode(&self) -> (Kind, Vec<u8>) {
        match self {
            Record::Metric(m) => {
                let mut out = metric_fixed(m.value, m.timestamp_ms, m.step).to_vec();
                out.extend_from_slice(m.key.as_bytes());
                (Kind::Metric, out)
            }
            Record::Param { key, value } => (Kind::Param, pair(key, value.as_bytes())),
            Record::Tag { key, value } => (Kind::Tag, pair(key, value.as_bytes())),
            Record::Text { path, text } => (Kind::Text, pair(path, text.as_bytes())),
            Record::Artifact { path, file, owned } => {
                let mut out = pair(path, &[u8::from(*owned)]);
                out.extend_from_slice(file.as_os_str().as_bytes());
                (Kind::Artifact, out)
            }
        }
    }

    /// `None` for bytes that no version of ours wrote.
    pub(crate) fn decode(kind: Kind, bytes: &[u8]) -> Option<Self> {
        if kind == Kind::Metric {
            let number = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
            let key = text(bytes.get(METRIC_FIXED..)?)?;
            return Some(Record::Metric(Metric { key, value: f64::from_bits(number(16)?), timestamp_ms: number(0)? as i64, step: number(8)? as i64 }));
        }
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (first, second) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let first = text(first)?;
        Some(match kind {
            Kind::Param => Record::Param { key: first, value: text(second)? },
            Kind::Tag => Record::Tag { key: first, value: text(second)? },
            Kind::Text => Record::Text { path: first, text: text(second)? },
            Kind::Metric | Kind::Artifact => {
                let (owned, file) = second.split_first()?;
                Record::Artifact { path: first, file: PathBuf::from(OsString::from_vec(file.to_vec())), owned: *owned == 1 }
            }
        })
    }
}

fn pair(first: &str, second: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + first.len() + second.len());
    out.extend_from_slice(&(first.len() as u32).to_le_bytes());
    out.extend_from_slice(first.as_bytes());
    out.extend_from_slice(second);
    out
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}
