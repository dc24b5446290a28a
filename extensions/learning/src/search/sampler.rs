//! Who proposes trials: at random, all combinations, or Parzen estimators of the crate `tpe`.
use super::space::{Parameter, Setting, Space, Strategy};
use crate::Random;
use tpe::TpeOptimizer;

/// Random trials before the estimators propose: with fewer they would follow chance.
const RANDOM_FIRST: usize = 10;
/// Combinations of a grid that are counted at most.
const LARGEST_GRID: usize = 10_000_000;

/// Proposes trials in numbers: one coordinate per parameter, which [`setting`] turns into a value.
pub struct Sampler {
    random: Random,
    estimators: Vec<TpeOptimizer>,
    told: usize,
    asked: usize,
}

impl Sampler {
    pub fn new(space: &Space) -> Self {
        let estimators = if space.strategy == Strategy::Tpe { space.parameters.iter().filter_map(|(_, p)| estimator(p)).collect() } else { Vec::new() };
        Self { random: Random::new(space.seed), estimators, told: 0, asked: 0 }
    }

    /// The coordinates of the next trial; `None` when a grid is at its end.
    pub fn ask(&mut self, space: &Space) -> Option<Vec<f64>> {
        let number = self.asked;
        self.asked += 1;
        match space.strategy {
            Strategy::Grid(points) => combination(space, points, number),
            Strategy::Tpe if self.told >= RANDOM_FIRST && self.estimators.len() == space.parameters.len() => {
                let random = self.random.inner();
                let asked: Result<Vec<f64>, _> = self.estimators.iter_mut().map(|e| e.ask(random)).collect();
                Some(asked.unwrap_or_else(|_| at_random(space, &mut self.random)))
            }
            _ => Some(at_random(space, &mut self.random)),
        }
    }

    /// What a trial gave; smaller is better.
    pub fn tell(&mut self, coordinates: &[f64], loss: f64) {
        if loss.is_nan() {
            return;
        }
        self.told += 1;
        for (estimator, &coordinate) in self.estimators.iter_mut().zip(coordinates) {
            // A coordinate that it proposed, or that was drawn from the same range, is within it.
            let _ = estimator.tell(coordinate, loss);
        }
    }
}

/// Ends of a parameter's coordinate: the upper one is never reached.
fn ends(parameter: &Parameter) -> (f64, f64) {
    match parameter {
        Parameter::Float { low, high, log: false } => (*low, *high),
        Parameter::Float { low, high, log: true } => (low.ln(), high.ln()),
        // Half a step beyond both ends, so that the whole numbers at the ends are as likely as others.
        Parameter::Int { low, high, log: false } => (*low as f64 - 0.5, *high as f64 + 0.5),
        Parameter::Int { low, high, log: true } => ((*low as f64 - 0.5).ln(), (*high as f64 + 0.5).ln()),
        Parameter::Choice(choices) => (0.0, choices.len() as f64),
    }
}

fn estimator(parameter: &Parameter) -> Option<TpeOptimizer> {
    match parameter {
        Parameter::Choice(choices) => Some(TpeOptimizer::new(tpe::histogram_estimator(), tpe::categorical_range(choices.len()).ok()?)),
        _ => {
            let (low, high) = ends(parameter);
            Some(TpeOptimizer::new(tpe::parzen_estimator(), tpe::range(low, high).ok()?))
        }
    }
}

fn at_random(space: &Space, random: &mut Random) -> Vec<f64> {
    let draw = |(_, parameter): &(String, Parameter)| {
        let (low, high) = ends(parameter);
        let drawn = low + random.unit() * (high - low);
        if let Parameter::Choice(_) = parameter { drawn.floor() } else { drawn }
    };
    space.parameters.iter().map(draw).collect()
}

/// The values that a grid has of a parameter.
fn points(parameter: &Parameter, count: usize) -> Vec<f64> {
    let (low, high) = ends(parameter);
    match parameter {
        Parameter::Choice(choices) => (0..choices.len()).map(|i| i as f64).collect(),
        Parameter::Int { low, high, log: false } if ((high - low) as usize) < count => (*low..=*high).map(|i| i as f64).collect(),
        Parameter::Float { .. } if count > 1 => (0..count).map(|i| low + (high - low) * i as f64 / (count - 1) as f64).collect(),
        _ => (0..count).map(|i| low + (high - low) * (i as f64 + 0.5) / count as f64).collect(),
    }
}

fn combination(space: &Space, count: usize, number: usize) -> Option<Vec<f64>> {
    let lists: Vec<Vec<f64>> = space.parameters.iter().map(|(_, p)| points(p, count)).collect();
    let size = lists.iter().try_fold(1_usize, |size, list| size.checked_mul(list.len()).filter(|s| *s <= LARGEST_GRID));
    if number >= size.unwrap_or(LARGEST_GRID) {
        return None;
    }
    let mut rest = number;
    // The last parameter changes fastest, as in loops within loops.
    let mut coordinates: Vec<f64> = lists.iter().rev().map(|list| {
        let value = list[rest % list.len()];
        rest /= list.len();
        value
    }).collect();
    coordinates.reverse();
    Some(coordinates)
}

/// The value that a coordinate stands for.
pub fn setting(parameter: &Parameter, coordinate: f64) -> Setting {
    match parameter {
        Parameter::Float { low, high, log } => {
            let value = if *log { coordinate.exp() } else { coordinate };
            Setting::Float(value.clamp(*low, *high))
        }
        Parameter::Int { low, high, log } => {
            let value = if *log { coordinate.exp() } else { coordinate };
            Setting::Int((value.round() as i64).clamp(*low, *high))
        }
        Parameter::Choice(choices) => choices[(coordinate as usize).min(choices.len() - 1)].clone(),
    }
}
