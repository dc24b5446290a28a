//! The names of a mount: what is in which directory, as the store's listings say, with what this mount itself has made since. All ways use it.
//!
//! A lookup is answered from the directory's listing where there is one that is young enough ([`crate::config::NAMES_TTL`]), and also that a name is
//! *not* there. The first lookup in a directory asks for the one name (which costs the same in a directory of a million); from the second on the
//! directory is listed. What this mount writes and deletes is put into the cached listings at once.
//!
//! A directory shadows a file of the same name. Directories are what lies before a `/` in a key, what a marker (`name/`) says, and what was made here
//! and holds no file yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use ochre_blobs::{BlobError, Container, Meta, Scheme};

use crate::names;

/// A directory whose last listing had more names is asked for single names instead: listing it again takes seconds.
const LISTED_AT_MOST: usize = 20_000;
/// Names that all cached listings together may hold, about 150 bytes each.
const NAMES_AT_MOST: usize = 2_000_000;
/// Answers for single names that one directory keeps before old ones are dropped.
const SINGLES_AT_MOST: usize = 4_096;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A directory; else a file.
    pub directory: bool,
    /// In bytes; 0 for a directory.
    pub size: u64,
    /// When it was last written.
    pub modified: SystemTime,
    /// The version, without the quotes that headers have and Azure's listings lack.
    pub etag: Option<Arc<str>>,
}

impl Entry {
    /// A directory.
    #[must_use]
    pub fn directory() -> Self {
        Self { directory: true, size: 0, modified: SystemTime::UNIX_EPOCH, etag: None }
    }

    /// The file that `meta` describes.
    #[must_use]
    pub fn file(meta: &Meta) -> Self {
        Self { directory: false, size: meta.size, modified: meta.modified.into(), etag: meta.etag.as_deref().map(bare).map(Arc::from) }
    }
}

/// A version as such: `"0x8D"` and `0x8D` are the same.
fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// The entries of one directory in the order of their names, as they were at one moment.
pub type Snapshot = Vec<(Arc<str>, Entry)>;

/// The names of a mount. Clones share them.
#[derive(Clone)]
pub struct Tree {
    shared: Arc<Shared>,
}

struct Shared {
    container: Container,
    root: String,
    ttl: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    directories: HashMap<String, Directory>,
    /// What is here and not (yet) in the store: by directory, then name.
    local: HashMap<String, BTreeMap<Arc<str>, Entry>>,
}

#[derive(Default)]
struct Directory {
    listing: Option<Arc<Listing>>,
    /// Answers for one name, with when they were right.
    singles: HashMap<Arc<str>, (Option<Entry>, Instant)>,
    /// Lookups that neither answered.
    missed: u32,
    /// Names in the last listing, also when it is gone; `usize::MAX` if it could not be had.
    last_size: Option<usize>,
    /// One listing at a time.
    flight: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Listing {
    names: BTreeMap<Arc<str>, Entry>,
    /// When it was asked for.
    seen: Instant,
}

/// What a lookup has to do.
enum Plan {
    Known(Option<Entry>),
    AskForOne,
    List,
}

impl Tree {
    /// The names below `root` (a key prefix without slashes at its ends) of `container`, believed for `ttl`.
    #[must_use]
    pub fn new(container: Container, root: &str, ttl: Duration) -> Self {
        Self { shared: Arc::new(Shared { container, root: root.to_owned(), ttl, state: Mutex::default() }) }
    }

    /// The key of a path.
    #[must_use]
    pub fn key(&self, path: &str) -> String {
        names::key(&self.shared.root, path)
    }

    /// The file at `path` as a reader takes it: with the version in the form in which requests name it.
    #[must_use]
    pub fn meta(&self, path: &str, entry: &Entry) -> Meta {
        let quoted = matches!(self.shared.container.location().scheme, Scheme::Azure | Scheme::S3 | Scheme::Gcs);
        let etag = entry.etag.as_deref().map(|etag| if quoted && !etag.starts_with("W/") { format!("\"{etag}\"") } else { etag.to_owned() });
        Meta { path: self.key(path), size: entry.size, modified: entry.modified.into(), etag, md5: None }
    }

    /// How long what was learned is believed.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.shared.ttl
    }

    /// What `path` is, if it is there; "" is the root, which always is.
    ///
    /// # Errors
    /// The store's.
    pub async fn lookup(&self, path: &str) -> Result<Option<Entry>, BlobError> {
        if path.is_empty() {
            return Ok(Some(Entry::directory()));
        }
        let (directory, name) = names::split(path);
        if !names::usable(name) {
            return Ok(None);
        }
        match self.plan(directory, name) {
            Plan::Known(entry) => Ok(entry),
            Plan::AskForOne => self.ask_for_one(path).await,
            Plan::List => {
                self.refresh(directory).await?;
                Ok(self.state().known(directory, name, None).flatten())
            }
        }
    }

    /// What `path` is in the store now, whatever was believed before.
    ///
    /// # Errors
    /// The store's.
    pub async fn lookup_now(&self, path: &str) -> Result<Option<Entry>, BlobError> {
        if path.is_empty() {
            return Ok(Some(Entry::directory()));
        }
        self.ask_for_one(path).await
    }

    fn plan(&self, directory: &str, name: &str) -> Plan {
        let mut state = self.state();
        if let Some(entry) = state.known(directory, name, Some(self.shared.ttl)) {
            return Plan::Known(entry);
        }
        let known = state.directories.entry(directory.to_owned()).or_default();
        known.missed = known.missed.saturating_add(1);
        match known.last_size {
            Some(size) if size > LISTED_AT_MOST => Plan::AskForOne,
            Some(_) => Plan::List,
            None if known.missed > 1 => Plan::List,
            None => Plan::AskForOne,
        }
    }

    /// Asks for a file and for a directory of that name, at the same time.
    async fn ask_for_one(&self, path: &str) -> Result<Option<Entry>, BlobError> {
        let asked = Instant::now();
        let key = self.key(path);
        let below = format!("{key}/");
        let mut entries = self.shared.container.list(&below);
        let (file, first) = futures::join!(self.shared.container.stat(&key), entries.next());
        let entry = match (file, first) {
            // Something lies below it, be it a key that is no path.
            (_, Some(Ok(_) | Err(BlobError::BadLocation { .. }))) => Some(Entry::directory()),
            (Ok(meta), None) => Some(Entry::file(&meta)),
            (Err(BlobError::NotFound { .. }), None | Some(Err(BlobError::NotFound { .. }))) => None,
            (Err(error), _) | (_, Some(Err(error))) => return Err(error),
        };
        let (directory, name) = names::split(path);
        let mut state = self.state();
        state.learn(directory, name, entry, asked);
        Ok(state.known(directory, name, None).flatten())
    }

    /// Lists a directory, unless a listing that is young enough is there. It goes on when the caller gives up, so that the next one finds it.
    ///
    /// # Errors
    /// The store's.
    async fn refresh(&self, directory: &str) -> Result<(), BlobError> {
        let mut wait = Wait { tree: self, directory, ended: false };
        let (tree, directory) = (self.clone(), directory.to_owned());
        let task = tokio::spawn(async move { tree.list_from_store(&directory).await });
        let listed = task.await;
        wait.ended = true;
        listed.unwrap_or_else(|error| {
            Err(BlobError::Internal { doing: "listing", at: self.shared.root.clone(), detail: format!("the task ended: {error}") })
        })
    }

    async fn list_from_store(&self, directory: &str) -> Result<(), BlobError> {
        let flight = self.state().directories.entry(directory.to_owned()).or_default().flight.clone();
        let _one_at_a_time = flight.lock().await;
        if self.state().fresh(directory, self.shared.ttl).is_some() {
            return Ok(());
        }
        let seen = Instant::now();
        let key = self.key(directory);
        let listed = self.shared.container.list_directory(&key).await;
        if listed.is_err() {
            let mut state = self.state();
            let known = state.directories.entry(directory.to_owned()).or_default();
            if known.listing.as_ref().is_none_or(|other| other.seen <= seen) {
                known.last_size = Some(usize::MAX);
            }
        }
        let (files, directories) = listed?;
        let mut found = BTreeMap::new();
        for meta in &files {
            if let Some(name) = names::within(&key, &meta.path) {
                found.insert(Arc::from(name), Entry::file(meta));
            }
        }
        for below in &directories {
            if let Some(name) = names::within(&key, below.trim_end_matches('/')) {
                found.insert(Arc::from(name), Entry::directory());
            }
        }
        self.state().store(directory, Listing { names: found, seen });
        Ok(())
    }

    /// The entries of a directory, in the order of their names.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, directory: &str) -> Result<Snapshot, BlobError> {
        if self.state().fresh(directory, self.shared.ttl).is_none() {
            self.refresh(directory).await?;
        }
        let state = self.state();
        let listing = state.directories.get(directory).and_then(|known| known.listing.clone());
        let local = state.local.get(directory).cloned().unwrap_or_default();
        drop(state);
        let mut merged: BTreeMap<Arc<str>, Entry> = local;
        if let Some(listing) = listing {
            for (name, entry) in &listing.names {
                match merged.get(name) {
                    Some(here) if here.directory || !entry.directory => {}
                    _ => {
                        merged.insert(name.clone(), entry.clone());
                    }
                }
            }
        }
        Ok(merged.into_iter().collect())
    }

    /// Up to `count` files that follow `name` in its directory's listing, and whether `name` follows `last` within `count` names. Without a listing,
    /// nothing and `false`. Asks nobody.
    #[must_use]
    pub fn followers(&self, directory: &str, last: Option<&str>, name: &str, count: usize) -> (bool, Snapshot) {
        let Some(listing) = self.state().directories.get(directory).and_then(|known| known.listing.clone()) else {
            return (false, Vec::new());
        };
        use std::ops::Bound::{Excluded, Unbounded};
        let after = |name: &str| listing.names.range::<str, _>((Excluded(name), Unbounded)).map(|(n, e)| (n.clone(), e.clone()));
        let follows = last.is_some_and(|last| after(last).take(count).any(|(next, _)| &*next == name));
        (follows, after(name).filter(|(_, entry)| !entry.directory).take(count).collect())
    }

    /// A file that this mount has published.
    pub fn put(&self, path: &str, entry: Entry) {
        let (directory, name) = names::split(path);
        let mut state = self.state();
        state.forget_local(directory, name);
        state.learn(directory, name, Some(entry), Instant::now());
    }

    /// A file that this mount has deleted. Its directory stays until it is removed, as elsewhere.
    pub fn remove(&self, path: &str) {
        let (directory, name) = names::split(path);
        let mut state = self.state();
        state.forget_local(directory, name);
        state.learn(directory, name, None, Instant::now());
        drop(state);
        if !directory.is_empty() {
            self.add_local(directory, Entry::directory());
        }
    }

    /// Something that is here and not in the store: a directory that was made, a file that is being written.
    pub fn add_local(&self, path: &str, entry: Entry) {
        let (directory, name) = names::split(path);
        self.state().local.entry(directory.to_owned()).or_default().insert(Arc::from(name), entry);
    }

    /// It is not here any more: the directory was removed, the file was given up.
    pub fn remove_local(&self, path: &str) {
        let (directory, name) = names::split(path);
        self.state().forget_local(directory, name);
    }

    /// Forgets what was believed of `path`: the store said otherwise.
    pub fn doubt(&self, path: &str) {
        let (directory, name) = names::split(path);
        let mut state = self.state();
        if let Some(known) = state.directories.get_mut(directory) {
            known.singles.remove(name);
            known.listing = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for a listing. When it is given up (the limit, an interrupt), the server may be dead: the next one asks anew and does not wait for that
/// answer too.
struct Wait<'a> {
    tree: &'a Tree,
    directory: &'a str,
    ended: bool,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if !self.ended
            && let Some(known) = self.tree.state().directories.get_mut(self.directory)
        {
            known.flight = Arc::default();
        }
    }
}

impl State {
    /// What is known of a name and younger than `ttl` (any age without one): the entry, or that there is none. A directory of the store shadows a
    /// local file; a local entry shadows the rest.
    fn known(&self, directory: &str, name: &str, ttl: Option<Duration>) -> Option<Option<Entry>> {
        if let Some(entry) = self.local.get(directory).and_then(|names| names.get(name)) {
            return Some(Some(entry.clone()));
        }
        let known = self.directories.get(directory)?;
        let young = |seen: Instant| ttl.is_none_or(|ttl| seen.elapsed() < ttl);
        let listing = known.listing.as_ref().filter(|listing| young(listing.seen));
        if let Some((entry, seen)) = known.singles.get(name)
            && young(*seen)
            && listing.is_none_or(|listing| listing.seen <= *seen)
        {
            return Some(entry.clone());
        }
        listing.map(|listing| listing.names.get(name).cloned())
    }

    fn fresh(&self, directory: &str, ttl: Duration) -> Option<&Arc<Listing>> {
        self.directories.get(directory)?.listing.as_ref().filter(|listing| listing.seen.elapsed() < ttl)
    }

    /// Keeps the answer for one name, in the listing too.
    fn learn(&mut self, directory: &str, name: &str, entry: Option<Entry>, seen: Instant) {
        let known = self.directories.entry(directory.to_owned()).or_default();
        if known.singles.len() >= SINGLES_AT_MOST {
            let mut times: Vec<Instant> = known.singles.values().map(|(_, seen)| *seen).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            known.singles.retain(|_, (_, seen)| *seen > median);
        }
        let name: Arc<str> = Arc::from(name);
        if let Some(listing) = &mut known.listing
            && listing.seen <= seen
            && listing.names.get(&name) != entry.as_ref()
        {
            // Copies the listing only while somebody walks it.
            let listing = Arc::make_mut(listing);
            match &entry {
                Some(entry) => listing.names.insert(name.clone(), entry.clone()),
                None => listing.names.remove(&name),
            };
        }
        known.singles.insert(name, (entry, seen));
    }

    fn store(&mut self, directory: &str, mut listing: Listing) {
        let held: usize = self.directories.values().filter_map(|known| known.listing.as_ref()).map(|listing| listing.names.len()).sum();
        if held + listing.names.len() > NAMES_AT_MOST {
            for known in self.directories.values_mut() {
                known.listing = None;
            }
        }
        let known = self.directories.entry(directory.to_owned()).or_default();
        if known.listing.as_ref().is_some_and(|other| other.seen > listing.seen) {
            return;
        }
        known.last_size = Some(listing.names.len());
        known.singles.retain(|_, (_, seen)| *seen > listing.seen);
        for (name, (entry, _)) in &known.singles {
            match entry {
                Some(entry) => listing.names.insert(name.clone(), entry.clone()),
                None => listing.names.remove(name),
            };
        }
        known.listing = Some(Arc::new(listing));
    }

    fn forget_local(&mut self, directory: &str, name: &str) {
        if let Some(names) = self.local.get_mut(directory) {
            names.remove(name);
            if names.is_empty() {
                self.local.remove(directory);
            }
        }
    }
}
