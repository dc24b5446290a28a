//! Judgements as charts.
use crate::frames::frame;
use ochre_learning::LearningError;
use ochre_learning::judge::{ConfusionMatrix, PrecisionRecallCurve, RocCurve};
use ochre_plots::{Chart, plot};
use polars::prelude::{Column, DataFrame};

fn text(name: &str, values: Vec<String>) -> Column {
    Column::new(name.into(), values)
}

fn numbers(name: &str, values: Vec<f64>) -> Column {
    Column::new(name.into(), values)
}

/// Counts as a heat map: true classes down, predicted ones across.
pub fn confusion(matrix: &ConfusionMatrix) -> Result<Chart, LearningError> {
    let (mut truth, mut predicted, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (t, counts) in matrix.counts.iter().enumerate() {
        for (p, &count) in counts.iter().enumerate() {
            truth.push(matrix.classes[t].clone());
            predicted.push(matrix.classes[p].clone());
            rows.push(count as f64);
        }
    }
    let frame = frame(vec![text("true", truth), text("predicted", predicted), numbers("rows", rows)])?;
    Ok(plot(&frame).heatmap("predicted", "true", "rows").title(format!("accuracy {:.4}", matrix.accuracy())))
}

/// Curves of one or more classes, with the diagonal of chance.
pub fn roc(curves: &[(String, &RocCurve)]) -> Result<Chart, LearningError> {
    let points = curves.iter().map(|(name, c)| (format!("{name} (area {:.4})", c.area), c.false_positive_rate.clone(), c.true_positive_rate.clone()));
    let chance = ("chance".to_owned(), vec![0.0, 1.0], vec![0.0, 1.0]);
    let lines: Vec<_> = points.chain([chance]).collect();
    lines_of(lines, ["false positive rate", "true positive rate"], "receiver operating characteristic")
}

/// Precision against recall, of one or more classes.
pub fn precision_recall(curves: &[(String, &PrecisionRecallCurve)]) -> Result<Chart, LearningError> {
    let lines = curves.iter().map(|(name, c)| (format!("{name} (average {:.4})", c.average_precision), c.recall.clone(), c.precision.clone())).collect();
    lines_of(lines, ["recall", "precision"], "precision and recall")
}

fn lines_of(lines: Vec<(String, Vec<f64>, Vec<f64>)>, axes: [&str; 2], title: &str) -> Result<Chart, LearningError> {
    let (mut names, mut xs, mut ys) = (Vec::new(), Vec::new(), Vec::new());
    for (name, x, y) in lines {
        names.extend(std::iter::repeat_n(name, x.len()));
        xs.extend(x);
        ys.extend(y);
    }
    let frame: DataFrame = frame(vec![text("curve", names), numbers(axes[0], xs), numbers(axes[1], ys)])?;
    Ok(plot(&frame).line(axes[0], axes[1]).color("curve").title(title))
}
