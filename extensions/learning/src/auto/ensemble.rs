//! Weighs candidates together: greedy selection with repetition (Caruana 2004) on predictions for rows that the models had not seen.
use super::evaluate::Answers;
use crate::LearningError;
use crate::judge::Metric;

/// Candidates that are picked, with repetition; weights are multiples of one over this.
const PICKS: usize = 20;

/// Weights of the candidates, which sum to 1. What is made small is the logarithmic loss or the squared error: smoother than most metrics, so that
/// chance is followed less.
pub fn weigh(candidates: &[&[f64]], answers: &Answers) -> Result<Vec<f64>, LearningError> {
    let smooth = if let Answers::Classes(_) = answers { Metric::LogLoss } else { Metric::Rmse };
    let mut counts = vec![0_usize; candidates.len()];
    let mut sum = vec![0.0; candidates.first().map_or(0, |c| c.len())];
    let mut best_counts = counts.clone();
    let mut best = f64::INFINITY;
    for pick in 1..=PICKS {
        let mut found: Option<(f64, usize)> = None;
        for (index, candidate) in candidates.iter().enumerate() {
            let mean: Vec<f64> = sum.iter().zip(*candidate).map(|(s, c)| (s + c) / pick as f64).collect();
            let loss = answers.judge(smooth, &mean)?;
            if found.is_none_or(|(least, _)| loss < least) {
                found = Some((loss, index));
            }
        }
        let Some((loss, index)) = found else { break };
        counts[index] += 1;
        sum.iter_mut().zip(candidates[index]).for_each(|(s, c)| *s += c);
        if loss < best {
            (best, best_counts) = (loss, counts.clone());
        }
    }
    let total = best_counts.iter().sum::<usize>().max(1) as f64;
    Ok(best_counts.iter().map(|&count| count as f64 / total).collect())
}

/// The weighted mean of predictions.
pub fn mix(candidates: &[&[f64]], weights: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; candidates.first().map_or(0, |c| c.len())];
    for (candidate, weight) in candidates.iter().zip(weights).filter(|(_, w)| **w > 0.0) {
        out.iter_mut().zip(*candidate).for_each(|(o, c)| *o += weight * c);
    }
    out
}
