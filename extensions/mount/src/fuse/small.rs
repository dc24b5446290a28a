//! Small files are fetched whole, and ahead: a program that opens the files of a directory one after the other finds the next ones here already.
//!
//! ```text
//! open b ── after a? ── yes: fetch c, d, e, f … (twice as many each time, up to AHEAD_MOST)
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use ochre_blobs::{BlobError, Container, Meta, ReadOptions};

use crate::names;
use crate::tree::{Entry, Tree};

/// Files up to this many bytes are fetched whole when they are opened: at 60 MB/s that is 17 ms, less than a second request costs on most networks.
pub(super) const SMALL: u64 = 1 << 20;
/// Files fetched ahead, at most, so that this many requests are under way; the time to the first byte of a store is 10 to 50 ms.
const AHEAD_MOST: usize = 64;
/// Files fetched ahead when the second file in a row was opened.
const AHEAD_FIRST: usize = 4;
/// Part of the mount's budget that bytes which nobody has read yet may take.
const BUDGET_PART: u64 = 8;

/// A whole file of one version.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) etag: Option<Arc<str>>,
    pub(super) modified: SystemTime,
}

type Fetch = Shared<BoxFuture<'static, Result<Whole, BlobError>>>;

struct Kept {
    fetch: Fetch,
    /// The version that the listing named.
    etag: Option<Arc<str>>,
    size: u64,
}

#[derive(Default)]
struct State {
    kept: HashMap<Arc<str>, Kept>,
    /// Paths in the order in which they were fetched.
    order: VecDeque<Arc<str>>,
    bytes: u64,
    /// By directory: the file opened last, and how many to fetch ahead.
    streaks: HashMap<String, (String, usize)>,
}

/// The small files of a mount that are here or on their way.
pub(super) struct Small {
    container: Container,
    tree: Tree,
    options: ReadOptions,
    most: u64,
    state: Mutex<State>,
}

impl Small {
    pub(super) fn new(container: Container, tree: Tree, options: ReadOptions) -> Self {
        let most = (options.budget.total() / BUDGET_PART).max(2 * SMALL);
        Self { container, tree, options, most, state: Mutex::default() }
    }

    /// The file at `path`, which was listed as `entry`; the ones that will be opened next are fetched meanwhile.
    pub(super) async fn open(&self, path: &str, entry: &Entry) -> Result<Whole, BlobError> {
        let (fetch, ahead) = {
            let mut state = self.state();
            let fetch = self.fetch(&mut state, Arc::from(path), entry);
            (fetch, self.ahead(&mut state, path))
        };
        for fetch in ahead {
            tokio::spawn(fetch);
        }
        let mut wait = Wait { small: self, ended: false };
        let whole = fetch.await;
        wait.ended = true;
        match &whole {
            Ok(whole) if whole.etag == entry.etag || entry.etag.is_none() => {}
            _ => self.drop(path),
        }
        whole
    }

    /// Forgets the bytes of a path: it was written, or its version is old.
    pub(super) fn drop(&self, path: &str) {
        self.state().remove(path);
    }

    /// Forgets what is still on its way: somebody has waited for it as long as anything may take.
    fn forget_unfinished(&self) {
        let mut state = self.state();
        let State { kept, order, bytes, .. } = &mut *state;
        kept.retain(|_, kept| {
            let here = kept.fetch.peek().is_some();
            *bytes -= if here { 0 } else { kept.size };
            here
        });
        order.retain(|path| kept.contains_key(path));
    }

    /// What is on its way or here for `path` in the version of `entry`, else a new fetch.
    fn fetch(&self, state: &mut State, path: Arc<str>, entry: &Entry) -> Fetch {
        if let Some(kept) = state.kept.get(&path)
            && kept.etag == entry.etag
        {
            return kept.fetch.clone();
        }
        state.remove(&path);
        let fetch = fetch(self.container.clone(), self.tree.meta(&path, entry), self.options.clone()).boxed().shared();
        state.bytes += entry.size;
        state.kept.insert(path.clone(), Kept { fetch: fetch.clone(), etag: entry.etag.clone(), size: entry.size });
        state.order.push_back(path);
        while state.bytes > self.most && state.order.len() > 1 {
            let Some(oldest) = state.order.pop_front() else { break };
            if let Some(kept) = state.kept.remove(&oldest) {
                state.bytes -= kept.size;
            }
        }
        fetch
    }

    /// Notes that `path` was opened; the fetches to start if it was in a row with the one before.
    fn ahead(&self, state: &mut State, path: &str) -> Vec<Fetch> {
        let (directory, name) = names::split(path);
        let streak = state.streaks.get(directory);
        let (follows, next) = self.tree.followers(directory, streak.map(|(last, _)| last.as_str()), name, AHEAD_MOST);
        let count = match streak {
            Some((_, count)) if follows => (count * 2).clamp(AHEAD_FIRST, AHEAD_MOST),
            _ => 0,
        };
        state.streaks.insert(directory.to_owned(), (name.to_owned(), count));
        let mut fetches = Vec::new();
        for (name, entry) in next.into_iter().take(count).filter(|(_, entry)| entry.size <= SMALL) {
            let path: Arc<str> = names::join(directory, &name).into();
            if !state.kept.contains_key(&path) {
                fetches.push(self.fetch(state, path, &entry));
            }
        }
        fetches
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for a fetch. One that is given up (the limit, an interrupt) leaves nothing behind that the next open would wait for.
struct Wait<'a> {
    small: &'a Small,
    ended: bool,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.small.forget_unfinished();
        }
    }
}

impl State {
    fn remove(&mut self, path: &str) {
        if let Some(kept) = self.kept.remove(path) {
            self.bytes -= kept.size;
            self.order.retain(|other| &**other != path);
        }
    }
}

/// One GET for the version that was listed, or of the one that is there where listings tell no version.
async fn fetch(container: Container, listed: Meta, options: ReadOptions) -> Result<Whole, BlobError> {
    let reader = match &listed.etag {
        Some(_) => container.reader_of(listed, options)?,
        None => container.reader(&listed.path, options).await?,
    };
    let found = Entry::file(reader.meta());
    let bytes = if found.size == 0 { Bytes::new() } else { reader.read_at(0, found.size as usize).await? };
    Ok(Whole { bytes, etag: found.etag, modified: found.modified })
}
