//! What a transfer has done, beside the file: one JSON line for what it is of, then one per finished part. A line that a cut left unfinished is
//! passed over, so its part is done again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::{BlobError, Result};

/// An open journal; this process alone has it.
pub(crate) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

const DOING: &str = "keeping the journal of a transfer";

impl Journal {
    /// Opens or makes the journal at `path`, with what it says.
    ///
    /// # Errors
    /// [`BlobError::Local`]; of kind `ResourceBusy` when another process has it.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Value>)> {
        use std::os::unix::fs::OpenOptionsExt;
        let failed = |error: std::io::Error| BlobError::local(DOING, path, &error);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
        if file.try_lock().is_err() {
            return Err(BlobError::Local {
                doing: DOING,
                path: path.display().to_string(),
                detail: "another transfer to the same place is going on".to_owned(),
                kind: std::io::ErrorKind::ResourceBusy,
            });
        }
        let lines = BufReader::new(&file).lines().map_while(std::result::Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect();
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        // What follows a line that was cut off must not become part of it.
        file.write_all(b"\n").map_err(failed)?;
        Ok((Self { path: path.to_owned(), file: Mutex::new(file) }, lines))
    }

    /// Forgets everything and begins with `head`.
    pub(crate) fn restart(&self, head: &Value) -> Result<()> {
        let failed = |error: std::io::Error| BlobError::local(DOING, &self.path, &error);
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.set_len(0).map_err(failed)?;
            file.seek(SeekFrom::Start(0)).map_err(failed)?;
        }
        self.add(head)
    }

    /// Adds a line.
    pub(crate) fn add(&self, line: &Value) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!("{line}\n").as_bytes()).map_err(|error| BlobError::local(DOING, &self.path, &error))
    }

    /// The transfer is over.
    pub(crate) fn remove(&self) {
        std::fs::remove_file(&self.path).ok();
    }
}
