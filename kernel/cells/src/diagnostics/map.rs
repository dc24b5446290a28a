//! Which bytes of a generated file are whose: from places that rustc and panics report to places in cells.
use super::message::Span;
use std::ops::Range;
use std::sync::Arc;

/// Where the text of a generated file came from. Bytes outside of any piece are generated.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    /// Sorted by `start`, without overlap.
    pub pieces: Vec<Piece>,
    /// The whole generated text.
    pub generated: String,
}

/// A run of bytes that was copied from a cell.
#[derive(Clone, Debug)]
pub struct Piece {
    /// First byte in the generated text.
    pub start: usize,
    /// Length in bytes, the same on both sides.
    pub len: usize,
    pub origin: Origin,
    /// First byte in the origin's text.
    pub origin_start: usize,
}

/// A cell's text, cheap to clone, the same when the id is the same.
#[derive(Clone, Debug)]
pub struct Origin(pub Arc<CellSource>);

/// The text of a cell, as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellSource {
    /// What the user knows it by, such as `cell [3]`.
    pub label: String,
    pub text: String,
    pub id: u64,
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Origin {}

impl Origin {
    /// Line and column of a byte, both from 1, the column in characters.
    pub fn line_column(&self, byte: usize) -> (u32, u32) {
        let before = &self.0.text[..floor_boundary(&self.0.text, byte)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + before.bytes().filter(|b| *b == b'\n').count();
        let column = 1 + before[line_start..].chars().count();
        (line as u32, column as u32)
    }
}

/// What a span of a message lies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Located {
    User { origin: Origin, range: Range<usize> },
    /// In the scaffold: bytes of the generated text.
    Generated(Range<usize>),
    /// In another file: std, a dependency.
    Elsewhere,
}

impl SourceMap {
    /// Whether the span is one of this file: file names are not known here, so the quoted line decides.
    fn holds(&self, span: &Span) -> bool {
        let text = self.generated.as_str();
        if span.byte_end > text.len() || span.byte_start > span.byte_end || span.file_name.starts_with("/rustc/") {
            return false;
        }
        let Some(first) = span.text.first() else { return span.byte_start == text.len() };
        let (Some(before), Some(after)) = (text.get(..span.byte_start), text.get(span.byte_start..)) else { return false };
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = after.find('\n').map_or(text.len(), |at| span.byte_start + at);
        text[line_start..line_end].trim_end() == first.text.trim_end()
    }

    /// What a span lies on.
    pub(super) fn locate(&self, span: &Span) -> Located {
        if self.holds(span) { self.locate_bytes(span.byte_start..span.byte_end) } else { Located::Elsewhere }
    }

    /// What bytes of the generated text lie on. A range that leaves the user's text is clipped to it; one that
    /// begins and ends in the scaffold belongs to the scaffold, whatever it encloses.
    pub(super) fn locate_bytes(&self, range: Range<usize>) -> Located {
        let first = self.piece_at(range.start, true).or_else(|| (range.start == range.end).then(|| self.piece_at(range.start, false))?);
        let last = if range.end > range.start { self.piece_at(range.end - 1, true) } else { first };
        let (first, last) = match (first, last) {
            (None, None) => match self.bracketed(&range) {
                Some(piece) => (piece, piece),
                None => return Located::Generated(range),
            },
            (Some(first), Some(last)) if first.origin == last.origin => (first, last),
            (Some(piece), _) | (None, Some(piece)) => (piece, piece),
        };
        let start = first.origin_start + range.start.clamp(first.start, first.start + first.len) - first.start;
        let end = last.origin_start + range.end.clamp(last.start, last.start + last.len) - last.start;
        let text = &first.origin.0.text;
        let start = floor_boundary(text, start);
        Located::User { origin: first.origin.clone(), range: start..ceil_boundary(text, end).max(start) }
    }

    /// The piece that a range of the scaffold encloses with nothing but brackets and `&`: `&(tail)` is the user's `tail`.
    fn bracketed(&self, range: &Range<usize>) -> Option<&Piece> {
        let at = self.pieces.partition_point(|piece| piece.start < range.start);
        let piece = self.pieces.get(at).filter(|piece| piece.start + piece.len <= range.end)?;
        let around = [range.start..piece.start, piece.start + piece.len..range.end];
        let bare = |range: Range<usize>| self.generated.get(range).is_some_and(|text| text.chars().all(|c| matches!(c, '&' | '(' | ')' | ' ' | '\n')));
        around.into_iter().all(bare).then_some(piece)
    }

    /// The piece that holds a byte; not `inside`: the one that ends there.
    fn piece_at(&self, byte: usize, inside: bool) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.start <= byte);
        let piece = self.pieces[..after].last()?;
        let end = piece.start + piece.len;
        (byte < end || (!inside && byte == end)).then_some(piece)
    }

    /// The end of the last piece before a byte of the scaffold: where a person would say that it happened.
    pub(super) fn end_before(&self, byte: usize) -> Option<(Origin, usize)> {
        let piece = self.pieces.iter().rev().find(|piece| piece.start < byte)?;
        Some((piece.origin.clone(), piece.origin_start + piece.len))
    }
}

/// Where a place of the generated file (line and column from 1, as rustc and `panic::Location` count) lies in a cell.
pub fn place(map: &SourceMap, line: u32, column: u32) -> Option<(Origin, u32, u32)> {
    let skip = usize::try_from(line.checked_sub(1)?).ok()?;
    let mut start = 0;
    for _ in 0..skip {
        start += map.generated.get(start..)?.find('\n')? + 1;
    }
    let rest = map.generated.get(start..)?;
    let text = rest.split('\n').next().unwrap_or(rest);
    let offset = text.char_indices().nth(column.saturating_sub(1) as usize).map_or(text.len(), |(at, _)| at);
    let at = start + offset;
    // To rustc the brackets around an expression belong to it: in `&(tail)` a call that is the tail panics at the bracket.
    let bracket = map.generated[at..].starts_with('(') && map.pieces.iter().any(|piece| piece.start == at + 1);
    let found = match map.locate_bytes(at..at) {
        Located::User { origin, range } => Some((origin, range)),
        _ if bracket => match map.locate_bytes(at + 1..at + 1) {
            Located::User { origin, range } => Some((origin, range)),
            _ => None,
        },
        _ => None,
    };
    let (origin, range) = found?;
    let (line, column) = origin.line_column(range.start);
    Some((origin, line, column))
}

/// The nearest character border at or before a byte, at most the text's end.
pub(super) fn floor_boundary(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The nearest character border at or after a byte, at most the text's end.
pub(super) fn ceil_boundary(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
