//! Least squares with an intercept, and ridge regression: solved by Householder's QR, which keeps the digits that normal equations lose.
use crate::{LearningError, Matrix, exact};
use serde::{Deserialize, Serialize};

/// How a linear model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearSettings {
    /// Penalty on the squares of the coefficients (not the intercept); 0 is ordinary least squares.
    pub penalty: f64,
}

/// A trained linear model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Linear {
    #[serde(with = "exact")]
    pub coefficients: Vec<f64>,
    #[serde(with = "exact::one")]
    pub intercept: f64,
}

/// Diagonal of R, as a share of the largest, below which a column depends on those before it and gets no coefficient.
const DEPENDENT: f64 = 1e-12;

impl Linear {
    /// Trains on complete columns.
    pub fn fit(settings: &LinearSettings, matrix: &Matrix, target: &[f64]) -> Result<Self, LearningError> {
        super::Target::Numbers(target).check(matrix)?;
        matrix.complete()?;
        if settings.penalty.is_nan() || settings.penalty < 0.0 {
            return Err(LearningError::Setting { what: "the penalty", rule: "0 or more", found: settings.penalty.to_string() });
        }
        let (rows, count) = (matrix.rows(), matrix.columns());
        let mean = |values: &[f64]| values.iter().sum::<f64>() / rows as f64;
        let means: Vec<f64> = (0..count).map(|j| mean(matrix.column(j))).collect();
        let middle = mean(target);
        // The penalty as rows below the data: |Xw - y|² + penalty |w|².
        let root = settings.penalty.sqrt();
        let extra = if root > 0.0 { count } else { 0 };
        let mut columns: Vec<Vec<f64>> = (0..count)
            .map(|j| {
                let mut column: Vec<f64> = matrix.column(j).iter().map(|x| x - means[j]).collect();
                column.extend((0..extra).map(|i| if i == j { root } else { 0.0 }));
                column
            })
            .collect();
        let mut right: Vec<f64> = target.iter().map(|y| y - middle).collect();
        right.resize(rows + extra, 0.0);
        let coefficients = least_squares(&mut columns, &mut right);
        let intercept = middle - coefficients.iter().zip(&means).map(|(w, m)| w * m).sum::<f64>();
        if !intercept.is_finite() || coefficients.iter().any(|w| !w.is_finite()) {
            return Err(LearningError::NotFinite);
        }
        Ok(Self { coefficients, intercept })
    }

    /// One number per row.
    pub fn predict(&self, matrix: &Matrix) -> Result<Vec<f64>, LearningError> {
        crate::error::same_length("the row", self.coefficients.len(), matrix.columns())?;
        matrix.complete()?;
        let mut out = vec![self.intercept; matrix.rows()];
        for (j, weight) in self.coefficients.iter().enumerate() {
            out.iter_mut().zip(matrix.column(j)).for_each(|(y, x)| *y += weight * x);
        }
        Ok(out)
    }
}

/// Solves `columns * w = right` in the sense of least squares; both are overwritten.
fn least_squares(columns: &mut [Vec<f64>], right: &mut [f64]) -> Vec<f64> {
    let rows = right.len();
    let mut diagonal = vec![0.0; columns.len()];
    // The row in which each column has its diagonal; `None` for one that depends on others.
    let mut pivots = vec![None; columns.len()];
    let mut next = 0;
    let largest = columns.iter().map(|c| norm(c)).fold(0.0, f64::max);
    for j in 0..columns.len() {
        if next >= rows {
            break;
        }
        let length = norm(&columns[j][next..]);
        if length <= DEPENDENT * largest.max(f64::MIN_POSITIVE) {
            continue;
        }
        let sign = if columns[j][next] > 0.0 { -length } else { length };
        let mut mirror = columns[j][next..].to_vec();
        mirror[0] -= sign;
        let square: f64 = mirror.iter().map(|v| v * v).sum();
        for column in columns[j + 1..].iter_mut() {
            reflect(&mut column[next..], &mirror, square);
        }
        reflect(&mut right[next..], &mirror, square);
        (diagonal[j], pivots[j]) = (sign, Some(next));
        next += 1;
    }
    let mut solution = vec![0.0; columns.len()];
    for j in (0..columns.len()).rev() {
        let Some(row) = pivots[j] else { continue };
        let rest: f64 = (j + 1..columns.len()).map(|k| columns[k][row] * solution[k]).sum();
        solution[j] = (right[row] - rest) / diagonal[j];
    }
    solution
}

fn reflect(values: &mut [f64], mirror: &[f64], square: f64) {
    let share = 2.0 * values.iter().zip(mirror).map(|(a, b)| a * b).sum::<f64>() / square;
    values.iter_mut().zip(mirror).for_each(|(a, b)| *a -= share * b);
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(columns: &[&[f64]]) -> Matrix {
        let names = (0..columns.len()).map(|i| format!("x{i}")).collect();
        Matrix::new(columns[0].len(), names, columns.concat()).unwrap()
    }

    #[test]
    fn a_plane_is_found_again() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 7.0], [0.0, 1.0, 0.0, -1.0, 5.0]);
        let y: Vec<f64> = a.iter().zip(&b).map(|(a, b)| 3.0 * a - 2.0 * b + 10.0).collect();
        let model = Linear::fit(&LinearSettings { penalty: 0.0 }, &matrix(&[&a, &b]), &y).unwrap();
        assert!((model.coefficients[0] - 3.0).abs() < 1e-12 && (model.coefficients[1] + 2.0).abs() < 1e-12 && (model.intercept - 10.0).abs() < 1e-11, "{model:?}");
    }

    #[test]
    fn a_column_that_depends_on_others_gets_no_coefficient() {
        let a = [1.0, 2.0, 3.0, 4.0];
        let twice: Vec<f64> = a.iter().map(|x| x * 2.0).collect();
        let model = Linear::fit(&LinearSettings { penalty: 0.0 }, &matrix(&[&a, &twice]), &[2.0, 4.0, 6.0, 8.0]).unwrap();
        let out = model.predict(&matrix(&[&[10.0], &[20.0]])).unwrap();
        assert!((out[0] - 20.0).abs() < 1e-9, "{model:?}");
    }

    #[test]
    fn missing_numbers_are_refused() {
        let error = Linear::fit(&LinearSettings { penalty: 1.0 }, &matrix(&[&[1.0, f64::NAN]]), &[1.0, 2.0]).unwrap_err();
        assert_eq!(error, LearningError::Missing { column: "x0".into(), rows: 1 });
    }
}
