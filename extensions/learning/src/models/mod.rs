//! Models of tables: linear, logistic, forests and gradient boosting. A model takes a [`Matrix`] and gives numbers or probabilities.
//!
//! Trees are our own: of the crates that were measured (tests/bench/automl.md) none was as fast and as good, and had missing values and
//! probabilities. Fitting is deterministic in its seed, whatever the number of cores.
mod bins;
mod boost;
mod forest;
mod grow;
mod histogram;
mod lbfgs;
mod linear;
mod logistic;
mod losses;
mod tree;

pub use boost::{Boosting, BoostingSettings};
pub use forest::{Forest, ForestSettings, Splits};
pub use linear::{Linear, LinearSettings};
pub use logistic::{Logistic, LogisticSettings};
pub use tree::Tree;

use crate::{LearningError, Matrix, Stop};
use serde::{Deserialize, Serialize};

/// What is to be predicted.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// Class numbers below `count`.
    Classes { codes: &'a [usize], count: usize },
    Numbers(&'a [f64]),
}

impl Target<'_> {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        match self {
            Target::Classes { codes, .. } => codes.len(),
            Target::Numbers(values) => values.len(),
        }
    }

    /// Numbers that a prediction has for each row: one for each class, or one.
    pub fn outputs(&self) -> usize {
        match self {
            Target::Classes { count, .. } => *count,
            Target::Numbers(_) => 1,
        }
    }

    /// Refuses what no model can learn from.
    fn check(&self, matrix: &Matrix) -> Result<(), LearningError> {
        crate::error::same_length("the target", matrix.rows(), self.rows())?;
        if matrix.rows() == 0 {
            return Err(LearningError::NoRows);
        }
        match self {
            Target::Numbers(values) => {
                let rows = values.iter().filter(|y| y.is_nan()).count();
                if rows > 0 {
                    return Err(LearningError::Missing { column: "target".into(), rows });
                }
                if values.iter().any(|y| y.is_infinite()) {
                    return Err(LearningError::Infinite("target".into()));
                }
                Ok(())
            }
            Target::Classes { codes, count } => match codes.iter().find(|c| **c >= *count) {
                Some(code) => Err(LearningError::Setting { what: "a class number", rule: "below the number of classes", found: code.to_string() }),
                None => Ok(()),
            },
        }
    }
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Settings {
    Linear(LinearSettings),
    Logistic(LogisticSettings),
    Forest(ForestSettings),
    Boosting(BoostingSettings),
}

impl Settings {
    /// Trains a model.
    ///
    /// # Errors
    /// The data or a setting does not suit the model, or `stop` said so.
    pub fn fit(&self, matrix: &Matrix, target: Target, stop: Stop) -> Result<Model, LearningError> {
        match (self, target) {
            (Settings::Linear(settings), Target::Numbers(values)) => Linear::fit(settings, matrix, values).map(Model::Linear),
            (Settings::Logistic(settings), Target::Classes { codes, count }) => Logistic::fit(settings, matrix, codes, count, stop).map(Model::Logistic),
            (Settings::Forest(settings), _) => Forest::fit(settings, matrix, target, stop).map(Model::Forest),
            (Settings::Boosting(settings), _) => Boosting::fit(settings, matrix, target, stop).map(Model::Boosting),
            (Settings::Linear(_), _) => Err(LearningError::Setting { what: "the target of a linear model", rule: "numbers", found: "classes".into() }),
            (Settings::Logistic(_), _) => Err(LearningError::Setting { what: "the target of a logistic model", rule: "classes", found: "numbers".into() }),
        }
    }

    /// Whether the model wants its columns scaled.
    pub fn wants_scaling(&self) -> bool {
        matches!(self, Settings::Linear(_) | Settings::Logistic(_))
    }
}

/// A trained model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Model {
    Linear(Linear),
    Logistic(Logistic),
    Forest(Forest),
    Boosting(Boosting),
}

impl Model {
    /// One number per row, or one probability per row and class (row by row).
    ///
    /// # Errors
    /// The matrix has other columns, or lacks values that the model needs.
    pub fn predict(&self, matrix: &Matrix) -> Result<Vec<f64>, LearningError> {
        match self {
            Model::Linear(model) => model.predict(matrix),
            Model::Logistic(model) => model.predict(matrix),
            Model::Forest(model) => model.predict(matrix),
            Model::Boosting(model) => model.predict(matrix),
        }
    }
}

/// Turns scores into probabilities, in place.
fn softmax(row: &mut [f64]) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|x| *x = (*x - most).exp());
    let total: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= total);
}

/// 1 / (1 + e^-x), also for huge x.
fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}
