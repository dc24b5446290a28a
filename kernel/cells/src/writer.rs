//! Builds a generated file and remembers which of its bytes are the user's.
use crate::diagnostics::{CellSource, Origin, Piece, SourceMap};
use crate::parse::Edit;
use std::ops::Range;
use std::sync::Arc;

/// A generated file in the making.
#[derive(Default)]
pub struct Writer {
    map: SourceMap,
}

impl Writer {
    /// Appends generated text.
    pub fn push(&mut self, text: &str) {
        self.map.generated.push_str(text);
    }

    /// Appends a range of a cell with the edits that lie in it.
    pub fn user(&mut self, source: &Arc<CellSource>, range: &Range<usize>, edits: &[Edit]) {
        let mut at = range.start;
        for edit in edits.iter().filter(|e| e.at >= range.start && e.at < range.end) {
            self.copy(source, at..edit.at);
            self.push(edit.insert);
            at = edit.at + edit.remove;
        }
        self.copy(source, at..range.end);
    }

    fn copy(&mut self, source: &Arc<CellSource>, range: Range<usize>) {
        let Some(text) = source.text.get(range.clone()).filter(|t| !t.is_empty()) else { return };
        let start = self.map.generated.len();
        self.map.pieces.push(Piece { start, len: text.len(), origin: Origin(source.clone()), origin_start: range.start });
        self.map.generated.push_str(text);
    }

    /// Length so far, in bytes.
    pub fn len(&self) -> usize {
        self.map.generated.len()
    }

    /// The finished file.
    pub fn finish(self) -> SourceMap {
        self.map
    }
}
