//! How far predicted numbers are from the true ones.
use crate::LearningError;
use crate::prepare::median;
use serde::Serialize;

/// Errors of predicted numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RegressionReport {
    /// Coefficient of determination: 1 is perfect, 0 is as good as the mean.
    pub r2: f64,
    /// Share of the variance that is explained, a constant error not counted.
    pub explained_variance: f64,
    pub mean_absolute_error: f64,
    pub median_absolute_error: f64,
    pub mean_squared_error: f64,
    pub root_mean_squared_error: f64,
    /// Mean of the error as a share of the true value; huge where true values are near 0.
    pub mean_absolute_percentage_error: f64,
    pub max_error: f64,
    pub rows: usize,
}

impl RegressionReport {
    /// Compares numbers.
    ///
    /// # Errors
    /// The lists differ in length, are empty or have a number that is missing.
    pub fn new(truth: &[f64], predicted: &[f64]) -> Result<Self, LearningError> {
        crate::error::same_length("the list of predictions", truth.len(), predicted.len())?;
        if truth.is_empty() {
            return Err(LearningError::NoRows);
        }
        let rows = truth.iter().zip(predicted).filter(|(t, p)| t.is_nan() || p.is_nan()).count();
        if rows > 0 {
            return Err(LearningError::Missing { column: "predictions".into(), rows });
        }
        let count = truth.len() as f64;
        let mean_of = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
        let errors: Vec<f64> = truth.iter().zip(predicted).map(|(t, p)| t - p).collect();
        let mut absolute: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
        let (mean, mean_error) = (mean_of(&mut truth.iter().copied()), mean_of(&mut errors.iter().copied()));
        let squares: f64 = errors.iter().map(|e| e * e).sum();
        let spread: f64 = truth.iter().map(|t| (t - mean).powi(2)).sum();
        let around: f64 = errors.iter().map(|e| (e - mean_error).powi(2)).sum();
        let mean_squared_error = squares / count;
        Ok(Self {
            r2: share(squares, spread),
            explained_variance: share(around, spread),
            mean_absolute_error: mean_of(&mut absolute.iter().copied()),
            mean_squared_error,
            root_mean_squared_error: mean_squared_error.sqrt(),
            mean_absolute_percentage_error: mean_of(&mut errors.iter().zip(truth).map(|(e, t)| e.abs() / t.abs().max(f64::EPSILON))),
            max_error: absolute.iter().copied().fold(0.0, f64::max),
            median_absolute_error: median(&mut absolute),
            rows: truth.len(),
        })
    }
}

/// One less the share of what is left; scikit-learn's convention where there is nothing to explain.
fn share(left: f64, of: f64) -> f64 {
    match (left == 0.0, of == 0.0) {
        (true, _) => 1.0,
        (false, true) => 0.0,
        _ => 1.0 - left / of,
    }
}
