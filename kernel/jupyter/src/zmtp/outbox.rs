//! What waits to be written to one peer: counted in bytes, filled without waiting, emptied by one writer.
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

/// A peer with more than this waiting has stopped reading: it is cut off. What a busy browser tab leaves
/// unread for some seconds fits.
pub(crate) const MAX_WAITING_BYTES: usize = 64 << 20;
/// From here on output is held back for a peer that reads, but slower than the cell prints.
pub(crate) const SLOW_DOWN_BYTES: usize = 8 << 20;
/// A peer is waited for as long as it reads [`PATIENCE_BYTES`] in this time; then no more, until it has caught up.
const PATIENCE: Duration = Duration::from_millis(250);
const PATIENCE_BYTES: u64 = 256 << 10;
/// Small messages are joined up to this for one system call; also the step in which progress is counted.
const WRITE_BYTES: usize = 64 << 10;

/// The queue of one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    /// Bytes in `queue` and in the writer's hands.
    waiting: usize,
    /// Bytes ever handed to the system.
    written: u64,
    closed: bool,
    /// When we began to wait for the peer, and `written` then.
    since: Option<(Instant, u64)>,
    given_up: bool,
}

impl Outbox {
    /// Queues a message; never waits. False when the peer is cut off now, or was before.
    pub(crate) fn push(&self, wire: Bytes) -> bool {
        let mut state = self.lock();
        // One message alone may be larger than the limit.
        if state.closed || state.waiting > MAX_WAITING_BYTES {
            state.closed = true;
            state.queue.clear();
            drop(state);
            self.filled.notify_one();
            return false;
        }
        state.waiting += wire.len();
        state.queue.push_back(wire);
        drop(state);
        self.filled.notify_one();
        true
    }

    /// Ends the writer, whatever waits.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// True when all that was queued has been handed to the system.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.closed || state.waiting == 0
    }

    /// Whether the cell should print more slowly for this peer: it has much to read and is reading.
    pub(crate) fn holds_back(&self, now: Instant) -> bool {
        let mut state = self.lock();
        if state.waiting <= SLOW_DOWN_BYTES {
            state.since = None;
            state.given_up &= state.waiting > SLOW_DOWN_BYTES / 2;
            return false;
        }
        if state.closed || state.given_up {
            return false;
        }
        let written = state.written;
        match state.since {
            Some((since, _)) if now.duration_since(since) < PATIENCE => true,
            Some((_, before)) if written - before < PATIENCE_BYTES => {
                state.given_up = true;
                false
            }
            _ => {
                state.since = Some((now, written));
                true
            }
        }
    }

    /// Writes what is queued until the peer is cut off or the stream fails.
    pub(crate) async fn drain(&self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        loop {
            let wire = loop {
                // Registered before the look, so that no push is missed.
                let filled = self.filled.notified();
                match self.take() {
                    Take::Some(wire) => break wire,
                    Take::Nothing => filled.await,
                    Take::Closed => return Ok(()),
                }
            };
            self.write(writer, &wire).await?;
        }
    }

    async fn write(&self, writer: &mut (impl AsyncWrite + Unpin), wire: &[u8]) -> io::Result<()> {
        for piece in wire.chunks(WRITE_BYTES) {
            let cut_off = async {
                while !self.lock().closed {
                    self.filled.notified().await;
                }
            };
            tokio::select! {
                written = writer.write_all(piece) => written?,
                () = cut_off => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
            let mut state = self.lock();
            state.waiting = state.waiting.saturating_sub(piece.len());
            state.written += piece.len() as u64;
        }
        Ok(())
    }

    fn take(&self) -> Take {
        let mut state = self.lock();
        if state.closed {
            return Take::Closed;
        }
        let Some(first) = state.queue.pop_front() else { return Take::Nothing };
        if state.queue.front().is_none_or(|next| first.len() + next.len() > WRITE_BYTES) {
            return Take::Some(first);
        }
        let mut joined = first.to_vec();
        while let Some(next) = state.queue.pop_front_if(|next| joined.len() + next.len() <= WRITE_BYTES) {
            joined.extend_from_slice(&next);
        }
        Take::Some(joined.into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        crate::lock(&self.state)
    }
}

enum Take {
    Some(Bytes),
    Nothing,
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn megabytes(n: usize) -> Bytes {
        vec![0u8; n << 20].into()
    }

    #[test]
    fn a_peer_that_does_not_read_is_cut_off_by_bytes() {
        let outbox = Outbox::default();
        let one = megabytes(1);
        let queued = (0..200).take_while(|_| outbox.push(one.clone())).count();
        assert_eq!(queued, (MAX_WAITING_BYTES >> 20) + 1);
        assert!(outbox.is_empty(), "what was queued is let go");
        assert!(!outbox.push(one));
    }

    #[test]
    fn only_a_peer_that_reads_is_waited_for() {
        let outbox = Outbox::default();
        let start = Instant::now();
        assert!(!outbox.holds_back(start));
        outbox.push(megabytes(9));
        assert!(outbox.holds_back(start));
        assert!(outbox.holds_back(start + PATIENCE / 2));
        outbox.lock().written += PATIENCE_BYTES;
        assert!(outbox.holds_back(start + PATIENCE), "it has read");
        assert!(!outbox.holds_back(start + PATIENCE * 2), "it has stopped");
        outbox.lock().written += PATIENCE_BYTES;
        assert!(!outbox.holds_back(start + PATIENCE * 2), "and is not waited for until it has caught up");
        outbox.lock().waiting = 0;
        assert!(!outbox.holds_back(start + PATIENCE * 3));
        outbox.lock().waiting = 9 << 20;
        assert!(outbox.holds_back(start + PATIENCE * 3));
    }

    #[tokio::test]
    async fn everything_is_written_in_order() {
        let outbox = Outbox::default();
        let parts: Vec<Bytes> = (0..100u32).map(|n| vec![n as u8; n as usize * 1000].into()).collect();
        let expected: Vec<u8> = parts.iter().flatten().copied().collect();
        for part in parts {
            assert!(outbox.push(part));
        }
        let mut wire = Vec::new();
        tokio::select! {
            end = outbox.drain(&mut wire) => panic!("{end:?}"),
            () = async { while !outbox.is_empty() { tokio::task::yield_now().await } } => {}
        }
        assert!(wire == expected);
    }
}
