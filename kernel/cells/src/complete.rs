//! Whether a text is a whole cell: what a console asks before it runs a line or lets it go on.
//!
//! Decided by rustc's lexer and a few rules on the last statement's tokens; nothing is parsed or compiled.
use crate::lex::{self, Fault, Scan, Token};
use ra_ap_rustc_lexer::TokenKind;

/// The answer to [`is_complete`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    /// More must follow; `indent` is what the next line begins with.
    Incomplete { indent: String },
    /// No continuation makes it whole.
    Invalid,
}

/// What one line with open brackets adds to the next line's indent.
const INDENT: &str = "    ";

/// Whether a text is a whole cell.
pub fn is_complete(code: &str) -> Completeness {
    if begins_with_cell_magic(code) {
        return cell_magic(code);
    }
    let rust = without_magics(code);
    let scan = lex::scan(&rust);
    match scan.fault {
        None if scan.ends_in_doc || wants_more(&rust, &scan) => incomplete(&rust, &scan),
        None => Completeness::Complete,
        Some(Fault::Unclosed { .. }) => incomplete(&rust, &scan),
        // What is inside of a string or comment is the user's own: nothing is put before it.
        Some(Fault::Unterminated { what, .. }) if goes_over_lines(what) => Completeness::Incomplete { indent: String::new() },
        Some(_) => Completeness::Invalid,
    }
}

fn goes_over_lines(what: &str) -> bool {
    what.contains("string") || what.contains("comment")
}

/// `%%name` on the first line that is neither blank nor a comment.
fn begins_with_cell_magic(code: &str) -> bool {
    let first = code.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"));
    first.is_some_and(|line| line.starts_with("%%"))
}

/// A cell magic takes all lines up to a blank one, as in IPython.
fn cell_magic(code: &str) -> Completeness {
    match code.lines().next_back() {
        Some(last) if code.lines().count() > 1 && last.trim().is_empty() => Completeness::Complete,
        _ => Completeness::Incomplete { indent: String::new() },
    }
}

/// `%name …`, `!command`, evcxr's `:name …` and `?name`.
fn looks_like_magic(line: &str) -> bool {
    let mut chars = line.trim_start().chars();
    match chars.next() {
        Some('!') => chars.next().is_some_and(|c| c.is_alphabetic() || matches!(c, '.' | '/' | '~' | ' ')),
        Some('%' | ':' | '?') => chars.next().is_some_and(char::is_alphabetic),
        _ => false,
    }
}

/// The text with its magics blanked out, so that the lexer sees Rust only. Every byte keeps its place.
///
/// A line is a magic only where a statement may begin: the `% y` of a long expression stays.
pub(crate) fn without_magics(code: &str) -> String {
    let mut rust = String::with_capacity(code.len());
    for line in code.split_inclusive('\n') {
        if looks_like_magic(line) && may_begin_statement(&rust) {
            rust.extend(line.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        } else {
            rust.push_str(line);
        }
    }
    rust
}

fn may_begin_statement(before: &str) -> bool {
    let scan = lex::scan(before);
    scan.fault.is_none() && scan.tokens.last().is_none_or(|token| matches!(token.kind, TokenKind::Semi | TokenKind::CloseBrace))
}

/// Whether text with whole brackets still cannot be the end of a cell.
fn wants_more(code: &str, scan: &Scan) -> bool {
    let Some(last) = scan.tokens.last() else { return false };
    let before = scan.tokens.len().checked_sub(2).map(|at| &scan.tokens[at]);
    let joined = |kinds: &[TokenKind]| before.is_some_and(|token| token.range.end == last.range.start && kinds.contains(&token.kind));
    match last.kind {
        TokenKind::Semi | TokenKind::CloseBrace | TokenKind::Question => false,
        // `a..` is a range, `a.` waits for a name.
        TokenKind::Dot => !joined(&[TokenKind::Dot]),
        // `=>` and `->` go on and so does `a >`; `Vec<i32>` is an end.
        TokenKind::Gt => joined(&[TokenKind::Eq, TokenKind::Minus]) || before.is_some_and(|token| token.range.end < last.range.start),
        TokenKind::CloseBracket if is_attribute(scan) => true,
        TokenKind::Ident if is_open_word(&code[last.range.clone()]) => true,
        kind => is_operator(kind) || is_without_body(code, scan),
    }
}

fn is_operator(kind: TokenKind) -> bool {
    use TokenKind::*;
    matches!(kind, Eq | Plus | Minus | Star | Slash | Caret | Percent | And | Or | Lt | Comma | Colon | At | Pound | Tilde | Bang)
}

/// `#[derive(Debug)]` waits for its item; `#![…]` does not.
fn is_attribute(scan: &Scan) -> bool {
    let mut depth = 0usize;
    for (at, token) in scan.tokens.iter().enumerate().rev() {
        match token.kind {
            TokenKind::CloseBracket => depth += 1,
            TokenKind::OpenBracket if depth > 1 => depth -= 1,
            TokenKind::OpenBracket => return at.checked_sub(1).is_some_and(|at| scan.tokens[at].kind == TokenKind::Pound),
            _ => {}
        }
    }
    false
}

/// Keywords that something must follow.
fn is_open_word(word: &str) -> bool {
    matches!(
        word,
        "as" | "async" | "const" | "dyn" | "else" | "enum" | "extern" | "fn" | "for" | "if" | "impl" | "in" | "let" | "loop" | "match" | "mod" | "move"
            | "mut" | "pub" | "ref" | "static" | "struct" | "trait" | "type" | "unsafe" | "use" | "where" | "while"
    )
}

/// Whether the last statement begins something whose `{ … }` has not come yet.
fn is_without_body(code: &str, scan: &Scan) -> bool {
    let statement = last_statement(scan);
    let words: Vec<&str> = statement.iter().map(|token| &code[token.range.clone()]).collect();
    let qualifiers = words.iter().take_while(|word| matches!(**word, "pub" | "async" | "unsafe" | "extern" | "const")).count();
    let item = words.get(qualifiers).is_some_and(|word| matches!(*word, "fn" | "struct" | "enum" | "trait" | "impl" | "mod" | "macro_rules"));
    item || words.iter().enumerate().any(|(at, word)| match *word {
        "if" | "while" | "match" | "loop" => true,
        "for" => words.get(at + 1) != Some(&"<"),
        _ => false,
    })
}

/// The tokens outside of brackets since the last top-level `;` or `}`.
fn last_statement(scan: &Scan) -> Vec<&Token> {
    let mut depth = 0usize;
    let mut statement = Vec::new();
    for token in &scan.tokens {
        match token.kind {
            TokenKind::OpenParen | TokenKind::OpenBracket | TokenKind::OpenBrace => depth += 1,
            TokenKind::CloseParen | TokenKind::CloseBracket => depth = depth.saturating_sub(1),
            TokenKind::CloseBrace => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    statement.clear();
                }
            }
            TokenKind::Semi if depth == 0 => statement.clear(),
            _ if depth == 0 => statement.push(token),
            _ => {}
        }
    }
    statement
}

fn incomplete(code: &str, scan: &Scan) -> Completeness {
    let end = code.trim_end().len();
    let line_start = code[..end].rfind('\n').map_or(0, |at| at + 1);
    let current: String = code[line_start..end].chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
    let opened_here = scan.open.last().is_some_and(|(at, _)| *at >= line_start);
    let indent = if opened_here {
        current + INDENT
    } else if !current.is_empty() {
        current
    } else if scan.open.is_empty() {
        if continues_line(scan) { INDENT.to_owned() } else { current }
    } else {
        INDENT.repeat(lines_with_open(code, scan))
    };
    Completeness::Incomplete { indent }
}

/// An expression goes on one step deeper; an attribute, an `else` or a body does not.
fn continues_line(scan: &Scan) -> bool {
    scan.tokens.last().is_some_and(|token| matches!(token.kind, TokenKind::Dot | TokenKind::Gt) || is_operator(token.kind))
}

/// On how many lines the open brackets stand: brackets that one line opens indent once.
fn lines_with_open(code: &str, scan: &Scan) -> usize {
    let mut lines: Vec<usize> = scan.open.iter().map(|(at, _)| code[..*at].matches('\n').count()).collect();
    lines.dedup();
    lines.len()
}

#[cfg(test)]
mod tests;
