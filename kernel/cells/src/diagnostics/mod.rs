//! rustc's diagnostics of a generated crate, told as diagnostics of the cell.
//!
//! Called by the engine with what one rustc run wrote. Pure: text in, text out; it starts no process.
//!
//! ```text
//! JSON lines --parse--> RustcMessage --collect--> Report (spans of the cells)
//!    --scaffold: second errors out, wording back--> --hints--> --draw--> Rendered
//! ```
//!
//! **Invariant:** no file name, line or identifier of generated code reaches a [`Rendered`], except in [`Rendered::bug`].

mod balance;
mod draw;
mod hints;
mod map;
mod message;
mod panics;
mod report;
mod scaffold;
#[cfg(test)]
mod tests;
mod words;

pub use balance::unbalanced;
pub use map::{CellSource, Origin, Piece, SourceMap, place};
pub use message::{Code, Expansion, RustcMessage, Span, SpanLine, parse};
pub use panics::{PanicReport, render_panic};
pub use words::Names;

use report::{Level, Report, Sources};

/// Something that the engine knows of a name that a cell does not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The variable or item.
    pub name: String,
    /// One sentence, such as "`df` was moved in cell [4], line 2; use `df.clone()` there".
    pub text: String,
}

/// What a rustc run had to say about a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosed {
    pub errors: Vec<Rendered>,
    pub warnings: Vec<Rendered>,
}

/// One diagnostic as the user sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// `E0382`, or the name of a lint.
    pub code: Option<String>,
    /// The first line, without colours.
    pub message: String,
    /// The whole drawing, with ANSI colours, several lines, no newline at the end.
    pub text: String,
    /// Id of the cell, line and column (from 1, in characters).
    pub primary: Option<(u64, u32, u32)>,
    /// For the log: rustc's own text, when the error is none of the user's.
    pub bug: Option<String>,
}

/// The diagnostics of a run over a generated file. `current` is the id of the running cell, `hints` what the engine
/// knows of names that are no longer there.
pub fn render(messages: &[RustcMessage], map: &SourceMap, names: &Names, current: u64, hints: &[Hint]) -> Diagnosed {
    let sources = Sources { map, names };
    let mut reports: Vec<Report> = messages.iter().filter_map(|message| report::collect(message, &sources)).collect();
    scaffold::settle(&mut reports, map, current);
    let mut diagnosed = Diagnosed::default();
    for mut report in reports {
        names.clean_report(&mut report);
        hints::add(&mut report, hints);
        match report.level {
            Level::Error => {
                let bug = report.spots.is_empty().then(|| scaffold::ours(&mut report)).flatten();
                push(&mut diagnosed.errors, draw::draw(&report, bug));
            }
            // A warning about generated code is no business of the user's.
            _ if report.spots.is_empty() => {}
            _ => push(&mut diagnosed.warnings, draw::draw(&report, None)),
        }
    }
    diagnosed
}

/// Two diagnostics that read the same are one.
fn push(list: &mut Vec<Rendered>, rendered: Rendered) {
    if !list.contains(&rendered) {
        list.push(rendered);
    }
}
