//! What cells print, as lines that the relay sends to the engine through evcxr's stderr channel.
//!
//! evcxr hands on whole lines of UTF-8 and loses what is neither; an escaped line holds any bytes. The tag
//! begins with a token that cells cannot guess.
use ochre_link::Stream;

/// One line from the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The child was told to run code.
    Begun,
    /// Bytes that a cell printed.
    Printed(Stream, Vec<u8>),
    /// All that the run of this number printed was sent before.
    Ended(u64),
    /// The child has ended, and all its output was sent before.
    Gone,
}

impl Line {
    /// The line, with its newline.
    pub fn encode(&self, token: &str) -> Vec<u8> {
        let body = match self {
            Line::Begun => "b".to_owned(),
            Line::Printed(Stream::Stdout, bytes) => format!("o{}", escape(bytes)),
            Line::Printed(Stream::Stderr, bytes) => format!("e{}", escape(bytes)),
            Line::Ended(run) => format!("f{run}"),
            Line::Gone => "g".to_owned(),
        };
        format!("{token}{body}\n").into_bytes()
    }

    /// Reads a line without its newline; `None` when it is not the relay's.
    pub fn decode(token: &str, line: &str) -> Option<Self> {
        let body = line.strip_prefix(token)?;
        let (kind, rest) = body.split_at_checked(1)?;
        match kind {
            "b" => Some(Line::Begun),
            "o" => Some(Line::Printed(Stream::Stdout, unescape(rest)?)),
            "e" => Some(Line::Printed(Stream::Stderr, unescape(rest)?)),
            "f" => rest.parse().ok().map(Line::Ended),
            "g" => Some(Line::Gone),
            _ => None,
        }
    }
}

/// Printable ASCII as it is, all else as `%` and two hexadecimal digits.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    for &byte in bytes {
        match byte {
            b'%' | 0..0x20 | 0x7f.. => text.push_str(&format!("%{byte:02x}")),
            _ => text.push(char::from(byte)),
        }
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        for line in [Line::Printed(Stream::Stdout, all), Line::Printed(Stream::Stderr, Vec::new()), Line::Begun, Line::Ended(7), Line::Gone] {
            let encoded = String::from_utf8(line.encode("token ")).unwrap();
            assert_eq!(encoded.matches('\n').count(), 1, "one line");
            assert_eq!(Line::decode("token ", encoded.trim_end_matches('\n')), Some(line));
        }
    }

    #[test]
    fn what_cells_print_is_no_line_of_the_relay() {
        for line in ["", "hello", "othertoken b", "token x", "token o%zz", "token f"] {
            assert_eq!(Line::decode("token ", line), None, "{line}");
        }
    }
}
