//! Names that every cell has in scope, for completion and inspection without a compiler: Rust's keywords, the
//! std prelude, polars' best-known names and the members of `ochre`.
//!
//! A list and not an analysis: `ochre-assist` answers precisely where it runs, this answers at once.

/// A well-known name.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) signature: &'static str,
    pub(crate) about: &'static str,
}

pub(crate) const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn", "for", "if", "impl",
    "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self", "Self", "static", "struct", "super", "trait",
    "true", "type", "unsafe", "use", "where", "while",
];

/// The name, when it is well known.
pub(crate) fn find(name: &str) -> Option<&'static Known> {
    NAMES.iter().chain(OCHRE).find(|k| k.name == name)
}

const fn known(name: &'static str, kind: &'static str, signature: &'static str, about: &'static str) -> Known {
    Known { name, kind, signature, about }
}

/// In scope without `use`.
pub(crate) const NAMES: &[Known] = &[
    known("DataFrame", "type", "struct DataFrame", "a table of columns (polars)"),
    known("LazyFrame", "type", "struct LazyFrame", "a query that runs at .collect() (polars)"),
    known("Series", "type", "struct Series", "a named column of one type (polars)"),
    known("Column", "type", "enum Column", "a column of a DataFrame (polars)"),
    known("Expr", "type", "enum Expr", "an expression over columns (polars)"),
    known("DataType", "type", "enum DataType", "the type of a column (polars)"),
    known("AnyValue", "type", "enum AnyValue", "one value of a column (polars)"),
    known("PlSmallStr", "type", "struct PlSmallStr", "a short string, as polars names columns"),
    known("PolarsError", "type", "enum PolarsError", "the error of polars"),
    known("PolarsResult", "type", "type PolarsResult<T>", "Result with polars' error"),
    known("JoinArgs", "type", "struct JoinArgs", "how two frames are joined (polars)"),
    known("JoinType", "type", "enum JoinType", "Inner, Left, Full, … (polars)"),
    known("SortMultipleOptions", "type", "struct SortMultipleOptions", "order of a sort: .default().with_order_descending(true)"),
    known("CsvReadOptions", "type", "struct CsvReadOptions", "CsvReadOptions::default().try_into_reader_with_file_path(Some(path))?.finish()?"),
    known("CsvWriter", "type", "struct CsvWriter", "CsvWriter::new(&mut file).finish(&mut df)?"),
    known("LazyCsvReader", "type", "struct LazyCsvReader", "LazyCsvReader::new(path).finish()? gives a LazyFrame"),
    known("ParquetReader", "type", "struct ParquetReader", "ParquetReader::new(file).finish()?"),
    known("ParquetWriter", "type", "struct ParquetWriter", "ParquetWriter::new(&mut file).finish(&mut df)?"),
    known("ScanArgsParquet", "type", "struct ScanArgsParquet", "LazyFrame::scan_parquet(\"az://… or a path\".into(), ScanArgsParquet::default())?"),
    known("NamedFrom", "trait", "trait NamedFrom", "Series::new(name, values)"),
    known("df!", "macro", "df!(\"a\" => [1, 2], \"b\" => [\"x\", \"y\"])?", "a DataFrame from columns"),
    known("col", "function", "fn col(name) -> Expr", "a column of the frame"),
    known("cols", "function", "fn cols(names) -> Selector", "several columns"),
    known("all", "function", "fn all() -> Selector", "all columns"),
    known("lit", "function", "fn lit(value) -> Expr", "a constant"),
    known("when", "function", "fn when(condition) -> When", "when(a).then(b).otherwise(c)"),
    known("len", "function", "fn len() -> Expr", "the number of rows"),
    known("concat", "function", "fn concat(frames, UnionArgs::default()) -> PolarsResult<LazyFrame>", "frames below each other"),
    known("Vec", "type", "struct Vec<T>", "a growable list"),
    known("String", "type", "struct String", "an owned text"),
    known("Option", "type", "enum Option<T>", "Some(value) or None"),
    known("Result", "type", "enum Result<T, E>", "Ok(value) or Err(error)"),
    known("Box", "type", "struct Box<T>", "a value on the heap"),
    known("Some", "function", "Some(value)", "there is a value"),
    known("None", "value", "None", "there is no value"),
    known("Ok", "function", "Ok(value)", "it worked"),
    known("Err", "function", "Err(error)", "it did not work"),
    known("println!", "macro", "println!(\"{}\", value)", "writes a line to stdout"),
    known("print!", "macro", "print!(\"{}\", value)", "writes to stdout"),
    known("eprintln!", "macro", "eprintln!(\"{}\", value)", "writes a line to stderr"),
    known("format!", "macro", "format!(\"{}\", value) -> String", "makes a text"),
    known("vec!", "macro", "vec![1, 2, 3]", "makes a Vec"),
    known("assert!", "macro", "assert!(condition)", "panics when it is false"),
    known("assert_eq!", "macro", "assert_eq!(left, right)", "panics when they differ"),
    known("dbg!", "macro", "dbg!(value)", "writes the value to stderr and gives it back"),
    known("panic!", "macro", "panic!(\"message\")", "ends the cell; variables stay"),
    known("matches!", "macro", "matches!(value, pattern)", "true when it matches"),
    known("todo!", "macro", "todo!()", "panics: not written yet"),
    known("ochre", "module", "crate ochre", "display, plots, progress, input: type `ochre::`"),
];

/// Members of the crate `ochre`, behind `ochre::`.
pub(crate) const OCHRE: &[Known] = &[
    known("Show", "trait", "trait Show { fn show(&self) -> Mime }", "how a value is shown"),
    known("display", "function", "fn display(&value)", "shows a value now"),
    known("display_as", "function", "fn display_as(\"id\", &value)", "shows a value, or updates the one shown under this id"),
    known("clear_output", "function", "fn clear_output(wait: bool)", "clears the cell's output"),
    known("html", "function", "fn html(text) -> Mime", "shown as HTML"),
    known("markdown", "function", "fn markdown(text) -> Mime", "shown as Markdown"),
    known("latex", "function", "fn latex(text) -> Mime", "shown as LaTeX"),
    known("svg", "function", "fn svg(text) -> Mime", "shown as SVG"),
    known("png", "function", "fn png(bytes) -> Mime", "shown as a picture"),
    known("json", "function", "fn json(value) -> Mime", "shown as a JSON tree"),
    known("mime", "function", "fn mime(media_type, data) -> Mime", "shown as this media type"),
    known("plot", "function", "fn plot(&df) -> Plot", "a chart: .line(\"x\", \"y\"), .bar, .point, .area, .hist(\"x\"), .heatmap"),
    known("image", "function", "fn image(&tensor_or_bytes) -> Mime", "a picture"),
    known("images", "function", "fn images(&list, …) -> Mime", "a labelled grid of pictures"),
    known("progress", "function", "fn progress(iterator)", "a progress bar: .label(\"…\"), .total(n)"),
    known("input", "function", "fn input(\"prompt\") -> String", "asks in the notebook"),
    known("password", "function", "fn password(\"prompt\") -> String", "asks without echo"),
    known("store", "function", "fn store(\"az://container@account/path\") -> Store", "blobs: .read(path)?, .write(path, bytes)?, .list(prefix)?, .frame(\"\")?, .open(path)?, .create(path)?, .local(path)?"),
    known("cloud_options", "function", "fn cloud_options(\"az://container@account\") -> CloudOptions", "polars' options with the kernel's credential; scans and sinks in cells fill them in by themselves"),
    known("secret", "function", "fn secret(\"SCOPE/KEY\") -> Result<Secret>", "a secret of `%secret set`; .expose() gives its value to code that needs it"),
    known("interrupted", "function", "fn interrupted() -> bool", "true once the user has interrupted"),
];
