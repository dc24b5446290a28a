//! What is known to be secret, and texts without it.
//!
//! ```text
//! text --> known forms (Aho-Corasick), on the text and on its views without escapes --+--> spans, merged --> text with marks
//!      --> what stands behind a marker (patterns) ---------------------------------------+
//! ```
//! Streams are [`crate::Stream`], which uses the same scan and keeps what may go on.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};

use crate::forms::{LEVELS, SHORTEST, forms};
use crate::patterns;
use crate::view::{View, decode};
use crate::{Secret, Stream};

/// What stands where a secret stood.
pub const REDACTED: &str = "[REDACTED]";

/// A longer text is looked through in pieces of so many bytes: its views take eight times their length.
const PIECE: usize = 1 << 20;
/// Needles that are looked at to find the shortest one with a given beginning.
const NEIGHBOURS: usize = 64;

/// Knows values that must not be seen, and takes them out of texts. Clones share what is known.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Known>>,
}

/// Values, and what was made of them when it was last needed.
#[derive(Default)]
struct Known {
    values: BTreeSet<Vec<u8>>,
    needles: Option<Arc<Needles>>,
}

impl Redactor {
    /// One that knows nothing but the patterns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this value is taken out of everything, in all its forms. Gives whether it is: values shorter than six bytes are not looked for.
    pub fn know(&self, secret: &Secret) -> bool {
        let forms = forms(secret.expose());
        let looked_for = !forms.is_empty();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = known.values.len();
        known.values.extend(forms);
        if known.values.len() != before {
            known.needles = None;
        }
        looked_for
    }

    /// The text without what is known or looks like a secret.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.redact(text).into_owned()
    }

    /// The text as it is where there is nothing to take out.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(into_text(bytes)),
        }
    }

    /// Whether there is anything to take out.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        matches!(self.bytes(text.as_bytes()), Cow::Owned(_))
    }

    /// Bytes, text or not.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if bytes.len() > PIECE {
            let mut stream = self.stream();
            let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
            for piece in bytes.chunks(PIECE) {
                out.extend(stream.push(piece));
            }
            out.extend(stream.finish());
            return if out == bytes { Cow::Borrowed(bytes) } else { Cow::Owned(out) };
        }
        let spans = self.needles().scan(bytes, true).spans;
        if spans.is_empty() {
            return Cow::Borrowed(bytes);
        }
        let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
        for span in spans {
            out.extend_from_slice(&bytes[at..span.start]);
            out.extend_from_slice(REDACTED.as_bytes());
            at = span.end;
        }
        out.extend_from_slice(&bytes[at..]);
        Cow::Owned(out)
    }

    /// For a text that comes in pieces.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream::new(self.clone())
    }

    /// What is looked for now.
    pub(crate) fn needles(&self) -> Arc<Needles> {
        if let Some(needles) = &self.known.read().unwrap_or_else(PoisonError::into_inner).needles {
            return needles.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known { values, needles } = &mut *known;
        needles.get_or_insert_with(|| Arc::new(Needles::new(values.iter().cloned().collect()))).clone()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Redactor(…)")
    }
}

/// Cuts are made at whole characters, as needles and markers are text; if ever not, what is broken is shown as such.
pub(crate) fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The forms of all known values, ready to be found.
pub(crate) struct Needles {
    /// Sorted.
    all: Vec<Vec<u8>>,
    automaton: Option<AhoCorasick>,
    /// Bytes with which a needle begins, and pairs of them: most places of a text are passed over by these.
    first: [bool; 256],
    pairs: Vec<bool>,
    /// A needle may begin with an escape.
    first_is_escaped: bool,
    longest: usize,
}

/// What was found in a text to which more may come.
pub(crate) struct Scan {
    /// What is to be taken out: sorted, apart from each other.
    pub(crate) spans: Vec<Range<usize>>,
    /// From here on the text may be part of a secret, and must not be shown yet.
    pub(crate) hold: usize,
    /// From here on it is needed to judge what comes; at most `hold`.
    pub(crate) keep: usize,
    /// Bytes of a known value that the text's end agrees with; 0 when what is held stands behind a marker.
    pub(crate) agrees: usize,
    /// From here on the text agrees with so much of a value that it counts as it, when no more comes.
    pub(crate) telling: Option<usize>,
}

/// A beginning of at least so many bytes and half the value counts as the value, when no more comes.
const TELLING: usize = 8;

impl Needles {
    fn new(all: Vec<Vec<u8>>) -> Self {
        let mut first = [false; 256];
        let mut pairs = vec![false; 1 << 16];
        for needle in &all {
            first[usize::from(needle[0])] = true;
            pairs[pair(needle[0], needle[1])] = true;
        }
        let first_is_escaped = all.iter().any(|needle| !needle[0].is_ascii_alphanumeric());
        let longest = all.iter().map(Vec::len).max().unwrap_or(0);
        // Building fails only when all needles together exceed 2 GiB.
        let automaton = (!all.is_empty()).then(|| AhoCorasick::builder().match_kind(MatchKind::Standard).build(&all).ok()).flatten();
        Self { all, automaton, first, pairs, first_is_escaped, longest }
    }

    /// Looks through a text. `ended`: nothing follows it.
    pub(crate) fn scan(&self, text: &[u8], ended: bool) -> Scan {
        let mut scan = Scan { spans: Vec::new(), hold: text.len(), keep: text.len(), agrees: 0, telling: None };
        patterns::scan(text, ended, |hit| {
            if let Some(end) = hit.end {
                scan.spans.push(hit.start..end);
            } else {
                scan.hold = scan.hold.min(hit.start);
            }
            if hit.open {
                scan.keep = scan.keep.min(hit.at.saturating_sub(1));
            }
        });
        if self.automaton.is_some() {
            self.known(text, ended, &mut scan);
        }
        if !ended {
            let marker = patterns::beginning(text).map_or(text.len(), |at| at.saturating_sub(1));
            scan.keep = scan.keep.min(marker).min(scan.hold);
        }
        scan.spans = merged(scan.spans);
        scan
    }

    /// Known values, in the text and in its views.
    fn known(&self, text: &[u8], ended: bool, scan: &mut Scan) {
        self.find(text, |at| at, scan);
        self.begins(text, |at| at, scan);
        let mut view = decode(text, ended);
        for level in 1.. {
            let Some(now) = view else { return };
            let place = |at: usize| now.map[at] as usize;
            self.find(&now.bytes, place, scan);
            let unfinished = now.unfinished.filter(|_| self.first_is_escaped).map(|at| at as usize);
            if !self.begins(&now.bytes, place, scan)
                && let Some(at) = unfinished.filter(|at| *at < scan.hold)
            {
                (scan.hold, scan.agrees) = (at, 0);
            }
            if level == LEVELS {
                return;
            }
            view = decode(&now.bytes, ended).map(|next: View| next.below(&now));
        }
    }

    /// Notes whether a text ends with the beginning of a needle.
    fn begins(&self, text: &[u8], place: impl Fn(usize) -> usize, scan: &mut Scan) -> bool {
        let Some((at, needle)) = self.beginning(text) else { return false };
        let (agrees, at) = (text.len() - at, place(at));
        if at < scan.hold {
            (scan.hold, scan.agrees) = (at, agrees);
        }
        if agrees >= TELLING && agrees * 2 >= needle {
            scan.telling = Some(scan.telling.map_or(at, |other| other.min(at)));
        }
        true
    }

    fn find(&self, text: &[u8], place: impl Fn(usize) -> usize, scan: &mut Scan) {
        let Some(automaton) = &self.automaton else { return };
        if !automaton.is_match(text) {
            return;
        }
        scan.spans.extend(automaton.find_overlapping_iter(text).map(|m| place(m.start())..place(m.end())));
    }

    /// Where the longest end of the text begins that is the beginning of a needle, and the length of that needle.
    fn beginning(&self, text: &[u8]) -> Option<(usize, usize)> {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        let may = |at: &usize| text.get(at + 1).map_or(self.first[usize::from(text[*at])], |next| self.pairs[pair(text[*at], *next)]);
        (from..text.len()).filter(may).find_map(|at| {
            let tail = &text[at..];
            let index = self.all.partition_point(|needle| needle.as_slice() < tail);
            let candidates = self.all[index..].iter().take(NEIGHBOURS).take_while(|needle| needle.starts_with(tail));
            candidates.map(Vec::len).filter(|length| *length > tail.len()).min().map(|length| (at, length))
        })
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

impl Scan {
    /// One more span.
    pub(crate) fn take_out(&mut self, span: Range<usize>) {
        let mut spans = std::mem::take(&mut self.spans);
        spans.push(span);
        self.spans = merged(spans);
    }
}

/// Spans that overlap or touch, as one.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.retain(|span| span.end > span.start);
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut all: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match all.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => all.push(span),
        }
    }
    all
}

/// Whether a value is long enough to be looked for.
#[must_use]
pub fn is_looked_for(value: &str) -> bool {
    value.trim().len() >= SHORTEST
}

#[cfg(test)]
mod tests;
