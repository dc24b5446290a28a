//! The storage that a notebook finds when the suites run it: an Azurite with pictures and tables in it.
//!
//! `tests/clients/notebook_storage.py` starts and fills it; the notebook gets the connection string as the secret
//! `storage/connection`, from the environment, because nobody is there to be asked.
use super::Context;
use crate::peers::Storage;
use anyhow::Context as _;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The variable in which a kernel looks for the secret `storage/connection`.
pub const SECRET: &str = "OCHRE_SECRET_STORAGE_CONNECTION";
/// What a notebook says that needs such a storage.
const NEEDS: &str = "secret:storage/connection";

/// A running storage; it ends when this goes away.
pub struct Emulated {
    child: Child,
    pub connection: String,
}

impl Emulated {
    /// One for a notebook that needs it, new and filled: runs of a notebook do not see each other's files.
    pub fn for_notebook(context: &Context, notebook: &Path) -> anyhow::Result<Option<Self>> {
        let text = std::fs::read_to_string(notebook).with_context(|| format!("cannot read {}", notebook.display()))?;
        text.contains(NEEDS).then(|| Self::start(context)).transpose()
    }

    fn start(context: &Context) -> anyhow::Result<Self> {
        let source = &context.built.source;
        let peers = Storage::install(source, &context.built.cache)?.directory;
        let mut child = Command::new(peers.join("python-storage/bin/python"))
            .arg(source.join("tests/clients/notebook_storage.py"))
            .arg(peers.join("azurite/node_modules/.bin/azurite-blob"))
            .arg(source.join("notebooks/data/digits.csv.gz"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the notebook's storage")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let said: Value = serde_json::from_str(&line).context("the notebook's storage did not start; what it said is above")?;
        let connection = said["connection"].as_str().unwrap_or_default().to_string();
        Ok(Self { child, connection })
    }

    /// Lets a kernel that the command starts find it.
    pub fn offer(storage: Option<&Self>, command: &mut Command) {
        if let Some(storage) = storage {
            command.env(SECRET, &storage.connection);
        }
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        // The end of its input is the word to end; it takes Azurite with it.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
