//! One number by which candidates are compared.
use super::{RegressionReport, average_precision, roc_auc};
use super::classification::ConfusionMatrix;
use crate::LearningError;
use serde::{Deserialize, Serialize};

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// One of some classes.
    Classification,
    /// A number.
    Regression,
}

impl Task {
    pub fn name(self) -> &'static str {
        match self {
            Task::Classification => "classification",
            Task::Regression => "regression",
        }
    }
}

/// A metric with the direction in which it is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metric {
    Accuracy,
    BalancedAccuracy,
    F1,
    LogLoss,
    RocAuc,
    AveragePrecision,
    R2,
    Rmse,
    Mae,
}

/// Smallest probability whose logarithm is taken: the precision of the numbers, as in scikit-learn.
const LEAST: f64 = f64::EPSILON;

impl Metric {
    const ALL: [Metric; 9] =
        [Metric::Accuracy, Metric::BalancedAccuracy, Metric::F1, Metric::LogLoss, Metric::RocAuc, Metric::AveragePrecision, Metric::R2, Metric::Rmse, Metric::Mae];

    /// What users write: `accuracy`, `roc_auc`, `rmse`.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::BalancedAccuracy => "balanced_accuracy",
            Metric::F1 => "f1",
            Metric::LogLoss => "log_loss",
            Metric::RocAuc => "roc_auc",
            Metric::AveragePrecision => "average_precision",
            Metric::R2 => "r2",
            Metric::Rmse => "rmse",
            Metric::Mae => "mae",
        }
    }

    pub fn task(self) -> Task {
        if matches!(self, Metric::R2 | Metric::Rmse | Metric::Mae) { Task::Regression } else { Task::Classification }
    }

    /// Whether a larger value is better.
    pub fn larger_is_better(self) -> bool {
        !matches!(self, Metric::LogLoss | Metric::Rmse | Metric::Mae)
    }

    /// The metric of a task when none is named.
    pub fn usual(task: Task) -> Self {
        if task == Task::Classification { Metric::Accuracy } else { Metric::R2 }
    }

    /// The metric that a user named.
    pub fn parse(name: &str, task: Task) -> Result<Self, LearningError> {
        let of_task = || Self::ALL.into_iter().filter(|m| m.task() == task);
        of_task().find(|m| m.name() == name).ok_or_else(|| LearningError::NoMetric {
            name: name.into(),
            task: task.name(),
            known: of_task().map(Self::name).collect::<Vec<_>>().join(", "),
        })
    }

    /// The value with its sign turned where smaller is better, so that larger always is.
    pub fn gain(self, value: f64) -> f64 {
        if self.larger_is_better() { value } else { -value }
    }

    /// Judges predictions of classes: `probabilities` is rows by classes.
    pub fn classes(self, codes: &[usize], classes: usize, probabilities: &[f64]) -> Result<f64, LearningError> {
        crate::error::same_length("the list of probabilities", codes.len() * classes, probabilities.len())?;
        let confusion = || ConfusionMatrix::of_codes((0..classes).map(|c| c.to_string()).collect(), codes, &likeliest(probabilities, classes));
        match self {
            Metric::Accuracy => Ok(confusion().accuracy()),
            Metric::BalancedAccuracy => Ok(confusion().balanced_accuracy()),
            Metric::F1 => {
                let report = confusion().report();
                Ok(if classes == 2 { report.classes[1].f1 } else { report.macro_average.f1 })
            }
            Metric::LogLoss => Ok(log_loss(codes, classes, probabilities)),
            Metric::RocAuc => roc_auc(codes, classes, probabilities),
            Metric::AveragePrecision => average_precision(codes, classes, probabilities),
            _ => Err(self.misused(Task::Classification)),
        }
    }

    /// Judges predicted numbers.
    pub fn numbers(self, truth: &[f64], predicted: &[f64]) -> Result<f64, LearningError> {
        let report = RegressionReport::new(truth, predicted)?;
        match self {
            Metric::R2 => Ok(report.r2),
            Metric::Rmse => Ok(report.root_mean_squared_error),
            Metric::Mae => Ok(report.mean_absolute_error),
            _ => Err(self.misused(Task::Regression)),
        }
    }

    fn misused(self, task: Task) -> LearningError {
        let known = Self::ALL.into_iter().filter(|m| m.task() == task).map(Self::name).collect::<Vec<_>>().join(", ");
        LearningError::NoMetric { name: self.name().into(), task: task.name(), known }
    }
}

/// The class with the highest probability in each row; of several the first.
pub(crate) fn likeliest(probabilities: &[f64], classes: usize) -> Vec<usize> {
    let best = |row: &[f64]| (1..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    probabilities.chunks_exact(classes.max(1)).map(best).collect()
}

fn log_loss(codes: &[usize], classes: usize, probabilities: &[f64]) -> f64 {
    let row_loss = |(row, &code): (&[f64], &usize)| {
        let total: f64 = row.iter().sum();
        -(row[code] / total).clamp(LEAST, 1.0 - LEAST).ln()
    };
    probabilities.chunks_exact(classes).zip(codes).map(row_loss).sum::<f64>() / codes.len() as f64
}
