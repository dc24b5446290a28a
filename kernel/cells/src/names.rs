//! Names that the prelude brings into scope: mentioning one makes a cell link the whole prelude, which costs
//! 85 ms, so cells that do not need it must not.
//!
//! The list holds what people write; a name that is missing costs one failed run (a tenth of a second) and
//! works all the same, because an unresolved name is tried again with the prelude.

/// Of polars' prelude.
const POLARS: &[&str] = &[
    "df", "col", "cols", "lit", "all", "nth", "when", "concat", "concat_str", "as_struct", "datetime", "DataFrame", "LazyFrame", "LazyCsvReader",
    "LazyJsonLineReader", "Series", "Column", "ChunkedArray", "DataType", "Expr", "PolarsError", "PolarsResult", "CsvReader", "CsvReadOptions",
    "CsvParseOptions", "CsvWriter", "ParquetReader", "ParquetWriter", "JsonReader", "JsonWriter", "JsonFormat", "IpcReader", "IpcWriter",
    "SerReader", "SerWriter", "IntoLazy", "NamedFrom", "IntoSeries", "IntoColumn", "AnyValue", "Schema", "Field", "PlSmallStr", "PlPath", "PlRefPath",
    "Int8Chunked", "Int16Chunked", "Int32Chunked", "Int64Chunked", "UInt8Chunked", "UInt16Chunked", "UInt32Chunked", "UInt64Chunked",
    "Float32Chunked", "Float64Chunked", "StringChunked", "BooleanChunked", "ListChunked", "TimeUnit", "TimeZone", "JoinArgs", "JoinType", "JoinBuilder",
    "SortOptions", "SortMultipleOptions", "UnionArgs", "ScanArgsParquet", "ScanArgsIpc", "NullValues", "StrptimeOptions", "RollingOptionsFixedWindow",
    "RankOptions", "RankMethod", "QuantileMethod", "FillNullStrategy", "UniqueKeepStrategy", "PivotAgg", "Literal", "LiteralValue", "GetOutput", "element", "len",
    "IdxSize", "IdxCa", "Duration", "EWMOptions", "DynamicGroupOptions", "AsofStrategy", "AsOfOptions", "ClosedInterval", "polars", "NULL", "coalesce", "int_range",
    "col_idx", "min_horizontal", "max_horizontal", "sum_horizontal", "mean_horizontal", "any_horizontal", "all_horizontal", "is_null", "not", "cov", "pearson_corr",
    "SQLContext", "StatisticsFlags", "Selector", "dtype_col", "by_name", "arange", "DslPlan", "Categories", "LazyGroupBy", "GroupBy", "ChunkCompareEq", "ChunkCompareIneq",
];

/// Of tensors.
const TENSORS: &[&str] = &["Tensor", "Device", "DType"];

/// Members of `ochre` that the small runtime does not have.
const OCHRE: &[&str] = &[
    "plot", "Plot", "image", "images", "ImagesGrid", "rows", "columns", "store", "cloud_options", "secret", "run", "__stores", "__block_on",
    "nn", "optim", "data", "functional", "safetensors", "npy", "onnx", "no_grad", "enable_grad", "manual_seed", "fit", "Fit", "evaluate", "predict", "summary",
    "clip_grad_norm", "ml", "sweep", "Loss", "Slice", "cuda",
];

/// Methods of frames that traits of the prelude's add.
const METHODS: &[&str] = &["sink_parquet", "sink_csv", "sink_ipc", "sink_ndjson", "write_parquet", "write_csv", "write_ipc", "write_ndjson"];

/// Common words of Rust that are polars' too: they alone do not tell.
const COMMON: &[&str] = &["len", "all", "not", "df", "cov", "element", "is_null", "Field", "Duration", "Schema"];

/// Whether a mentioned name asks for the prelude. `members` are the names after dots; `has` tells other mentions.
pub fn asks_for_prelude(name: &str, has: &dyn Fn(&str) -> bool) -> bool {
    if COMMON.contains(&name) {
        return false;
    }
    POLARS.contains(&name) || TENSORS.contains(&name) || (has("ochre") && OCHRE.contains(&name))
}

/// Whether a `use` line of something of `ochre`'s asks for the prelude (`use ochre::run;`).
pub fn import_asks_for_prelude(line: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| OCHRE.contains(&word))
}

/// Whether a name after a dot asks for the prelude.
pub fn member_asks_for_prelude(name: &str) -> bool {
    METHODS.contains(&name)
}

/// Macros of polars' prelude: `df!` asks for it, a variable `df` does not.
pub fn macro_asks_for_prelude(text: &str) -> bool {
    text.contains("df!") || text.contains("polars_bail!") || text.contains("schema!")
}

/// rustc's codes for a name, a method, a trait or a macro that was not found.
pub fn is_unresolved(code: &str) -> bool {
    matches!(code, "E0405" | "E0412" | "E0422" | "E0423" | "E0425" | "E0432" | "E0433" | "E0531" | "E0573" | "E0574" | "E0599" | "E0277")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_links_the_prelude_at_once() {
        let has = |name: &str| name == "ochre";
        assert!(asks_for_prelude("run", &has), "`ochre::run::log_metric(…)`");
        assert!(!asks_for_prelude("run", &|_| false), "a function `run` of the user's does not");
        assert!(import_asks_for_prelude("use ochre::run;") && import_asks_for_prelude("use ochre::run::log_metric as log;"));
        assert!(asks_for_prelude("Tensor", &|_| false) && asks_for_prelude("no_grad", &has) && import_asks_for_prelude("use ochre::{nn, optim};"));
        assert!(!import_asks_for_prelude("use ochre::interrupted;"), "the small runtime has it");
    }
}
