//! Gradient boosting of small trees on histograms (Friedman 2001; Ke et al. 2017). The defaults are those of scikit-learn's
//! HistGradientBoosting.
use super::bins::Binned;
use super::forest::by_rows;
use super::histogram::Booster;
use super::{Target, Tree, losses, sigmoid, softmax};
use crate::{LearningError, Matrix, Random, Stop, exact, split};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How boosting is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoostingSettings {
    /// Most rounds; each adds one tree, or one for each class when there are more than two.
    pub rounds: usize,
    /// How much of each tree is added.
    pub rate: f64,
    pub leaves: usize,
    pub depth: Option<usize>,
    pub rows_in_leaf: usize,
    /// Penalty on the squares of the leaves' values.
    pub penalty: f64,
    /// Share of the rows that each round sees.
    pub row_share: f64,
    /// Share of the columns that each tree sees; four at least, so that it can join them.
    pub column_share: f64,
    /// Ends when this many rounds made the loss on a tenth of the rows, kept back for that, no smaller.
    pub patience: Option<usize>,
    pub seed: u64,
}

impl Default for BoostingSettings {
    fn default() -> Self {
        Self { rounds: 100, rate: 0.1, leaves: 31, depth: None, rows_in_leaf: 20, penalty: 0.0, row_share: 1.0, column_share: 1.0, patience: None, seed: 0 }
    }
}

/// Columns that each tree sees at least.
const FEWEST_COLUMNS: f64 = 4.0;
/// Share of the rows that decide when to end.
const KEPT_BACK: f64 = 0.1;

/// Trained boosting.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Boosting {
    #[serde(with = "exact")]
    beginning: Vec<f64>,
    /// Round by round, and in it score by score.
    trees: Vec<Tree>,
    columns: usize,
    /// 0 for numbers.
    classes: usize,
}

impl Boosting {
    /// Trains on columns that may have missing numbers.
    pub fn fit(settings: &BoostingSettings, matrix: &Matrix, target: Target, stop: Stop) -> Result<Self, LearningError> {
        target.check(matrix)?;
        settings.check()?;
        let (train, kept_back) = settings.parts(&target)?;
        let total = matrix.rows();
        let binned = Binned::new(matrix);
        let scores = losses::scores(&target);
        let beginning = losses::beginning(&target, &train);
        let mut at: Vec<f64> = beginning.iter().flat_map(|b| std::iter::repeat_n(*b, total)).collect();
        let (mut slope, mut curvature) = (vec![0.0; scores * total], vec![0.0; scores * total]);
        let all_columns: Vec<u32> = (0..matrix.columns() as u32).collect();
        let column_share = settings.column_share.max(FEWEST_COLUMNS / all_columns.len().max(1) as f64);
        let mut random = Random::new(settings.seed);
        let mut trees: Vec<Tree> = Vec::new();
        let (mut best, mut best_round) = (f64::INFINITY, 0);
        for round in 1..=settings.rounds {
            if stop() {
                return Err(LearningError::Stopped);
            }
            losses::slopes(&target, total, &at, &mut slope, &mut curvature);
            let rows = drawn(&train, settings.row_share, &mut random);
            let columns: Vec<usize> = drawn(&all_columns, column_share, &mut random).iter().map(|&c| c as usize).collect();
            let grow = |k: usize| {
                let part = k * total..(k + 1) * total;
                let mut rows = rows.clone();
                let booster = Booster { binned: &binned, slope: &slope[part.clone()], curvature: &curvature[part], columns: &columns, settings };
                let (tree, leaves) = booster.grow(&mut rows);
                (tree, leaves, rows)
            };
            let grown: Vec<_> = (0..scores).into_par_iter().map(grow).collect();
            let whole = rows.len() == total;
            let grew = grown.iter().any(|(tree, ..)| tree.leaves() > 1);
            for (k, (tree, leaves, rows)) in grown.into_iter().enumerate() {
                let at = &mut at[k * total..(k + 1) * total];
                if whole {
                    for (start, end, value) in leaves {
                        rows[start..end].iter().for_each(|&row| at[row as usize] += value);
                    }
                } else {
                    at.iter_mut().zip(by_rows(matrix, 1, |row, out| out[0] = tree.values(row)[0])).for_each(|(a, v)| *a += v);
                }
                trees.push(tree);
            }
            if !grew && settings.row_share >= 1.0 && column_share >= 1.0 {
                break;
            }
            if let Some(patience) = settings.patience {
                let loss = losses::mean_loss(&target, total, &kept_back, &at);
                if loss < best {
                    (best, best_round) = (loss, round);
                } else if round - best_round >= patience {
                    break;
                }
            }
        }
        if settings.patience.is_some() {
            trees.truncate(best_round.max(1) * scores);
        }
        let classes = if let Target::Classes { count, .. } = target { count } else { 0 };
        Ok(Self { beginning, trees, columns: matrix.columns(), classes })
    }

    /// Rounds that were kept.
    pub fn rounds(&self) -> usize {
        self.trees.len() / self.beginning.len().max(1)
    }

    /// Numbers, or probabilities row by row.
    pub fn predict(&self, matrix: &Matrix) -> Result<Vec<f64>, LearningError> {
        crate::error::same_length("the row", self.columns, matrix.columns())?;
        let scores = self.beginning.len();
        let raw = |row: &[f64], out: &mut [f64]| {
            out.copy_from_slice(&self.beginning);
            self.trees.iter().enumerate().for_each(|(index, tree)| out[index % scores] += tree.values(row)[0]);
        };
        let mut out = by_rows(matrix, scores, raw);
        if self.classes == 2 {
            return Ok(out.into_iter().flat_map(|z| [sigmoid(-z), sigmoid(z)]).collect());
        }
        if self.classes == 1 {
            out.fill(1.0);
        }
        if self.classes > 2 {
            out.chunks_exact_mut(scores).for_each(softmax);
        }
        Ok(out)
    }
}

impl BoostingSettings {
    fn check(&self) -> Result<(), LearningError> {
        let share = |x: f64| x > 0.0 && x <= 1.0;
        let refused = |what, rule, found: String| Err(LearningError::Setting { what, rule, found });
        match self {
            s if s.rounds == 0 => refused("the number of rounds", "at least 1", "0".into()),
            s if s.leaves < 2 => refused("the number of leaves", "at least 2", s.leaves.to_string()),
            s if !share(s.rate) => refused("the rate", "above 0 and at most 1", s.rate.to_string()),
            s if !share(s.row_share) || !share(s.column_share) => refused("the share of rows or columns", "above 0 and at most 1", format!("{} and {}", s.row_share, s.column_share)),
            s if s.penalty.is_nan() || s.penalty < 0.0 => refused("the penalty", "0 or more", s.penalty.to_string()),
            _ => Ok(()),
        }
    }

    /// Rows to learn from, and those that decide when to end.
    fn parts(&self, target: &Target) -> Result<(Vec<u32>, Vec<u32>), LearningError> {
        let numbers = |rows: Vec<usize>| rows.into_iter().map(|r| r as u32).collect();
        if self.patience.is_none() {
            return Ok((numbers((0..target.rows()).collect()), Vec::new()));
        }
        let classes = if let Target::Classes { codes, .. } = target { Some(*codes) } else { None };
        let parts = split::train_test(target.rows(), KEPT_BACK, classes, self.seed).or_else(|_| split::train_test(target.rows(), KEPT_BACK, None, self.seed))?;
        let mut train: Vec<u32> = numbers(parts.train);
        train.sort_unstable();
        Ok((train, numbers(parts.test)))
    }
}

/// A share of a list without repetition, in its order.
fn drawn(all: &[u32], share: f64, random: &mut Random) -> Vec<u32> {
    if share >= 1.0 {
        return all.to_vec();
    }
    let count = ((all.len() as f64 * share).round() as usize).clamp(1, all.len().max(1));
    let mut list = all.to_vec();
    random.shuffle(&mut list);
    list.truncate(count);
    list.sort_unstable();
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::never;

    fn wave(rows: usize) -> (Matrix, Vec<f64>) {
        let mut random = Random::new(3);
        let x: Vec<f64> = (0..rows).map(|_| random.unit() * 10.0).collect();
        let y = x.iter().map(|x| if x.is_nan() { 5.0 } else { x.sin() }).collect();
        (Matrix::new(rows, vec!["x".into()], x).unwrap(), y)
    }

    #[test]
    fn a_wave_is_learnt_and_missing_numbers_find_their_side() {
        let (matrix, mut y) = wave(2_000);
        let mut x = matrix.column(0).to_vec();
        (0..200).for_each(|i| (x[i * 10], y[i * 10]) = (f64::NAN, 5.0));
        let matrix = Matrix::new(2_000, vec!["x".into()], x).unwrap();
        let model = Boosting::fit(&BoostingSettings::default(), &matrix, Target::Numbers(&y), &never).unwrap();
        let out = model.predict(&matrix).unwrap();
        let worst = out.iter().zip(&y).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 0.15, "{worst}");
    }

    #[test]
    fn a_seed_decides_all_and_a_saved_model_predicts_the_same() {
        let (matrix, y) = wave(500);
        let codes: Vec<usize> = y.iter().map(|y| usize::from(*y > 0.3) + usize::from(*y > -0.3)).collect();
        let settings = BoostingSettings { rounds: 20, row_share: 0.7, patience: Some(5), seed: 9, ..Default::default() };
        let fit = || Boosting::fit(&settings, &matrix, Target::Classes { codes: &codes, count: 3 }, &never).unwrap();
        let (one, other) = (fit(), fit());
        let out = one.predict(&matrix).unwrap();
        assert_eq!(out, other.predict(&matrix).unwrap());
        let saved: Boosting = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert_eq!(out, saved.predict(&matrix).unwrap());
        assert!(out.chunks_exact(3).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    }

    #[test]
    fn it_ends_when_it_is_told_to() {
        let (matrix, y) = wave(100);
        let error = Boosting::fit(&BoostingSettings::default(), &matrix, Target::Numbers(&y), &|| true).unwrap_err();
        assert_eq!(error, LearningError::Stopped);
    }
}
