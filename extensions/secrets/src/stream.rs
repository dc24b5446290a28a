//! A text that comes in pieces, without its secrets: also those that lie over the border of two pieces.
//!
//! ```text
//!   buffer:  | context: shown, kept to judge what comes | held: may be part of a secret |
//!            keep                                    shown
//! ```
//! Ordinary text passes at once. Held back is only what may be the beginning of a known value, or stands behind a marker (`sig=`) and is not yet
//! long enough to tell. Whoever drives a stream calls [`Stream::release`] when [`Stream::patience`] is over, and [`Stream::finish`] at the end.

use std::time::Duration;

use crate::Redactor;
use crate::redactor::{REDACTED, Scan, into_text};

/// How long text is held whose last bytes could begin a secret by chance: not noticeable.
const SHORT_PATIENCE: Duration = Duration::from_millis(100);
/// How long text is held that agrees with a secret in so many bytes that chance is unlikely.
const LONG_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes from which on agreement is hardly chance.
const UNLIKELY: usize = 4;
/// Text that may be kept to judge what comes.
const LONGEST_BUFFER: usize = 128 << 10;

/// The state of one stream.
pub struct Stream {
    redactor: Redactor,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were passed on or replaced.
    shown: usize,
    /// The buffer's bytes up to here are covered by a mark that was passed on.
    marked: usize,
    /// Bytes of a known value that the buffer's end agrees with.
    agrees: usize,
}

impl Stream {
    pub(crate) fn new(redactor: Redactor) -> Self {
        Self { redactor, buffer: Vec::new(), shown: 0, marked: 0, agrees: 0 }
    }

    /// Takes a piece; gives what may be shown now.
    #[must_use]
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.buffer.extend_from_slice(piece);
        let mut scan = self.redactor.needles().scan(&self.buffer, false);
        if self.buffer.len() > LONGEST_BUFFER && scan.keep < self.buffer.len() - LONGEST_BUFFER {
            scan.keep = self.buffer.len() - LONGEST_BUFFER;
            scan.hold = scan.hold.max(scan.keep);
        }
        let mut out = Vec::with_capacity(piece.len());
        self.show(&scan, &mut out);
        self.agrees = scan.agrees;
        // A span of which a part is still to come is found again by all of it.
        let torn = scan.spans.iter().find(|span| span.end > scan.hold).map_or(scan.keep, |span| span.start);
        self.forget(scan.keep.min(torn));
        out
    }

    /// [`Stream::push`] for text.
    #[must_use]
    pub fn push_text(&mut self, piece: &str) -> String {
        into_text(self.push(piece.as_bytes()))
    }

    /// For how long what is held should wait for more; `None` when nothing is held.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let held = self.shown < self.buffer.len();
        held.then_some(if self.agrees >= UNLIKELY { LONG_PATIENCE } else { SHORT_PATIENCE })
    }

    /// Gives what is held, because it waited long enough or something else comes next. What follows is still judged together with it: of a value
    /// that goes on, the rest is taken out.
    #[must_use]
    pub fn release(&mut self) -> Vec<u8> {
        if self.shown == self.buffer.len() {
            return Vec::new();
        }
        let mut scan = self.redactor.needles().scan(&self.buffer, true);
        if let Some(at) = scan.telling {
            scan.take_out(at..self.buffer.len());
        }
        scan.hold = self.buffer.len();
        let mut out = Vec::new();
        self.show(&scan, &mut out);
        out
    }

    /// [`Stream::release`] for text.
    #[must_use]
    pub fn release_text(&mut self) -> String {
        into_text(self.release())
    }

    /// The end: gives what is held, and forgets.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let out = self.release();
        (self.shown, self.marked, self.agrees) = (0, 0, 0);
        self.buffer.clear();
        out
    }

    /// [`Stream::finish`] for text.
    #[must_use]
    pub fn finish_text(&mut self) -> String {
        into_text(self.finish())
    }

    /// Passes on what stands before `scan.hold`, with marks for its spans.
    fn show(&mut self, scan: &Scan, out: &mut Vec<u8>) {
        let end = scan.hold.max(self.shown);
        let mut at = self.shown;
        for span in &scan.spans {
            if span.end <= at || span.start >= end {
                // A span behind the border waits; one before it was shown.
                continue;
            }
            out.extend_from_slice(&self.buffer[at..span.start.max(at)]);
            // A span that was marked already goes on without another mark.
            if span.start >= self.marked {
                out.extend_from_slice(REDACTED.as_bytes());
            }
            self.marked = span.end.min(end);
            at = self.marked;
        }
        out.extend_from_slice(&self.buffer[at..end]);
        self.shown = end;
    }

    /// Drops the buffer up to `keep`.
    fn forget(&mut self, keep: usize) {
        let keep = keep.min(self.shown);
        self.buffer.drain(..keep);
        self.shown -= keep;
        self.marked = self.marked.saturating_sub(keep);
    }
}

#[cfg(test)]
mod tests;
