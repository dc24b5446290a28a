//! How good predictions are: reports and curves as values. They are computed here and shown by `ochre-ml`.
//!
//! Definitions are scikit-learn's, so that the same predictions give the same numbers.
mod classes;
mod classification;
mod curves;
mod metric;
mod regression;

pub use classes::{Coded, class_names, code};
pub use classification::{ClassReport, ClassificationReport, ConfusionMatrix};
pub use curves::{PrecisionRecallCurve, RocCurve, average_precision, roc_auc};
pub(crate) use metric::likeliest;
pub use metric::{Metric, Task};
pub use regression::RegressionReport;
