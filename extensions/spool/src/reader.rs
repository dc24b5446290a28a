//! The reading end, for a process that did not write: what a dead owner left, or a look at a living one's.
use crate::batch::{Batch, Most, Writers, collect};
use crate::header::{HEAD, Head, Header};
use crate::segment::Segment;
use crate::spool::remove_copies;
use crate::SpoolError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How old a directory without a finished head must be to be nobody's: a process makes one within milliseconds.
const UNFINISHED: Duration = Duration::from_secs(60);

/// A spool of another process.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    head: Head,
    writers: Writers,
}

impl Reader {
    /// Takes over the spool of an owner that is dead; [`SpoolError::Owned`] while it lives, or while another process has taken it.
    pub fn take(directory: &Path) -> Result<Self, SpoolError> {
        Ok(Self { directory: directory.to_owned(), head: Head::open(directory, true)?, writers: Writers::Dead })
    }

    /// Looks at a spool whose owner may be alive and may deliver at the same time. Nothing is acknowledged through it.
    pub fn look(directory: &Path) -> Result<Self, SpoolError> {
        Ok(Self { directory: directory.to_owned(), head: Head::open(directory, false)?, writers: Writers::Alive })
    }

    pub fn header(&self) -> &Header {
        &self.head.header
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The position up to which everything is kept elsewhere.
    pub fn delivered_upto(&self) -> u64 {
        self.head.delivered()
    }

    /// Records from the delivered position on; empty when there are none.
    pub fn batch(&self, most: Most) -> Result<Batch, SpoolError> {
        self.batch_from(self.head.delivered(), most)
    }

    /// Records from a position on that a batch ended with, for a look ahead of the delivery.
    pub fn batch_from(&self, from: u64, most: Most) -> Result<Batch, SpoolError> {
        let mut segments = Vec::new();
        for path in Segment::files(&self.directory).map_err(SpoolError::file("list", &self.directory))? {
            match Segment::open(&path, self.head.nonce) {
                Ok(Some(segment)) => segments.push(Arc::new(segment)),
                // Removed meanwhile by a living owner who delivered it.
                Err(SpoolError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound && self.writers == Writers::Alive => {}
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        segments.sort_by_key(|s| s.base);
        Ok(collect(&segments, from, most, self.writers, &self.directory))
    }

    /// A batch is kept elsewhere. Does nothing through a mere look.
    pub fn delivered(&self, batch: &Batch) {
        if self.writers == Writers::Dead {
            remove_copies(batch, &self.directory);
            self.head.deliver(batch.end);
        }
    }

    /// Removes a spool that was taken over and of which everything is delivered; `false` if something is left.
    pub fn finish(self) -> Result<bool, SpoolError> {
        if self.writers == Writers::Alive || !self.batch(Most { records: 1, bytes: 1 })?.is_empty() {
            return Ok(false);
        }
        std::fs::remove_dir_all(&self.directory).map_err(SpoolError::file("remove", &self.directory))?;
        Ok(true)
    }
}

/// The spools below a directory, whosever they are. What processes left that died while they made one is removed.
pub fn spools(directory: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(source) => return Err(SpoolError::File { what: "list", path: directory.to_owned(), source }),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
            if age.is_some_and(|a| a > UNFINISHED) && !matches!(Head::open(&path, true), Err(SpoolError::Owned { .. })) {
                // Nothing was acknowledged in it: a spool gets its name before its first record.
                let _ = std::fs::remove_dir_all(&path);
            }
        } else if path.join(HEAD).is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Takes over every spool below a directory whose owner is dead. Second: those that cannot be read, with the reason.
pub fn abandoned(directory: &Path) -> Result<(Vec<Reader>, Vec<SpoolError>), SpoolError> {
    let (mut readers, mut problems) = (Vec::new(), Vec::new());
    for path in spools(directory)? {
        match Reader::take(&path) {
            Ok(reader) => readers.push(reader),
            Err(SpoolError::Owned { .. }) => {}
            // Finished by its owner meanwhile.
            Err(SpoolError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => problems.push(error),
        }
    }
    Ok((readers, problems))
}
