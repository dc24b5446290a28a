//! Delimiters and quotes that are left open in a cell, found in the cell's own text: in generated text the
//! scaffold's brackets would be blamed for them.
use super::draw;
use super::map::Origin;
use super::report::{Level, Report, Spot};
use super::Rendered;
use crate::complete::without_magics;
use crate::lex::{self, Fault};

/// The error of a cell whose delimiters do not match or whose quotes do not end, if there is one.
///
/// The engine may ask before it compiles: rustc cannot point at the right place once the text is wrapped.
pub fn unbalanced(origin: &Origin) -> Option<Rendered> {
    report(origin).map(|report| draw::draw(&report, None))
}

pub(super) fn report(origin: &Origin) -> Option<Report> {
    let text = origin.0.text.as_str();
    let spot = |at: usize, len: usize, primary: bool, label: &str| Spot {
        origin: origin.clone(),
        range: at..at + len,
        primary,
        label: Some(label.to_owned()),
    };
    let end = text.trim_end().len();
    let (code, message, spots) = match lex::scan(&without_magics(text)).fault? {
        Fault::Unclosed { at, open } => {
            let spots = vec![spot(at, 1, false, "unclosed delimiter"), spot(end, 0, true, "the cell ends here")];
            (None, format!("this cell contains an unclosed delimiter: `{open}`"), spots)
        }
        Fault::Mismatched { open_at, at, close, .. } => {
            let spots = vec![spot(at, 1, true, "mismatched closing delimiter"), spot(open_at, 1, false, "unclosed delimiter")];
            (None, format!("mismatched closing delimiter: `{close}`"), spots)
        }
        Fault::Extra { at, close } => (None, format!("unexpected closing delimiter: `{close}`"), vec![spot(at, 1, true, "unexpected closing delimiter")]),
        Fault::Unterminated { at, what, code } => {
            let first_line = text[at..].lines().next().map_or(0, str::len);
            (code, format!("unterminated {what}"), vec![spot(at, first_line, true, "begins here and does not end")])
        }
    };
    Some(Report {
        level: Level::Error,
        code: code.map(str::to_owned),
        message,
        spots,
        notes: Vec::new(),
        scaffold: Vec::new(),
        hints: Vec::new(),
        raw: String::new(),
        outside: false,
    })
}
