//! How a cell went wrong, as the user reads it.
use crate::front::Report;
use crate::worker::{Ended, How};
use ochre_cells::Notebook;
use ochre_cells::diagnostics::{CellSource, PanicReport, Rendered, render_panic};
use std::error::Error;

const RED: &str = "\x1b[1;31m";
const BOLD: &str = "\x1b[1m";
const OFF: &str = "\x1b[0m";

fn report(name: &str, message: &str, text: &str) -> Report {
    Report { name: name.to_owned(), message: message.to_owned(), traceback: text.lines().map(str::to_owned).collect() }
}

/// rustc's errors.
pub(super) fn compile_errors(errors: &[Rendered]) -> Report {
    let text: Vec<&str> = errors.iter().map(|e| e.text.as_str()).collect();
    let first = errors.first();
    let name = first.and_then(|e| e.code.as_deref()).unwrap_or(crate::habits::NO_CODE);
    let message = first.map_or("the cell does not compile", |e| e.message.as_str());
    report(name, message, &text.join("\n\n"))
}

/// An error that left the cell through `?`.
pub(super) fn failed(message: &str, debug: &str, type_name: &str, source: &CellSource) -> Report {
    let kind = if type_name.is_empty() { debug.split(['(', ' ', '{', ':']).next().unwrap_or_default().to_owned() } else { super::text::short_type(type_name) };
    let first = message.lines().next().unwrap_or("error");
    let mut text = format!("{RED}error{OFF}{BOLD}: {message}{OFF}\n  returned by `?` in {}", source.label);
    if debug != message && !kind.is_empty() && kind.starts_with(char::is_uppercase) {
        text.push_str(&format!(" (a `{kind}`)"));
    }
    report("error", first, &text)
}

/// A panic.
pub(super) fn panicked(message: &str, rendered: &Rendered) -> Report {
    report("panic", message.lines().next().unwrap_or("panic"), &rendered.text)
}

/// The user's interrupt.
pub(crate) fn interrupted(message: &str) -> Report {
    report("interrupted", message, &format!("{RED}interrupted{OFF}{BOLD}: {message}{OFF}"))
}

/// The cell did not notice the interrupt.
pub(super) fn detached() -> Report {
    let message = "the cell did not stop within 2 seconds and goes on in the background";
    let text = format!(
        "{RED}interrupted{OFF}{BOLD}: {message}{OFF}\n  The variables that it uses come back when it ends; all others can be used now.\n  \
         A loop of yours can stop at once: call `ochre::interrupted()` in it and leave. To end the worker and all variables: interrupt a running cell twice."
    );
    report("interrupted", message, &text)
}

/// The worker ended under the cell.
pub(super) fn worker_ended(ended: &Ended, words: &str, interrupted: bool, source: &CellSource, notebook: &Notebook) -> Report {
    let asked = interrupted && matches!(ended.how, How::Killed);
    let name = if asked { "interrupted" } else { "worker died" };
    let mut text = format!("{RED}{name}{OFF}{BOLD}: {words}{OFF}\n  while {} was running\n", source.label);
    if let Some(crash) = &ended.crash {
        let panic = PanicReport { message: words, place: None, backtrace: &crash.frames, thread: "" };
        let rendered = render_panic(&panic, &notebook.names(), &|file| notebook.map_of(file));
        let frames: Vec<&str> = rendered.text.lines().skip(1).collect();
        text.push_str(&frames.join("\n"));
        text.push('\n');
    }
    text.push_str("All variables are gone with it; functions and types are still defined.\n`%recover` shows which cells would bring the variables back, and runs them without compiling.");
    report(name, words, &text)
}

/// A wrong use of a magic or command.
pub(crate) fn usage(message: impl Into<String>) -> Report {
    let message = message.into();
    report("usage", &message, &format!("{RED}usage{OFF}{BOLD}: {message}{OFF}"))
}

/// An error of the machinery, with its sources.
pub(crate) fn of_error(what: &str, error: &dyn Error) -> Report {
    let mut text = format!("{RED}{what}{OFF}{BOLD}: {error}{OFF}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("\n  caused by: {cause}"));
        source = cause.source();
    }
    report(what, &error.to_string(), &text)
}

/// A bug of ours.
pub(crate) fn bug(message: &str) -> Report {
    report("bug in Ochre", message, &format!("{RED}bug in Ochre{OFF}{BOLD}: {message}{OFF}\nThis is not your fault. Please report it with the cell's text and the output of `ochre doctor`."))
}
