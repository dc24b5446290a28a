//! The mounts of this session: one process for each (`ochre mount`), which is started, given credentials while it lives, and ended.
//!
//! ```text
//! %mount --Mounts::mount--> process.rs --stdin: config, grants--> ochre mount (DIR answers)
//! %mounts, %cp <--table--             <--stdout: ready, asks----
//! ```
//! **Invariant:** what a mount process knows came through its stdin; it ends with that pipe, however this process ends.
mod environment;
mod process;

use crate::accounts::{Accounts, lock};
use ochre_api::Failure;
use ochre_blobs::Location;
use ochre_mount::{MountConfig, WayName};
use ochre_secrets::Redactor;
use process::{Process, State};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What was asked for, as far as another call can differ from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) location: Location,
    /// Absolute.
    pub(crate) directory: PathBuf,
    pub(crate) read_only: bool,
    pub(crate) overwrite: bool,
    /// Bytes of disk cache.
    pub(crate) cache: u64,
}

/// What `%mounts` shows of one.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) wanted: Wanted,
    pub(crate) state: String,
    pub(crate) way: Option<WayName>,
}

/// How a call of `%mount` ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mounted {
    /// It answers: the way that was taken and why.
    New { way: WayName, why: String },
    /// Another process has mounted the same; this one takes over when that one ends.
    Elsewhere { way: WayName },
    /// This session had mounted it.
    Before { way: WayName },
}

/// The table.
pub(crate) struct Mounts {
    program: PathBuf,
    accounts: Arc<Accounts>,
    redactor: Redactor,
    table: Mutex<BTreeMap<PathBuf, Arc<Process>>>,
    /// One call of `%mount` or `%unmount` at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Mounts {
    pub(crate) fn new(program: PathBuf, accounts: Arc<Accounts>, redactor: Redactor) -> Self {
        Self { program, accounts, redactor, table: Mutex::default(), changing: tokio::sync::Mutex::default() }
    }

    /// Mounts, unless it is mounted already.
    pub(crate) async fn mount(&self, wanted: Wanted, way: Option<WayName>) -> Result<Mounted, Failure> {
        let _one = self.changing.lock().await;
        let there = lock(&self.table).get(&wanted.directory).cloned();
        if let Some(there) = there {
            match there.state() {
                State::Ready { way, .. } => return same(&there.wanted, &wanted).map(|()| Mounted::Before { way }),
                _ => drop(lock(&self.table).remove(&wanted.directory)),
            }
        }
        if let Some(over) = lock(&self.table).keys().find(|d| wanted.directory.starts_with(d) || d.starts_with(&wanted.directory)) {
            let failure = Failure::usage(format!("{} lies within another mount, {} (or around it)", wanted.directory.display(), over.display()));
            return Err(failure.hint("mounts stand beside each other: choose another directory"));
        }
        let grant = self.accounts.grant(&wanted.location, false).await?;
        let grant = serde_json::from_slice(&grant.to_wire()).map_err(|_| Failure::bug("a grant is no JSON"))?;
        let mut config = MountConfig::new(wanted.location.to_string(), wanted.directory.clone());
        config.grant = Some(grant);
        config.read_only = wanted.read_only;
        config.overwrite = wanted.overwrite;
        config.cache = wanted.cache;
        config.cache_directory = (wanted.cache > 0).then(environment::cache_directory);
        config.way = way;
        let process = Process::start(&self.program, wanted.clone(), &config, self.accounts.clone(), self.redactor.clone()).await?;
        lock(&self.table).insert(wanted.directory.clone(), process.clone());
        match process.ready().await {
            Ok(ready) => Ok(ready),
            Err(failure) => {
                lock(&self.table).remove(&wanted.directory);
                Err(failure)
            }
        }
    }

    /// Unmounts; what was lost is the failure.
    pub(crate) async fn unmount(&self, directory: &Path) -> Result<Wanted, Failure> {
        let _one = self.changing.lock().await;
        let found = lock(&self.table).get(directory).cloned();
        let Some(process) = found else { return Err(self.unknown(directory)) };
        let end = process.end().await;
        lock(&self.table).remove(directory);
        end.map(|()| process.wanted.clone())
    }

    fn unknown(&self, directory: &Path) -> Failure {
        let known: Vec<String> = lock(&self.table).keys().map(|d| d.display().to_string()).collect();
        let failure = Failure::usage(format!("nothing is mounted at {}", directory.display()));
        match known.as_slice() {
            [] => failure.hint("`%mounts` lists what is mounted; now there is nothing"),
            known => failure.hint(format!("mounted are: {}", known.join(", "))),
        }
    }

    /// An interrupted `%mount`: what was starting ends.
    pub(crate) fn forget_starting(&self, directory: &Path) {
        let mut table = lock(&self.table);
        if let Some(process) = table.get(directory).filter(|p| p.state() == State::Starting) {
            process.ask_to_end();
            table.remove(directory);
        }
    }

    /// All, for `%mounts`.
    pub(crate) fn rows(&self) -> Vec<Row> {
        lock(&self.table).values().map(|p| p.row()).collect()
    }

    /// Directories, for completion.
    pub(crate) fn directories(&self) -> Vec<String> {
        lock(&self.table).keys().map(|d| d.display().to_string()).collect()
    }

    /// The mount in which a path lies, and the path below it.
    pub(crate) fn over(&self, path: &Path) -> Option<(Wanted, WayName, String)> {
        lock(&self.table).values().find_map(|process| {
            let below = path.strip_prefix(&process.wanted.directory).ok()?;
            let State::Ready { way, .. } = process.state() else { return None };
            Some((process.wanted.clone(), way, below.to_string_lossy().into_owned()))
        })
    }

    /// Sends a line that means nothing.
    #[cfg(test)]
    pub(crate) fn poke(&self, directory: &Path) {
        if let Some(process) = lock(&self.table).get(directory) {
            process.poke();
        }
    }

    /// What the user was not told yet: mounts that died, files that were lost.
    pub(crate) fn notices(&self) -> Vec<String> {
        lock(&self.table).values().flat_map(|p| p.take_notices()).collect()
    }

    /// Ends all of them; each process unmounts by itself, also when nobody waits for it.
    pub(crate) fn end_all(&self) {
        for process in std::mem::take(&mut *lock(&self.table)).into_values() {
            process.ask_to_end();
        }
    }
}

/// What is mounted may be mounted again as it is, and not otherwise.
fn same(there: &Wanted, wanted: &Wanted) -> Result<(), Failure> {
    let hint = format!("first `%unmount {}`", there.directory.display());
    if there.location != wanted.location {
        return Err(Failure::usage(format!("{} holds a mount of {} already", there.directory.display(), there.location)).hint(hint));
    }
    if there != wanted {
        return Err(Failure::usage(format!("{} is mounted already, with other options", there.directory.display())).hint(hint));
    }
    Ok(())
}
