//! How a cell of the evcxr engine ended, as the user reads it.
use crate::engine::Outcome;
use crate::front::Report;
use crate::ochre_engine::report;
use crate::worker::{Ended, How};
use ochre_link::{Bundle, End, Variable, evcxr as topics};

const RED: &str = "\x1b[1;31m";
const BOLD: &str = "\x1b[1m";
const OFF: &str = "\x1b[0m";

/// What the end of a cell is for the session.
pub(super) fn outcome(end: End, value: Option<Bundle>, before: &[Variable], now: &[Variable], count: u32) -> Outcome {
    Outcome::Error(match end {
        End::Completed => return Outcome::Ok(value),
        End::Rejected { rendered } => rejected(&rendered),
        End::Panicked { message, .. } => {
            let text = format!("{RED}panic{OFF}{BOLD}: {message}{OFF}\n  in cell [{count}]; evcxr's backtrace is above.\nNew variables of this cell are lost, as are those that it had moved.");
            whole("panic", &message, &text)
        }
        End::Failed { message, type_name, .. } if type_name == topics::CHILD_DIED => died(&message),
        End::Failed { message, .. } => {
            whole("error", &message, &format!("{RED}error{OFF}{BOLD}: {message}{OFF}\n  returned by `?` in cell [{count}]\nNew variables of this cell are lost."))
        }
        End::Interrupted | End::Detached => interrupted(before, now),
        End::Broken { message } => whole("evcxr", &message, &format!("{RED}evcxr{OFF}{BOLD}: {message}{OFF}\n`%engine ochre` changes to the default engine.")),
    })
}

fn whole(name: &str, message: &str, text: &str) -> Report {
    let first = message.lines().next().unwrap_or(name);
    Report { name: name.to_owned(), message: first.to_owned(), traceback: text.lines().map(str::to_owned).collect() }
}

/// The errors as evcxr's process rendered them; name and message are those of the first.
fn rejected(rendered: &str) -> Report {
    let first = plain(rendered.lines().next().unwrap_or_default());
    let (head, message) = first.split_once(": ").unwrap_or(("error", &first));
    let code = head.strip_prefix("error[").and_then(|c| c.strip_suffix(']'));
    Report {
        name: code.unwrap_or(crate::habits::NO_CODE).to_owned(),
        message: message.to_owned(),
        traceback: rendered.lines().map(str::to_owned).collect(),
    }
}

/// The text without ANSI colours.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            out.push(c);
        }
    }
    out
}

/// evcxr can stop running code only by ending its process.
fn interrupted(before: &[Variable], now: &[Variable]) -> Report {
    let lost = before.iter().filter(|v| !now.iter().any(|n| n.name == v.name)).count();
    if lost == 0 {
        return report::interrupted("the cell stopped; no variable was lost");
    }
    let plural = if lost == 1 { "the 1 variable is" } else { &format!("all {lost} variables are") };
    report::interrupted(&format!(
        "the cell stopped; evcxr can stop running code only by ending its process, so {plural} gone (functions and types are still defined). The engine `ochre` keeps variables"
    ))
}

/// The process that ran the cells has died; evcxr has started another.
fn died(words: &str) -> Report {
    let text = format!(
        "{RED}worker died{OFF}{BOLD}: {words}{OFF}\nAll variables are gone with it; functions and types of earlier cells are still defined.\nRun the cells that make the variables again."
    );
    whole("worker died", words, &text)
}

/// evcxr's own process has ended, with all that it knew.
pub(super) fn process_ended(ended: &Ended, interrupted: bool) -> Report {
    let words = ended.words();
    let name = if interrupted && matches!(ended.how, How::Killed) { "interrupted" } else { "worker died" };
    let complaint = if ended.complaint.is_empty() { String::new() } else { format!("\n  {}", ended.complaint) };
    let text = format!("{RED}{name}{OFF}{BOLD}: {words}{OFF}{complaint}\nAll variables and items of the evcxr engine are gone with it; a new one is starting. Run the cells again.");
    whole(name, &words, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_cell_is_named_after_its_first_error() {
        let report = rejected("\x1b[1;31merror[E0308]\x1b[0m\x1b[1m: mismatched types\x1b[0m\n --> cell, line 1, column 2\n");
        assert_eq!((report.name.as_str(), report.message.as_str(), report.traceback.len()), ("E0308", "mismatched types", 2));
        let report = rejected("\x1b[1;31merror\x1b[0m\x1b[1m: Couldn't determine type: give one\x1b[0m\n");
        assert_eq!((report.name.as_str(), report.message.as_str()), (crate::habits::NO_CODE, "Couldn't determine type: give one"));
    }

    #[test]
    fn an_interrupt_says_what_was_lost() {
        let variable = |name: &str| Variable { name: name.into(), type_name: "i32".into(), send: true, size: 0, cell: ochre_link::CellId(1), available: true };
        let before = [variable("a"), variable("b")];
        assert!(interrupted(&before, &before).message.contains("no variable was lost"));
        assert!(interrupted(&before, &[]).message.contains("all 2 variables are gone"));
    }
}
