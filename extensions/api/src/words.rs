//! Words of a typed line, with their places: blanks separate, quotes keep together.
//!
//! Shell rules as far as people expect them on a magic line: `'…'` keeps all, `"…"` keeps all but `\"` and
//! `\\`, a backslash outside quotes keeps the next blank, quote or backslash (and stays before anything
//! else, so that Windows paths survive).
use crate::Failure;

/// One word: its text without quotes, and where it began and ended (byte offsets, quotes included).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub start: usize,
    pub end: usize,
    /// Some part of it was quoted, so that `"--x"` is no flag.
    pub quoted: bool,
}

/// All words of a line.
pub fn split(line: &str) -> Result<Vec<Word>, Failure> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(word) = next(line, at)? {
        at = word.end;
        words.push(word);
    }
    Ok(words)
}

/// The first word at or after `from`, `None` at the end of the line.
pub fn next(line: &str, from: usize) -> Result<Option<Word>, Failure> {
    let rest = &line[from..];
    let start = from + (rest.len() - rest.trim_start().len());
    if start == line.len() {
        return Ok(None);
    }
    let mut text = String::new();
    let mut quoted = false;
    let mut chars = line[start..].char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        match c {
            c if c.is_whitespace() => return Ok(Some(Word { text, start, end: start + offset, quoted })),
            '\'' | '"' => {
                quoted = true;
                if !take_quoted(c, &mut chars, &mut text) {
                    return Err(Failure::usage(format!("the quote {c} is not closed")).hint(format!("end the text with {c}")));
                }
            }
            '\\' => match chars.peek() {
                Some(&(_, next)) if next.is_whitespace() || matches!(next, '\'' | '"' | '\\') => {
                    text.push(next);
                    chars.next();
                }
                _ => text.push('\\'),
            },
            c => text.push(c),
        }
    }
    Ok(Some(Word { text, start, end: line.len(), quoted }))
}

/// Takes up to the closing quote; false when there is none.
fn take_quoted(quote: char, chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>, text: &mut String) -> bool {
    while let Some((_, c)) = chars.next() {
        match c {
            c if c == quote => return true,
            '\\' if quote == '"' => match chars.peek() {
                Some(&(_, next)) if next == '"' || next == '\\' => {
                    text.push(next);
                    chars.next();
                }
                _ => text.push('\\'),
            },
            c => text.push(c),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let words: Vec<String> = split(line).expect("splits").into_iter().map(|w| w.text).collect();
        assert_eq!(words, expected, "words of {line:?}");
    }

    #[test]
    fn words_and_quotes() {
        check("", &[]);
        check("  a  b\tc ", &["a", "b", "c"]);
        check("'a b' \"c d\"", &["a b", "c d"]);
        check(r#"--name="my run" x"#, &["--name=my run", "x"]);
        check(r#""say \"hi\"""#, &[r#"say "hi""#]);
        check(r"C:\data\x a\ b", &[r"C:\data\x", "a b"]);
        check("''", &[""]);
        check("é'ü ö'", &["éü ö"]);
    }

    #[test]
    fn an_open_quote_is_said() {
        assert_eq!(split("a 'b").expect_err("open").message, "the quote ' is not closed");
    }
}
