//! How much worse predictions get when one column's values are shuffled (Breiman 2001), on rows that the models had not seen.
use super::evaluate::Data;
use super::saved::Trained;
use crate::{Column, LearningError, Random, Stop, Table};
use rayon::prelude::*;

/// Shuffles of each column.
const REPEATS: usize = 5;

/// What a column is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    pub column: String,
    /// How much worse the metric is without the column's order; near 0 or below: the column is of no use to the model.
    pub mean: f64,
    /// Standard deviation over shuffles and parts.
    pub deviation: f64,
}

/// The importance of every column for models that were each trained on the other rows of a part; most important first.
pub fn permutation(data: &Data, models: &[(usize, Trained)], seed: u64, stop: Stop) -> Result<Vec<Importance>, LearningError> {
    let count = data.table.columns().len();
    let tests: Vec<(Table, super::evaluate::Answers, f64, &Trained)> = models
        .iter()
        .map(|(part, model)| {
            let rows = &data.parts[*part].test;
            let (table, answers) = (data.table.take(rows), data.answers.take(rows));
            let score = answers.judge(data.metric, &model.raw(&table)?)?;
            Ok((table, answers, score, model))
        })
        .collect::<Result<_, LearningError>>()?;
    let one = |place: usize| {
        let mut losses = Vec::new();
        for (table, answers, score, model) in &tests {
            for repeat in 0..REPEATS {
                if stop() {
                    return Err(LearningError::Stopped);
                }
                let mut order: Vec<usize> = (0..table.rows()).collect();
                Random::part(seed, (place * REPEATS + repeat) as u64).shuffle(&mut order);
                let mut columns = table.columns().to_vec();
                columns[place] = Column { name: columns[place].name.clone(), values: columns[place].values.take(&order) };
                let shuffled = answers.judge(data.metric, &model.raw(&Table::of(columns, table.rows()))?)?;
                losses.push(data.metric.gain(*score) - data.metric.gain(shuffled));
            }
        }
        let mean = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
        let deviation = (losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / losses.len().max(1) as f64).sqrt();
        Ok(Importance { column: data.table.columns()[place].name.clone(), mean, deviation })
    };
    let mut found: Vec<Importance> = (0..count).into_par_iter().map(one).collect::<Result<_, LearningError>>()?;
    found.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    Ok(found)
}
