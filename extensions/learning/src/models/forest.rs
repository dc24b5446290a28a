//! Random forests (Breiman 2001) and extremely randomised trees (Geurts 2006): the mean of many trees.
use super::bins::Binned;
use super::grow::Grower;
use super::{Target, Tree};
use crate::{LearningError, Matrix, Random, Stop};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows that one thread predicts at a time.
const CHUNK: usize = 256;

/// Where a column is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Splits {
    /// Where it separates best.
    Best,
    /// At random, the best of the columns that were drawn.
    Random,
}

/// How a forest is trained. The defaults are scikit-learn's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForestSettings {
    pub trees: usize,
    /// Share of the columns that each split looks at; `None` is the square root of their number for classes, all for numbers.
    pub columns: Option<f64>,
    pub rows_in_leaf: usize,
    /// Most splits above a leaf.
    pub depth: Option<usize>,
    pub splits: Splits,
    /// Whether each tree sees rows drawn with repetition.
    pub bootstrap: bool,
    pub seed: u64,
}

impl Default for ForestSettings {
    fn default() -> Self {
        Self { trees: 100, columns: None, rows_in_leaf: 1, depth: None, splits: Splits::Best, bootstrap: true, seed: 0 }
    }
}

impl ForestSettings {
    /// Extremely randomised trees with scikit-learn's defaults.
    pub fn extra_trees() -> Self {
        Self { splits: Splits::Random, bootstrap: false, ..Self::default() }
    }
}

/// A trained forest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forest {
    trees: Vec<Tree>,
    columns: usize,
    outputs: usize,
    /// Added to every number that is predicted.
    #[serde(with = "crate::exact::one")]
    middle: f64,
}

impl Forest {
    /// Trains on columns that may have missing numbers.
    pub fn fit(settings: &ForestSettings, matrix: &Matrix, target: Target, stop: Stop) -> Result<Self, LearningError> {
        target.check(matrix)?;
        if settings.trees == 0 {
            return Err(LearningError::Setting { what: "the number of trees", rule: "at least 1", found: "0".into() });
        }
        let columns = matrix.columns();
        let looked_at = match (settings.columns, target) {
            (Some(share), _) => (share * columns as f64).round() as usize,
            (None, Target::Classes { .. }) => (columns as f64).sqrt() as usize,
            (None, Target::Numbers(_)) => columns,
        };
        // Sums of numbers around 0 lose no digits.
        let middle = match target {
            Target::Numbers(values) => values.iter().sum::<f64>() / values.len() as f64,
            Target::Classes { .. } => 0.0,
        };
        let centred: Vec<f64> = match target {
            Target::Numbers(values) => values.iter().map(|y| y - middle).collect(),
            Target::Classes { .. } => Vec::new(),
        };
        let target = if let Target::Numbers(_) = target { Target::Numbers(&centred) } else { target };
        let binned = Binned::new(matrix);
        let grow = |index: usize| {
            if stop() {
                return Err(LearningError::Stopped);
            }
            let mut random = Random::part(settings.seed, index as u64);
            let rows = matrix.rows();
            let mut weights = vec![if settings.bootstrap { 0.0 } else { 1.0 }; rows];
            if settings.bootstrap {
                (0..rows).for_each(|_| weights[random.below(rows)] += 1.0);
            }
            Ok(Grower { matrix, binned: &binned, target, weights: &weights, settings, looked_at: looked_at.clamp(1, columns.max(1)), random }.grow())
        };
        let trees: Result<Vec<Tree>, LearningError> = (0..settings.trees).into_par_iter().map(grow).collect();
        Ok(Self { trees: trees?, columns, outputs: target.outputs(), middle })
    }

    /// Numbers, or probabilities row by row: the mean over the trees.
    pub fn predict(&self, matrix: &Matrix) -> Result<Vec<f64>, LearningError> {
        crate::error::same_length("the row", self.columns, matrix.columns())?;
        let share = 1.0 / self.trees.len() as f64;
        Ok(by_rows(matrix, self.outputs, |row, out| {
            for tree in &self.trees {
                out.iter_mut().zip(tree.values(row)).for_each(|(sum, value)| *sum += value);
            }
            out.iter_mut().for_each(|sum| *sum = *sum * share + self.middle);
        }))
    }
}

/// Predicts row by row on all cores: `predict` gets a row and zeros to write to.
pub fn by_rows(matrix: &Matrix, outputs: usize, predict: impl Fn(&[f64], &mut [f64]) + Sync) -> Vec<f64> {
    let mut out = vec![0.0; matrix.rows() * outputs];
    out.par_chunks_mut(CHUNK * outputs.max(1)).enumerate().for_each(|(chunk, out)| {
        let mut row = vec![0.0; matrix.columns()];
        for (place, out) in out.chunks_exact_mut(outputs).enumerate() {
            row.iter_mut().enumerate().for_each(|(j, x)| *x = matrix.at(chunk * CHUNK + place, j));
            predict(&row, out);
        }
    });
    out
}
