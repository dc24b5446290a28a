//! Reading one version of an object: `read_at` from any number of threads. Sequential reads are fetched ahead in parallel parts with a window that
//! grows as they go on, random ones are exact ranges, and neither ever mixes versions.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use tokio::task::JoinSet;

use crate::ahead::{Ahead, Filling, Part, SMALL_PART, gather};
use crate::budget::Holder;
use crate::cache::{BLOCK, Cache, Key};
use crate::parts::{PART, fetch};
use crate::{BlobError, Budget, Container, Meta, Result};

/// Sequential consumers of one reader that are told apart: as many as threads that read one file in stripes.
const CONSUMERS: usize = 4;
/// Ends of the last random reads: one that goes on at one of them begins a sequential stretch.
const ENDS: usize = 16;
/// Random reads of more than this are fetched in pieces of it side by side, up to eight.
const RANDOM_PIECE: u64 = 512 << 10;
/// Random reads that miss the same cached block fetch it whole from this one on.
const MISSES: u32 = 3;
/// Blocks whose misses are counted.
const COUNTED: usize = 4096;

/// How a [`Reader`] reads.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Memory shared with other readers and writers.
    pub budget: Budget,
    /// Blocks on disk, shared with other processes.
    pub cache: Option<Cache>,
    /// Nothing is fetched ahead: for who reads small pieces here and there.
    pub random: bool,
}

/// An object that is open for reading, in one version. Clones share what is fetched ahead; dropping the last one ends it.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<Source>,
    options: ReadOptions,
    state: Mutex<State>,
}

/// What the tasks of parts need: no reference back to the reader.
struct Source {
    container: Container,
    path: Path,
    meta: Meta,
    cache: Option<(Cache, Key)>,
}

struct State {
    consumers: Vec<Ahead>,
    ends: VecDeque<u64>,
    clock: u64,
    used: Instant,
    misses: std::collections::HashMap<u64, u32>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Reader({})", self.shared.source.container.at(&self.shared.source.meta.path))
    }
}

impl Reader {
    pub(crate) fn new(container: Container, meta: Meta, options: ReadOptions) -> Result<Self> {
        let path = container.path(&meta.path)?;
        let cache = options.cache.clone().zip(meta.etag.clone()).map(|(cache, etag)| {
            let key = Key::new(&container.at(&meta.path), &etag, meta.size);
            (cache, key)
        });
        let source = Arc::new(Source { container, path, meta, cache });
        let state = State { consumers: Vec::new(), ends: VecDeque::new(), clock: 0, used: Instant::now(), misses: Default::default() };
        let shared = Arc::new(Shared { source, options, state: Mutex::new(state) });
        let holder: Weak<dyn Holder> = Arc::<Shared>::downgrade(&shared);
        shared.options.budget.register(holder);
        Ok(Self { shared })
    }

    /// What was opened.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.shared.source.meta
    }

    /// The bytes that are fetched or being fetched ahead now.
    #[must_use]
    pub fn held(&self) -> u64 {
        let state = self.shared.state();
        state.consumers.iter().flat_map(|consumer| &consumer.parts).map(|part| part.range.end - part.range.start).sum()
    }

    /// Up to `len` bytes from `offset`; fewer only at the object's end.
    ///
    /// # Errors
    /// [`BlobError::Changed`] when the object is not the opened version any more; bytes of another version are never given.
    pub async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        let range = offset..self.meta().size.min(offset.saturating_add(len as u64));
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match self.shared.plan(&range) {
            Some(parts) => {
                let gathered = gather(&parts, range).await;
                if gathered.is_err() {
                    self.shared.forget_failed();
                }
                gathered
            }
            None => self.random(range).await,
        }
    }

    /// Exactly `range`.
    async fn random(&self, range: Range<u64>) -> Result<Bytes> {
        let source = &self.shared.source;
        if let Some((cache, key)) = &source.cache {
            if let Some(bytes) = cached(cache, key, range.clone()).await {
                return Ok(bytes);
            }
            if range.end - range.start < BLOCK && self.shared.missed_often(range.start / BLOCK) {
                return source.through_cache(range).await;
            }
        }
        let length = range.end - range.start;
        let piece = length.div_ceil(8).clamp(RANDOM_PIECE, PART);
        if length <= piece {
            return source.exact(range).await;
        }
        let mut tasks = JoinSet::new();
        for start in range.clone().step_by(piece as usize) {
            let (source, end) = (Arc::clone(source), range.end.min(start + piece));
            tasks.spawn(async move { (start, source.exact(start..end).await) });
        }
        let mut whole = BytesMut::zeroed(length as usize);
        while let Some(done) = tasks.join_next().await {
            let (start, bytes) = done.map_err(|error| source.container.internal("reading", &source.meta.path, &error.to_string()))?;
            let bytes = bytes?;
            let at = (start - range.start) as usize;
            whole[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }
}

impl Holder for Shared {
    fn let_go_if_idle(&self, idle: Duration) {
        // A reader that is locked is at work. It may be the one that asks for memory: to wait for its lock would be to wait for ever.
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if state.used.elapsed() < idle {
            return;
        }
        let consumers = std::mem::take(&mut state.consumers);
        // Whoever goes on begins anew where it was.
        consumers.iter().for_each(|consumer| state.end(consumer.position));
    }
}

impl State {
    fn end(&mut self, at: u64) {
        self.ends.push_back(at);
        if self.ends.len() > ENDS {
            self.ends.pop_front();
        }
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parts that will hold `range`, where it belongs to a sequential consumer and there is memory; those ahead of it are begun.
    fn plan(&self, range: &Range<u64>) -> Option<Vec<Arc<Part>>> {
        let mut state = self.state();
        state.used = Instant::now();
        state.clock += 1;
        let clock = state.clock;
        if self.options.random {
            return None;
        }
        let known = state.consumers.iter().position(|consumer| consumer.takes(range.start));
        let at = match known {
            Some(at) => at,
            None if self.begins(&state, range) => {
                state.ends.retain(|end| *end != range.start);
                if state.consumers.len() == CONSUMERS {
                    let oldest = (0..CONSUMERS).min_by_key(|i| state.consumers[*i].used).unwrap_or(0);
                    state.consumers.swap_remove(oldest);
                }
                let start = if self.source.cache.is_some() { range.start - range.start % BLOCK } else { range.start };
                state.consumers.push(Ahead::new(start, clock));
                state.consumers.len() - 1
            }
            None => {
                state.end(range.end);
                return None;
            }
        };
        let consumer = &mut state.consumers[at];
        consumer.used = clock;
        consumer.advance(range.end, self.source.container.engine().limit() as u64 * PART);
        self.extend(consumer, range.end);
        let parts = consumer.covering(range);
        if parts.is_none() {
            // No memory for it, or behind what is kept.
            state.consumers.swap_remove(at);
            state.end(range.end);
        }
        parts
    }

    /// Whether a read that no consumer takes begins a sequential stretch.
    fn begins(&self, state: &State, range: &Range<u64>) -> bool {
        range.start == 0 || state.ends.contains(&range.start)
    }

    /// Begins the parts of the window; those before `needed` take what memory there is, those beyond leave some to others.
    fn extend(&self, consumer: &mut Ahead, needed: u64) {
        let size = self.source.meta.size;
        let goal = size.min(consumer.position.saturating_add(consumer.window)).max(needed);
        while consumer.front < goal {
            let start = consumer.front;
            let mut end = start + consumer.part_size();
            if self.source.cache.is_some() {
                end -= end % BLOCK;
            }
            let end = end.min(size).max(start + 1);
            // A small rest at the end is no part of its own.
            let end = if size - end < SMALL_PART / 2 { size } else { end };
            let bytes = end - start;
            let spare = start < needed || self.options.budget.free() > self.options.budget.total() / 8 + bytes;
            let Some(share) = spare.then(|| self.options.budget.try_take(bytes)).flatten() else { return };
            let filling = Filling::new(start);
            let task = tokio::spawn(Arc::clone(&self.source).fill(start..end, Arc::clone(&filling)));
            consumer.parts.push_back(Part::new(start..end, filling, task.abort_handle(), share));
            consumer.front = end;
        }
    }

    /// After an error nothing of that stretch is kept, so that the next read asks anew.
    fn forget_failed(&self) {
        let mut state = self.state();
        let (broken, whole): (Vec<_>, Vec<_>) = std::mem::take(&mut state.consumers).into_iter().partition(|c| c.parts.iter().any(|part| part.failed()));
        state.consumers = whole;
        broken.iter().for_each(|consumer| state.end(consumer.position));
    }

    /// Counts a random read that missed `block`.
    fn missed_often(&self, block: u64) -> bool {
        let mut state = self.state();
        if state.misses.len() >= COUNTED {
            state.misses.clear();
        }
        let count = state.misses.entry(block).or_insert(0);
        *count += 1;
        *count >= MISSES
    }
}

/// `range` out of the cache, if every block of it is there.
async fn cached(cache: &Cache, key: &Key, range: Range<u64>) -> Option<Bytes> {
    let mut blocks = Vec::new();
    for index in range.start / BLOCK..=(range.end - 1) / BLOCK {
        blocks.push((index, cache.get(key, index).await?));
    }
    Some(cut(&blocks, &range))
}

/// `range` out of whole blocks.
fn cut(blocks: &[(u64, Bytes)], range: &Range<u64>) -> Bytes {
    let slice = |index: u64, block: &Bytes| {
        let start = index * BLOCK;
        let (from, to) = (range.start.max(start) - start, range.end.min(start + block.len() as u64).max(start) - start);
        block.slice(from as usize..to as usize)
    };
    if let [(index, block)] = blocks {
        return slice(*index, block);
    }
    let mut whole = BytesMut::with_capacity((range.end - range.start) as usize);
    blocks.iter().for_each(|(index, block)| whole.extend_from_slice(&slice(*index, block)));
    whole.freeze()
}

/// The end of the task of a part. Whoever waits for the part is told also when the task does not come to its end.
struct Ending<'a> {
    source: &'a Source,
    filling: &'a Filling,
    ended: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.filling.fail(self.source.container.internal("reading", &self.source.meta.path, "the task that fetched it was ended"));
        }
    }
}

impl Source {
    fn failed(&self, error: &object_store::Error) -> BlobError {
        match self.container.failed("reading", &self.meta.path, error) {
            BlobError::Changed { doing, at, .. } => BlobError::Changed { doing, at, etag: self.meta.etag.clone().unwrap_or_default() },
            other => other,
        }
    }

    /// `range` from the service.
    async fn exact(&self, range: Range<u64>) -> Result<Bytes> {
        let mut pieces = Vec::new();
        let length = (range.end - range.start) as usize;
        let fetched = fetch(&self.container, &self.path, self.meta.etag.as_deref(), range, |piece| {
            pieces.push(piece);
            Ok(())
        });
        fetched.await.map_err(|error| self.failed(&error))?;
        if pieces.len() == 1 {
            return Ok(pieces.swap_remove(0));
        }
        let mut whole = BytesMut::with_capacity(length);
        pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
        Ok(whole.freeze())
    }

    /// The task of a part.
    async fn fill(self: Arc<Self>, range: Range<u64>, filling: Arc<Filling>) {
        let mut ending = Ending { source: &self, filling: &filling, ended: false };
        let filled = match &self.cache {
            None => self.fetch_into(range, |piece| filling.push(piece)).await,
            Some(_) => self.fill_through_cache(range, &filling).await,
        };
        if let Err(error) = filled {
            filling.fail(error);
        }
        ending.ended = true;
    }

    async fn fetch_into(&self, range: Range<u64>, mut take: impl FnMut(Bytes)) -> Result<()> {
        let ticket = self.container.engine().enter().await;
        let bytes = range.end - range.start;
        let fetched = fetch(&self.container, &self.path, self.meta.etag.as_deref(), range, |piece| {
            take(piece);
            Ok(())
        });
        fetched.await.map_err(|error| self.failed(&error))?;
        ticket.done(bytes);
        Ok(())
    }

    /// A part whose blocks come from the cache where they are there, and go into it where not. It begins at a block's border.
    async fn fill_through_cache(&self, range: Range<u64>, filling: &Filling) -> Result<()> {
        let Some((cache, key)) = &self.cache else { return self.fetch_into(range, |piece| filling.push(piece)).await };
        let mut at = range.start;
        while at < range.end {
            if let Some(block) = cache.get(key, at / BLOCK).await {
                let end = range.end.min(at + block.len() as u64);
                filling.push(block.slice(..(end - at) as usize));
                at = end;
                continue;
            }
            // Neighbours that are missing too come with the same request.
            let mut end = at;
            while end < range.end && (end == at || !cache.has(key, end / BLOCK)) {
                end = range.end.min(end + BLOCK);
            }
            let mut block = BytesMut::with_capacity(BLOCK as usize);
            let mut index = at / BLOCK;
            let mut full = Vec::new();
            self.fetch_into(at..end, |mut piece| {
                filling.push(piece.clone());
                while !piece.is_empty() {
                    let some = piece.split_to(piece.len().min(BLOCK as usize - block.len()));
                    block.extend_from_slice(&some);
                    if block.len() as u64 == BLOCK {
                        full.push((index, std::mem::replace(&mut block, BytesMut::with_capacity(BLOCK as usize)).freeze()));
                        index += 1;
                    }
                }
            })
            .await?;
            if !block.is_empty() && end == self.meta.size {
                full.push((index, block.freeze()));
            }
            // In a task of its own: what was fetched is kept even if the reader is closed now, and with it this part is ended.
            let (cache, key) = (cache.clone(), key.clone());
            let keeping = tokio::spawn(async move {
                for (index, block) in full {
                    cache.put(&key, index, block).await;
                }
            });
            keeping.await.ok();
            at = end;
        }
        Ok(())
    }

    /// `range`, which is smaller than a block, by way of whole blocks in the cache.
    async fn through_cache(&self, range: Range<u64>) -> Result<Bytes> {
        let mut blocks = Vec::new();
        for index in range.start / BLOCK..=(range.end - 1) / BLOCK {
            let bytes = self.exact(index * BLOCK..self.meta.size.min((index + 1) * BLOCK)).await?;
            if let Some((cache, key)) = &self.cache {
                cache.put(key, index, bytes.clone()).await;
            }
            blocks.push((index, bytes));
        }
        Ok(cut(&blocks, &range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Faults, Faulty, Mode};

    #[tokio::test]
    async fn a_part_whose_task_is_ended_is_an_error_and_no_wait() {
        let store = Faulty::new(1, Faults { silent: 1000, ..Faults::default() });
        let good = Container::over(store.good());
        let meta = good.write("a", Bytes::from_static(b"abc"), Mode::Create).await.expect("written");
        let reader = Container::over(Arc::new(store)).reader_of(meta, ReadOptions::default()).expect("a reader");
        let parts = reader.shared.plan(&(0..3)).expect("a part");
        tokio::task::yield_now().await;
        parts[0].end();
        let ended = tokio::time::timeout(Duration::from_secs(30), gather(&parts, 0..3)).await.expect("no wait");
        assert!(matches!(ended, Err(BlobError::Internal { .. })), "{ended:?}");
    }
}
