//! Logistic regression with a penalty on the squares of the coefficients: of two classes, or of several (softmax).
use super::{lbfgs, sigmoid, softmax};
use crate::{LearningError, Matrix, Stop, exact};
use serde::{Deserialize, Serialize};

/// How a logistic model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogisticSettings {
    /// Inverse of the penalty, `C` in scikit-learn: smaller is simpler.
    pub freedom: f64,
    /// Largest part of the gradient of the mean loss at the end.
    pub tolerance: f64,
    /// Most steps.
    pub steps: usize,
}

impl Default for LogisticSettings {
    fn default() -> Self {
        Self { freedom: 1.0, tolerance: 1e-6, steps: 1_000 }
    }
}

/// A trained logistic model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Logistic {
    classes: usize,
    columns: usize,
    /// Coefficients, then the intercept: once for two classes, else for each class.
    #[serde(with = "exact")]
    weights: Vec<f64>,
}

impl Logistic {
    /// Trains on complete columns.
    pub fn fit(settings: &LogisticSettings, matrix: &Matrix, codes: &[usize], classes: usize, stop: Stop) -> Result<Self, LearningError> {
        super::Target::Classes { codes, count: classes }.check(matrix)?;
        matrix.complete()?;
        if settings.freedom.is_nan() || settings.freedom <= 0.0 {
            return Err(LearningError::Setting { what: "the freedom of a logistic model", rule: "above 0", found: settings.freedom.to_string() });
        }
        if classes < 2 {
            return Err(LearningError::OneClass("0".into()));
        }
        let columns = matrix.columns();
        let scores = if classes == 2 { 1 } else { classes };
        let penalty = 1.0 / (settings.freedom * matrix.rows() as f64);
        let loss = |weights: &[f64], gradient: &mut [f64]| mean_loss(matrix, codes, scores, penalty, weights, gradient);
        let weights = lbfgs::minimise(vec![0.0; scores * (columns + 1)], settings.tolerance, settings.steps, loss, stop);
        if stop() {
            return Err(LearningError::Stopped);
        }
        if weights.iter().any(|w| !w.is_finite()) {
            return Err(LearningError::NotFinite);
        }
        Ok(Self { classes, columns, weights })
    }

    /// The coefficients of each score, then its intercept.
    pub fn weights(&self) -> Vec<&[f64]> {
        self.weights.chunks_exact(self.columns + 1).collect()
    }

    /// A probability per row and class.
    pub fn predict(&self, matrix: &Matrix) -> Result<Vec<f64>, LearningError> {
        crate::error::same_length("the row", self.columns, matrix.columns())?;
        matrix.complete()?;
        let scores = if self.classes == 2 { 1 } else { self.classes };
        let mut out = linear(matrix, scores, &self.weights);
        if self.classes == 2 {
            return Ok(out.into_iter().flat_map(|z| [sigmoid(-z), sigmoid(z)]).collect());
        }
        out.chunks_exact_mut(self.classes).for_each(softmax);
        Ok(out)
    }
}

/// Scores of each row, row by row.
fn linear(matrix: &Matrix, scores: usize, weights: &[f64]) -> Vec<f64> {
    let columns = matrix.columns();
    let mut out = vec![0.0; matrix.rows() * scores];
    for k in 0..scores {
        let weights = &weights[k * (columns + 1)..(k + 1) * (columns + 1)];
        out.iter_mut().skip(k).step_by(scores).for_each(|z| *z = weights[columns]);
        for (j, weight) in weights[..columns].iter().enumerate() {
            out.iter_mut().skip(k).step_by(scores).zip(matrix.column(j)).for_each(|(z, x)| *z += weight * x);
        }
    }
    out
}

/// The mean loss with its penalty, and its gradient.
fn mean_loss(matrix: &Matrix, codes: &[usize], scores: usize, penalty: f64, weights: &[f64], gradient: &mut [f64]) -> f64 {
    let (rows, columns) = (matrix.rows() as f64, matrix.columns());
    let mut residuals = linear(matrix, scores, weights);
    let mut loss = 0.0;
    for (row, &code) in residuals.chunks_exact_mut(scores).zip(codes) {
        if scores == 1 {
            let (z, y) = (row[0], code as f64);
            // ln(1 + e^z) - y z, written so that it does not overflow.
            loss += z.max(0.0) - y * z + (-z.abs()).exp().ln_1p();
            row[0] = sigmoid(z) - y;
        } else {
            let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            loss += most + row.iter().map(|z| (z - most).exp()).sum::<f64>().ln() - row[code];
            softmax(row);
            row[code] -= 1.0;
        }
    }
    loss /= rows;
    for k in 0..scores {
        let place = k * (columns + 1);
        let residual: Vec<f64> = residuals.iter().skip(k).step_by(scores).copied().collect();
        for j in 0..columns {
            let weight = weights[place + j];
            loss += 0.5 * penalty * weight * weight;
            gradient[place + j] = matrix.column(j).iter().zip(&residual).map(|(x, r)| x * r).sum::<f64>() / rows + penalty * weight;
        }
        gradient[place + columns] = residual.iter().sum::<f64>() / rows;
    }
    loss
}
