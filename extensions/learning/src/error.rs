//! What can be wrong with a call: the data's shape, a value, or a setting. Texts say what to do.

/// Why a call of this crate failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LearningError {
    #[error("there are no rows")]
    NoRows,
    #[error("{what} has {found} values where {expected} are needed")]
    Length { what: String, expected: usize, found: usize },
    #[error("there is no column `{0}`")]
    NoColumn(String),
    #[error("the column `{0}` is there twice; rename one")]
    TwiceNamed(String),
    #[error("the column `{column}` holds {found} where {expected} is needed{hint}")]
    Kind { column: String, expected: &'static str, found: &'static str, hint: &'static str },
    #[error("the column `{column}` has missing values in {rows} rows; put a SimpleImputer before, or drop them")]
    Missing { column: String, rows: usize },
    #[error("the column `{0}` holds an infinite value")]
    Infinite(String),
    #[error("the column `{0}` has no value to learn from: all are missing")]
    AllMissing(String),
    #[error("`{value}` in the column `{column}` was not there when the {step} was fitted; `.unknown_ignored()` accepts it")]
    Unknown { column: String, value: String, step: &'static str },
    #[error("{0} is not fitted yet; call `.fit(&frame)` first")]
    NotFitted(&'static str),
    #[error("only one class (`{0}`) is in the data; two are needed")]
    OneClass(String),
    #[error("{what} must be {rule}, and is {found}")]
    Setting { what: &'static str, rule: &'static str, found: String },
    #[error("there is no metric `{name}` for {task}; known: {known}")]
    NoMetric { name: String, task: &'static str, known: String },
    #[error("the class `{class}` has {rows} rows, and {folds} parts need one each; use fewer parts, or drop the class")]
    RareClass { class: String, rows: usize, folds: usize },
    #[error("the equations have no finite solution; look for columns with huge or infinite values")]
    NotFinite,
    #[error("{0}")]
    Frame(String),
    #[error("stopped")]
    Stopped,
    #[error("{path}: {what}")]
    Saved { path: String, what: String },
}

/// Refuses two lists of different lengths.
pub(crate) fn same_length(what: &str, expected: usize, found: usize) -> Result<(), LearningError> {
    if expected == found { Ok(()) } else { Err(LearningError::Length { what: what.into(), expected, found }) }
}
