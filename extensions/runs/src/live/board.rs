//! From runs to a board: which metrics share a chart, how long things are called, what stands above them.
use super::series::{Point, Series};
use super::{Facts, Seen};
use chrono::{DateTime, Local};
use ochre_charts::Board;
use ochre_charts::figure::{Axis, Colour, Drawn, Figure, Mark, Row};
use ochre_charts::scale::Scale;
use ochre_tracking::Status;
use std::collections::BTreeMap;

/// Charts of one board; more are named below the title.
const MOST_CHARTS: usize = 12;
/// Values of one line that are sent: a chart has hardly more pixels.
const MOST_POINTS: usize = 240;
/// Runs that can be told apart by their colours.
const MOST_RUNS: usize = 20;
/// Characters of a line above the charts.
const LINE: usize = 120;
/// Lines of params.
const PARAM_LINES: usize = 3;
/// Words that only say which part of the data a metric is of: `train_loss` and `val_loss` share a chart.
const PARTS: [&str; 7] = ["train", "training", "val", "valid", "validation", "test", "eval"];
/// How a metric without such a word is called beside those that have one.
const PLAIN: &str = "value";

/// Which metrics are to be seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Empty: all but the system's.
    pub(crate) metrics: Vec<String>,
    /// The system's too.
    pub(crate) system: bool,
}

impl Wanted {
    /// The keys that are to be seen: in the order in which they were asked for, else in that in which they were first logged.
    fn of<'a>(&self, mut keys: Vec<&'a String>) -> Vec<&'a String> {
        keys.retain(|key| self.takes(key));
        keys.sort_by_key(|key| (self.metrics.iter().position(|m| m == *key || key.strip_prefix("system/") == Some(m)), key.starts_with("system/")));
        keys
    }

    fn takes(&self, key: &str) -> bool {
        if !self.metrics.is_empty() {
            return self.metrics.iter().any(|m| m == key || key.strip_prefix("system/") == Some(m));
        }
        self.system || !key.starts_with("system/")
    }
}

/// `3 min 05 s`.
pub(crate) fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..=9 => format!("{:.1} s", milliseconds.max(0) as f64 / 1000.0),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A value as people read it.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e6).contains(&size) {
        let decimals = if value.fract() == 0.0 { 0 } else { (4 - (size.log10().floor() as i32).max(0)).clamp(0, 6) as usize };
        let decimals = if size < 0.1 && value != 0.0 { 5 } else { decimals };
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        let text = format!("{value:.3e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, ""));
        if power.is_empty() { text } else { format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.')) }
    }
}

fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", ochre_charts::scale::grouped(&count.to_string()), if count == 1 { "" } else { "s" })
}

/// What is said of a run in words.
fn standing(seen: &Seen, now_ms: i64) -> String {
    let took = duration(seen.end_ms.unwrap_or(now_ms) - seen.facts.start_ms);
    match seen.status {
        Status::Running => format!("running for {took}"),
        Status::Scheduled => "waiting to run".into(),
        Status::Finished => format!("finished in {took}"),
        Status::Failed => format!("failed after {took}"),
        Status::Killed => format!("stopped after {took}"),
    }
}

fn clock(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map(|t| t.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

/// Several short texts on few lines.
fn wrapped(parts: Vec<String>, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let total = parts.len();
    for (at, part) in parts.into_iter().enumerate() {
        let full = out.len() == lines;
        match out.last_mut() {
            Some(line) if line.chars().count() + part.chars().count() + 3 <= LINE => line.push_str(&format!(" · {part}")),
            Some(line) if full => {
                line.push_str(&format!(" · {} more", total - at));
                return out;
            }
            _ => out.push(part),
        }
    }
    out
}

/// One run.
pub(crate) fn single(seen: &Seen, wanted: &Wanted, now_ms: i64) -> Board {
    let keys = wanted.of(seen.order.iter().collect());
    let groups = grouped(&keys);
    let names: Vec<String> = names(&groups);
    let charts: Vec<Figure> = groups.iter().take(MOST_CHARTS).filter_map(|group| chart_of_group(seen, group, &names)).collect();
    let Facts { name, experiment, start_ms, params, .. } = &seen.facts;
    let mut lines = vec![format!("experiment {experiment} · started {} · {}", clock(*start_ms), counted(seen.values, "value"))];
    lines.extend(wrapped(params.iter().map(|(key, value)| format!("{key} = {}", shortened(value, 40))).collect(), PARAM_LINES));
    if groups.len() > MOST_CHARTS {
        lines.push(format!("{} more metrics: %watch {name} --metrics NAME", groups.len() - MOST_CHARTS));
    }
    if keys.is_empty() {
        lines.push("no metrics yet".into());
    }
    board(format!("{name} · {}", standing(seen, now_ms)), lines, names, charts)
}

/// Several runs, a chart for each metric.
pub(crate) fn compared(runs: &[Seen], wanted: &Wanted, now_ms: i64) -> Board {
    let shown = &runs[..runs.len().min(MOST_RUNS)];
    let names = unique_names(shown);
    let mut keys: Vec<&String> = Vec::new();
    for key in shown.iter().flat_map(|seen| &seen.order) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let keys = wanted.of(keys);
    let charts: Vec<Figure> = keys.iter().take(MOST_CHARTS).filter_map(|key| chart_of_runs(shown, key, &names)).collect();
    let mut lines: Vec<String> = Vec::new();
    let standings: Vec<String> = shown.iter().zip(&names).map(|(seen, name)| format!("{name} {}", standing(seen, now_ms))).collect();
    lines.extend(wrapped(standings, PARAM_LINES));
    lines.extend(wrapped(differing(shown, &names), PARAM_LINES + 1));
    if runs.len() > shown.len() {
        lines.push(format!("the first {} of {} runs", shown.len(), runs.len()));
    }
    if keys.is_empty() {
        lines.push("these runs have no metrics".into());
    }
    board(format!("{} compared", counted(shown.len() as u64, "run")), lines, names, charts)
}

/// Params in which the runs differ.
fn differing(runs: &[Seen], names: &[String]) -> Vec<String> {
    let mut keys: Vec<&String> = runs.iter().flat_map(|seen| seen.facts.params.keys()).collect();
    keys.sort();
    keys.dedup();
    let of = |seen: &Seen, key: &String| seen.facts.params.get(key).cloned();
    let differ = keys.into_iter().filter(|key| runs.iter().any(|seen| of(seen, key) != of(&runs[0], key)));
    differ
        .map(|key| {
            let values: Vec<String> = runs.iter().zip(names).map(|(seen, name)| format!("{} in {name}", of(seen, key).map_or_else(|| "none".to_owned(), |v| shortened(&v, 30)))).collect();
            format!("{key}: {}", values.join(", "))
        })
        .collect()
}

/// Names of runs; those that have the same get the beginning of their id.
fn unique_names(runs: &[Seen]) -> Vec<String> {
    let twice = |name: &str| runs.iter().filter(|seen| seen.facts.name == name).count() > 1;
    runs.iter().map(|seen| if twice(&seen.facts.name) { format!("{} ({})", seen.facts.name, seen.facts.id.chars().take(8).collect::<String>()) } else { seen.facts.name.clone() }).collect()
}

fn board(title: String, lines: Vec<String>, names: Vec<String>, mut charts: Vec<Figure>) -> Board {
    let (columns, size) = match charts.len() {
        0 | 1 => (1, (560.0, 240.0)),
        2 | 4 => (2, (360.0, 180.0)),
        _ => (3, (240.0, 140.0)),
    };
    charts.iter_mut().for_each(|chart| chart.size = size);
    Board { title, lines, names, charts, columns }
}

/// Metrics that share a chart: what they are called together, and each with its part (`train`, `val`).
struct Group<'a> {
    title: String,
    members: Vec<(&'a String, Option<String>)>,
}

/// `train_loss` is the part `train` of `loss`.
fn part_of(key: &str) -> (String, Option<String>) {
    let is_border = |c: char| matches!(c, '_' | '/' | '-' | '.' | ' ' | ':');
    let words: Vec<&str> = key.split(is_border).collect();
    let Some(at) = words.iter().position(|word| PARTS.contains(&word.to_lowercase().as_str())).filter(|_| words.len() > 1) else { return (key.to_owned(), None) };
    let rest: Vec<&str> = words.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, word)| *word).collect();
    (rest.join("_"), Some(words[at].to_lowercase()))
}

fn grouped<'a>(keys: &[&'a String]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for key in keys.iter().copied() {
        let (title, part) = part_of(key);
        match groups.iter_mut().find(|group| group.title == title && group.members.iter().all(|(_, other)| *other != part)) {
            Some(group) => group.members.push((key, part)),
            None => groups.push(Group { title, members: vec![(key, part)] }),
        }
    }
    for group in &mut groups {
        if let [(key, _)] = &group.members[..] {
            key.strip_prefix("system/").unwrap_or(key).clone_into(&mut group.title);
        }
    }
    groups
}

/// What the lines of all groups are called, for one set of colours.
fn names(groups: &[Group<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, part) in groups.iter().filter(|group| group.members.len() > 1).flat_map(|group| &group.members) {
        let name = part.clone().unwrap_or_else(|| PLAIN.to_owned());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn chart_of_group(seen: &Seen, group: &Group<'_>, names: &[String]) -> Option<Figure> {
    let alone = group.members.len() == 1;
    let lines: Vec<(usize, &Series)> = group.members.iter().filter_map(|(key, part)| {
        let name = part.as_deref().unwrap_or(PLAIN);
        let colour = if alone { 0 } else { names.iter().position(|n| n == name).unwrap_or(0) };
        Some((colour, seen.series.get(*key)?))
    }).collect();
    let last = |series: &Series| series.last.map(number);
    let title = match (&group.members[..], &lines[..]) {
        ([_], [(_, series)]) => format!("{} = {}", group.title, last(series)?),
        _ => {
            let parts: Vec<String> = lines.iter().filter_map(|(colour, series)| Some(format!("{} {}", names.get(*colour)?, last(series)?))).collect();
            format!("{}: {}", group.title, parts.join(", "))
        }
    };
    let starts = vec![seen.facts.start_ms; lines.len()];
    Some(chart(&group.title, title, &lines, &starts, if alone { &[] } else { names }))
}

fn chart_of_runs(runs: &[Seen], key: &str, names: &[String]) -> Option<Figure> {
    let lines: Vec<(usize, &Series)> = runs.iter().enumerate().filter_map(|(at, seen)| Some((at, seen.series.get(key)?))).collect();
    let starts: Vec<i64> = runs.iter().filter(|seen| seen.series.contains_key(key)).map(|seen| seen.facts.start_ms).collect();
    (!lines.is_empty()).then(|| chart(key, key.to_owned(), &lines, &starts, names))
}

/// A chart of lines over steps, or over time where no steps were given. No names: all lines have one colour.
fn chart(name: &str, title: String, lines: &[(usize, &Series)], starts: &[i64], names: &[String]) -> Figure {
    let stepped = lines.iter().any(|(_, series)| series.has_steps());
    let longest = lines.iter().zip(starts).filter_map(|((_, series), start)| series.drawn(MOST_POINTS).last().map(|p| p.at_ms - start)).max().unwrap_or(0);
    let (unit, divisor) = match (stepped, longest) {
        (true, _) => ("step", 1.0),
        (false, 0..=300_000) => ("seconds", 1_000.0),
        (false, _) => ("minutes", 60_000.0),
    };
    let mut rows = Vec::new();
    let mut few = true;
    for ((colour, series), start) in lines.iter().zip(starts) {
        let points = series.drawn(MOST_POINTS);
        few &= points.len() < 2;
        let x = |p: &Point| if stepped { p.step as f64 } else { (p.at_ms - start) as f64 / divisor };
        rows.extend(points.iter().map(|p| Row { x: x(p), y: p.value, colour: *colour as f64, ..Row::default() }));
    }
    let odd: u64 = lines.iter().map(|(_, series)| series.not_finite).sum();
    let notes = if odd > 0 { vec![format!("{odd} of NaN or infinity not drawn")] } else { Vec::new() };
    let total: u64 = lines.iter().map(|(_, series)| series.count).sum();
    let xs = rows.iter().map(|r| r.x);
    let (low, high) = xs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    // The line reaches from edge to edge; a single value stands in the middle.
    let x_scale = if low < high { Scale::Number { low, high } } else { Scale::of_numbers(rows.iter().map(|r| r.x), false) };
    let y_scale = Scale::of_numbers(rows.iter().map(|r| r.y), false);
    Figure {
        title: Some(title),
        notes,
        size: (240.0, 140.0),
        x: Axis { name: "x".into(), title: unit.into(), scale: x_scale },
        y: Axis { name: name.to_owned(), title: String::new(), scale: y_scale },
        colour: if names.is_empty() { Colour::Single } else { Colour::Names { title: String::new(), names: names.to_vec() } },
        legend: false,
        facet: None,
        total: total as usize,
        layers: vec![Drawn { mark: if few { Mark::Point } else { Mark::Line }, rows, lying: false }],
    }
}

fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit { text.to_owned() } else { text.chars().take(limit - 1).collect::<String>() + "…" }
}

/// For front ends without pictures.
pub(crate) fn plain(board: &Board, runs: &[Seen]) -> String {
    let mut lines = vec![board.title.clone()];
    lines.extend(board.lines.iter().cloned());
    for seen in runs {
        let values: BTreeMap<&String, String> = seen.series.iter().filter(|(key, _)| !key.starts_with("system/")).filter_map(|(key, series)| Some((key, number(series.last?)))).collect();
        if !values.is_empty() {
            lines.push(format!("{}: {}", seen.facts.name, values.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
