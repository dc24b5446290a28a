//! Zip archives that lie anywhere: the central directory is read by ranges, every rule is checked before anything is written, and entries are
//! unpacked in parallel. `%unzip` calls this; it knows no front end.
//!
//! ```text
//! RangeSource --last 64 KiB--> end record --range--> directory --checks--> [Entry] --ranges, in parallel--> inflate, CRC --> Target
//! ```
mod directory;
mod entry;
mod error;
mod names;
mod record;
mod unpack;

pub(crate) use directory::{Archive, Limits};
pub(crate) use entry::Entry;
pub(crate) use error::ArchiveError;
pub(crate) use unpack::{Unpacked, unpack};

#[cfg(test)]
mod tests;
