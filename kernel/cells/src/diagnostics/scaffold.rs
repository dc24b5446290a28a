//! Takes the scaffold out of the reports: what only generated code caused is removed, what it worded is reworded.
//!
//! The scaffold around a cell's text is a closure that is called once, `take`s before it, and in it type anchors
//! (`let __t_x = ty(&x);`) and stores (`put("x", x, …)`). Nothing else of it is assumed here.
use super::balance;
use super::map::Origin;
use super::report::{Edit, Hidden, Level, Note, Report, Spot};
use super::SourceMap;
use std::ops::Range;

/// Borrow checker's codes that a store at the end of a cell repeats.
const SECOND: [&str; 7] = ["E0381", "E0382", "E0499", "E0502", "E0505", "E0506", "E0597"];

/// Makes the reports those of the cell.
pub(super) fn settle(reports: &mut Vec<Report>, map: &SourceMap, current: u64) {
    if reports.iter().any(|report| report.level == Level::Error && !report.outside) {
        reports.retain(|report| !report.outside);
    }
    let cell = map.pieces.iter().map(|piece| &piece.origin).find(|origin| origin.0.id == current);
    if reports.iter().any(is_about_delimiters)
        && let Some(own) = cell.and_then(balance::report)
    {
        reports.retain(|report| report.level != Level::Error);
        reports.insert(0, own);
        return;
    }
    for report in reports.iter_mut() {
        anchor(report);
        kept(report);
    }
    drop_spotless(reports);
    for report in reports.iter_mut() {
        unspan(report, map, cell);
        reword(report);
    }
    drop_after_end(reports);
    drop_second(reports);
    drop_repeated(reports);
}

/// Errors that lie in the scaffold alone follow from one that the user can see, if there is one.
fn drop_spotless(reports: &mut Vec<Report>) {
    if reports.iter().any(|report| report.level == Level::Error && !report.spots.is_empty()) {
        reports.retain(|report| !report.spots.is_empty() || report.scaffold.is_empty());
    }
}

/// Label of the place where a parser ran over the end of the cell.
const CELL_ENDS: &str = "the cell ends here";

/// A cell that ends too early says so once: the parser's next errors are about the scaffold that it ran into.
fn drop_after_end(reports: &mut Vec<Report>) {
    let is_end = |report: &Report| report.spots.iter().any(|spot| spot.label.as_deref() == Some(CELL_ENDS));
    let Some(first) = reports.iter().position(is_end) else { return };
    let mut at = 0;
    reports.retain(|report| {
        at += 1;
        at - 1 == first || !report.scaffold.iter().any(|hidden| hidden.primary)
    });
}

fn is_about_delimiters(report: &Report) -> bool {
    let text = &report.message;
    report.level == Level::Error && (text.contains("delimiter") || text.contains("unterminated"))
}

/// rustc asks for the type of an anchor; the user's variable is meant.
fn anchor(report: &mut Report) {
    let Some(name) = report.scaffold.iter().find_map(|hidden| hidden.text.trim().strip_prefix("__t_")).map(str::to_owned) else { return };
    // The anchor is a pointer to the value: `*const Vec<_>` stands for the user's `Vec<_>`.
    report.message = report.message.replace("`*const ", "`");
    report.notes.retain(|note| !note.message.contains("__t_"));
    let Some(spot) = report.spots.first() else { return };
    let origin = spot.origin.clone();
    match binding(&origin, &name) {
        Some(range) => {
            let insert = Edit { origin: origin.clone(), range: range.end..range.end, replacement: ": /* Type */".to_owned() };
            report.spots.iter_mut().for_each(|spot| spot.primary = false);
            report.spots.insert(0, Spot { origin, range, primary: true, label: None });
            let message = format!("consider giving `{name}` an explicit type");
            report.notes.push(Note { level: Level::Help, message, spots: Vec::new(), suggestions: vec![vec![insert]] });
        }
        None => report.hints.push(format!("consider giving `{name}` an explicit type")),
    }
}

/// A variable that is to be kept and borrows: said in the words of notebooks.
fn kept(report: &mut Report) {
    let code = report.code.as_deref().unwrap_or_default();
    if !matches!(code, "E0597" | "E0716" | "E0505" | "E0506" | "E0521" | "E0499" | "E0502" | "E0515" | "E0503") {
        return;
    }
    let Some(name) = report.scaffold.iter().find_map(stored) else {
        outlives_thread(report);
        return;
    };
    let owner = if code == "E0716" { None } else { report.named().next().map(str::to_owned) };
    let from = owner.as_ref().map_or("a value that is dropped at the end of its statement".to_owned(), |owner| format!("`{owner}`"));
    report.message = format!("`{name}` borrows from {from}, and a variable that outlives its cell cannot borrow");
    report.notes.clear();
    report.spots.retain(|spot| spot.primary || spot.label.as_deref().is_some_and(|label| label.contains("borrow")));
    for spot in &mut report.spots {
        spot.label = Some(match (&owner, code) {
            (Some(_), "E0506") if spot.primary => "assigned to here, while it is borrowed".to_owned(),
            (Some(owner), "E0499" | "E0502" | "E0503" | "E0505") if spot.primary => format!("`{owner}` is changed here, while it is borrowed"),
            (Some(owner), _) => format!("`{owner}` is borrowed here"),
            (None, _) => "this value has no owner that stays".to_owned(),
        });
    }
    let statement = report.primary().and_then(|spot| statement(&spot.origin, &name)).unwrap_or_default();
    report.hints.push(format!("store an owned value: {}", owned(&statement, owner.as_deref())));
    report.hints.push(format!("or keep `{name}` and all that uses it inside one block `{{ … }}` of one cell"));
}

/// The variable that a hidden label finds in its way to the store.
fn stored(hidden: &Hidden) -> Option<String> {
    let label = hidden.label.as_deref()?;
    if !label.contains("requires that") {
        return None;
    }
    quoted_name(&hidden.text)
}

/// The first `"name"` of a text.
fn quoted_name(text: &str) -> Option<String> {
    let name = text.split('"').nth(1)?;
    (!name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')).then(|| name.to_owned())
}

/// What to store instead, by the look of the `let`.
fn owned(statement: &str, owner: Option<&str>) -> String {
    let value = statement.split_once('=').map_or("", |(_, value)| value).trim().trim_end_matches(';').trim_end();
    let borrowed = value.strip_prefix("&mut ").or(value.strip_prefix('&')).map(str::trim).filter(|inner| !inner.contains('\n'));
    match (borrowed, owner) {
        (Some(inner), Some(owner)) if inner == owner => return format!("`{owner}.clone()`, or use `{owner}` itself"),
        (Some(inner), _) if inner.contains("..") => return format!("`{inner}.to_owned()`, without the `&`"),
        (Some(inner), _) => return format!("`{inner}.clone()`, without the `&`"),
        (None, _) => {}
    }
    let has = |names: &[&str]| names.iter().any(|name| value.contains(name));
    if value.starts_with('|') || value.starts_with("move |") {
        return "make it a function (`fn`) that is given what it uses".to_owned();
    }
    if value.contains(".collect") {
        return "own what is collected, as in `.map(|x| x.to_owned()).collect::<Vec<_>>()`".to_owned();
    }
    if has(&[".lines()", ".split", ".chars()", ".bytes()", ".iter()", ".iter_mut()", ".keys()", ".values()", ".windows(", ".chunks("]) {
        return "collect what it yields, as in `.map(|x| x.to_owned()).collect::<Vec<_>>()`".to_owned();
    }
    "`.to_owned()` at its end makes one".to_owned()
}

/// A session's variable that a thread borrows: it belongs to the session, so the thread needs a copy of its own.
fn outlives_thread(report: &mut Report) {
    let left_behind = report.scaffold.iter().any(|hidden| hidden.label.as_deref().is_some_and(|label| label.contains("dropped here while still borrowed")));
    let Some(owner) = report.named().next().map(str::to_owned) else { return };
    if left_behind && report.spots.iter().any(|spot| spot.label.as_deref().is_some_and(|label| label.contains("'static"))) {
        report.hints.push(format!("`{owner}` stays with the session when the cell ends: give the thread its own, as in `let mine = {owner}.clone();` and a `move` closure that uses `mine`"));
    }
}

/// Finds a place for a report that has none in the cells, and a primary mark for one that has none.
fn unspan(report: &mut Report, map: &SourceMap, cell: Option<&Origin>) {
    if report.spots.iter().any(|spot| spot.primary) {
        return;
    }
    if let Some(first) = report.spots.first_mut() {
        first.primary = true;
        return;
    }
    if report.level != Level::Error {
        return;
    }
    let Some(hidden) = report.scaffold.iter().find(|hidden| hidden.primary).or(report.scaffold.first()).cloned() else { return };
    if report.code.is_none() {
        // A parser that ran over the end of the cell.
        if let Some((origin, end)) = map.end_before(hidden.range.start) {
            let end = origin.0.text.get(..end).map_or(end, |text| text.trim_end().len());
            report.message = found_end(&report.message);
            report.spots.push(Spot { origin, range: end..end, primary: true, label: Some(CELL_ENDS.to_owned()) });
            report.notes.clear();
        }
        return;
    }
    let line_start = map.generated[..hidden.range.start].rfind('\n').map_or(0, |at| at + 1);
    let line = map.generated[line_start..].lines().next().unwrap_or_default();
    // A store names its variable: `…put("x", …)`.
    let name = quoted_name(&hidden.text).or_else(|| quoted_name(line));
    if let (Some(origin), Some(name)) = (cell, name)
        && let Some(range) = binding(origin, &name)
    {
        report.spots.push(Spot { origin: origin.clone(), range, primary: true, label: hidden.label.clone() });
    }
}

/// "expected expression, found `}`" says what the scaffold has there; the user's text ended.
fn found_end(message: &str) -> String {
    match message.split_once(", found") {
        Some((expected, _)) => format!("{expected}, found the end of the cell"),
        None => message.to_owned(),
    }
}

/// The scaffold's closure and function are "the cell" to the user.
fn reword(report: &mut Report) {
    let closure = report.scaffold.iter().any(|hidden| hidden.text.starts_with('|') || hidden.text.starts_with("async"));
    let function = report.scaffold.iter().any(|hidden| hidden.text.contains("fn ") || hidden.label.as_deref().is_some_and(|label| label.starts_with("this function")));
    if !closure && !function && !at_top_level(report) {
        return;
    }
    let change = |text: &mut String| {
        for (from, to) in REWORDED {
            if text.contains(from) {
                *text = text.replace(from, to);
            }
        }
    };
    change(&mut report.message);
    report.spots.iter_mut().filter_map(|spot| spot.label.as_mut()).for_each(change);
    let owner = report.named().next().unwrap_or_default().to_owned();
    for label in report.spots.iter_mut().filter_map(|spot| spot.label.as_mut()) {
        match label.as_str() {
            "variable moved due to use in closure" => *label = "value moved here".to_owned(),
            "borrow occurs due to use in closure" => *label = format!("borrow of `{owner}` occurs here"),
            _ => {}
        }
    }
    report.notes.iter_mut().for_each(|note| change(&mut note.message));
}

/// Whether no function of the user's is around the place.
fn at_top_level(report: &Report) -> bool {
    report.primary().is_some_and(|spot| spot.origin.0.text.get(..spot.range.start).is_some_and(|before| !before.contains("fn ")))
}

/// rustc's words for the closure or function around a cell, and the user's.
const REWORDED: [(&str, &str); 12] = [
    ("in an async closure that returns", "in a cell that returns"),
    ("in an async block that returns", "in a cell that returns"),
    ("in a closure that returns", "in a cell that returns"),
    ("in a function that returns", "in a cell that returns"),
    ("inside of a closure", "outside of a loop"),
    ("inside `async` block", "outside of a loop"),
    ("inside of an `async` block", "outside of a loop"),
    ("cannot `break` outside of a loop", "cannot `break` outside of a loop or labeled block"),
    ("borrowed data escapes outside of closure", "borrowed data escapes outside of the cell"),
    ("escapes the closure body", "escapes the cell"),
    ("in this closure", "in this cell"),
    ("the current function", "the cell"),
];

/// Errors of the borrow checker at a store, when another error tells the same at the user's own place.
fn drop_second(reports: &mut Vec<Report>) {
    let second = |report: &Report| {
        let code = report.code.as_deref().unwrap_or_default();
        SECOND.contains(&code) && report.scaffold.iter().any(|hidden| hidden.primary)
    };
    if !reports.iter().any(|report| report.level == Level::Error && !second(report)) {
        return;
    }
    let (dropped, kept): (Vec<Report>, Vec<Report>) = std::mem::take(reports).into_iter().partition(second);
    *reports = kept;
    for report in dropped {
        hand_over(report, reports);
    }
}

/// A suggestion that only the second error has goes to the first of the same variable.
fn hand_over(from: Report, reports: &mut [Report]) {
    let Some(name) = from.named().next() else { return };
    let first = reports.iter_mut().find(|report| report.code == from.code && report.named().next() == Some(name));
    if let Some(first) = first
        && first.notes.iter().all(|note| note.suggestions.is_empty())
    {
        first.notes.extend(from.notes.iter().filter(|note| !note.suggestions.is_empty()).cloned());
    }
}

/// The same message at the same place, or about the same kept variable, is said once.
fn drop_repeated(reports: &mut Vec<Report>) {
    let mut seen: Vec<(String, Option<Spot>)> = Vec::new();
    reports.retain(|report| {
        let place = report.primary().filter(|_| !report.message.contains("outlives its cell")).cloned();
        let key = (report.message.clone(), place);
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
}

/// Makes an error that nothing of the user's explains presentable; the raw text for the log, when it is our bug.
pub(super) fn ours(report: &mut Report) -> Option<String> {
    let raw = std::mem::take(&mut report.raw);
    if report.message.starts_with("linking with") {
        let missing: Vec<String> = raw.lines().filter_map(missing_symbol).collect();
        report.notes.clear();
        report.message = "the cell does not link".to_owned();
        if !missing.is_empty() {
            report.hints.push(format!("not found by the linker: {}", missing.join(", ")));
            return None;
        }
    }
    if report.outside {
        report.message = format!("the compiler failed: {}", report.message);
    }
    report.notes.retain(|note| note.spots.is_empty() && note.suggestions.is_empty());
    report.hints.push("this is a bug of Ochre, not of your code; please report it with the output of `%expand`".to_owned());
    Some(raw)
}

fn missing_symbol(line: &str) -> Option<String> {
    let at = ["undefined reference to ", "undefined symbol: ", "cannot find -l", "unable to find library -l"].iter().find_map(|text| line.find(text).map(|at| at + text.len()))?;
    Some(format!("`{}`", line[at..].split([':', ' ', ';']).next()?.trim_matches(['`', '\'', '\n'])))
}

/// Where a cell's text binds a name with `let` (the last time).
fn binding(origin: &Origin, name: &str) -> Option<Range<usize>> {
    let text = &origin.0.text;
    let starts = text.match_indices("let ").map(|(at, _)| at + 4);
    let found = starts.filter_map(|start| {
        let rest = &text[start..];
        let skipped = rest.len() - rest.trim_start().trim_start_matches("mut ").trim_start().len();
        let after = rest[skipped..].strip_prefix(name)?;
        (!after.starts_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(start + skipped..start + skipped + name.len())
    });
    found.last()
}

/// The `let` statement that binds a name, up to its semicolon.
fn statement(origin: &Origin, name: &str) -> Option<String> {
    let rest = &origin.0.text[binding(origin, name)?.start..];
    Some(rest.split(';').next().unwrap_or(rest).to_owned())
}
