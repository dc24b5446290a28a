//! What each threshold on a score means: receiver operating characteristic and precision against recall.
use crate::LearningError;
use serde::Serialize;

/// True and false positives at each distinct score, from the highest down.
struct Steps {
    true_positives: Vec<f64>,
    false_positives: Vec<f64>,
    scores: Vec<f64>,
}

fn steps(truth: &[bool], scores: &[f64]) -> Result<Steps, LearningError> {
    crate::error::same_length("the list of scores", truth.len(), scores.len())?;
    if truth.is_empty() {
        return Err(LearningError::NoRows);
    }
    let missing = scores.iter().filter(|s| s.is_nan()).count();
    if missing > 0 {
        return Err(LearningError::Missing { column: "scores".into(), rows: missing });
    }
    let mut order: Vec<usize> = (0..truth.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut steps = Steps { true_positives: Vec::new(), false_positives: Vec::new(), scores: Vec::new() };
    let (mut hits, mut misses) = (0.0, 0.0);
    for (place, &row) in order.iter().enumerate() {
        if truth[row] { hits += 1.0 } else { misses += 1.0 }
        if order.get(place + 1).is_none_or(|&next| scores[next] != scores[row]) {
            steps.true_positives.push(hits);
            steps.false_positives.push(misses);
            steps.scores.push(scores[row]);
        }
    }
    Ok(steps)
}

/// The area below a line through points, by trapezoids.
fn area(x: &[f64], y: &[f64]) -> f64 {
    (1..x.len()).map(|i| (x[i] - x[i - 1]) * (y[i] + y[i - 1]) / 2.0).sum()
}

/// The receiver operating characteristic: share of the negatives that are taken for positive, and of the positives that are found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RocCurve {
    pub false_positive_rate: Vec<f64>,
    pub true_positive_rate: Vec<f64>,
    /// What a score must reach at each point; the first is infinite.
    pub thresholds: Vec<f64>,
    /// The area below: 1 is perfect, 0.5 is chance.
    pub area: f64,
}

impl RocCurve {
    /// The curve of scores that are higher for `true`. Points on a straight line between others are left out.
    ///
    /// # Errors
    /// The lists differ in length or are empty, a score is NaN, or only one of true and false is there.
    pub fn new(truth: &[bool], scores: &[f64]) -> Result<Self, LearningError> {
        let steps = steps(truth, scores)?;
        let (positives, negatives) = both(truth)?;
        let last = steps.scores.len() - 1;
        let bend = |i: usize, of: &[f64]| of[i + 1] - of[i] != of[i] - of[i - 1];
        let kept = (0..=last).filter(|&i| i == 0 || i == last || bend(i, &steps.false_positives) || bend(i, &steps.true_positives));
        let mut curve = RocCurve { false_positive_rate: vec![0.0], true_positive_rate: vec![0.0], thresholds: vec![f64::INFINITY], area: 0.0 };
        for i in kept {
            curve.false_positive_rate.push(steps.false_positives[i] / negatives);
            curve.true_positive_rate.push(steps.true_positives[i] / positives);
            curve.thresholds.push(steps.scores[i]);
        }
        curve.area = area(&curve.false_positive_rate, &curve.true_positive_rate);
        Ok(curve)
    }
}

fn both(truth: &[bool]) -> Result<(f64, f64), LearningError> {
    let positives = truth.iter().filter(|t| **t).count();
    if positives == 0 || positives == truth.len() {
        return Err(LearningError::OneClass((positives > 0).to_string()));
    }
    Ok((positives as f64, (truth.len() - positives) as f64))
}

/// Precision against recall, from the threshold that takes all rows to none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrecisionRecallCurve {
    /// One more than thresholds: the last is 1, where nothing is taken.
    pub precision: Vec<f64>,
    /// One more than thresholds: the last is 0.
    pub recall: Vec<f64>,
    /// What a score must reach at each point, rising.
    pub thresholds: Vec<f64>,
    /// Mean precision weighted by the gain in recall.
    pub average_precision: f64,
}

impl PrecisionRecallCurve {
    /// The curve of scores that are higher for `true`.
    ///
    /// # Errors
    /// The lists differ in length or are empty, a score is NaN, or nothing is true.
    pub fn new(truth: &[bool], scores: &[f64]) -> Result<Self, LearningError> {
        let steps = steps(truth, scores)?;
        let positives = truth.iter().filter(|t| **t).count() as f64;
        if positives == 0.0 {
            return Err(LearningError::OneClass("false".into()));
        }
        let precision_at = |i: usize| steps.true_positives[i] / (steps.true_positives[i] + steps.false_positives[i]);
        let mut curve = PrecisionRecallCurve { precision: Vec::new(), recall: Vec::new(), thresholds: Vec::new(), average_precision: 0.0 };
        for i in (0..steps.scores.len()).rev() {
            curve.precision.push(precision_at(i));
            curve.recall.push(steps.true_positives[i] / positives);
            curve.thresholds.push(steps.scores[i]);
        }
        curve.precision.push(1.0);
        curve.recall.push(0.0);
        curve.average_precision = (1..curve.recall.len()).map(|i| (curve.recall[i - 1] - curve.recall[i]) * curve.precision[i - 1]).sum();
        Ok(curve)
    }
}

/// The area below the receiver operating characteristic. `probabilities` is rows by classes; with more than two classes it is the mean over the
/// classes, each against the rest.
pub fn roc_auc(codes: &[usize], classes: usize, probabilities: &[f64]) -> Result<f64, LearningError> {
    each_class(codes, classes, probabilities, |truth, scores| RocCurve::new(truth, scores).map(|c| c.area))
}

/// The mean precision over the curve, of the second class or the mean over all when there are more than two.
pub fn average_precision(codes: &[usize], classes: usize, probabilities: &[f64]) -> Result<f64, LearningError> {
    each_class(codes, classes, probabilities, |truth, scores| PrecisionRecallCurve::new(truth, scores).map(|c| c.average_precision))
}

fn each_class(codes: &[usize], classes: usize, probabilities: &[f64], area: impl Fn(&[bool], &[f64]) -> Result<f64, LearningError>) -> Result<f64, LearningError> {
    crate::error::same_length("the list of probabilities", codes.len() * classes, probabilities.len())?;
    let of = |class: usize| {
        let truth: Vec<bool> = codes.iter().map(|&c| c == class).collect();
        let scores: Vec<f64> = probabilities.chunks_exact(classes).map(|row| row[class]).collect();
        area(&truth, &scores)
    };
    if classes == 2 {
        return of(1);
    }
    let areas: Result<Vec<f64>, LearningError> = (0..classes).map(of).collect();
    Ok(areas?.iter().sum::<f64>() / classes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_example() {
        // scikit-learn's own documentation has these numbers.
        let (truth, scores) = ([false, false, true, true], [0.1, 0.4, 0.35, 0.8]);
        let roc = RocCurve::new(&truth, &scores).unwrap();
        assert_eq!(roc.false_positive_rate, [0.0, 0.0, 0.5, 0.5, 1.0]);
        assert_eq!(roc.true_positive_rate, [0.0, 0.5, 0.5, 1.0, 1.0]);
        assert_eq!((roc.thresholds[0], &roc.thresholds[1..]), (f64::INFINITY, &[0.8, 0.4, 0.35, 0.1][..]));
        assert_eq!(roc.area, 0.75);
        let curve = PrecisionRecallCurve::new(&truth, &scores).unwrap();
        assert_eq!(curve.recall, [1.0, 1.0, 0.5, 0.5, 0.0]);
        assert!((curve.average_precision - 0.8333333333333333).abs() < 1e-15);
    }

    #[test]
    fn one_class_alone_has_no_curve() {
        assert!(matches!(RocCurve::new(&[true, true], &[0.1, 0.2]), Err(LearningError::OneClass(_))));
        assert!(PrecisionRecallCurve::new(&[false], &[0.1]).is_err());
        assert!(RocCurve::new(&[true, false], &[f64::NAN, 0.2]).is_err());
    }
}
