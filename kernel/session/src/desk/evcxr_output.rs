//! evcxr's way to show rich values: lines `EVCXR_BEGIN_CONTENT <mime>` … `EVCXR_END_CONTENT` on stdout.
use ochre_link::{Bundle, Data};

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "EVCXR_END_CONTENT";

/// Splits stdout into text and such values. Text is held back only while it may be the beginning of a marker.
#[derive(Default)]
pub(crate) struct EvcxrOutput {
    /// Bytes that are not yet whole characters.
    partial: Vec<u8>,
    /// The beginning of a line that may become a marker.
    held: String,
    at_line_start: bool,
    begun: bool,
    content: Option<(String, String)>,
}

/// What stdout held, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Value(Bundle),
}

impl EvcxrOutput {
    /// Takes some bytes of stdout.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Part> {
        if !self.begun {
            self.begun = true;
            self.at_line_start = true;
        }
        let text = decode(&mut self.partial, bytes);
        let mut parts = Vec::new();
        for line in text.split_inclusive('\n') {
            self.line(line, &mut parts);
        }
        parts
    }

    /// What is left at the end of the cell.
    pub(crate) fn finish(&mut self) -> Vec<Part> {
        let mut rest = std::mem::take(&mut self.held);
        if let Some((mime, body)) = self.content.take() {
            rest = format!("{BEGIN}{mime}\n{body}{rest}");
        }
        rest.push_str(&String::from_utf8_lossy(&std::mem::take(&mut self.partial)));
        if rest.is_empty() { Vec::new() } else { vec![Part::Text(rest)] }
    }

    /// A line, or the part of one that has come so far.
    fn line(&mut self, piece: &str, parts: &mut Vec<Part>) {
        let whole = piece.ends_with('\n');
        if self.content.is_some() {
            self.held.push_str(piece);
            if whole {
                let line = std::mem::take(&mut self.held);
                self.content_line(line, parts);
            }
            return;
        }
        if !self.at_line_start && self.held.is_empty() {
            self.at_line_start = whole;
            return push_text(parts, piece);
        }
        self.held.push_str(piece);
        if !(self.held.starts_with(BEGIN) || BEGIN.starts_with(self.held.as_str())) {
            let text = std::mem::take(&mut self.held);
            self.at_line_start = whole;
            return push_text(parts, &text);
        }
        if whole {
            let mime = self.held[BEGIN.len().min(self.held.len())..].trim().to_owned();
            self.held.clear();
            self.content = Some((mime, String::new()));
        }
    }

    fn content_line(&mut self, line: String, parts: &mut Vec<Part>) {
        let Some((mime, mut body)) = self.content.take() else { return };
        if let Some(at) = line.find(END).filter(|at| line[at + END.len()..].trim().is_empty()) {
            body.push_str(&line[..at]);
            let body = body.strip_suffix('\n').unwrap_or(&body).to_owned();
            self.at_line_start = true;
            return parts.push(Part::Value(bundle(&mime, body)));
        }
        body.push_str(&line);
        self.content = Some((mime, body));
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(before)) => before.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

/// evcxr sends pictures in base64 already, as Jupyter wants them.
fn bundle(mime: &str, body: String) -> Bundle {
    let data = if mime == "application/json" || mime.ends_with("+json") { Data::Json(body) } else { Data::Text(body) };
    Bundle { data: vec![(mime.to_owned(), data)], metadata: None }
}

/// The whole characters of some bytes; what may still become one waits, what cannot is replaced.
pub(crate) fn decode(partial: &mut Vec<u8>, bytes: &[u8]) -> String {
    partial.extend_from_slice(bytes);
    let mut text = String::new();
    let all = std::mem::take(partial);
    let mut rest = &all[..];
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                match error.error_len() {
                    Some(bad) => {
                        text.push('\u{fffd}');
                        rest = &after[bad..];
                    }
                    None => {
                        partial.extend_from_slice(after);
                        return text;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&str]) -> Vec<Part> {
        let mut filter = EvcxrOutput::default();
        let mut parts: Vec<Part> = chunks.iter().flat_map(|c| filter.take(c.as_bytes())).collect();
        parts.extend(filter.finish());
        parts
    }

    #[test]
    fn a_value_between_texts_however_it_is_cut() {
        let text = "before\nEVCXR_BEGIN_CONTENT text/html\n<b>x</b>\nEVCXR_END_CONTENT\nafter";
        let html = Part::Value(Bundle { data: vec![("text/html".into(), Data::Text("<b>x</b>".into()))], metadata: None });
        for at in 1..text.len() {
            let parts = all(&[&text[..at], &text[at..]]);
            let joined: String = parts.iter().map(|p| if let Part::Text(t) = p { t.as_str() } else { "|" }).collect();
            assert_eq!(joined, "before\n|after", "cut at {at}");
            assert!(parts.contains(&html), "cut at {at}");
        }
    }

    #[test]
    fn text_without_a_newline_is_not_held_back() {
        let mut filter = EvcxrOutput::default();
        assert_eq!(filter.take(b"50%"), [Part::Text("50%".into())]);
        assert_eq!(filter.take(b"E"), [Part::Text("E".into())]);
    }

    #[test]
    fn an_unfinished_value_is_shown_as_text() {
        assert_eq!(all(&["EVCXR_BEGIN_CONTENT text/html\nabc"]), [Part::Text("EVCXR_BEGIN_CONTENT text/html\nabc".into())]);
    }
}
