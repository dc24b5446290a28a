//! The walk over a cell: rustc's lexer for Rust, whole lines for the rest.
use super::{Line, Names, Part};
use ra_ap_rustc_lexer::{FrontmatterAllowed, TokenKind, is_id_continue, is_id_start, tokenize};

pub(super) struct Scanner<'a> {
    code: &'a str,
    names: &'a dyn Names,
    at: usize,
    parts: Vec<Part>,
    /// The Rust run that is being gathered; starts with one newline per line that came before it.
    rust: String,
    /// Open brackets.
    depth: usize,
    last: Last,
}

/// What stands before a line, as far as it decides whether a statement is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing, `;` or `}`: a statement may begin.
    Closed,
    /// The end of an operand (`x`, `1`, `)`): an expression that may be the last of its part.
    Operand,
    /// An operator or the like: the expression goes on.
    Open,
}

/// What a line is.
enum Kind {
    Magic(String),
    Shell,
    Command(String),
    Help(String),
}

impl<'a> Scanner<'a> {
    pub(super) fn new(code: &'a str, names: &'a dyn Names) -> Self {
        Self { code, names, at: 0, parts: Vec::new(), rust: String::new(), depth: 0, last: Last::Closed }
    }

    pub(super) fn run(mut self) -> Vec<Part> {
        let mut line_start = true;
        while self.at < self.code.len() {
            if line_start && self.depth == 0 && self.take_line() {
                continue;
            }
            line_start = self.take_token();
        }
        self.end_rust();
        self.parts
    }

    /// Takes the line that begins here when it is not Rust; leading blanks may stand before it.
    fn take_line(&mut self) -> bool {
        let rest = &self.code[self.at..];
        let text = rest.trim_start_matches([' ', '\t']);
        let indent = rest.len() - text.len();
        let Some(kind) = self.classify(text, indent) else { return false };
        let start = self.at + indent;
        let end = self.line_end(start, &kind);
        let line = self.code[..start].matches('\n').count() as u32 + 1;
        self.end_rust();
        let part = self.part(kind, start, end, line);
        self.parts.push(part);
        self.at = (end + 1).min(self.code.len());
        self.rust = "\n".repeat(self.code[..self.at].matches('\n').count());
        self.last = Last::Closed;
        true
    }

    fn classify(&self, text: &str, indent: usize) -> Option<Kind> {
        let first_line = text.lines().next().unwrap_or("").trim_end();
        let body = first_line.get(1..)?;
        // A statement is open: only a known name in the first column, not ended like Rust, counts.
        let open = self.last != Last::Closed;
        if open && (self.last == Last::Open || indent > 0 || first_line.ends_with(';')) {
            return None;
        }
        match first_line.as_bytes()[0] {
            b'%' => {
                let body = body.strip_prefix('%').unwrap_or(body);
                let name = name_of(body)?;
                if body[name.len()..].trim_start().starts_with('=') && !self.names.is_magic(name) {
                    return None;
                }
                if first_line.ends_with('?') && body[name.len()..].trim_matches(['?', ' ']).is_empty() {
                    return Some(Kind::Help(name.to_owned()));
                }
                (!open || self.names.is_magic(name)).then(|| Kind::Magic(name.to_owned()))
            }
            b':' => {
                let name = name_of(body)?;
                (!open || self.names.is_command(name)).then(|| Kind::Command(name.to_owned()))
            }
            b'?' => {
                let name = body.trim_start_matches(['?', '%', ' ']);
                (!open && name_of(name) == Some(name)).then(|| Kind::Help(name.to_owned()))
            }
            b'!' => self.is_command_line(body).then_some(Kind::Shell),
            _ => None,
        }
    }

    /// Whether what follows `!` is a command for the shell and not an operand of Rust's `not`.
    fn is_command_line(&self, body: &str) -> bool {
        let text = body.trim_start();
        if text.is_empty() || text.starts_with(['(', '[', '{', '!', '=', '&', '*']) {
            return false;
        }
        let Some(name) = name_of(text) else { return true };
        if matches!(name, "true" | "false" | "matches" | "if" | "match" | "unsafe") || self.names.is_rust_name(name) {
            return false;
        }
        let defined_here = self.rust.contains(&format!("let {name}")) || self.rust.contains(&format!("let mut {name}"));
        let after = &text[name.len()..];
        let called = after.starts_with(['(', '[', '!']) || after.starts_with("::") || text.ends_with(';');
        let method = after.starts_with('.') && after.contains('(');
        !(defined_here || called || method)
    }

    /// Byte offset of the end of the line (its newline, or the end of the text).
    fn line_end(&self, start: usize, kind: &Kind) -> usize {
        match kind {
            Kind::Magic(name) if self.names.takes_code(name) => self.code_end(start + name.len() + 1),
            Kind::Command(name) if self.names.takes_code(name) => self.code_end(start + name.len() + 1),
            Kind::Shell | Kind::Magic(_) => self.continued_end(start),
            _ => newline(self.code, start),
        }
    }

    /// A backslash at the end of a line joins the next one to it, as in a shell.
    fn continued_end(&self, start: usize) -> usize {
        let mut end = newline(self.code, start);
        while end < self.code.len() && self.code[start..end].trim_end_matches('\r').ends_with('\\') {
            end = newline(self.code, end + 1);
        }
        end
    }

    /// Code goes on until a newline at which no bracket is open.
    fn code_end(&self, from: usize) -> usize {
        let (mut at, mut depth) = (from.min(self.code.len()), 0usize);
        for token in tokenize(&self.code[at..], FrontmatterAllowed::No) {
            let text = &self.code[at..at + token.len as usize];
            match token.kind {
                TokenKind::OpenParen | TokenKind::OpenBracket | TokenKind::OpenBrace => depth += 1,
                TokenKind::CloseParen | TokenKind::CloseBracket | TokenKind::CloseBrace => depth = depth.saturating_sub(1),
                TokenKind::Whitespace if depth == 0 => {
                    if let Some(offset) = text.find('\n') {
                        return at + offset;
                    }
                }
                _ => {}
            }
            at += text.len();
        }
        self.code.len()
    }

    fn part(&self, kind: Kind, start: usize, end: usize, line: u32) -> Part {
        let text = self.code[start..end].trim_end();
        let (name, skip) = match kind {
            Kind::Help(name) => return Part::Help { name },
            Kind::Shell => (String::new(), 1),
            Kind::Command(ref name) => (name.clone(), 1 + name.len()),
            Kind::Magic(ref name) => (name.clone(), text.find(name.as_str()).unwrap_or(1) + name.len()),
        };
        let after = &text[skip.min(text.len())..];
        let mut rest = after.trim_start().to_owned();
        let line_start = self.code[..start].rfind('\n').map_or(0, |at| at + 1);
        let rest_at = start + text.len() - rest.len();
        let rest_column = self.code[line_start..rest_at].chars().count() as u32;
        if matches!(kind, Kind::Magic(_)) && !self.names.takes_code(&name) {
            rest = rest.replace("\\\r\n", " ").replace("\\\n", " ");
        }
        let line = Line { name, rest, body: None, line, rest_column };
        match kind {
            Kind::Shell => Part::Shell(line),
            Kind::Command(_) => Part::Command(line),
            _ => Part::Magic(line),
        }
    }

    /// Takes one token of Rust; true when a new line begins after it.
    fn take_token(&mut self) -> bool {
        let rest = &self.code[self.at..];
        let Some(token) = tokenize(rest, FrontmatterAllowed::No).next() else {
            self.at = self.code.len();
            return false;
        };
        let mut text = &rest[..token.len as usize];
        let mut new_line = false;
        match token.kind {
            TokenKind::Whitespace => {
                // Up to the first newline only, so that each line is looked at.
                if let Some(offset) = text.find('\n') {
                    text = &text[..=offset];
                    new_line = true;
                }
            }
            TokenKind::LineComment { .. } | TokenKind::BlockComment { .. } => {}
            kind => self.note(kind),
        }
        self.rust.push_str(text);
        self.at += text.len();
        new_line
    }

    fn note(&mut self, kind: TokenKind) {
        use TokenKind::*;
        self.last = match kind {
            OpenParen | OpenBracket | OpenBrace => {
                self.depth += 1;
                Last::Open
            }
            CloseParen | CloseBracket | CloseBrace => {
                self.depth = self.depth.saturating_sub(1);
                if kind == CloseBrace { Last::Closed } else { Last::Operand }
            }
            Semi => Last::Closed,
            Ident | RawIdent | Literal { .. } | Question => Last::Operand,
            _ => Last::Open,
        };
    }

    fn end_rust(&mut self) {
        let rust = std::mem::take(&mut self.rust);
        if !rust.trim().is_empty() {
            self.parts.push(Part::Rust(rust));
        }
    }
}

/// The identifier at the beginning (letters, digits, `_`), if there is one.
pub(super) fn name_of(text: &str) -> Option<&str> {
    let first = text.chars().next().filter(|c| is_id_start(*c))?;
    let end = text[first.len_utf8()..].find(|c: char| !is_id_continue(c)).map_or(text.len(), |at| at + first.len_utf8());
    Some(&text[..end])
}

fn newline(code: &str, from: usize) -> usize {
    let from = from.min(code.len());
    code[from..].find('\n').map_or(code.len(), |at| from + at)
}
