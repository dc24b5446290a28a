//! Whether a text is a whole cell: what a console asks before it runs a line or lets it go on.
//!
//! Decided by rustc's lexer and a few rules on the last tokens; nothing is parsed or compiled.
use crate::lex::{self, Fault, Scan};
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

/// What one open brace adds to the next line's indent.
const INDENT: &str = "    ";

/// Whether a text is a whole cell.
pub fn is_complete(code: &str) -> Completeness {
    let trimmed = code.trim_start();
    if trimmed.starts_with("%%") {
        return cell_magic(code);
    }
    if is_line_magic(trimmed.lines().next_back().unwrap_or_default()) && lex::scan(&without_magics(code)).fault.is_none() {
        return Completeness::Complete;
    }
    let code = without_magics(code);
    let scan = lex::scan(&code);
    match scan.fault {
        None if wants_more(&code, &scan) => incomplete(&code, &scan),
        None => Completeness::Complete,
        Some(Fault::Unclosed { .. }) => incomplete(&code, &scan),
        // Text in a string is the user's own: nothing is put before it.
        Some(Fault::Unterminated { what, .. }) if what.contains("string") || what.contains("comment") => Completeness::Incomplete { indent: String::new() },
        Some(_) => Completeness::Invalid,
    }
}

/// A cell magic takes all lines up to a blank one, as in IPython.
fn cell_magic(code: &str) -> Completeness {
    let blank_line = code.lines().count() > 1 && code.ends_with('\n') && code.trim_end_matches([' ', '\t', '\r', '\n']).len() + 1 < code.len() && code.lines().next_back().is_some_and(|line| line.trim().is_empty());
    if blank_line { Completeness::Complete } else { Completeness::Incomplete { indent: String::new() } }
}

/// `%name …`, `!command` and evcxr's `:name`.
fn is_line_magic(line: &str) -> bool {
    let mut chars = line.trim_start().chars();
    match chars.next() {
        Some('!') => chars.next().is_some_and(|c| c.is_alphabetic() || matches!(c, '.' | '/' | '~' | ' ')) && !line.trim_start().starts_with("!("),
        Some('%' | ':') => chars.next().is_some_and(char::is_alphabetic),
        _ => false,
    }
}

/// The text with its magics at the top blanked out, so that the lexer sees Rust only.
fn without_magics(code: &str) -> String {
    let mut rust = false;
    code.split_inclusive('\n')
        .map(|line| {
            rust |= !line.trim().is_empty() && !is_line_magic(line);
            if !rust && is_line_magic(line) { line.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect() } else { line.to_owned() }
        })
        .collect()
}

/// Whether text with whole brackets still cannot be the end of a cell.
fn wants_more(code: &str, scan: &Scan) -> bool {
    let Some(last) = scan.tokens.last() else { return false };
    let before = scan.tokens.len().checked_sub(2).map(|at| &scan.tokens[at]);
    let joined = before.is_some_and(|token| token.range.end == last.range.start);
    match last.kind {
        TokenKind::Eq | TokenKind::Plus | TokenKind::Minus | TokenKind::Star | TokenKind::Slash | TokenKind::Caret | TokenKind::Percent | TokenKind::And | TokenKind::Lt | TokenKind::Comma | TokenKind::Colon | TokenKind::At | TokenKind::Pound | TokenKind::Tilde | TokenKind::Bang => true,
        // `a |` goes on, `|x|` too; `a..` is a range, `a.` is not.
        TokenKind::Or => true,
        TokenKind::Dot => !(joined && before.is_some_and(|token| token.kind == TokenKind::Dot)),
        // `=>` and `->` go on; `Vec<i32>` is an end.
        TokenKind::Gt => joined && before.is_some_and(|token| matches!(token.kind, TokenKind::Eq | TokenKind::Minus)),
        TokenKind::CloseBracket => is_attribute(code, scan),
        TokenKind::Ident => is_open_word(&code[last.range.clone()]) || is_open_item(code, scan),
        TokenKind::CloseBrace | TokenKind::Semi => false,
        _ => is_open_item(code, scan),
    }
}

/// `#[derive(Debug)]` waits for its item; `#![…]` does not.
fn is_attribute(code: &str, scan: &Scan) -> bool {
    let mut depth = 0usize;
    for (at, token) in scan.tokens.iter().enumerate().rev() {
        match token.kind {
            TokenKind::CloseBracket => depth += 1,
            TokenKind::OpenBracket if depth > 1 => depth -= 1,
            TokenKind::OpenBracket => return at.checked_sub(1).is_some_and(|at| code[scan.tokens[at].range.clone()] == *"#"),
            _ => {}
        }
    }
    false
}

/// Keywords that something must follow.
fn is_open_word(word: &str) -> bool {
    matches!(word, "let" | "mut" | "else" | "if" | "while" | "for" | "in" | "match" | "loop" | "fn" | "struct" | "enum" | "trait" | "impl" | "mod" | "use" | "pub" | "const" | "static" | "type" | "as" | "where" | "unsafe" | "async" | "move" | "ref" | "dyn")
}

/// Whether the last statement begins an item or a block expression whose body has not come yet.
fn is_open_item(code: &str, scan: &Scan) -> bool {
    let mut depth = 0usize;
    let mut start = 0;
    let mut braces = false;
    for (at, token) in scan.tokens.iter().enumerate() {
        match token.kind {
            TokenKind::OpenParen | TokenKind::OpenBracket | TokenKind::OpenBrace => depth += 1,
            TokenKind::CloseParen | TokenKind::CloseBracket => depth = depth.saturating_sub(1),
            TokenKind::CloseBrace => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    start = at + 1;
                    braces = true;
                }
            }
            TokenKind::Semi if depth == 0 => {
                start = at + 1;
                braces = false;
            }
            _ => {}
        }
    }
    let words = scan.tokens[start..].iter().map(|token| &code[token.range.clone()]);
    let mut words = words.skip_while(|word| matches!(*word, "pub" | "async" | "unsafe" | "extern" | "const")).peekable();
    let first = words.peek().copied().unwrap_or_default();
    // `else if x` after a block; a bare `else` is an open word.
    let first = if braces && first == "else" { words.nth(1).unwrap_or("else") } else { first };
    matches!(first, "fn" | "struct" | "enum" | "union" | "trait" | "impl" | "mod" | "if" | "while" | "for" | "match" | "loop" | "let" | "use" | "type" | "static" | "macro_rules") && !is_ended_let(first, code, scan)
}

/// `let x = 1` without its semicolon is taken as finished: the engine adds it, or says what is missing.
fn is_ended_let(first: &str, code: &str, scan: &Scan) -> bool {
    matches!(first, "let" | "use" | "type" | "static") && {
        let last = &code[scan.tokens.last().map_or(0..0, |token| token.range.clone())];
        !is_open_word(last)
    }
}

fn incomplete(code: &str, scan: &Scan) -> Completeness {
    let line = code.trim_end().lines().next_back().unwrap_or_default();
    let current: String = line.chars().take_while(|c| *c == ' ' || *c == '\t').collect();
    let depth = scan.open.len();
    let indent = if depth == 0 {
        // A chain or a right-hand side goes on one step deeper.
        if current.is_empty() && line.trim_end().ends_with(['=', '.', '+', '-', '*', '/', '|', '&']) { INDENT.to_owned() } else { current }
    } else if opens_line(line) || current.is_empty() {
        INDENT.repeat(depth)
    } else {
        current
    };
    Completeness::Incomplete { indent }
}

fn opens_line(line: &str) -> bool {
    line.trim_end().ends_with(['{', '(', '['])
}
