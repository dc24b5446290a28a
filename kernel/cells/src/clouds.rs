//! polars' calls that take paths, so that they read URLs of ours with credentials of the kernel's.
//!
//! polars has no place where one could hook in. What is written here around such a call leads it to functions of
//! the same names and forms in `ochre-stores`, which the prelude offers as `ochre::__stores`:
//! ```text
//! LazyFrame::scan_parquet(…)        <LazyFrame as ::ochre::__stores::LazyScans>::scan_parquet(…)
//! LazyCsvReader::new(…)             <LazyCsvReader as ::ochre::__stores::ReaderScans>::new(…)
//! x.sink(SinkDestination::…, f, a)  x.sink(::ochre::__stores::sink_destination(…), f, ::ochre::__stores::sink_arguments(a))
//! ```
//! By tokens, so that calls within macros count too.
use crate::parse::Edit;
use crate::tokens::{Kind, Token};
use std::ops::Range;

const OPEN: &str = "<";
const SCANS: &str = " as ::ochre::__stores::LazyScans>";
const READERS: &str = " as ::ochre::__stores::ReaderScans>";
const DESTINATION: &str = "::ochre::__stores::sink_destination(";
const ARGUMENTS: &str = "::ochre::__stores::sink_arguments(";
const CLOSE: &str = ")";

/// A type of polars', its functions that take paths, and what is written after the type.
const FUNCTIONS: &[(&str, &[&str], &str)] = &[
    ("LazyFrame", &["scan_parquet", "scan_parquet_files", "scan_parquet_sources", "scan_ipc", "scan_ipc_sources"], SCANS),
    ("LazyCsvReader", &["new", "new_paths", "new_with_sources"], READERS),
    ("LazyJsonLineReader", &["new", "new_paths", "new_with_sources"], READERS),
];

/// Whether a name is one of these types.
pub fn is_type(name: &str) -> bool {
    FUNCTIONS.iter().any(|f| f.0 == name)
}

/// Whether an edit is one of these.
pub fn is_ours(edit: &Edit) -> bool {
    [OPEN, SCANS, READERS, DESTINATION, ARGUMENTS, CLOSE].contains(&edit.insert)
}

/// Adds what is written into the tokens that lie inside a range.
pub fn edits(tokens: &[Token], range: &Range<usize>, out: &mut Vec<Edit>) {
    let inside: Vec<&Token> = tokens.iter().filter(|t| t.range.start >= range.start && t.range.end <= range.end).collect();
    for i in 0..inside.len() {
        let Kind::Ident(name) = &inside[i].kind else { continue };
        if name == "sink" {
            sink(&inside, i, out);
        } else if let Some((_, functions, suffix)) = FUNCTIONS.iter().find(|f| f.0 == name) {
            function(&inside, i, functions, suffix, out);
        }
    }
}

/// `TYPE::function` at token `i`, with the path before it.
fn function(tokens: &[&Token], i: usize, functions: &[&str], suffix: &'static str, out: &mut Vec<Edit>) {
    let is_function = matches!(tokens.get(i + 3).map(|t| &t.kind), Some(Kind::Ident(f)) if functions.contains(&f.as_str()));
    if !(is_function && is_path(tokens, i + 1)) {
        return;
    }
    let mut first = i;
    while first >= 3 && is_path(tokens, first - 2) && matches!(tokens[first - 3].kind, Kind::Ident(_)) {
        first -= 3;
    }
    if first >= 2 && is_path(tokens, first - 2) {
        first -= 2;
    }
    // `as` is written where a type ends, so a path that is a type already (`<LazyFrame>::…`) is left alone.
    out.push(insert(tokens[first].range.start, OPEN));
    out.push(insert(tokens[i].range.end, suffix));
}

/// Whether tokens `i` and `i + 1` are `::`.
fn is_path(tokens: &[&Token], i: usize) -> bool {
    let colon = |i: usize| tokens.get(i).is_some_and(|t| t.kind == Kind::Punct(':'));
    colon(i) && colon(i + 1) && tokens[i].range.end == tokens[i + 1].range.start
}

/// `.sink(destination, format, arguments)` at token `i`; other methods of that name have no `SinkDestination`.
fn sink(tokens: &[&Token], i: usize, out: &mut Vec<Edit>) {
    let called = i > 0 && tokens[i - 1].kind == Kind::Punct('.') && tokens.get(i + 1).is_some_and(|t| t.kind == Kind::Open('('));
    if !called {
        return;
    }
    let Some(arguments) = arguments(tokens, i + 1) else { return };
    let [destination, _, options] = &arguments[..] else { return };
    if !tokens[destination.clone()].iter().any(|t| t.kind == Kind::Ident("SinkDestination".into())) {
        return;
    }
    for (argument, before) in [(destination, DESTINATION), (options, ARGUMENTS)] {
        out.push(insert(tokens[argument.start].range.start, before));
        out.push(insert(tokens[argument.end - 1].range.end, CLOSE));
    }
}

/// The arguments between the parenthesis at `open` and its end, as ranges of tokens.
fn arguments(tokens: &[&Token], open: usize) -> Option<Vec<Range<usize>>> {
    let (mut found, mut start, mut depth) = (Vec::new(), open + 1, 0usize);
    for i in open..tokens.len() {
        match tokens[i].kind {
            Kind::Open(_) => depth += 1,
            Kind::Close(_) => depth -= 1,
            _ => {}
        }
        let ends = depth == 0 || (depth == 1 && tokens[i].kind == Kind::Punct(','));
        if ends && i > start {
            found.push(start..i);
        }
        if depth == 0 {
            return Some(found);
        }
        if ends {
            start = i + 1;
        }
    }
    None
}

fn insert(at: usize, insert: &'static str) -> Edit {
    Edit { at, remove: 0, insert }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::flatten;

    /// The text with the edits in it.
    fn edited(text: &str) -> String {
        let mut found = Vec::new();
        edits(&flatten(text.parse().expect("tokens")), &(0..text.len()), &mut found);
        found.sort_by_key(|e| e.at);
        assert!(found.iter().all(is_ours));
        let mut out = text.to_owned();
        for edit in found.iter().rev() {
            out.insert_str(edit.at, edit.insert);
        }
        out
    }

    #[test]
    fn scans_are_led_to_ours() {
        for (text, expected) in [
            ("LazyFrame::scan_parquet(p, a)?", "<LazyFrame as ::ochre::__stores::LazyScans>::scan_parquet(p, a)?"),
            ("x(&polars::prelude::LazyFrame::scan_ipc(p))", "x(&<polars::prelude::LazyFrame as ::ochre::__stores::LazyScans>::scan_ipc(p))"),
            ("::polars::prelude::LazyCsvReader::new(p)", "<::polars::prelude::LazyCsvReader as ::ochre::__stores::ReaderScans>::new(p)"),
            ("vec![LazyJsonLineReader::new_paths(p)]", "vec![<LazyJsonLineReader as ::ochre::__stores::ReaderScans>::new_paths(p)]"),
            ("paths.map(LazyFrame::scan_parquet_files)", "paths.map(<LazyFrame as ::ochre::__stores::LazyScans>::scan_parquet_files)"),
        ] {
            assert_eq!(edited(text), expected);
        }
    }

    #[test]
    fn other_calls_are_left_alone() {
        for text in ["LazyFrame::default()", "fn f(x: LazyFrame) -> LazyFrame { x }", "<LazyFrame>::scan_parquet(p, a)", "scan_parquet(p)", "Other::new(p)", "stream.sink(a, b, c)", "x.sink(a)", "LazyCsvReader::with(p)"] {
            assert_eq!(edited(text), text);
        }
    }

    #[test]
    fn sinks_get_their_options() {
        let text = "lf.sink(SinkDestination::File { target: t }, FileWriteFormat::Csv(f(1, 2)), Default::default(),)?.collect()?";
        let expected = "lf.sink(::ochre::__stores::sink_destination(SinkDestination::File { target: t }), FileWriteFormat::Csv(f(1, 2)), ::ochre::__stores::sink_arguments(Default::default()),)?.collect()?";
        assert_eq!(edited(text), expected);
    }
}
