//! A stretch of an object that is being fetched ahead of a sequential consumer: parts in order, each filled by a task of its own.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::budget::Share;
use crate::{BlobError, Result};

/// The window at first: a small file is read whole, a large one costs little if only its head is wanted.
pub(crate) const FIRST_WINDOW: u64 = 1 << 20;
/// The smallest part that is fetched ahead, and the unit of part borders.
pub(crate) const SMALL_PART: u64 = 1 << 20;
/// What is kept behind the consumer for small steps back.
pub(crate) const KEPT_BEHIND: u64 = 1 << 20;
/// A step of at most so much beyond what is being fetched counts as going on.
const STEP_AHEAD: u64 = 1 << 20;

/// One part, filled piece by piece.
pub(crate) struct Part {
    pub(crate) range: Range<u64>,
    filling: Arc<Filling>,
    task: AbortHandle,
    _share: Share,
}

/// What the task of a part and its readers share.
pub(crate) struct Filling {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    /// Pieces with the position of their first byte.
    pieces: Vec<(u64, Bytes)>,
    /// Everything before this position is there.
    until: u64,
    failed: Option<BlobError>,
}

impl Filling {
    pub(crate) fn new(start: u64) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { until: start, ..State::default() }), news: Notify::new() })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        let mut state = self.state();
        let start = state.until;
        state.until += piece.len() as u64;
        state.pieces.push((start, piece));
        drop(state);
        self.news.notify_waiters();
    }

    pub(crate) fn fail(&self, error: BlobError) {
        self.state().failed = Some(error);
        self.news.notify_waiters();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Part {
    pub(crate) fn new(range: Range<u64>, filling: Arc<Filling>, task: AbortHandle, share: Share) -> Arc<Self> {
        Arc::new(Self { range, filling, task, _share: share })
    }

    /// Ends its task.
    #[cfg(test)]
    pub(crate) fn end(&self) {
        self.task.abort();
    }

    pub(crate) fn failed(&self) -> bool {
        self.filling.state().failed.is_some()
    }

    /// Gives the pieces of `range`, which lies in this part, to `take` once all are there.
    async fn pieces(&self, range: Range<u64>, take: &mut impl FnMut(Bytes)) -> Result<()> {
        loop {
            let news = self.filling.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            {
                let state = self.filling.state();
                if state.until >= range.end {
                    let first = state.pieces.partition_point(|(start, piece)| start + piece.len() as u64 <= range.start);
                    for (start, piece) in state.pieces[first..].iter().take_while(|(start, _)| *start < range.end) {
                        let from = range.start.saturating_sub(*start) as usize;
                        let to = ((range.end - start) as usize).min(piece.len());
                        take(piece.slice(from..to));
                    }
                    return Ok(());
                }
                if let Some(error) = &state.failed {
                    return Err(error.clone());
                }
            }
            news.await;
        }
    }
}

/// The bytes of `range` out of `parts`, which cover it. One piece is handed on as it is, more are joined.
pub(crate) async fn gather(parts: &[Arc<Part>], range: Range<u64>) -> Result<Bytes> {
    let mut pieces = Vec::new();
    for part in parts {
        let within = range.start.max(part.range.start)..range.end.min(part.range.end);
        part.pieces(within, &mut |piece| pieces.push(piece)).await?;
    }
    if pieces.len() == 1 {
        return Ok(pieces.swap_remove(0));
    }
    let mut whole = BytesMut::with_capacity((range.end - range.start) as usize);
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    Ok(whole.freeze())
}

/// One sequential consumer of an object.
pub(crate) struct Ahead {
    /// How far the consumer is.
    pub(crate) position: u64,
    /// How far it was when the window last grew.
    grown_at: u64,
    /// Bytes that may be fetched beyond the position.
    pub(crate) window: u64,
    pub(crate) parts: VecDeque<Arc<Part>>,
    /// Where the next part begins.
    pub(crate) front: u64,
    pub(crate) used: u64,
}

impl Ahead {
    pub(crate) fn new(start: u64, used: u64) -> Self {
        Self { position: start, grown_at: start, window: FIRST_WINDOW, parts: VecDeque::new(), front: start, used }
    }

    /// Whether a read at `offset` belongs to this consumer.
    pub(crate) fn takes(&self, offset: u64) -> bool {
        let first = self.parts.front().map_or(self.front, |part| part.range.start);
        (first..=self.front.saturating_add(STEP_AHEAD)).contains(&offset)
    }

    /// The consumer reads up to `end`: the window doubles for each quarter of it that was consumed, up to `most`.
    pub(crate) fn advance(&mut self, end: u64, most: u64) {
        self.position = self.position.max(end);
        while self.window < most && self.position - self.grown_at >= self.window / 4 {
            self.grown_at += self.window / 4;
            self.window = (self.window * 2).min(most);
        }
        self.window = self.window.min(most.max(FIRST_WINDOW));
        while self.parts.front().is_some_and(|part| part.range.end + KEPT_BEHIND <= self.position) {
            self.parts.pop_front();
        }
    }

    /// Size of the next part: a sixteenth of the window, so that a quarter of it arrives in parallel.
    pub(crate) fn part_size(&self) -> u64 {
        (self.window / 16).clamp(SMALL_PART, crate::parts::PART).next_multiple_of(SMALL_PART)
    }

    /// The parts that cover `range`, if all of it is being fetched.
    pub(crate) fn covering(&self, range: &Range<u64>) -> Option<Vec<Arc<Part>>> {
        let parts: Vec<_> = self.parts.iter().filter(|part| part.range.start < range.end && part.range.end > range.start).cloned().collect();
        let covers = parts.first().is_some_and(|first| first.range.start <= range.start) && parts.last().is_some_and(|last| last.range.end >= range.end);
        covers.then_some(parts)
    }
}
