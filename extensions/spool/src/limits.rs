//! MLflow's rules for names and values (its `validation.py`), and what becomes of what breaks them.
//!
//! Nothing is refused: a name that MLflow would refuse is written as one that it takes, a long value is cut, and whoever logs says so once.
use regex::Regex;
use std::borrow::Cow;
use std::sync::OnceLock;

/// Longest key of a metric, param or tag, in characters.
pub const KEY: usize = 250;
/// Longest value of a param, in characters.
pub const PARAM: usize = 6_000;
/// Longest value of a tag, in characters.
pub const TAG: usize = 8_000;
/// Digits that tell shortened keys apart.
const DIGITS: usize = 8;

/// A key that MLflow takes. Borrowed when it did so as it was.
///
/// Characters other than letters, digits, `_-. :/` become `_`; empty, `.` and `..` parts of a path are made harmless; of a key over 250
/// characters the first 241 stay, with `-` and a checksum, so that two long keys stay two.
pub fn key(key: &str) -> Cow<'_, str> {
    if is_valid_key(key) {
        return Cow::Borrowed(key);
    }
    let fit = |c: char| if is_key_character(c) { c } else { '_' };
    let parts = key.split('/').filter(|p| !p.is_empty());
    let parts = parts.map(|p| if matches!(p, "." | "..") { "_".repeat(p.len()) } else { p.chars().map(fit).collect() });
    let mut name = parts.collect::<Vec<String>>().join("/");
    if name.starts_with("..") {
        name.replace_range(..2, "__");
    }
    if name.is_empty() {
        name.push('_');
    }
    if name.chars().count() > KEY {
        let digits = crc32fast::hash(key.as_bytes());
        let start: String = name.chars().take(KEY - DIGITS - 1).collect();
        name = format!("{start}-{digits:08x}");
    }
    Cow::Owned(name)
}

/// Whether MLflow takes the key as it is.
pub fn is_valid_key(key: &str) -> bool {
    let parts = || key.split('/');
    !key.is_empty() && !key.starts_with("..") && key.chars().all(is_key_character) && parts().all(|p| !matches!(p, "" | "." | "..")) && key.chars().count() <= KEY
}

fn is_key_character(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | ':' | '/');
    }
    letters_and_digits().is_match(c.encode_utf8(&mut [0; 4]))
}

/// Python's `\w` beyond ASCII. `char::is_alphanumeric` takes combining marks too, which MLflow refuses, and the whole batch with them.
fn letters_and_digits() -> &'static Regex {
    static PATTERN: OnceLock<Regex> = OnceLock::new();
    PATTERN.get_or_init(|| Regex::new(r"[\p{L}\p{N}]").expect("a pattern without a mistake"))
}

/// The path of an artifact inside a run, as MLflow takes it: relative, without empty, `.` and `..` parts.
pub fn artifact_path(path: &str) -> String {
    let parts: Vec<&str> = path.split(['/', '\\']).map(str::trim).filter(|p| !matches!(*p, "" | "." | "..")).collect();
    if parts.is_empty() { "unnamed".to_owned() } else { parts.join("/") }
}

/// The first `limit` characters; the second is true when there were more.
pub fn cut(value: &str, limit: usize) -> (&str, bool) {
    match value.char_indices().nth(limit) {
        Some((at, _)) => (&value[..at], true),
        None => (value, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mlflow_refuses_become_names_that_it_takes() {
        for (given, kept) in [
            ("loss", "loss"),
            ("train/loss: a.b-c_d 1", "train/loss: a.b-c_d 1"),
            ("Genauigkeit_ä", "Genauigkeit_ä"),
            ("loss%", "loss_"),
            ("a//b", "a/b"),
            ("/a", "a"),
            ("a/", "a"),
            ("./a", "_/a"),
            ("a/../b", "a/__/b"),
            ("..a", "__a"),
            ("", "_"),
            ("/", "_"),
            (".", "_"),
            ("a\nb", "a_b"),
        ] {
            assert_eq!(key(given), kept, "{given:?}");
            assert!(is_valid_key(&key(given)), "{given:?}");
        }
    }

    #[test]
    fn letters_are_those_of_pythons_regular_expressions() {
        // What `re.match(r"\w", c)` says of each.
        for (c, taken) in [('ा', false), ('Ⓐ', false), ('\u{301}', false), ('\u{200d}', false), ('😀', false), ('٣', true), ('漢', true), ('²', true), ('Ⅷ', true), ('½', true), ('é', true)] {
            assert_eq!(is_key_character(c), taken, "{c:?}");
        }
    }

    #[test]
    fn long_names_stay_different() {
        let long = |end: &str| format!("{}{end}", "é".repeat(300));
        let (a, b) = (key(&long("a")).into_owned(), key(&long("b")).into_owned());
        assert_ne!(a, b);
        assert!(is_valid_key(&a) && a.chars().count() == KEY, "{a}");
        assert!(is_valid_key(&"x".repeat(KEY)) && !is_valid_key(&"x".repeat(KEY + 1)));
    }

    #[test]
    fn artifacts_stay_inside_their_run() {
        for (given, kept) in [("a/b.txt", "a/b.txt"), ("/etc/x", "etc/x"), ("../../x", "x"), ("a//./b", "a/b"), ("..", "unnamed"), ("a\\b", "a/b")] {
            assert_eq!(artifact_path(given), kept);
        }
    }

    #[test]
    fn values_are_cut_at_characters() {
        assert_eq!(cut("äöü", 2), ("äö", true));
        assert_eq!(cut("äöü", 3), ("äöü", false));
    }
}
