//! The tokens of a cell with their places, and which names a stretch of text mentions.
//!
//! Mentions decide what a cell is given: a variable, an item of an earlier cell, a crate. They are found by
//! name alone, so they may be too many (then something is imported that is not needed) and never too few:
//! tokens inside macros and `{name}` inside string literals count.
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::ops::Range;

/// What a token is, as far as the engine cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Ident(String),
    Punct(char),
    /// A literal's text.
    Literal(String),
    Open(char),
    Close(char),
}

/// A token and the bytes of the cell that it covers.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub range: Range<usize>,
}

/// All tokens of a text in order, groups flattened.
pub fn flatten(stream: TokenStream) -> Vec<Token> {
    let mut out = Vec::new();
    push_all(stream, &mut out);
    out
}

fn push_all(stream: TokenStream, out: &mut Vec<Token>) {
    for tree in stream {
        match tree {
            TokenTree::Ident(ident) => {
                let range = ident.span().byte_range();
                let text = ident.to_string();
                let name = text.strip_prefix("r#").unwrap_or(&text).to_owned();
                out.push(Token { kind: Kind::Ident(name), range });
            }
            TokenTree::Punct(p) => out.push(Token { kind: Kind::Punct(p.as_char()), range: p.span().byte_range() }),
            TokenTree::Literal(l) => out.push(Token { kind: Kind::Literal(l.to_string()), range: l.span().byte_range() }),
            TokenTree::Group(g) => {
                let (open, close) = match g.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::None => (' ', ' '),
                };
                out.push(Token { kind: Kind::Open(open), range: g.span_open().byte_range() });
                push_all(g.stream(), out);
                out.push(Token { kind: Kind::Close(close), range: g.span_close().byte_range() });
            }
        }
    }
}

/// The names that a stretch of text mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Names that may refer to an item, a crate or a variable.
    pub names: BTreeSet<String>,
    /// Names after a dot: methods and fields, which decide which traits are imported.
    pub members: BTreeSet<String>,
}

impl Mentions {
    /// Takes over all of another's.
    pub fn extend(&mut self, other: &Mentions) {
        self.names.extend(other.names.iter().cloned());
        self.members.extend(other.members.iter().cloned());
    }

    /// True when the name occurs in any role.
    pub fn any(&self, name: &str) -> bool {
        self.names.contains(name) || self.members.contains(name)
    }
}

/// The mentions in the tokens that lie inside a range.
pub fn mentions(tokens: &[Token], range: &Range<usize>) -> Mentions {
    let inside: Vec<&Token> = tokens.iter().filter(|t| t.range.start >= range.start && t.range.end <= range.end).collect();
    let mut found = Mentions::default();
    for (i, token) in inside.iter().enumerate() {
        let before = |n: usize| i.checked_sub(n).map(|j| &inside[j].kind);
        match &token.kind {
            Kind::Ident(name) => {
                let dot = before(1) == Some(&Kind::Punct('.')) && before(2) != Some(&Kind::Punct('.'));
                let lifetime = before(1) == Some(&Kind::Punct('\''));
                if dot {
                    found.members.insert(name.clone());
                } else if !lifetime {
                    found.names.insert(name.clone());
                }
            }
            Kind::Literal(text) => captured(text, &mut found.names),
            _ => {}
        }
    }
    found
}

/// Names in braces of a string literal: `{name}`, `{name:…}`, `{:width$}`.
fn captured(literal: &str, names: &mut BTreeSet<String>) {
    if !literal.contains('"') || !literal.contains(['{', '$']) {
        return;
    }
    let bytes = literal.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let starts = bytes[i].is_ascii_alphabetic() || bytes[i] == b'_' || bytes[i] >= 0x80;
        let begins = i > 0 && matches!(bytes[i - 1], b'{' | b':' | b'.' | b'<' | b'>' | b'^' | b'0');
        if starts && begins {
            let end = literal[i..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(literal.len(), |n| i + n);
            let closes = matches!(bytes.get(end), Some(b'}' | b':' | b'$'));
            if closes {
                names.insert(literal[i..end].to_owned());
            }
            i = end.max(i + 1);
        } else {
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Mentions {
        mentions(&flatten(text.parse().expect("tokens")), &(0..text.len()))
    }

    #[test]
    fn members_lifetimes_and_captures() {
        let m = of(r#"let y: &'a str = x.len(); println!("{z} {w:?} {:>width$}", 0..n)"#);
        for name in ["x", "y", "z", "w", "n", "width"] {
            assert!(m.names.contains(name), "{name} in {m:?}");
        }
        assert!(!m.names.contains("a") && !m.names.contains("len"));
        assert!(m.members.contains("len"));
    }
}
