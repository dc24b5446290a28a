//! Habits from other kernels: what to write in Ochre instead.
//!
//! The engine asks when a cell has failed; a cell that compiles is never judged. Everything is one table, matched
//! line by line over text whose comments and string contents are blanked.
use crate::lex;
use ra_ap_rustc_lexer::{DocStyle, FrontmatterAllowed, LiteralKind, TokenKind, tokenize};

mod table;

use table::{HABITS, SHELL};

/// How a habit is recognised. In answers `{1}`, `{2}` stand for what was found.
#[derive(Clone, Copy, Debug)]
enum Look {
    /// The whole line, `*` for anything (what it stands for is kept).
    Line(&'static str),
    /// `name(…)` as a free function; the arguments are kept.
    Call(&'static str),
    /// `name.` at the beginning of an expression; what follows, up to the next sign, is kept.
    Prefix(&'static str),
    /// `.name` of any value.
    Method(&'static str),
    /// A word that is none of Rust's, between blanks or brackets.
    Word(&'static str),
    /// `name <- …`; the name is kept.
    Arrow,
    /// A string with Python's prefix, such as `f"…"`.
    FormatString,
}

/// What to write instead, in one sentence, when the text looks like another kernel's.
pub fn hint(code: &str) -> Option<String> {
    let text = blanked(code);
    let mut originals = code.lines();
    for line in text.lines() {
        let original = originals.next().unwrap_or_default();
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let found = HABITS.iter().find_map(|(look, answer)| recognise(*look, line, original, &text).map(|kept| fill(answer, &kept)));
        if let Some(found) = found.or_else(|| shell(trimmed)) {
            return Some(found);
        }
    }
    None
}

/// The text with comments and the insides of strings blanked; every byte keeps its place.
fn blanked(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut at = 0;
    for token in tokenize(code, FrontmatterAllowed::No) {
        let text = &code[at..at + token.len as usize];
        at += text.len();
        match token.kind {
            // Python's `//` divides, but it has no line that begins with it.
            TokenKind::LineComment { .. } | TokenKind::BlockComment { doc_style: None | Some(DocStyle::Inner | DocStyle::Outer), .. } => blank(&mut out, text),
            TokenKind::Literal { kind, .. } if is_whole_string(kind) => {
                let open = text.find('"').map_or(0, |quote| quote + 1);
                let close = text.rfind('"').filter(|close| *close >= open).unwrap_or(text.len());
                out.push_str(&text[..open]);
                blank(&mut out, &text[open..close]);
                out.push_str(&text[close..]);
            }
            _ => out.push_str(text),
        }
    }
    out
}

fn is_whole_string(kind: LiteralKind) -> bool {
    use LiteralKind::*;
    matches!(
        kind,
        Str { terminated: true } | ByteStr { terminated: true } | CStr { terminated: true } | RawStr { n_hashes: Some(_) } | RawByteStr { n_hashes: Some(_) } | RawCStr { n_hashes: Some(_) }
    )
}

fn blank(out: &mut String, text: &str) {
    out.extend(text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
}

/// What a look keeps of a line, if it is there. `original` is the line with its strings, of the same length.
fn recognise(look: Look, line: &str, original: &str, text: &str) -> Option<Vec<String>> {
    match look {
        Look::Line(pattern) => matched(pattern, line.trim()).map(|_| matched(pattern, original.trim()).unwrap_or_default()),
        Look::Call(name) => {
            let start = find_word(line, name, |after| after.starts_with('('))? + name.len() + 1;
            let defined = text.contains(&format!("fn {name}"));
            let end = closing(&line[start..]).map_or(line.len(), |len| start + len);
            (!defined).then(|| vec![original.get(start..end).unwrap_or_default().trim().to_owned()])
        }
        Look::Prefix(name) => {
            let start = find_word(line, name, |after| after.starts_with('.') && !after.starts_with(".."))? + name.len() + 1;
            let kept: String = line[start..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            (!kept.is_empty() && !is_bound(text, name)).then(|| vec![kept])
        }
        Look::Method(name) => line.contains(&format!(".{name}")).then(Vec::new),
        Look::Word(word) if text.contains("enum ") && word.starts_with(char::is_uppercase) => None,
        Look::Word(word) => find_word(line, word, |after| !after.starts_with(['(', '!', ':'])).filter(|at| *at == 0 || line[..*at].ends_with([' ', '(', '[', ',', '='])).map(|_| Vec::new()),
        Look::Arrow => {
            let (name, value) = line.split_once("<-")?;
            let (name, value) = (name.trim(), value.strip_prefix(' ')?);
            (is_name(name) && line[..line.find("<-")?].ends_with(' ')).then(|| vec![name.to_owned(), value.trim().to_owned()])
        }
        Look::FormatString => {
            let at = line.find("f\"")?;
            let before = line[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_').then(Vec::new)
        }
    }
}

/// Where a free word stands: no part of a longer name, path or method call.
fn find_word(line: &str, word: &str, follows: impl Fn(&str) -> bool) -> Option<usize> {
    line.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = line[..*at].chars().next_back();
        let after = &line[at + word.len()..];
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '.' | ':' | '$' | '\'' | '#'))
            && !line[..*at].trim_end().ends_with("fn")
            && after.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_')
            && follows(after)
    })
}

/// Whether the cell itself gives a name to something: then it is the user's.
fn is_bound(text: &str, name: &str) -> bool {
    let forms = [format!("let {name}"), format!("mut {name}"), format!("{name}:"), format!("|{name}"), format!("for {name} "), format!("{name} |"), format!(", {name}|"), format!("({name})")];
    forms.iter().any(|form| text.contains(form.as_str()))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

/// Bytes up to the bracket that closes the one before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What the `*`s of a pattern stand for; each takes as little as it can, the last one the rest. One that begins a
/// word stands for something; one that goes on with a word may be empty.
fn matched(pattern: &str, text: &str) -> Option<Vec<String>> {
    let mut parts = pattern.split('*').peekable();
    let mut before = parts.next()?;
    let mut rest = text.strip_prefix(before)?;
    let mut kept = Vec::new();
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() { rest.ends_with(part).then(|| rest.len() - part.len())? } else { rest.find(part)? };
        let star = rest[..at].trim();
        if star.is_empty() && (before.is_empty() || before.ends_with(' ')) {
            return None;
        }
        kept.push(star.to_owned());
        rest = &rest[at + part.len()..];
        before = part;
    }
    rest.is_empty().then_some(kept)
}

fn fill(answer: &str, kept: &[String]) -> String {
    let mut out = answer.to_owned();
    for (at, text) in kept.iter().enumerate() {
        out = out.replace(&format!("{{{}}}", at + 1), text);
    }
    out
}

/// A line of a shell: a known command, alone or with words that are no Rust.
fn shell(line: &str) -> Option<String> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !SHELL.contains(&command) || rest.contains([';', '=']) || rest.starts_with(['+', '*', '&', '|', '<', '>', '(', '{', '?', '.']) && !rest.starts_with("./") && !rest.starts_with("..") {
        return None;
    }
    // `ls - 1` and `top / n` are arithmetic; `ls -1` and `cat /etc/hosts` are not.
    if rest.starts_with("- ") || rest.starts_with("/ ") || rest.starts_with("as ") {
        return None;
    }
    let whole = lex::scan(line).tokens.len();
    let lone_variable = whole == 1 && !matches!(command, "ls" | "pwd" | "nvidia-smi" | "htop" | "whoami");
    if lone_variable {
        return None;
    }
    Some(if command == "cd" { format!("`%cd {rest}` changes the directory").replace("`%cd `", "`%cd`") } else { format!("a shell command begins with `!`: `!{line}`") })
}

#[cfg(test)]
mod tests;
