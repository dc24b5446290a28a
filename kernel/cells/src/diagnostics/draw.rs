//! Draws a report as rustc draws its own, with the renderer that rustc uses.
use super::Rendered;
use super::map::{Origin, ceil_boundary, floor_boundary};
use super::report::{Edit, Level, Note, Report, Spot};
use annotate_snippets::renderer::Renderer;
use annotate_snippets::{AnnotationKind, Group, Level as Color, Patch, Snippet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Width that long lines are cut to: what a notebook of usual width shows, in characters.
const WIDTH: usize = 120;

/// Longest line that is drawn, in bytes. The renderer measures every character of a line; a table pasted into one
/// line is cut around the marks instead.
const LONGEST_LINE: usize = 16 * 1024;

/// The finished report.
pub(super) fn draw(report: &Report, bug: Option<String>) -> Rendered {
    // A fault of the renderer on odd input must not take the session with it.
    let text = catch_unwind(AssertUnwindSafe(|| draw_groups(report))).unwrap_or_else(|_| plain(report));
    Rendered {
        code: report.code.clone(),
        message: report.message.clone(),
        text,
        primary: report.primary().map(|spot| {
            let (line, column) = spot.origin.line_column(spot.range.start);
            (spot.origin.0.id, line, column)
        }),
        bug,
    }
}

/// The report without drawing: message, place, labels.
fn plain(report: &Report) -> String {
    let mut text = format!("{}: {}", name(report.level), report.message);
    if let Some(spot) = report.primary() {
        let (line, column) = spot.origin.line_column(spot.range.start);
        text.push_str(&format!("\n --> {}:{line}:{column}", spot.origin.0.label));
    }
    for line in report.notes.iter().map(|note| format!("\n{}: {}", name(note.level), note.message)) {
        text.push_str(&line);
    }
    for hint in &report.hints {
        text.push_str(&format!("\nhelp: {hint}"));
    }
    text
}

fn draw_groups(report: &Report) -> String {
    let mut title = color(report.level).primary_title(report.message.as_str());
    // Lints have names, not codes; rustc does not show them in the title either.
    if let Some(code) = report.code.as_deref().filter(|code| code.starts_with('E')) {
        title = title.id(code);
    }
    let mut main = Group::with_title(title).elements(snippets(&report.spots));
    let mut groups = Vec::new();
    for note in &report.notes {
        if note.spots.is_empty() && note.suggestions.is_empty() {
            if groups.is_empty() {
                main = main.element(color(note.level).message(printable(&note.message)));
            } else {
                groups.push(Group::with_title(color(note.level).secondary_title(printable(&note.message))));
            }
        } else {
            groups.push(group(note, report.primary().map(|spot| &spot.origin)));
        }
    }
    for hint in &report.hints {
        groups.push(Group::with_title(Color::HELP.secondary_title(printable(hint))));
    }
    groups.insert(0, main);
    Renderer::styled().hyperlink(false).term_width(WIDTH).render(&groups)
}

fn group<'a>(note: &'a Note, shown: Option<&Origin>) -> Group<'a> {
    let mut group = Group::with_title(color(note.level).secondary_title(printable(&note.message)));
    group = group.elements(snippets(&note.spots));
    group.elements(note.suggestions.iter().filter_map(|edits| patches(edits, shown)))
}

/// One snippet for each cell, the cell of the primary mark first.
fn snippets(spots: &[Spot]) -> Vec<Snippet<'static, annotate_snippets::Annotation<'static>>> {
    let mut origins: Vec<&Origin> = Vec::new();
    for spot in spots.iter().filter(|spot| spot.primary).chain(spots) {
        if !origins.contains(&&spot.origin) {
            origins.push(&spot.origin);
        }
    }
    origins
        .into_iter()
        .map(|origin| {
            let mine: Vec<&Spot> = spots.iter().filter(|spot| &spot.origin == origin).collect();
            let window = Window::around(origin, mine.iter().map(|spot| spot.range.clone()));
            window.snippet(origin).annotations(mine.iter().map(|spot| {
                let kind = if spot.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
                kind.span(window.shift(&spot.range)).label(spot.label.clone())
            }))
        })
        .collect()
}

fn patches(edits: &[Edit], shown: Option<&Origin>) -> Option<Snippet<'static, Patch<'static>>> {
    let origin = &edits.first()?.origin;
    let window = Window::around(origin, edits.iter().map(|edit| edit.range.clone()));
    let patches = edits.iter().map(|edit| Patch::new(window.shift(&edit.range), edit.replacement.clone()));
    // The line that whole lines are put before (`#[derive(…)]`) is drawn below them.
    let before_line = edits.iter().all(|edit| edit.range.is_empty() && edit.replacement.ends_with('\n'));
    let snippet = Snippet::source(window.text.clone()).line_start(window.first_line).fold(!before_line).patches(patches);
    // As rustc does: the file of a suggestion is named only when it is another one.
    Some(if shown == Some(origin) { snippet } else { snippet.path(origin.0.label.clone()) })
}

/// The whole lines of a cell that marks lie on, and what is between them.
struct Window {
    text: String,
    start: usize,
    first_line: usize,
}

impl Window {
    fn around(origin: &Origin, ranges: impl Iterator<Item = std::ops::Range<usize>> + Clone) -> Self {
        let text = origin.0.text.as_str();
        let first = floor_boundary(text, ranges.clone().map(|range| range.start).min().unwrap_or(0));
        let last = ceil_boundary(text, ranges.map(|range| range.end).max().unwrap_or(0));
        let mut start = text[..first].rfind('\n').map_or(0, |at| at + 1);
        let mut end = text[last..].find('\n').map_or(text.len(), |at| last + at);
        let first_line = 1 + text[..start].bytes().filter(|b| *b == b'\n').count();
        if first - start > LONGEST_LINE {
            start = floor_boundary(text, first - LONGEST_LINE / 2);
        }
        if end - last > LONGEST_LINE {
            end = ceil_boundary(text, last + LONGEST_LINE / 2);
        }
        // A carriage return would be drawn as a character; a blank keeps every offset.
        Self { text: text[start..end].replace('\r', " "), start, first_line }
    }

    fn shift(&self, range: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        let at = |byte: usize| floor_boundary(&self.text, byte.saturating_sub(self.start));
        at(range.start)..at(range.end).max(at(range.start))
    }

    fn snippet(&self, origin: &Origin) -> Snippet<'static, annotate_snippets::Annotation<'static>> {
        Snippet::source(self.text.clone()).line_start(self.first_line).path(origin.0.label.clone())
    }
}

fn color(level: Level) -> Color<'static> {
    match level {
        Level::Error => Color::ERROR,
        Level::Panic => Color::ERROR.with_name("panic"),
        Level::Warning => Color::WARNING,
        Level::Note => Color::NOTE,
        Level::Help => Color::HELP,
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Panic => "panic",
        Level::Warning => "warning",
        Level::Note => "note",
        Level::Help => "help",
    }
}

/// Titles and messages below the first are drawn as they are: control characters that a literal brought are shown, not obeyed.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
