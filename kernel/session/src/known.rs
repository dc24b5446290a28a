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
    known("Tensor", "type", "struct Tensor", "numbers in any number of dimensions, on the CPU or a GPU: Tensor::zeros(&[2, 3]), randn, from_vec, from_frame(&df)"),
    known("Device", "type", "enum Device", "where a tensor is: Device::best(), Device::cpu(), Device::cuda(0)"),
    known("DType", "type", "enum DType", "the type of a tensor's elements: F32, F64, F16, BF16, I64, I32, U8, Bool"),
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
    known("charts", "function", "fn charts(\"title\", &[chart, chart]) -> Charts", "charts side by side, each with its own scales"),
    known("run", "module", "mod run", "log_metric(name, value), log_param, log_tag, log_artifact(path), … to the active run"),
    known("sweep", "function", "fn sweep(space, n, |trial| …) -> Result<Sweep>", "searches for the best trial"),
    known("ml", "module", "mod ml", "train_test_split, StandardScaler, OneHotEncoder, Pipeline, confusion_matrix, roc_curve, …"),
    known("Space", "type", "struct Space", "what a sweep searches: Space::new().float(\"rate\", 1e-4, 1e-1)"),
    known("nn", "module", "mod nn", "layers and losses: Linear, Conv2d, BatchNorm2d, Dropout, Sequential, cross_entropy, mse, …"),
    known("optim", "module", "mod optim", "AdamW, Sgd, Schedule"),
    known("data", "module", "mod data", "Dataset, Loader, cifar10(place)?, digits(place)?, pictures(place)?, picture(path)?"),
    known("fit", "function", "fn fit(&model, &train, &validation, Fit { epochs: 10, ..Fit::default() }) -> History", "trains a model, with progress and curves; `&()` for no validation"),
    known("Fit", "type", "struct Fit { epochs, batch, rate, schedule, loss, optimizer, patience, precision, … }", "how `fit` trains; the rest by `..Fit::default()`"),
    known("Loss", "type", "enum Loss { Auto, CrossEntropy, Mse, L1, BinaryCrossEntropy, Custom }", "what a training makes small"),
    known("History", "type", "struct History", "a training's epochs: .chart()?, .frame()?, .best(), .last()"),
    known("Epoch", "type", "struct Epoch", "one pass over the training data"),
    known("End", "type", "enum End", "why a training ended"),
    known("evaluate", "function", "fn evaluate(&model, &data) -> Evaluation", "loss, accuracy and predictions on data"),
    known("evaluate_with", "function", "fn evaluate_with(&model, &data, &Loss::L1) -> Evaluation", "`evaluate` by another loss"),
    known("Evaluation", "type", "struct Evaluation", "how good a model is: .accuracy, .chart()?, .pictures(&data, 24), .wrong(), .confusion()"),
    known("predict", "function", "fn predict(&model, &data) -> Tensor", "the outputs for a tensor, a data set or a loader"),
    known("summary", "function", "fn summary(&model, &[1, 3, 32, 32]) -> Summary", "layers, shapes and parameters"),
    known("summary_with", "function", "fn summary_with(&model, &input) -> Summary", "`summary` with a given input"),
    known("Summary", "type", "struct Summary", "a model as a table"),
    known("safetensors", "module", "mod safetensors", "save(path, &model.state())?, load(path)?"),
    known("npy", "module", "mod npy", "load(path)?, save(path, &tensor)?, load_npz(path)?"),
    known("onnx", "module", "mod onnx", "load(path)? gives a model of another program"),
    known("no_grad", "function", "fn no_grad(|| …)", "computes without recording for gradients"),
    known("enable_grad", "function", "fn enable_grad(|| …)", "records again within `no_grad`"),
    known("manual_seed", "function", "fn manual_seed(number)", "the random numbers of tensors begin anew"),
    known("clip_grad_norm", "function", "fn clip_grad_norm(&parameters, most) -> f64", "shortens gradients, all together, to a length"),
    known("clip_grad_value", "function", "fn clip_grad_value(&parameters, most)", "cuts gradients' elements off"),
    known("functional", "module", "mod functional", "losses, linear, attention, as functions of tensors"),
    known("cuda", "module", "mod cuda", "GPUs: device_count(), held(), graph(|| step), allow_tf32(true), why_not()"),
    known("s", "macro", "s![0, 1..3, .., -1]", "the argument of `x.slice(ochre::s![0, 1..3])`"),
    known("Slice", "type", "enum Slice", "what is taken of one dimension: Slice::Rest, Slice::New, Slice::ALL.step(2)"),
    known("Scaling", "type", "enum Scaling { Nearest, Bilinear { align_corners } }", "how `interpolate` makes pictures larger or smaller"),
    known("Padding", "type", "enum Padding", "what `pad_with` puts around"),
    known("ConvOptions", "type", "struct ConvOptions", "stride, padding, dilation, groups of `conv2d`"),
    known("PoolOptions", "type", "struct PoolOptions", "window, stride and padding of pooling"),
    known("Scalar", "type", "enum Scalar", "a number beside tensors"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Types whose names nobody types: they come out of calls, or stand in bounds.
    const UNTYPED: [&str; 36] = [
        "FrameTensorError", "FrameTensors", "Nulls", "columns", "rows", "Score", "Setting", "Sweep", "Trial", "TrialEnd", "TrialOutcome", "NnError", "Blob", "BlobReader",
        "BlobWriter", "Listing", "Secret", "Store", "StoreError", "TensorError", "Chart", "Charts", "ImagesGrid", "Picture", "PlotError", "ToPicture", "Buffer", "Element", "Layout",
        "Number", "Operand", "Raw", "Size", "Sizes", "begin", "block_on",
    ];

    /// The names that `ochre::` has, from the prelude's own list.
    fn offered() -> Vec<String> {
        let prelude = include_str!("../../prelude/src/lib.rs");
        let root = prelude.split("pub mod __stores").next().unwrap_or_default();
        let uses = root.split("pub use ochre_").skip(1).filter_map(|rest| rest.split(';').next()).filter(|list| !list.contains('*'));
        let names = uses.flat_map(|list| list.split(['{', '}', ',']).skip(usize::from(list.contains('{'))).map(|name| name.rsplit("::").next().unwrap_or(name).trim().to_owned()).collect::<Vec<_>>());
        names.filter(|name| !name.is_empty()).collect()
    }

    #[test]
    fn what_the_prelude_offers_is_completed_and_explained() {
        let offered = offered();
        assert!(offered.len() > 60 && offered.iter().any(|n| n == "safetensors"), "{offered:?}");
        let missing: Vec<&String> = offered.iter().filter(|name| !UNTYPED.contains(&name.as_str()) && find(name).is_none()).collect();
        assert!(missing.is_empty(), "known.rs has nothing on {missing:?}");
        let prelude = include_str!("../../prelude/src/lib.rs");
        let gone: Vec<&str> = OCHRE.iter().map(|k| k.name).filter(|name| offered.iter().all(|o| o != name) && !RUNTIME.contains(name)).collect();
        assert!(gone.is_empty() && prelude.contains("pub use ochre_tensors::{DType, Device, Tensor};"), "the prelude has no {gone:?}");
    }

    /// Of the runtime, which the prelude takes over whole.
    const RUNTIME: [&str; 15] = ["Show", "display", "display_as", "clear_output", "html", "markdown", "latex", "svg", "png", "json", "mime", "progress", "input", "password", "interrupted"];
}
