//! Scalers of numbers. Missing numbers are left out of what is learnt, and stay missing.
use super::{Wanted, chosen, numbers};
use crate::{Column, LearningError, Table, Values, exact};
use serde::{Deserialize, Serialize};

/// Subtracts the mean and divides by the standard deviation (of the whole, not of a sample).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StandardScaler {
    named: Option<Vec<String>>,
    centred: bool,
    scaled: bool,
    fitted: Option<Vec<String>>,
    #[serde(with = "exact")]
    means: Vec<f64>,
    #[serde(with = "exact")]
    scales: Vec<f64>,
}

impl Default for StandardScaler {
    fn default() -> Self {
        Self { named: None, centred: true, scaled: true, fitted: None, means: Vec::new(), scales: Vec::new() }
    }
}

impl StandardScaler {
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these columns.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.named = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Whether the mean is subtracted; it is unless said.
    pub fn with_mean(mut self, yes: bool) -> Self {
        self.centred = yes;
        self
    }

    /// Whether it is divided by the standard deviation; it is unless said.
    pub fn with_std(mut self, yes: bool) -> Self {
        self.scaled = yes;
        self
    }

    /// The means that were found, in the order of the columns.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// What is divided by; 1 for a constant column.
    pub fn scales(&self) -> &[f64] {
        &self.scales
    }

    /// Learns means and deviations.
    pub(crate) fn learn(&mut self, table: &Table) -> Result<(), LearningError> {
        let names = chosen(table, &self.named, Wanted::Numbers)?;
        let (mut means, mut scales) = (Vec::new(), Vec::new());
        for name in &names {
            let (mean, scale) = moments(numbers(table, name)?).ok_or_else(|| LearningError::AllMissing(name.clone()))?;
            means.push(mean);
            scales.push(scale);
        }
        (self.means, self.scales, self.fitted) = (means, scales, Some(names));
        Ok(())
    }

    /// Scales a table.
    pub(crate) fn apply(&self, table: &Table) -> Result<Table, LearningError> {
        let names = self.fitted.as_ref().ok_or(LearningError::NotFitted("StandardScaler"))?;
        replaced(table, names, |index, x| {
            let x = if self.centred { x - self.means[index] } else { x };
            if self.scaled { x / self.scales[index] } else { x }
        })
    }
}

/// Mean and standard deviation of the numbers that are there; the deviation of a constant is 1, also when it differs from 0 by rounding only.
fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let present: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
    let count = present.len() as f64;
    if present.is_empty() {
        return None;
    }
    let mean = present.iter().sum::<f64>() / count;
    // The second term takes away what rounding of the mean added (Chan, Golub, LeVeque 1983), as scikit-learn does.
    let rest = present.iter().map(|x| x - mean).sum::<f64>();
    let variance = (present.iter().map(|x| (x - mean).powi(2)).sum::<f64>() - rest * rest / count) / count;
    let rounding = count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2);
    Some((mean, if variance <= rounding { 1.0 } else { variance.sqrt() }))
}

/// Maps each column's smallest number to the lower end of a range and the largest to the upper end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MinMaxScaler {
    named: Option<Vec<String>>,
    #[serde(with = "exact")]
    range: Vec<f64>,
    clipped: bool,
    fitted: Option<Vec<String>>,
    #[serde(with = "exact")]
    scales: Vec<f64>,
    #[serde(with = "exact")]
    shifts: Vec<f64>,
}

impl Default for MinMaxScaler {
    fn default() -> Self {
        Self { named: None, range: vec![0.0, 1.0], clipped: false, fitted: None, scales: Vec::new(), shifts: Vec::new() }
    }
}

impl MinMaxScaler {
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these columns.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.named = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The range to map to; 0 to 1 unless said.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = vec![low, high];
        self
    }

    /// Whether numbers beyond those that were learnt from stay within the range.
    pub fn clipped(mut self, yes: bool) -> Self {
        self.clipped = yes;
        self
    }

    /// Learns smallest and largest numbers.
    pub(crate) fn learn(&mut self, table: &Table) -> Result<(), LearningError> {
        let (low, high) = self.ends();
        if low.is_nan() || high.is_nan() || low >= high {
            return Err(LearningError::Setting { what: "the range of MinMaxScaler", rule: "from a smaller to a larger number", found: format!("{low}..{high}") });
        }
        let names = chosen(table, &self.named, Wanted::Numbers)?;
        let (mut scales, mut shifts) = (Vec::new(), Vec::new());
        for name in &names {
            let present = numbers(table, name)?.iter().copied().filter(|x| !x.is_nan());
            let (least, most) = present.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
            if least > most {
                return Err(LearningError::AllMissing(name.clone()));
            }
            // A width that is rounding only counts as none, as in scikit-learn.
            let width = if most - least < 10.0 * f64::EPSILON { 1.0 } else { most - least };
            let scale = (high - low) / width;
            scales.push(scale);
            shifts.push(low - least * scale);
        }
        (self.scales, self.shifts, self.fitted) = (scales, shifts, Some(names));
        Ok(())
    }

    /// Scales a table.
    pub(crate) fn apply(&self, table: &Table) -> Result<Table, LearningError> {
        let names = self.fitted.as_ref().ok_or(LearningError::NotFitted("MinMaxScaler"))?;
        let (low, high) = self.ends();
        replaced(table, names, |index, x| {
            let scaled = x * self.scales[index] + self.shifts[index];
            if self.clipped && !scaled.is_nan() { scaled.clamp(low, high) } else { scaled }
        })
    }

    fn ends(&self) -> (f64, f64) {
        (self.range.first().copied().unwrap_or(0.0), self.range.get(1).copied().unwrap_or(1.0))
    }
}

/// The table with the numbers of some columns changed.
fn replaced(table: &Table, names: &[String], change: impl Fn(usize, f64) -> f64) -> Result<Table, LearningError> {
    for name in names {
        numbers(table, name)?;
    }
    let new = |column: &Column| match (names.iter().position(|n| *n == column.name), &column.values) {
        (Some(index), Values::Numbers(values)) => Column::numbers(column.name.clone(), values.iter().map(|&x| change(index, x)).collect()),
        _ => column.clone(),
    };
    Ok(Table::of(table.columns().iter().map(new).collect(), table.rows()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(values: &[f64]) -> Table {
        Table::new(vec![Column::numbers("x", values.to_vec()), Column::texts("t", vec![None; values.len()])]).unwrap()
    }

    fn xs(table: &Table) -> Vec<f64> {
        numbers(table, "x").unwrap().to_vec()
    }

    #[test]
    fn a_constant_column_is_centred_and_not_blown_up() {
        let mut scaler = StandardScaler::new();
        scaler.fit(&table(&[0.1, 0.1, 0.1])).unwrap();
        assert_eq!(xs(&scaler.transform(&table(&[0.1, 1.1])).unwrap())[1], 1.0);
        let mut scaler = MinMaxScaler::new();
        scaler.fit(&table(&[5.0, 5.0])).unwrap();
        assert_eq!(xs(&scaler.transform(&table(&[5.0, 6.0])).unwrap()), [0.0, 1.0]);
    }

    #[test]
    fn missing_numbers_are_not_learnt_from_and_stay_missing() {
        let mut scaler = MinMaxScaler::new().range(-1.0, 1.0).clipped(true);
        scaler.fit(&table(&[0.0, f64::NAN, 10.0])).unwrap();
        let out = xs(&scaler.transform(&table(&[5.0, f64::NAN, 99.0])).unwrap());
        assert!(out[0] == 0.0 && out[1].is_nan() && out[2] == 1.0, "{out:?}");
        assert_eq!(StandardScaler::new().fit(&table(&[f64::NAN])), Err(LearningError::AllMissing("x".into())));
    }

    #[test]
    fn what_is_not_fitted_says_so() {
        assert_eq!(StandardScaler::new().transform(&table(&[1.0])).unwrap_err(), LearningError::NotFitted("StandardScaler"));
        let mut scaler = StandardScaler::new().columns(["t"]);
        assert!(matches!(scaler.fit(&table(&[1.0])), Err(LearningError::Kind { .. })));
    }
}
