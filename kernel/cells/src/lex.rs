//! A cell's text as rustc's lexer sees it: tokens, and whether its brackets and quotes are whole.
//!
//! Used by [`crate::complete`], [`crate::habits`] and [`crate::diagnostics`]. It knows no grammar.
use ra_ap_rustc_lexer::{DocStyle, FrontmatterAllowed, LiteralKind, TokenKind, tokenize};
use std::ops::Range;

/// A token that is neither blank nor comment.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub range: Range<usize>,
}

/// The first thing that keeps the brackets or quotes of a text from being whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text ended inside of `open`, the innermost one.
    Unclosed { at: usize, open: char },
    /// `close` at `at` does not fit the bracket at `open_at`.
    Mismatched { open_at: usize, at: usize, close: char },
    /// Nothing is open where `close` stands.
    Extra { at: usize, close: char },
    /// A literal or comment that begins at `at` and never ends. `what` is rustc's word for it.
    Unterminated { at: usize, what: &'static str, code: Option<&'static str> },
}

/// What [`scan`] found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub tokens: Vec<Token>,
    pub fault: Option<Fault>,
    /// The last thing in the text is a doc comment of an item that has not come.
    pub ends_in_doc: bool,
    /// Brackets that are open at the end, outermost first.
    pub open: Vec<(usize, char)>,
}

/// Reads a whole text.
pub(crate) fn scan(text: &str) -> Scan {
    let mut scan = Scan { tokens: Vec::new(), fault: None, ends_in_doc: false, open: Vec::new() };
    let mut at = 0;
    for token in tokenize(text, FrontmatterAllowed::No) {
        let range = at..at + token.len as usize;
        at = range.end;
        if scan.fault.is_none() {
            scan.fault = unterminated(token.kind, range.start).or_else(|| bracket(&mut scan.open, token.kind, range.start));
        }
        if token.kind != TokenKind::Whitespace {
            scan.ends_in_doc = matches!(token.kind, TokenKind::LineComment { doc_style: Some(DocStyle::Outer) } | TokenKind::BlockComment { doc_style: Some(DocStyle::Outer), .. });
        }
        if !matches!(token.kind, TokenKind::Whitespace | TokenKind::LineComment { .. } | TokenKind::BlockComment { .. }) {
            scan.tokens.push(Token { kind: token.kind, range });
        }
    }
    if let (None, Some((at, open))) = (scan.fault, scan.open.last()) {
        scan.fault = Some(Fault::Unclosed { at: *at, open: *open });
    }
    scan
}

fn unterminated(kind: TokenKind, at: usize) -> Option<Fault> {
    let (what, code) = match kind {
        TokenKind::BlockComment { terminated: false, .. } => ("block comment", Some("E0758")),
        TokenKind::Literal { kind, .. } => match kind {
            LiteralKind::Char { terminated: false } => ("character literal", None),
            LiteralKind::Byte { terminated: false } => ("byte constant", Some("E0763")),
            LiteralKind::Str { terminated: false } => ("double quote string", Some("E0765")),
            LiteralKind::ByteStr { terminated: false } => ("double quote byte string", Some("E0766")),
            LiteralKind::CStr { terminated: false } => ("C string", Some("E0767")),
            LiteralKind::RawStr { n_hashes: None } | LiteralKind::RawByteStr { n_hashes: None } | LiteralKind::RawCStr { n_hashes: None } => ("raw string", Some("E0748")),
            _ => return None,
        },
        _ => return None,
    };
    Some(Fault::Unterminated { at, what, code })
}

fn bracket(open: &mut Vec<(usize, char)>, kind: TokenKind, at: usize) -> Option<Fault> {
    let (opens, close) = match kind {
        TokenKind::OpenParen => return push(open, at, '('),
        TokenKind::OpenBracket => return push(open, at, '['),
        TokenKind::OpenBrace => return push(open, at, '{'),
        TokenKind::CloseParen => ('(', ')'),
        TokenKind::CloseBracket => ('[', ']'),
        TokenKind::CloseBrace => ('{', '}'),
        _ => return None,
    };
    match open.last().copied() {
        Some((_, found)) if found == opens => {
            open.pop();
            None
        }
        Some((open_at, _)) => Some(Fault::Mismatched { open_at, at, close }),
        None => Some(Fault::Extra { at, close }),
    }
}

fn push(open: &mut Vec<(usize, char)>, at: usize, bracket: char) -> Option<Fault> {
    open.push((at, bracket));
    None
}
