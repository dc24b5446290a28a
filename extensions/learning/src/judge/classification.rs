//! Which classes are taken for which, and what that means for each.
use super::classes::code_pair;
use crate::{LearningError, Values};
use serde::Serialize;

/// How many rows of each class (down) were predicted as each class (across).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfusionMatrix {
    /// Names of the classes, sorted.
    pub classes: Vec<String>,
    /// `counts[truth][predicted]`.
    pub counts: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// Counts pairs of what is true and what was predicted.
    ///
    /// # Errors
    /// The lists differ in length, are empty or lack values.
    pub fn new(truth: &Values, predicted: &Values) -> Result<Self, LearningError> {
        let (classes, truth, predicted) = code_pair(truth, predicted)?;
        Ok(Self::of_codes(classes, &truth, &predicted))
    }

    /// Counts pairs of class numbers below `classes.len()`.
    pub fn of_codes(classes: Vec<String>, truth: &[usize], predicted: &[usize]) -> Self {
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for (&t, &p) in truth.iter().zip(predicted) {
            counts[t][p] += 1;
        }
        Self { classes, counts }
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Share of the rows that were predicted right.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes.len()).map(|c| self.counts[c][c]).sum();
        right as f64 / self.total() as f64
    }

    /// Mean over the classes of the share that was predicted right.
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls: Vec<f64> = (0..self.classes.len()).filter(|&c| self.true_of(c) > 0).map(|c| self.counts[c][c] as f64 / self.true_of(c) as f64).collect();
        recalls.iter().sum::<f64>() / recalls.len() as f64
    }

    /// Matthews' correlation coefficient: 1 is all right, 0 is chance.
    pub fn matthews(&self) -> f64 {
        let n = self.total() as f64;
        let right: f64 = (0..self.classes.len()).map(|c| self.counts[c][c] as f64).sum();
        let (mut cross, mut truths, mut predictions) = (0.0, 0.0, 0.0);
        for class in 0..self.classes.len() {
            let (t, p) = (self.true_of(class) as f64, self.predicted_as(class) as f64);
            cross += t * p;
            truths += t * t;
            predictions += p * p;
        }
        let below = (n * n - predictions) * (n * n - truths);
        if below == 0.0 { 0.0 } else { (right * n - cross) / below.sqrt() }
    }

    fn true_of(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    fn predicted_as(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// Precision, recall and F1 of each class.
    pub fn report(&self) -> ClassificationReport {
        let ratio = |a: u64, b: u64| if b == 0 { 0.0 } else { a as f64 / b as f64 };
        let line = |class: usize| {
            let right = self.counts[class][class];
            let (precision, recall) = (ratio(right, self.predicted_as(class)), ratio(right, self.true_of(class)));
            let f1 = ratio(2 * right, self.predicted_as(class) + self.true_of(class));
            ClassReport { name: self.classes[class].clone(), precision, recall, f1, support: self.true_of(class) }
        };
        let classes: Vec<ClassReport> = (0..self.classes.len()).map(line).collect();
        let (macro_average, weighted_average) = (average("macro avg", &classes, |_| 1.0), average("weighted avg", &classes, |c| c.support as f64));
        ClassificationReport { classes, accuracy: self.accuracy(), macro_average, weighted_average }
    }
}

fn average(name: &str, classes: &[ClassReport], weight: impl Fn(&ClassReport) -> f64) -> ClassReport {
    let total: f64 = classes.iter().map(&weight).sum();
    let mean = |of: fn(&ClassReport) -> f64| classes.iter().map(|c| of(c) * weight(c)).sum::<f64>() / total;
    ClassReport {
        name: name.into(),
        precision: mean(|c| c.precision),
        recall: mean(|c| c.recall),
        f1: mean(|c| c.f1),
        support: classes.iter().map(|c| c.support).sum(),
    }
}

/// One line of a classification report. Where nothing can be divided by, the value is 0, as in scikit-learn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    pub name: String,
    /// Of what was predicted as this class, the share that is.
    pub precision: f64,
    /// Of what is this class, the share that was predicted so.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Rows of this class.
    pub support: u64,
}

/// Precision, recall and F1 of each class and over all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassificationReport {
    pub classes: Vec<ClassReport>,
    pub accuracy: f64,
    pub macro_average: ClassReport,
    pub weighted_average: ClassReport,
}

impl ClassificationReport {
    /// A report of what is true and what was predicted.
    pub fn new(truth: &Values, predicted: &Values) -> Result<Self, LearningError> {
        Ok(ConfusionMatrix::new(truth, predicted)?.report())
    }
}
