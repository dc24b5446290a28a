//! The forms in which a value may be written without being changed by hand: what [`crate::Redactor`] looks for beside the value itself.
//!
//! Escapes (percent, JSON, Rust, HTML) are not listed here: they are undone on the text (`view`), so that any mixture of them is found.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::view::decode;

/// Levels of escapes that are undone: JSON in JSON in a URL.
pub(crate) const LEVELS: usize = 3;
/// Shorter values are not looked for: they would be found in ordinary text. `%secret set` says so.
pub const SHORTEST: usize = 6;
/// Lists of bytes are looked for up to this length of the value; they are up to five times as long.
const LONGEST_LISTED: usize = 512;
/// Columns at which `base64` and `openssl` break lines.
const WRAPS: [usize; 2] = [76, 64];

/// All texts that stand for a value, none shorter than [`SHORTEST`]; nothing for a value that is too short itself.
pub(crate) fn forms(value: &str) -> Vec<Vec<u8>> {
    let value = value.trim();
    if value.len() < SHORTEST {
        return Vec::new();
    }
    let bytes = value.as_bytes();
    let mut all = vec![value.to_owned()];
    if value.contains('\'') {
        all.push(value.replace('\'', r"'\''"));
        all.push(value.replace('\'', "'\"'\"'"));
    }
    if value.contains(' ') {
        all.push(value.replace(' ', "+"));
    }
    if value.contains('\n') {
        all.push(value.replace('\n', "\r\n"));
    }
    // Escapes that are part of the value are undone with those around it.
    let mut undone = decode(bytes, true);
    for _ in 0..LEVELS {
        let Some(view) = undone else { break };
        all.extend(String::from_utf8(view.bytes.clone()));
        undone = decode(&view.bytes, true);
    }
    all.extend([STANDARD.encode(bytes), STANDARD_NO_PAD.encode(bytes), URL_SAFE.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)]);
    for offset in 0..3 {
        all.extend([inner(&STANDARD_NO_PAD, bytes, offset), inner(&URL_SAFE_NO_PAD, bytes, offset)]);
    }
    for columns in WRAPS {
        for whole in [inner(&STANDARD_NO_PAD, bytes, 0), STANDARD.encode(bytes)] {
            if whole.len() > columns {
                let lines: Vec<&str> = (0..whole.len()).step_by(columns).map(|at| &whole[at..whole.len().min(at + columns)]).collect();
                all.push(lines.join("\n"));
            }
        }
    }
    if bytes.len() <= LONGEST_LISTED {
        all.push(bytes.iter().map(|b| format!("{b:02x}")).collect());
        all.push(bytes.iter().map(|b| format!("{b:02X}")).collect());
        for separator in [", ", ","] {
            all.push(bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(separator));
        }
        // `{:#?}` of a list: a number to a line.
        all.push(bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",\n    "));
    }
    all.retain(|form| form.len() >= SHORTEST);
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(String::into_bytes).collect()
}

/// The characters of base64 that depend on the value alone, when it begins `offset` bytes behind a border of three.
fn inner(engine: &impl Engine, value: &[u8], offset: usize) -> String {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(value);
    let text = engine.encode(&padded);
    let (first, end) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    text.get(first..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_a_text_around_the_value_holds_a_form_of_it() {
        let value = "p?ss>w~rd/+=42";
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "z", "zy", "zyx"] {
                let text = format!("{before}{value}{after}");
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                    assert!(forms(value).iter().any(|f| encoded.contains(std::str::from_utf8(f).expect("text"))), "{encoded}");
                }
            }
        }
    }

    #[test]
    fn short_values_have_no_forms() {
        assert!(forms("abc12").is_empty() && forms("  a  ").is_empty() && !forms("abc123").is_empty());
    }
}
