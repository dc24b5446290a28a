//! Cross-validation of one candidate: preparation and model are fitted on the training rows of each part alone.
use super::saved::Member;
use crate::judge::{Coded, Metric, Task};
use crate::models::{Settings, Target};
use crate::prepare::Preparation;
use crate::split::Split;
use crate::{LearningError, Stop, Table, Values};
use rayon::prelude::*;

/// The data of a search.
pub struct Data<'a> {
    pub table: &'a Table,
    pub answers: Answers,
    pub parts: Vec<Split>,
    pub metric: Metric,
}

/// What is to be predicted.
pub enum Answers {
    Classes(Coded),
    Numbers(Vec<f64>),
}

impl Answers {
    pub fn task(&self) -> Task {
        if let Answers::Classes(_) = self { Task::Classification } else { Task::Regression }
    }

    /// Numbers that are predicted for a row.
    pub fn outputs(&self) -> usize {
        match self {
            Answers::Classes(coded) => coded.classes.len(),
            Answers::Numbers(_) => 1,
        }
    }

    pub fn take(&self, rows: &[usize]) -> Answers {
        match self {
            Answers::Classes(coded) => Answers::Classes(Coded { classes: coded.classes.clone(), codes: rows.iter().map(|&r| coded.codes[r]).collect() }),
            Answers::Numbers(values) => Answers::Numbers(rows.iter().map(|&r| values[r]).collect()),
        }
    }

    pub fn target(&self) -> Target<'_> {
        match self {
            Answers::Classes(coded) => Target::Classes { codes: &coded.codes, count: coded.classes.len() },
            Answers::Numbers(values) => Target::Numbers(values),
        }
    }

    /// Judges predictions for these rows.
    pub fn judge(&self, metric: Metric, predicted: &[f64]) -> Result<f64, LearningError> {
        match self {
            Answers::Classes(coded) => metric.classes(&coded.codes, coded.classes.len(), predicted),
            Answers::Numbers(values) => metric.numbers(values, predicted),
        }
    }

    pub fn values(&self) -> Values {
        match self {
            Answers::Classes(coded) => Values::Texts(coded.codes.iter().map(|&c| Some(coded.classes[c].clone())).collect()),
            Answers::Numbers(values) => Values::Numbers(values.clone()),
        }
    }
}

/// What cross-validation found.
pub struct Evaluated {
    /// A prediction for each row by a model that had not seen it, row by row.
    pub predicted: Vec<f64>,
    /// The metric in each part.
    pub scores: Vec<f64>,
}

/// Fits a preparation and a model on a table.
pub fn fit(settings: &Settings, table: &Table, answers: &Answers, stop: Stop) -> Result<Member, LearningError> {
    let pipeline = Preparation::automatic(table, settings.wants_scaling());
    let (preparation, matrix) = Preparation::fit(pipeline, table)?;
    Ok(Member { weight: 1.0, model: settings.fit(&matrix, answers.target(), stop)?, preparation })
}

/// Cross-validates a candidate.
pub fn evaluate(data: &Data, settings: &Settings, stop: Stop) -> Result<Evaluated, LearningError> {
    let outputs = data.answers.outputs();
    let one = |part: &Split| {
        let member = fit(settings, &data.table.take(&part.train), &data.answers.take(&part.train), stop)?;
        let predicted = member.raw(&data.table.take(&part.test))?;
        let score = data.answers.take(&part.test).judge(data.metric, &predicted)?;
        Ok((predicted, score))
    };
    let parts: Result<Vec<(Vec<f64>, f64)>, LearningError> = data.parts.par_iter().map(one).collect();
    let mut out = Evaluated { predicted: vec![0.0; data.table.rows() * outputs], scores: Vec::new() };
    for ((predicted, score), part) in parts?.into_iter().zip(&data.parts) {
        for (place, &row) in part.test.iter().enumerate() {
            out.predicted[row * outputs..(row + 1) * outputs].copy_from_slice(&predicted[place * outputs..(place + 1) * outputs]);
        }
        out.scores.push(score);
    }
    Ok(out)
}
