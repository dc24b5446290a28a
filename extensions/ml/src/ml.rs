//! `ochre::ml`: splits, preparation, judgement and AutoML over frames.
//!
//! ```text
//! let (train, test) = ochre::ml::train_test_split(&frame, 0.2, 42)?;
//! let mut scaler = ochre::ml::StandardScaler::new();
//! let train = scaler.fit_transform(&train)?;
//! let test = scaler.transform(&test)?;
//! ochre::ml::confusion_matrix(test.column("species")?, &predicted)?
//! ```
use crate::frames::take;
use ochre_learning::judge::code;
use ochre_learning::{Column as Learnt, Tabular, ToValues, numbers, split};
use polars::prelude::DataFrame;

pub use crate::automl::{AutoMl, Model, Order, automl};
pub use crate::judged::{Logs, RocCurves};
pub use ochre_learning::LearningError as Error;
pub use ochre_learning::judge::{ClassReport, ClassificationReport, ConfusionMatrix, Metric, PrecisionRecallCurve, RegressionReport, RocCurve, Task};
pub use ochre_learning::prepare::{Fill, MinMaxScaler, OneHotEncoder, OrdinalEncoder, Pipeline, Preparation, SimpleImputer, StandardScaler, Step};

/// Rows to learn from and rows to judge with, in random order; `test_share` of them are the second frame.
pub fn train_test_split(frame: &DataFrame, test_share: f64, seed: u64) -> Result<(DataFrame, DataFrame), Error> {
    let parts = split::train_test(frame.height(), test_share, None, seed)?;
    Ok((take(frame, &parts.train)?, take(frame, &parts.test)?))
}

/// The same with every class of a column in the same share on both sides.
pub fn stratified_split(frame: &DataFrame, column: &str, test_share: f64, seed: u64) -> Result<(DataFrame, DataFrame), Error> {
    let known = frame.column(column).map_err(|_| Error::NoColumn(column.into()))?;
    let coded = code(&Learnt { name: column.into(), values: known.to_values()? })?;
    let parts = split::train_test(frame.height(), test_share, Some(&coded.codes), seed)?;
    Ok((take(frame, &parts.train)?, take(frame, &parts.test)?))
}

/// How many rows of each class were predicted as each class.
pub fn confusion_matrix<A: ToValues<M> + ?Sized, B: ToValues<N> + ?Sized, M, N>(truth: &A, predicted: &B) -> Result<ConfusionMatrix, Error> {
    ConfusionMatrix::new(&truth.to_values()?, &predicted.to_values()?)
}

/// Precision, recall and F1 of each class.
pub fn classification_report<A: ToValues<M> + ?Sized, B: ToValues<N> + ?Sized, M, N>(truth: &A, predicted: &B) -> Result<ClassificationReport, Error> {
    ClassificationReport::new(&truth.to_values()?, &predicted.to_values()?)
}

/// How far predicted numbers are from the true ones.
pub fn regression_report<A: ToValues<M> + ?Sized, B: ToValues<N> + ?Sized, M, N>(truth: &A, predicted: &B) -> Result<RegressionReport, Error> {
    RegressionReport::new(&numbers(truth.to_values()?, "truth")?, &numbers(predicted.to_values()?, "predictions")?)
}

/// Which rows are of the positive class: the last of two in their order (`true`, 1, `yes`).
fn positives(values: ochre_learning::Values) -> Result<Vec<bool>, Error> {
    let coded = code(&Learnt { name: "truth".into(), values })?;
    match coded.classes.len() {
        1 => Err(Error::OneClass(coded.classes[0].clone())),
        2 => Ok(coded.codes.iter().map(|&c| c == 1).collect()),
        more => Err(Error::Setting { what: "the truth of one curve", rule: "of two classes; `roc_curves` takes more", found: format!("of {more}") }),
    }
}

/// The receiver operating characteristic of scores that are higher for the last of two classes.
pub fn roc_curve<A: ToValues<M> + ?Sized, B: ToValues<N> + ?Sized, M, N>(truth: &A, scores: &B) -> Result<RocCurve, Error> {
    RocCurve::new(&positives(truth.to_values()?)?, &numbers(scores.to_values()?, "scores")?)
}

/// Precision against recall of scores that are higher for the last of two classes.
pub fn precision_recall_curve<A: ToValues<M> + ?Sized, B: ToValues<N> + ?Sized, M, N>(truth: &A, scores: &B) -> Result<PrecisionRecallCurve, Error> {
    PrecisionRecallCurve::new(&positives(truth.to_values()?)?, &numbers(scores.to_values()?, "scores")?)
}

/// A curve for each class against the rest. `probabilities` has a column for each class, in the order of the classes (numbers by size, texts by
/// their letters): what [`Model::predict`] gives, without its first column.
pub fn roc_curves<A: ToValues<M> + ?Sized, M>(truth: &A, probabilities: &DataFrame) -> Result<RocCurves, Error> {
    let coded = code(&Learnt { name: "truth".into(), values: truth.to_values()? })?;
    let matrix = probabilities.to_table()?.matrix()?;
    if matrix.columns() != coded.classes.len() {
        return Err(Error::Length { what: "the frame of probabilities (a column for each class)".into(), expected: coded.classes.len(), found: matrix.columns() });
    }
    let curve = |(class, name): (usize, &String)| {
        let truth: Vec<bool> = coded.codes.iter().map(|&c| c == class).collect();
        Ok((name.clone(), RocCurve::new(&truth, matrix.column(class))?))
    };
    Ok(RocCurves { curves: coded.classes.iter().enumerate().map(curve).collect::<Result<_, Error>>()? })
}
