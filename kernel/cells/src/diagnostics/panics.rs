//! A panic as the user sees it: message, the cell's line, and the frames that are the user's own.
use super::draw;
use super::map::{Origin, SourceMap, place};
use super::report::{Level, Note, Report, Spot};
use super::words::{Names, is_generated_crate};
use super::Rendered;
use ochre_link::{Frame, Place};

/// What a worker tells of a panic.
#[derive(Clone, Copy, Debug)]
pub struct PanicReport<'a> {
    pub message: &'a str,
    pub place: Option<&'a Place>,
    pub backtrace: &'a [Frame],
    /// Name of the thread; the cell's own thread is not named to the user.
    pub thread: &'a str,
}

/// Most frames that are listed: a recursion that is deeper repeats itself.
const MOST_FRAMES: usize = 12;

/// Name of the thread that cells run on.
const CELL_THREAD: &str = "cell";

/// A panic, drawn like a diagnostic. `map_of` gives the source map of a generated file by its name without folder
/// (`c_1a2b3c.rs`), of this cell or an earlier one.
pub fn render_panic<'m>(panic: &PanicReport, names: &Names, map_of: &dyn Fn(&str) -> Option<&'m SourceMap>) -> Rendered {
    let frames: Vec<(String, Origin, u32, u32)> = panic.backtrace.iter().filter_map(|frame| user_frame(frame, names, map_of)).collect();
    let own = panic.place.and_then(|place| placed(place, map_of));
    // A panic inside of a library (`unwrap`, an index) is the line's that called it.
    let at = own.or_else(|| frames.first().map(|(_, origin, line, column)| (origin.clone(), *line, *column)));
    let mut report = Report {
        level: Level::Panic,
        code: None,
        message: names.clean(panic.message),
        spots: at.map(|(origin, line, column)| spot(origin, line, column)).into_iter().collect(),
        notes: Vec::new(),
        scaffold: Vec::new(),
        hints: Vec::new(),
        raw: String::new(),
        outside: false,
    };
    if !matches!(panic.thread, "" | CELL_THREAD) {
        report.notes.push(text_note(format!("in thread `{}`", panic.thread)));
    }
    if frames.len() > 1 {
        report.notes.push(text_note(listing(&frames)));
    }
    draw::draw(&report, None)
}

fn text_note(message: String) -> Note {
    Note { level: Level::Note, message, spots: Vec::new(), suggestions: Vec::new() }
}

fn placed<'m>(at: &Place, map_of: &dyn Fn(&str) -> Option<&'m SourceMap>) -> Option<(Origin, u32, u32)> {
    let file = at.file.rsplit(['/', '\\']).next()?;
    place(map_of(file)?, at.line, at.column)
}

/// The token at a place: panics tell where it begins, not where it ends.
fn spot(origin: Origin, line: u32, column: u32) -> Spot {
    let text = origin.0.text.as_str();
    let start = text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum::<usize>();
    let rest = &text[start.min(text.len())..];
    let line_text = rest.lines().next().unwrap_or_default();
    let offset = line_text.char_indices().nth(column.saturating_sub(1) as usize).map_or(line_text.len(), |(at, _)| at);
    let length = expression_length(&line_text[offset..]);
    Spot { range: start + offset..start + offset + length, origin, primary: true, label: Some("panicked here".to_owned()) }
}

/// How much of a line belongs to the call or macro that it begins with: to its closing bracket, or one word.
fn expression_length(text: &str) -> usize {
    let mut depth = 0usize;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth <= 1 => return if depth == 1 { at + c.len_utf8() } else { at },
            ')' | ']' | '}' => depth -= 1,
            ';' | ',' if depth == 0 => return at,
            c if c.is_whitespace() && depth == 0 => return at,
            _ => {}
        }
    }
    text.trim_end().len()
}

/// A frame of a generated crate, with its function's name as the user knows it.
fn user_frame<'m>(frame: &Frame, names: &Names, map_of: &dyn Fn(&str) -> Option<&'m SourceMap>) -> Option<(String, Origin, u32, u32)> {
    let (origin, line, column) = placed(frame.place.as_ref()?, map_of)?;
    Some((function_name(&frame.function, names), origin, line, column))
}

/// `c_1a2b3c::solve::{{closure}}::h0123456789abcdef` is `solve` to the user, and the cell's own body has no name.
fn function_name(function: &str, names: &Names) -> String {
    let function = function.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit())).map_or(function, |(name, _)| name);
    let parts: Vec<&str> = function.split("::").filter(|part| !(is_generated_crate(part.split('[').next().unwrap_or(part)) || part.starts_with("__"))).collect();
    let closure = parts.contains(&"{{closure}}") || parts.contains(&"{closure#0}");
    let named: Vec<&str> = parts.into_iter().filter(|part| !part.starts_with('{')).collect();
    match (named.is_empty(), closure) {
        (true, _) => "the cell".to_owned(),
        (false, true) => format!("a closure in `{}`", names.clean(&named.join("::"))),
        (false, false) => format!("`{}`", names.clean(&named.join("::"))),
    }
}

/// The frames, one a line, innermost first; a run of equal lines once.
fn listing(frames: &[(String, Origin, u32, u32)]) -> String {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for (function, origin, line, column) in frames {
        let text = format!("{function} at {}:{line}:{column}", origin.0.label);
        match lines.last_mut() {
            Some((last, count)) if *last == text => *count += 1,
            _ => lines.push((text, 1)),
        }
    }
    let more = lines.len().saturating_sub(MOST_FRAMES);
    let mut out = String::from("called from");
    for (line, count) in lines.iter().take(MOST_FRAMES) {
        out.push_str(&format!("\n  {line}"));
        if *count > 1 {
            out.push_str(&format!(" ({count} times)"));
        }
    }
    if more > 0 {
        out.push_str(&format!("\n  … and {more} more"));
    }
    out
}
