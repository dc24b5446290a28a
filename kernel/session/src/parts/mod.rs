//! A cell's text cut into Rust and magics; parsing only, nothing runs here.
//!
//! Called by the runner, by completion and by `is_complete`. A line is a magic only where a statement may
//! begin: the compiler's lexer keeps track of strings, comments and brackets, so that a line of a long
//! expression that begins with `%` stays Rust. Rust keeps the line numbers that the user sees, because
//! magic lines are blanked and not cut out.
//!
//! ```text
//! "%time f()\nlet a = 1;\n!ls"  ->  [Magic time "f()"] [Rust "\nlet a = 1;\n"] [Shell "ls"]
//! ```
mod scan;

use scan::Scanner;

/// A piece of a cell, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Rust text; lines of other parts before it are blank.
    Rust(String),
    /// `%name …`, or `%%name …` with the rest of the cell as its body.
    Magic(Line),
    /// `!command`.
    Shell(Line),
    /// evcxr's `:name …`.
    Command(Line),
    /// `%name?` or `?name`.
    Help { name: String },
}

/// A line that is not Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Without its sigil; empty for [`Part::Shell`].
    pub name: String,
    /// What follows the name, as typed.
    pub rest: String,
    /// The rest of the cell, for `%%name`.
    pub body: Option<String>,
    /// 1-based line of the sigil.
    pub line: u32,
    /// 0-based column (characters) where `rest` begins.
    pub rest_column: u32,
}

/// What cutting asks of its surroundings.
pub trait Names {
    /// A magic of this name exists (then it is one even where only its place in the first column tells).
    fn is_magic(&self, name: &str) -> bool;
    /// A line of this magic ends with Rust code, which may go on over lines.
    fn takes_code(&self, name: &str) -> bool;
    /// evcxr has a command of this name.
    fn is_command(&self, name: &str) -> bool;
    /// The session has a variable or item of this name: `!name` is then Rust's `not`.
    fn is_rust_name(&self, name: &str) -> bool;
}

/// Cuts a cell.
pub fn cut(code: &str, names: &dyn Names) -> Vec<Part> {
    match cell_magic(code) {
        Some(part) => vec![part],
        None => Scanner::new(code, names).run(),
    }
}

/// `%%name` at the top; blank lines and line comments may stand before it.
fn cell_magic(code: &str) -> Option<Part> {
    let mut offset = 0;
    for (number, line) in code.split_inclusive('\n').enumerate() {
        let text = line.trim();
        if let Some(after) = text.strip_prefix("%%") {
            let name = scan::name_of(after)?;
            let header = line.trim_end();
            let rest_at = header.find(name).map_or(header.len(), |at| at + name.len());
            if header[rest_at..].trim() == "?" {
                return Some(Part::Help { name: name.to_owned() });
            }
            let rest = header[rest_at..].trim_start();
            let column = header[..header.len() - rest.len()].chars().count();
            return Some(Part::Magic(Line {
                name: name.to_owned(),
                rest: rest.to_owned(),
                body: Some(code[offset + line.len()..].to_owned()),
                line: number as u32 + 1,
                rest_column: column as u32,
            }));
        }
        if !text.is_empty() && !text.starts_with("//") {
            return None;
        }
        offset += line.len();
    }
    None
}

#[cfg(test)]
mod tests;
