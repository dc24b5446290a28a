//! A message on its way to the user: rustc's, with its spans carried over to the cells.
//!
//! [`collect`] only translates; what the scaffold caused is judged in `scaffold.rs`.
use super::map::{Located, Origin};
use super::message::{OUTSIDE, RustcMessage, Span};
use super::words::Names;
use super::SourceMap;
use std::ops::Range;

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Panic,
    Warning,
    Note,
    Help,
}

/// A message whose spans are the user's; what lay in the scaffold is kept aside.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub level: Level,
    pub code: Option<String>,
    pub message: String,
    pub spots: Vec<Spot>,
    pub notes: Vec<Note>,
    /// Labels in generated code: never shown, but they tell what the scaffold has to do with it.
    pub scaffold: Vec<Hidden>,
    /// Lines that follow everything else, each beginning with `help: `.
    pub hints: Vec<String>,
    /// rustc's own drawing, for the log.
    pub raw: String,
    /// Written outside of JSON: shown only when nothing else explains the failure.
    pub outside: bool,
}

/// A marked range of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub origin: Origin,
    pub range: Range<usize>,
    pub primary: bool,
    pub label: Option<String>,
}

/// A label in generated code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hidden {
    pub range: Range<usize>,
    pub text: String,
    pub primary: bool,
    pub label: Option<String>,
}

/// A note or help below a message.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub level: Level,
    pub message: String,
    pub spots: Vec<Spot>,
    /// Alternatives, each a set of edits that belong together.
    pub suggestions: Vec<Vec<Edit>>,
}

/// One replacement in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub origin: Origin,
    pub range: Range<usize>,
    pub replacement: String,
}

impl Report {
    /// The place that the message is about.
    pub fn primary(&self) -> Option<&Spot> {
        self.spots.iter().find(|spot| spot.primary).or(self.spots.first())
    }

    /// The names between backticks in the message, in order.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.message.split('`').skip(1).step_by(2)
    }
}

/// The sources that spans are looked up in: the generated file first, then those of earlier cells' crates.
pub(super) struct Sources<'a> {
    pub map: &'a SourceMap,
    pub names: &'a Names,
}

impl Sources<'_> {
    fn locate(&self, span: &Span) -> Located {
        let file = span.file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        if let Some((_, map)) = self.names.files.iter().find(|(name, _)| name == file) {
            return match map.locate(span) {
                user @ Located::User { .. } => user,
                // Bytes of another file's scaffold mean nothing in this one.
                _ => Located::Elsewhere,
            };
        }
        self.map.locate(span)
    }

    /// The innermost place of a span and its macro calls that the user wrote, and whether a call was climbed.
    fn locate_expanded(&self, span: &Span) -> (Located, bool) {
        let own = self.locate(span);
        let mut climbed = span;
        while let Some(expansion) = &climbed.expansion {
            if matches!(own, Located::User { .. }) {
                break;
            }
            climbed = &expansion.span;
            if let user @ Located::User { .. } = self.locate(climbed) {
                return (user, true);
            }
        }
        (own, false)
    }

    /// The call in a cell of a macro that a cell defines: rustc calls it "in this macro invocation".
    fn invocation(&self, span: &Span) -> Option<Spot> {
        let mut outer = span;
        while let Some(expansion) = &outer.expansion {
            outer = &expansion.span;
        }
        if std::ptr::eq(outer, span) {
            return None;
        }
        match self.locate(outer) {
            Located::User { origin, range } => Some(Spot { origin, range, primary: false, label: Some("in this macro invocation".to_owned()) }),
            _ => None,
        }
    }
}

/// The message in terms of the cells; `None` for rustc's own bookkeeping.
pub(super) fn collect(message: &RustcMessage, sources: &Sources) -> Option<Report> {
    let level = level_of(&message.level)?;
    if is_bookkeeping(&message.message) {
        return None;
    }
    let mut scaffold = Vec::new();
    let spots = spots_of(message, sources, &mut scaffold);
    let notes = message.children.iter().filter_map(|child| note(child, sources)).collect();
    Some(Report {
        level,
        code: message.code.as_ref().map(|code| code.code.clone()),
        message: message.message.clone(),
        spots,
        notes,
        scaffold,
        hints: Vec::new(),
        raw: message.rendered.clone().unwrap_or_default(),
        outside: message.level == OUTSIDE,
    })
}

fn level_of(level: &str) -> Option<Level> {
    match level {
        "warning" => Some(Level::Warning),
        "note" => Some(Level::Note),
        "help" => Some(Level::Help),
        "failure-note" => None,
        _ => Some(Level::Error),
    }
}

fn is_bookkeeping(message: &str) -> bool {
    message.starts_with("aborting due to")
        || message.starts_with("For more information about")
        || message.starts_with("Some errors have detailed explanations")
        || message.ends_with("warning emitted")
        || message.ends_with("warnings emitted")
}

fn spots_of(message: &RustcMessage, sources: &Sources, scaffold: &mut Vec<Hidden>) -> Vec<Spot> {
    let mut spots: Vec<Spot> = Vec::new();
    for span in &message.spans {
        match sources.locate_expanded(span) {
            (Located::User { origin, range }, climbed) => {
                push_spot(&mut spots, Spot { origin, range, primary: span.is_primary, label: span.label.clone() });
                if span.is_primary && !climbed {
                    let call = sources.invocation(span);
                    // An argument that the user wrote explains itself; a macro's body needs its call.
                    call.filter(|call| spots.iter().all(|spot| !encloses(call, spot))).into_iter().for_each(|call| push_spot(&mut spots, call));
                }
            }
            (Located::Generated(range), _) => scaffold.push(Hidden {
                text: sources.map.generated.get(range.clone()).unwrap_or_default().to_owned(),
                range,
                primary: span.is_primary,
                label: span.label.clone(),
            }),
            (Located::Elsewhere, _) => {}
        }
    }
    spots
}

fn encloses(outer: &Spot, inner: &Spot) -> bool {
    outer.origin == inner.origin && outer.range.start <= inner.range.start && inner.range.end <= outer.range.end
}

fn push_spot(spots: &mut Vec<Spot>, spot: Spot) {
    match spots.iter_mut().find(|seen| seen.origin == spot.origin && seen.range == spot.range && (seen.label == spot.label || spot.label.is_none())) {
        Some(seen) => seen.primary |= spot.primary,
        None => spots.push(spot),
    }
}

/// A note in terms of the cells; `None` when it is about the scaffold only.
fn note(child: &RustcMessage, sources: &Sources) -> Option<Note> {
    let level = level_of(&child.level)?;
    let mut scaffold = Vec::new();
    let mut note = Note { level, message: child.message.clone(), spots: Vec::new(), suggestions: Vec::new() };
    if child.spans.iter().any(|span| span.suggested_replacement.is_some()) {
        note.suggestions = suggestions(child, sources);
        return if note.suggestions.is_empty() { imports(child, note) } else { Some(note) };
    }
    note.spots = spots_of(child, sources, &mut scaffold);
    // "`Option<i32>` defined here" says nothing where "here" is a file that is not shown.
    let pointing = !child.spans.is_empty() && child.message.ends_with(" here");
    if note.spots.is_empty() && (pointing || !scaffold.is_empty()) {
        return None;
    }
    Some(note)
}

/// The alternatives of a help. An alternative with an edit outside of the cells is left out.
fn suggestions(child: &RustcMessage, sources: &Sources) -> Vec<Vec<Edit>> {
    let spans: Vec<&Span> = child.spans.iter().filter(|span| span.suggested_replacement.is_some()).collect();
    let same_place = spans.windows(2).any(|pair| pair[0].byte_start == pair[1].byte_start && pair[0].byte_end == pair[1].byte_end);
    let edit = |span: &Span| match sources.locate(span) {
        Located::User { origin, range } => {
            // A clipped range would replace another text than rustc meant.
            let whole = range.len() == span.byte_end - span.byte_start;
            let replacement = span.suggested_replacement.clone().unwrap_or_default();
            (whole && !replacement.contains("__")).then_some(Edit { origin, range, replacement })
        }
        _ => None,
    };
    if same_place {
        return spans.iter().filter_map(|span| edit(span).map(|edit| vec![edit])).collect();
    }
    let edits: Option<Vec<Edit>> = spans.iter().map(|span| edit(span)).collect();
    edits.filter(|edits| edits.windows(2).all(|pair| pair[0].origin == pair[1].origin)).into_iter().collect()
}

/// `use …;` lines that rustc wants at the top of the generated file are said in words: they work in any cell.
fn imports(child: &RustcMessage, mut note: Note) -> Option<Note> {
    let lines: Vec<&str> = child
        .spans
        .iter()
        .filter_map(|span| span.suggested_replacement.as_deref())
        .map(str::trim)
        .filter(|text| text.starts_with("use ") && text.ends_with(';') && !text.contains("__"))
        .collect();
    if lines.is_empty() {
        return None;
    }
    note.message = format!("{}: `{}`", note.message, lines.join("` or `"));
    Some(note)
}
