//! What is known beyond rustc's own help: moved variables, crates that are not there, names of other dataframes.
use super::Hint;
use super::report::{Level, Report};

/// Adds the hints that fit a report.
pub(super) fn add(report: &mut Report, known: &[Hint]) {
    let found = match report.code.as_deref() {
        Some("E0425" | "E0412" | "E0424" | "E0422" | "E0423") => known_name(report, known).or_else(|| foreign_name(report)),
        Some("E0433" | "E0432" | "E0463") => known_name(report, known).or_else(|| missing_crate(report)),
        Some("E0599" | "E0609") => renamed(report),
        Some("E0277") => left_of_a_tensor(report).or_else(|| question_mark(report)),
        Some("E0608") => indexed_tensor(report),
        _ => None,
    };
    report.hints.extend(found);
}

fn known_name(report: &Report, known: &[Hint]) -> Option<String> {
    let name = report.named().next()?.to_owned();
    known.iter().find(|hint| hint.name == name).map(|hint| hint.text.clone())
}

/// Names that other languages' data scientists type first.
const FOREIGN: [(&str, &str); 20] = [
    ("True", "in Rust it is `true`"),
    ("False", "in Rust it is `false`"),
    ("None", "`None` is an `Option`; for no value at all Rust has `()`"),
    ("null", "Rust has no null: `None` of an `Option` stands for a missing value"),
    ("nil", "Rust has no nil: `None` of an `Option` stands for a missing value"),
    ("self", "there is no `self` at top level"),
    ("print", "use `println!(\"{}\", value)`, or leave the value as the last line"),
    ("len", "call it as a method: `value.len()`"),
    ("range", "write `0..n`"),
    ("str", "use `value.to_string()` or `format!(\"{value}\")`"),
    ("int", "use `text.parse::<i64>()?`, or `value as i64`"),
    ("float", "use `text.parse::<f64>()?`, or `value as f64`"),
    ("display", "use `ochre::display(&value)`, or leave the value as the last line"),
    ("show", "use `ochre::display(&value)`, or leave the value as the last line"),
    ("input", "use `ochre::input(\"prompt\")`"),
    ("type", "use `%vars`, or `std::any::type_name_of_val(&value)`"),
    ("read_csv", "`LazyCsvReader::new(PlRefPath::new(\"table.csv\")).finish()?.collect()?` reads a CSV file"),
    ("scan_csv", "use `LazyCsvReader::new(PlRefPath::new(\"table.csv\")).finish()?`"),
    ("read_parquet", "use `ParquetReader::new(std::fs::File::open(\"table.parquet\")?).finish()?`"),
    ("dbutils", "`dbutils` is Databricks': `!ls PATH` and `std::fs` work on files, `%run PATH` runs a notebook, `ochre::secret(\"databricks:SCOPE/KEY\")?` reads a secret"),
];

/// Prefixes under which other languages know their libraries.
const PREFIXES: [(&str, &str); 6] = [
    ("pl", "polars' names are in scope without a prefix: `pl.col(\"x\")` is `col(\"x\")`"),
    ("pd", "this is Rust with polars: make a frame with `df!(\"a\" => [1, 2])?`"),
    ("np", "use `Vec`, arrays or polars' `Series` instead of numpy"),
    ("plt", "use `ochre::plot(&df).line(\"x\", \"y\")`"),
    ("spark", "this is Rust with polars: `df.clone().lazy()` begins a query"),
    ("os", "use `std::env` and `std::fs`"),
];

fn foreign_name(report: &Report) -> Option<String> {
    let name = report.named().next()?;
    FOREIGN.iter().chain(&PREFIXES).find(|(foreign, _)| *foreign == name).map(|(_, text)| (*text).to_owned())
}

/// Crates of Rust itself and of Ochre: never to be had from a registry.
const OWN_CRATES: [&str; 7] = ["std", "core", "alloc", "crate", "self", "super", "ochre"];

/// A path's first segment that no crate has: either a prefix of another language or a crate to add.
fn missing_crate(report: &mut Report) -> Option<String> {
    let name = missing_segment(report)?;
    if let Some((_, text)) = PREFIXES.iter().find(|(prefix, _)| *prefix == name) {
        report.notes.retain(|note| !note.message.contains("missing a crate"));
        return Some((*text).to_owned());
    }
    let type_like = name.starts_with(char::is_uppercase);
    if type_like || OWN_CRATES.contains(&name.as_str()) {
        return None;
    }
    // rustc's advice is about `Cargo.toml`, `extern crate` and `--extern`, which a notebook has not.
    report.notes.retain(|note| {
        let text = &note.message;
        !(text.contains("missing a crate") || text.contains("cargo add") || text.contains("extern crate") || text.contains("Cargo.toml"))
    });
    Some(format!("if `{name}` is a crate, add it with `%dep {name}`"))
}

fn missing_segment(report: &Report) -> Option<String> {
    let unlinked = report.spots.iter().filter_map(|spot| spot.label.as_deref()).find(|label| label.contains("unlinked crate"));
    let text = unlinked.or_else(|| report.message.contains("crate").then_some(report.message.as_str()))?;
    let name = text.split('`').nth(1)?;
    (!name.contains("::")).then(|| name.to_owned())
}

/// Methods of pandas, of older polars and of polars in Python, and what polars in Rust calls them.
const RENAMED: [(&str, &str); 45] = [
    ("groupby", "`group_by`"),
    ("group_by_rolling", "`rolling`"),
    ("groupby_dynamic", "`group_by_dynamic`"),
    ("with_columns", "`lazy().with_columns([…]).collect()?` on a frame, or `with_column(series)` for one column"),
    ("with_row_count", "`with_row_index(name, offset)`"),
    ("melt", "`unpivot`"),
    ("sort_values", "`sort([\"column\"], Default::default())?`"),
    ("sort_by", "`sort`"),
    ("merge", "`join`, or `inner_join(&other, [\"key\"], [\"key\"])?`"),
    ("drop_duplicates", "`unique`"),
    ("distinct", "`unique`"),
    ("dropna", "`drop_nulls`"),
    ("fillna", "`fill_null`"),
    ("isnull", "`is_null`"),
    ("isna", "`is_null`"),
    ("notnull", "`is_not_null`"),
    ("notna", "`is_not_null`"),
    ("astype", "`cast(&DataType::Float64)`"),
    ("nunique", "`n_unique`"),
    ("iloc", "`slice(offset, length)` for rows, `select_at_idx(n)` for a column"),
    ("loc", "`filter` for rows, `column(\"name\")?` for a column"),
    ("iterrows", "`get_row(n)?`, or better an expression over whole columns"),
    ("apply", "`map`, or better an expression over whole columns"),
    ("applymap", "`map`, or better an expression over whole columns"),
    ("cumsum", "`cum_sum`"),
    ("cumprod", "`cum_prod`"),
    ("cummax", "`cum_max`"),
    ("cummin", "`cum_min`"),
    ("cumcount", "`cum_count`"),
    ("columns", "`get_column_names()` for the names, `columns()` for the columns"),
    ("dtypes", "`dtypes()`"),
    ("info", "leave the frame as the last line, or `df.schema()`"),
    ("describe", "`lazy()` with the aggregates that you need, or `ochre::display(&df)`"),
    ("to_csv", "`CsvWriter::new(&mut std::fs::File::create(\"table.csv\")?).finish(&mut df)?`"),
    ("write_csv", "`CsvWriter::new(&mut std::fs::File::create(\"table.csv\")?).finish(&mut df)?`"),
    ("to_parquet", "`ParquetWriter::new(std::fs::File::create(\"table.parquet\")?).finish(&mut df)?`"),
    ("write_parquet", "`ParquetWriter::new(std::fs::File::create(\"table.parquet\")?).finish(&mut df)?`"),
    ("to_pandas", "nothing: the frame is polars already"),
    ("to_list", "`into_no_null_iter().collect::<Vec<_>>()` on a typed column such as `s.f64()?`"),
    ("append", "`push` on a `Vec`, `vstack` on a frame"),
    ("lower", "`to_lowercase`"),
    ("upper", "`to_uppercase`"),
    ("strip", "`trim`"),
    ("startswith", "`starts_with`"),
    ("endswith", "`ends_with`"),
];

/// "no method named `groupby` found for …".
fn renamed(report: &mut Report) -> Option<String> {
    let name = report.named().next()?;
    let (_, new) = RENAMED.iter().find(|(old, _)| *old == name)?;
    Some(format!("instead of `{name}` use {new}"))
}

/// A type's own name: `Tensor` of `&ochre_prelude::Tensor`.
fn bare(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path).trim_start_matches('&')
}

/// `x[0]` of a tensor.
fn indexed_tensor(report: &Report) -> Option<String> {
    (bare(report.named().next()?) == "Tensor").then(|| "a part of a tensor is `x.select(0, i)` (Python's `x[i]`), `x.narrow(dim, start, len)` or `x.slice(ochre::s![.., 1..3])`".to_owned())
}

/// `2.0_f32 * &x`: on the left of a tensor Rust lets stand two types of numbers only, or it would not know the type of `1.0 - &x`.
fn left_of_a_tensor(report: &mut Report) -> Option<String> {
    let signs = [("multiply", "*"), ("add", "+"), ("subtract", "-"), ("divide", "/"), ("calculate the remainder", "%")];
    let (verb, sign) = signs.into_iter().find(|(verb, _)| report.message.starts_with(&format!("cannot {verb}")))?;
    let named: Vec<&str> = report.named().map(bare).collect();
    let (first, second) = (*named.first()?, *named.get(1)?);
    // "cannot multiply `f32` by `Tensor`", but "cannot add `Tensor` to `f32`" and "cannot subtract `Tensor` from `f32`".
    let (left, right) = if matches!(verb, "add" | "subtract") { (second, first) } else { (first, second) };
    let is_number = matches!(left, "f32" | "i32" | "usize" | "u64" | "u32" | "u8" | "i8" | "i16" | "u16");
    if !is_number || right != "Tensor" {
        return None;
    }
    let cast = if left == "f32" { "f64::from(number)" } else { "(number as f64)" };
    let turned = if matches!(sign, "*" | "+") { format!(", or turn it around: `&x {sign} number`") } else { String::new() };
    // The list of all that can be multiplied helps nobody here.
    report.notes.retain(|note| !note.message.contains("other types implement trait"));
    Some(format!("a number on the left of a tensor is an f64 or an i64: `{cast} {sign} &x`{turned}"))
}

/// `?` on what does not fit the cell's result.
fn question_mark(report: &mut Report) -> Option<String> {
    if !report.message.contains("`?`") {
        return None;
    }
    let option = report.message.contains("not `Option`") || report.spots.iter().any(|spot| spot.label.as_deref().is_some_and(|label| label.contains(".ok_or")));
    if option {
        return Some("give the missing value an error: `.ok_or(\"what is missing\")?`".to_owned());
    }
    // What the cell's scaffold can take is no concern of the user's; the trait's list of implementors is noise.
    report.notes.retain(|note| note.level != Level::Help || !note.message.contains("FromResidual"));
    None
}
