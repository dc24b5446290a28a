//! evcxr's compile errors as text in rustc's manner, with the cell's own lines and columns.
use evcxr::CompilationError;
use std::fmt::Write;

const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[1;34m";
const BOLD: &str = "\x1b[1m";
const OFF: &str = "\x1b[0m";

/// All errors of a cell, in order.
pub fn errors(errors: &[CompilationError], code: &str) -> String {
    let texts: Vec<String> = errors.iter().map(|e| error(e, code)).collect();
    texts.join("\n")
}

/// An error without a place.
pub fn message(text: &str) -> String {
    format!("{RED}error{OFF}{BOLD}: {}{OFF}\n", text.trim_end())
}

fn error(error: &CompilationError, code: &str) -> String {
    let number = error.code().map(|c| format!("[{c}]")).unwrap_or_default();
    let mut text = format!("{RED}error{number}{OFF}{BOLD}: {}{OFF}\n", error.message());
    for (at, message) in error.spanned_messages().iter().filter(|m| m.span.is_some()).enumerate() {
        let Some(span) = &message.span else { continue };
        if at == 0 {
            put(&mut text, format_args!(" {BLUE}-->{OFF} cell, line {}, column {}", span.start_line, span.start_column));
        }
        let line = code.lines().nth(span.start_line.saturating_sub(1)).unwrap_or_default();
        let end = if span.end_line == span.start_line { span.end_column } else { line.chars().count() + 1 };
        let marks = "^".repeat(end.saturating_sub(span.start_column).max(1));
        put(&mut text, format_args!("{BLUE}{:>4} |{OFF} {line}", span.start_line));
        put(&mut text, format_args!("{BLUE}     |{OFF} {}{RED}{marks} {}{OFF}", " ".repeat(span.start_column.saturating_sub(1)), message.label));
    }
    for help in error.help() {
        put(&mut text, format_args!("help: {}", help.trim_end()));
    }
    if let Some(hint) = error.evcxr_extra_hint() {
        put(&mut text, format_args!("help: {hint}"));
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _ = writeln!(text, "{line}");
}

/// Message of the last panic in what a child wrote to stderr.
pub fn panic_message(stderr: &str) -> String {
    let at = stderr.rfind("' panicked at ").or_else(|| stderr.rfind(") panicked at "));
    let after = at.map_or("", |at| &stderr[at..]);
    let lines = after.lines().skip(1);
    let message: Vec<&str> = lines.take_while(|l| !l.starts_with("stack backtrace:") && !l.starts_with("note: ")).collect();
    let message = message.join("\n").trim().to_owned();
    if message.is_empty() { "the cell panicked".to_owned() } else { message }
}

/// The error that `?` returned: evcxr writes it to stderr last.
pub fn returned_error(stderr: &str) -> String {
    let line = stderr.lines().rev().find(|l| !l.trim().is_empty());
    line.unwrap_or("an error was returned by `?`").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_gives_its_message() {
        let stderr = "noise\n\nthread '<unnamed>' (12) panicked at src/lib.rs:18:5:\nfirst\nsecond\nstack backtrace:\n   0: x\n";
        assert_eq!(panic_message(stderr), "first\nsecond");
        assert_eq!(panic_message("\nthread 'main' panicked at src/lib.rs:1:1:\nindex out of bounds\nnote: run with"), "index out of bounds");
        assert_eq!(panic_message("nothing of the kind"), "the cell panicked");
    }

    #[test]
    fn the_last_line_is_the_returned_error() {
        assert_eq!(returned_error("told before\nParseIntError { kind: InvalidDigit }\n\n"), "ParseIntError { kind: InvalidDigit }");
    }
}
