//! A text with its escapes undone, and where each byte stood: so that a value is found in whatever mixture of percent signs, backslashes and HTML
//! entities it was written.

/// A text as it reads without escapes.
pub(crate) struct View {
    pub(crate) bytes: Vec<u8>,
    /// For each byte where its escape begins in the text it was made of, and one more: where the last ends.
    pub(crate) map: Vec<u32>,
    /// An escape that the text may end within begins here.
    pub(crate) unfinished: Option<u32>,
}

/// Longest escape: `\u{10ffff}` and `&#x10ffff;`.
const LONGEST_ESCAPE: usize = 10;

/// The text without one level of escapes; `None` when it has none. `ended`: what is unfinished at its end is no escape.
pub(crate) fn decode(text: &[u8], ended: bool) -> Option<View> {
    let begins = |byte: &u8| matches!(byte, b'%' | b'\\' | b'&');
    let first = text.iter().position(begins)?;
    let mut view = View { bytes: Vec::with_capacity(text.len()), map: Vec::with_capacity(text.len() + 1), unfinished: None };
    let (mut at, mut found) = (0, false);
    view.copy(text, 0, first, &mut at);
    while at < text.len() {
        match escape(&text[at..]) {
            Escape::Char(character, length) => {
                found = true;
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    view.push(byte, at);
                }
                at += length;
            }
            Escape::Byte(byte, length) => {
                found = true;
                view.push(byte, at);
                at += length;
            }
            Escape::Unfinished if !ended => {
                view.unfinished = Some(at as u32);
                break;
            }
            Escape::None | Escape::Unfinished => {
                let next = text[at + 1..].iter().position(begins).map_or(text.len(), |p| at + 1 + p);
                let start = at;
                view.copy(text, start, next, &mut at);
            }
        }
    }
    view.map.push(at as u32);
    (found || view.unfinished.is_some()).then_some(view)
}

impl View {
    fn push(&mut self, byte: u8, at: usize) {
        self.bytes.push(byte);
        self.map.push(at as u32);
    }

    fn copy(&mut self, text: &[u8], from: usize, to: usize, at: &mut usize) {
        self.bytes.extend_from_slice(&text[from..to]);
        self.map.extend(from as u32..to as u32);
        *at = to;
    }

    /// This view's places as places of what `outer` was made of.
    pub(crate) fn below(mut self, outer: &View) -> Self {
        for place in &mut self.map {
            *place = outer.map[*place as usize];
        }
        self.unfinished = self.unfinished.map(|p| outer.map[p as usize]).or(outer.unfinished);
        self
    }
}

enum Escape {
    Char(char, usize),
    Byte(u8, usize),
    /// The text ends before it is clear.
    Unfinished,
    None,
}

/// What begins at the text's first byte.
fn escape(text: &[u8]) -> Escape {
    match text[0] {
        b'%' => hexadecimal(text, 1, 2).map_or_else(|| short(text, 3, u8::is_ascii_hexdigit), |code| Escape::Byte(code as u8, 3)),
        b'\\' => backslash(text),
        b'&' => entity(text),
        _ => Escape::None,
    }
}

/// An escape of `length` bytes that is not there: because the text ends, or because it is none.
fn short(text: &[u8], length: usize, inside: impl Fn(&u8) -> bool) -> Escape {
    if text.len() < length && text[1..].iter().all(inside) { Escape::Unfinished } else { Escape::None }
}

fn backslash(text: &[u8]) -> Escape {
    let Some(kind) = text.get(1) else { return Escape::Unfinished };
    match kind {
        b'n' => Escape::Byte(b'\n', 2),
        b'r' => Escape::Byte(b'\r', 2),
        b't' => Escape::Byte(b'\t', 2),
        b'0' => Escape::Byte(0, 2),
        b'x' => hexadecimal(text, 2, 2).map_or_else(|| short_behind(text, 4), |code| Escape::Byte(code as u8, 4)),
        b'u' if text.get(2) == Some(&b'{') => braced(text),
        b'u' => unicode(text),
        other if other.is_ascii() => Escape::Byte(*other, 2),
        _ => Escape::None,
    }
}

/// `\x4` or `\u00`: two bytes are certain, the digits may not have come.
fn short_behind(text: &[u8], length: usize) -> Escape {
    if text.len() < length && text[2..].iter().all(u8::is_ascii_hexdigit) { Escape::Unfinished } else { Escape::Byte(text[1], 2) }
}

/// `\u002f`, or two of them for a character beyond 16 bits.
fn unicode(text: &[u8]) -> Escape {
    let Some(code) = hexadecimal(text, 2, 4) else { return short_behind(text, 6) };
    if let Some(character) = char::from_u32(code) {
        return Escape::Char(character, 6);
    }
    match text.get(6..8) {
        Some(br"\u") => match hexadecimal(text, 8, 4) {
            Some(low) if (0xDC00..0xE000).contains(&low) && code < 0xDC00 => {
                char::from_u32(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)).map_or(Escape::None, |c| Escape::Char(c, 12))
            }
            None if text.len() < 12 => Escape::Unfinished,
            _ => Escape::None,
        },
        None => Escape::Unfinished,
        _ => Escape::None,
    }
}

/// `\u{2f}`.
fn braced(text: &[u8]) -> Escape {
    match text.iter().take(LONGEST_ESCAPE).position(|b| *b == b'}') {
        Some(end) => hexadecimal(text, 3, end - 3).and_then(char::from_u32).map_or(Escape::None, |c| Escape::Char(c, end + 1)),
        None if text.len() < LONGEST_ESCAPE => Escape::Unfinished,
        None => Escape::None,
    }
}

/// `&amp;`, `&#39;`, `&#x2F;`.
fn entity(text: &[u8]) -> Escape {
    let Some(end) = text.iter().take(LONGEST_ESCAPE).position(|b| *b == b';') else {
        return short(text, LONGEST_ESCAPE, |b| b.is_ascii_alphanumeric() || *b == b'#');
    };
    let name = &text[1..end];
    let character = match name {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x' | b'X', ..] => hexadecimal(text, 3, end - 3).and_then(char::from_u32),
        [b'#', digits @ ..] => std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).and_then(char::from_u32),
        _ => None,
    };
    character.map_or(Escape::None, |c| Escape::Char(c, end + 1))
}

/// The number in `length` digits from `at` on.
fn hexadecimal(text: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = text.get(at..at + length).filter(|d| !d.is_empty() && d.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let view = decode(text.as_bytes(), false);
        assert_eq!(view.as_ref().map(|v| String::from_utf8_lossy(&v.bytes).into_owned()).as_deref(), expected, "{text}");
        if let Some(view) = view {
            assert_eq!(view.map.len(), view.bytes.len() + 1);
            assert!(view.map.is_sorted() && view.map.last().is_some_and(|l| *l as usize <= text.len()));
        }
    }

    #[test]
    fn escapes_of_all_kinds_are_undone() {
        check("plain", None);
        check("100% sure & \u{e9}", None);
        check("a%2Fb%2fc", Some("a/b/c"));
        check(r#"\u002f\/\"\\ \u{2f}\x2f \n"#, Some("//\"\\ // \n"));
        check(r"\ud834\udd1e!", Some("\u{1d11e}!"));
        check("&amp;&#39;&#x2F;&lt;&unknown;", Some("&'/<&unknown;"));
    }

    #[test]
    fn an_escape_at_the_end_is_unfinished() {
        for tail in ["%", "%4", "\\", r"\u", r"\u00", r"\u{2", r"\x", "&", "&am", "&#x2", r"\ud834", r"\ud834\ud"] {
            let text = format!("ab{tail}");
            assert_eq!(decode(text.as_bytes(), false).and_then(|v| v.unfinished), Some(2), "{tail}");
        }
    }
}
