//! When a trial is given up: the median rule of Google's Vizier (Golovin 2017), as Optuna has it.
use std::collections::BTreeMap;

/// Finished trials before any is given up: the median of fewer says little.
const TRIALS_FIRST: usize = 5;

/// Whether a trial's best so far is worse than the median of what the others had at the same step. Smaller is better.
pub fn behind(reported: &BTreeMap<u64, f64>, step: u64, finished: &[&BTreeMap<u64, f64>]) -> bool {
    let mut others: Vec<f64> = finished.iter().filter_map(|steps| steps.get(&step).copied()).filter(|v| !v.is_nan()).collect();
    if finished.len() < TRIALS_FIRST || others.is_empty() {
        return false;
    }
    let best = reported.values().copied().filter(|v| !v.is_nan()).fold(f64::INFINITY, f64::min);
    best > crate::prepare::median(&mut others)
}
