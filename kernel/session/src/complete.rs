//! Completion without a compiler: magics and their arguments from the registry, files, variables, the user's
//! items, keywords and well-known names. And whether a text is a whole cell.
use crate::front::{Completeness, Completion, Completions};
use crate::known;
use crate::magics::evcxr;
use crate::names::SessionNames;
use crate::parts::{self, Part};
use crate::state::View;
use ochre_api::{Argument, Kind, Magic, Registry, Spec, Value, words};
use std::path::Path;
use std::sync::Arc;

/// Entries that are offered at most: more is a list that nobody reads.
const MAX_ITEMS: usize = 500;

/// What may stand at the cursor (code points).
pub(crate) fn complete(code: &str, cursor: usize, view: &View, magics: &Registry) -> Completions {
    let byte = code.char_indices().nth(cursor).map_or(code.len(), |(at, _)| at);
    let line_start = code[..byte].rfind('\n').map_or(0, |at| at + 1);
    let line = &code[line_start..byte];
    let found = match Line::of(line, view, magics) {
        Line::Magic(text) => magic(text, view, magics),
        Line::Command(text) => command(text),
        Line::Shell(text) => shell(text, view),
        Line::Rust => rust(line, view),
    };
    let (typed, mut items) = found;
    items.dedup_by(|a, b| a.text == b.text);
    items.truncate(MAX_ITEMS);
    let end = code[..byte].chars().count();
    Completions { start: end - typed.chars().count(), end, items }
}

/// What the cursor's line is, up to the cursor.
enum Line<'a> {
    Magic(&'a str),
    Command(&'a str),
    Shell(&'a str),
    Rust,
}

impl<'a> Line<'a> {
    fn of(line: &'a str, view: &View, magics: &Registry) -> Self {
        let text = line.trim_start();
        let names = SessionNames::new(magics, &view.variables, &view.items);
        if let Some(rest) = text.strip_prefix('%') {
            return Line::Magic(rest.strip_prefix('%').unwrap_or(rest));
        }
        if let Some(rest) = text.strip_prefix(':').filter(|r| !r.starts_with(':')) {
            return Line::Command(rest);
        }
        match (text.strip_prefix('!'), parts::cut(text, &names).first()) {
            (Some(rest), Some(Part::Shell(_))) => Line::Shell(rest),
            _ => Line::Rust,
        }
    }
}

/// The typed beginning that is replaced, and what may stand for it.
type Found<'a> = (&'a str, Vec<Completion>);

fn item(text: impl Into<String>, kind: &str, signature: Option<&str>) -> Completion {
    Completion { text: text.into(), kind: kind.into(), signature: signature.map(str::to_owned) }
}

fn magic<'a>(text: &'a str, view: &View, magics: &Registry) -> Found<'a> {
    let Some((name, rest)) = text.split_once(char::is_whitespace) else {
        let specs = magics.specs();
        let matching = specs.iter().filter(|s| s.name.starts_with(text));
        return (text, matching.map(|s| item(s.name, "magic", Some(s.summary))).collect());
    };
    match magics.get(name) {
        Some(magic) => argument(magic, rest, view, magics),
        None => ("", Vec::new()),
    }
}

fn command(text: &str) -> Found<'_> {
    if text.contains(char::is_whitespace) {
        return ("", Vec::new());
    }
    let matching = evcxr::commands().filter(|(name, _)| name.starts_with(text));
    (text, matching.map(|(name, magic)| item(name, "magic", Some(magic))).collect())
}

fn shell<'a>(text: &'a str, view: &View) -> Found<'a> {
    let typed = text.rsplit(char::is_whitespace).next().unwrap_or("");
    (typed, paths(typed, view, false))
}

/// Completes the last word of a magic's line.
fn argument<'a>(magic: &Arc<dyn Magic>, rest: &'a str, view: &View, magics: &Registry) -> Found<'a> {
    let spec = magic.spec();
    if spec.takes_code() && !last_word(rest).starts_with('-') {
        return rust(rest, view);
    }
    let typed = last_word(rest);
    let before = &rest[..rest.len() - typed.len()];
    if typed.starts_with('-') && !typed.contains('=') {
        let flags = spec.arguments.iter().filter(|a| matches!(a.kind, Kind::Flag | Kind::Option));
        let matching = flags.map(|a| (format!("--{}", a.name), a.help)).filter(|(name, _)| name.starts_with(typed));
        return (typed, matching.map(|(name, help)| item(name, "option", Some(help))).collect());
    }
    let (argument, typed) = match typed.split_once('=').filter(|_| typed.starts_with("--")) {
        Some((name, value)) => (spec.argument(&name[2..]), value),
        None => (expected(spec, before), typed),
    };
    let Some(argument) = argument else { return (typed, Vec::new()) };
    let mut items = values(argument, typed, view, magics);
    items.extend(magic.complete(argument, typed).into_iter().map(|text| item(text, "value", None)));
    (typed, items)
}

fn last_word(text: &str) -> &str {
    text.rsplit(char::is_whitespace).next().unwrap_or("")
}

/// The argument that stands behind these words.
fn expected(spec: &'static Spec, before: &str) -> Option<&'static Argument> {
    let typed = words::split(before).unwrap_or_default();
    let is_option = |text: &str| spec.arguments.iter().find(|a| a.kind == Kind::Option && text.strip_prefix("--") == Some(a.name));
    if let Some(option) = typed.last().and_then(|w| is_option(&w.text)) {
        return Some(option);
    }
    let mut taken = 0;
    let mut skip = false;
    for word in &typed {
        match (skip, is_option(&word.text)) {
            (true, _) => skip = false,
            (false, Some(_)) => skip = true,
            (false, None) => taken += usize::from(!word.text.starts_with('-')),
        }
    }
    let mut places = spec.arguments.iter().filter(|a| matches!(a.kind, Kind::Positional | Kind::Rest));
    let last = places.clone().last().filter(|a| a.repeated || a.kind == Kind::Rest);
    places.nth(taken).or(last)
}

fn values(argument: &Argument, typed: &str, view: &View, magics: &Registry) -> Vec<Completion> {
    let matching = |text: &str| text.starts_with(typed);
    match argument.value {
        Value::Path => paths(typed, view, false),
        Value::Directory => paths(typed, view, true),
        Value::Choice(words) => words.iter().filter(|w| matching(w)).map(|w| item(*w, "value", None)).collect(),
        Value::Variable => view.variables.iter().filter(|v| matching(&v.name)).map(|v| item(&v.name, "variable", Some(&v.type_name))).collect(),
        Value::Magic => magics.specs().iter().filter(|s| matching(s.name)).map(|s| item(s.name, "magic", Some(s.summary))).collect(),
        Value::Text | Value::Code | Value::Number => Vec::new(),
    }
}

/// Files and directories that begin like `typed`, relative to the session's directory.
fn paths(typed: &str, view: &View, directories_only: bool) -> Vec<Completion> {
    let (directory, name) = match typed.rfind('/') {
        Some(at) => typed.split_at(at + 1),
        None => ("", typed),
    };
    let base = match (directory.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(below), Some(home)) => Path::new(&home).join(below),
        _ => view.directory.join(directory),
    };
    let Ok(entries) = std::fs::read_dir(base) else { return Vec::new() };
    let mut found: Vec<Completion> = entries
        .flatten()
        .filter_map(|entry| {
            let text = entry.file_name().into_string().ok()?;
            let hidden = text.starts_with('.') && !name.starts_with('.');
            let is_directory = entry.path().is_dir();
            (text.starts_with(name) && !hidden && (is_directory || !directories_only)).then(|| {
                let slash = if is_directory { "/" } else { "" };
                item(format!("{directory}{text}{slash}"), if is_directory { "directory" } else { "file" }, None)
            })
        })
        .take(MAX_ITEMS)
        .collect();
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found
}

/// Completes a name of Rust.
fn rust<'a>(line: &'a str, view: &View) -> Found<'a> {
    let typed_at = line.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let (before, typed) = line.split_at(typed_at);
    let matching = |text: &str| text.starts_with(typed);
    let known = |list: &'static [known::Known]| {
        list.iter().filter(|k| matching(k.name)).map(|k| item(k.name, k.kind, Some(k.signature))).collect::<Vec<_>>()
    };
    if before.ends_with("ochre::") {
        return (typed, known(known::OCHRE));
    }
    // Behind a dot or a path only an analysis knows; and an empty word would offer everything there is.
    if before.ends_with(['.', ':']) || typed.is_empty() {
        return (typed, Vec::new());
    }
    let mut items: Vec<Completion> =
        view.variables.iter().filter(|v| matching(&v.name)).map(|v| item(&v.name, "variable", Some(&v.type_name))).collect();
    items.extend(view.items.iter().filter(|i| matching(&i.text)).cloned());
    items.extend(known(known::NAMES));
    items.extend(known::KEYWORDS.iter().filter(|k| matching(k)).map(|k| item(*k, "keyword", None)));
    (typed, items)
}

/// Whether a text is a whole cell: magics are, and each run of Rust must be.
pub(crate) fn is_complete(code: &str, view: &View, magics: &Registry) -> Completeness {
    let parts = parts::cut(code, &SessionNames::new(magics, &view.variables, &view.items));
    // A magic's cell ends with a blank line, as in other kernels' consoles.
    if let [Part::Magic(line)] = parts.as_slice()
        && let Some(body) = &line.body
    {
        return if body.ends_with("\n\n") { Completeness::Complete } else { Completeness::Incomplete { indent: String::new() } };
    }
    if code.trim_end_matches(' ').ends_with('\\') && matches!(parts.last(), Some(Part::Shell(_) | Part::Magic(_))) {
        return Completeness::Incomplete { indent: String::new() };
    }
    let texts = parts.iter().filter_map(|part| match part {
        Part::Rust(text) => Some(text),
        Part::Magic(line) => magics.get(&line.name).filter(|m| m.spec().takes_code()).map(|_| &line.rest),
        _ => None,
    });
    texts.map(|text| rust_is_complete(text)).find(|c| *c != Completeness::Complete).unwrap_or(Completeness::Complete)
}

fn rust_is_complete(code: &str) -> Completeness {
    match ochre_cells::complete::is_complete(code) {
        ochre_cells::complete::Completeness::Complete => Completeness::Complete,
        ochre_cells::complete::Completeness::Incomplete { indent } => Completeness::Incomplete { indent },
        ochre_cells::complete::Completeness::Invalid => Completeness::Invalid,
    }
}
