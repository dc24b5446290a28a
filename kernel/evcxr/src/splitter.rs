//! Parts a child's stdout into what cells print and evcxr's own lines.
//!
//! evcxr wants its lines alone and hangs when a cell has printed the beginning of one
//! (`print!("50%")`, then the marker of the end); here the text before a marker is cut off.

const PREFIX: &[u8] = b"EVCXR_";
const COMPLETE: &str = "EVCXR_EXECUTION_COMPLETE";
const PANIC: &str = "EVCXR_PANIC_NOTIFICATION";
const FAILED: &str = "EVCXR_ERROR_OCCURRED";
const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "EVCXR_END_CONTENT";
/// Markers with something after them.
const OPEN: [&str; 3] = ["EVCXR_INPUT_REQUEST", "EVCXR_VARIABLE_CHANGED_TYPE:", BEGIN];

/// A piece of stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// What a cell printed.
    Text(Vec<u8>),
    /// A line for evcxr, without its newline.
    Protocol(String),
    /// The code panicked; evcxr wants to know, too.
    Panicked,
    /// An error left the code through `?`.
    Failed,
    /// The code has run.
    Complete,
}

/// Holds back only what may be the beginning of a marker.
#[derive(Default)]
pub struct Splitter {
    held: Vec<u8>,
    /// Between the lines that begin and end a value.
    in_content: bool,
}

impl Splitter {
    /// Takes some bytes of stdout.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.held.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        while self.step(&mut pieces) {}
        pieces
    }

    /// What is left when the stream has ended.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.held);
        (!rest.is_empty()).then_some(rest)
    }

    /// Takes one piece off what is held; false when more bytes are needed.
    fn step(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        if self.in_content {
            let Some(line) = self.take_line() else { return false };
            self.content(&line, pieces);
            return true;
        }
        match find(&self.held, PREFIX) {
            Some(0) => {}
            Some(at) => {
                pieces.push(Piece::Text(self.held.drain(..at).collect()));
                return true;
            }
            None => {
                let keep = (1..PREFIX.len()).rev().find(|n| self.held.ends_with(&PREFIX[..*n])).unwrap_or(0);
                let text: Vec<u8> = self.held.drain(..self.held.len() - keep).collect();
                if !text.is_empty() {
                    pieces.push(Piece::Text(text));
                }
                return false;
            }
        }
        let Some(line) = self.take_line() else { return false };
        match marker(&line) {
            Some(piece) => {
                self.in_content = line.starts_with(BEGIN.as_bytes());
                pieces.push(piece);
            }
            // Only looked like one; another may begin within it.
            None => {
                let mut line = line;
                line.push(b'\n');
                let rest = line.split_off(PREFIX.len());
                pieces.push(Piece::Text(line));
                self.held.splice(..0, rest);
            }
        }
        true
    }

    fn content(&mut self, line: &[u8], pieces: &mut Vec<Piece>) {
        let text = String::from_utf8_lossy(line).into_owned();
        let Some((end, piece)) = [(END, Piece::Protocol(END.into())), (PANIC, Piece::Panicked)].into_iter().find(|(m, _)| text.ends_with(m)) else {
            return pieces.push(Piece::Protocol(text));
        };
        let before = &text[..text.len() - end.len()];
        if !before.is_empty() {
            pieces.push(Piece::Protocol(before.to_owned()));
        }
        self.in_content = false;
        pieces.push(piece);
    }

    /// The first whole line, without its newline.
    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.held.iter().position(|b| *b == b'\n')?;
        let mut line: Vec<u8> = self.held.drain(..=end).collect();
        line.pop();
        Some(line)
    }
}

fn marker(line: &[u8]) -> Option<Piece> {
    let text = std::str::from_utf8(line).ok()?;
    match text {
        COMPLETE => Some(Piece::Complete),
        PANIC => Some(Piece::Panicked),
        FAILED => Some(Piece::Failed),
        _ if OPEN.iter().any(|m| text.starts_with(m)) => Some(Piece::Protocol(text.to_owned())),
        _ => None,
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts joined, so that cuts do not show.
    fn all(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        let mut joined: Vec<Piece> = Vec::new();
        let mut pieces: Vec<Piece> = chunks.iter().flat_map(|c| splitter.push(c)).collect();
        pieces.extend(splitter.finish().map(Piece::Text));
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(more)) => before.extend(more),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn a_marker_after_text_without_a_newline_is_seen_however_it_is_cut() {
        let stdout = b"50%EVCXR_BEGIN_CONTENT text/plain\na\n\nbEVCXR_END_CONTENT\nmore EVCXR_PANIC_NOTIFICATION\nEVCXR_EXECUTION_COMPLETE\n";
        let line = |text: &str| Piece::Protocol(text.to_owned());
        let expected = vec![
            text("50%"), line("EVCXR_BEGIN_CONTENT text/plain"), line("a"), line(""), line("b"), line("EVCXR_END_CONTENT"),
            text("more "), Piece::Panicked, Piece::Complete,
        ];
        for at in 0..stdout.len() {
            assert_eq!(all(&[&stdout[..at], &stdout[at..]]), expected, "cut at {at}");
        }
    }

    #[test]
    fn text_is_held_back_only_while_it_may_be_a_marker() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(b"E"), []);
        assert_eq!(splitter.push(b"lse"), [text("Else")]);
        assert_eq!(splitter.push(b"10%"), [text("10%")]);
    }

    #[test]
    fn what_only_looks_like_a_marker_is_text() {
        let looks = "EVCXR_NOTHING\nEVCXR_EVCXR_ERROR_OCCURRED\n";
        assert_eq!(all(&[looks.as_bytes()]), [text("EVCXR_NOTHING\nEVCXR_"), Piece::Failed]);
        assert_eq!(all(&[b"\xff\xfeEVCXR_\xff\n"]), [Piece::Text(b"\xff\xfeEVCXR_\xff\n".to_vec())]);
    }
}
