//! A search under way: trials that run, trials that ended, and what to try next.
use super::sampler::{Sampler, setting};
use super::space::{Params, Space};
use super::prune;
use crate::LearningError;
use std::collections::BTreeMap;

/// How a trial ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// With this result.
    Finished(f64),
    /// Given up at this result, because others were better.
    Pruned(f64),
    /// With an error.
    Failed(String),
}

/// One trial.
#[derive(Debug, Clone)]
pub struct Trial {
    pub number: usize,
    pub params: Params,
    /// What was reported, by step.
    pub reported: BTreeMap<u64, f64>,
    /// `None` while it runs.
    pub end: Option<End>,
    coordinates: Vec<f64>,
}

impl Trial {
    /// The result, of one that was not given up and did not fail.
    pub fn value(&self) -> Option<f64> {
        match self.end {
            Some(End::Finished(value)) => Some(value),
            _ => None,
        }
    }
}

/// A search under way.
pub struct Study {
    space: Space,
    sampler: Sampler,
    trials: Vec<Trial>,
}

impl Study {
    /// A search in a space.
    ///
    /// # Errors
    /// A range of the space is empty.
    pub fn new(space: Space) -> Result<Self, LearningError> {
        space.check()?;
        Ok(Self { sampler: Sampler::new(&space), space, trials: Vec::new() })
    }

    pub fn space(&self) -> &Space {
        &self.space
    }

    /// All trials, in the order in which they began.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The next trial; `None` when a grid is at its end.
    pub fn ask(&mut self) -> Option<&Trial> {
        let coordinates = self.sampler.ask(&self.space)?;
        let params = self.space.parameters.iter().zip(&coordinates).map(|((name, p), &c)| (name.clone(), setting(p, c))).collect();
        self.trials.push(Trial { number: self.trials.len(), params, reported: BTreeMap::new(), end: None, coordinates });
        self.trials.last()
    }

    /// What a trial has at a step; `true` when it is to be given up.
    pub fn report(&mut self, number: usize, step: u64, value: f64) -> bool {
        let loss = self.loss(value);
        let Some(trial) = self.trials.get_mut(number) else { return false };
        trial.reported.insert(step, loss);
        if !self.space.pruned {
            return false;
        }
        let finished: Vec<_> = self.trials.iter().filter(|t| t.value().is_some() && !t.reported.is_empty()).map(|t| &t.reported).collect();
        prune::behind(&self.trials[number].reported, step, &finished)
    }

    /// How a trial ended.
    pub fn tell(&mut self, number: usize, end: End) {
        let loss = match &end {
            End::Finished(value) | End::Pruned(value) => Some(self.loss(*value)),
            End::Failed(_) => None,
        };
        let Some(trial) = self.trials.get_mut(number) else { return };
        if let Some(loss) = loss {
            self.sampler.tell(&trial.coordinates, loss);
        }
        trial.end = Some(end);
    }

    /// The finished trial with the best result.
    pub fn best(&self) -> Option<&Trial> {
        let finished = self.trials.iter().filter(|t| t.value().is_some_and(|v| !v.is_nan()));
        finished.reduce(|best, t| if self.space.better(t.value().unwrap_or(f64::NAN), best.value().unwrap_or(f64::NAN)) { t } else { best })
    }

    fn loss(&self, value: f64) -> f64 {
        if self.space.maximized { -value } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Setting;

    fn float(trial: &Trial, name: &str) -> f64 {
        match trial.params.iter().find(|(n, _)| n == name).unwrap().1 {
            Setting::Float(value) => value,
            ref other => panic!("{other:?}"),
        }
    }

    /// A bowl around (0.3, 1e-2) with a step down for the right word.
    fn bowl(trial: &Trial) -> f64 {
        let word = if trial.params[2].1 == Setting::Text("b".into()) { 0.0 } else { 1.0 };
        (float(trial, "x") - 0.3).powi(2) + (float(trial, "rate").log10() + 2.0).powi(2) / 4.0 + word
    }

    fn search(space: Space, trials: usize) -> f64 {
        let mut study = Study::new(space.float("x", -1.0, 1.0).log("rate", 1e-5, 1.0).choice("word", ["a", "b", "c"])).unwrap();
        for _ in 0..trials {
            let trial = study.ask().unwrap().clone();
            study.tell(trial.number, End::Finished(bowl(&trial)));
        }
        study.best().unwrap().value().unwrap()
    }

    #[test]
    fn estimators_find_more_than_chance() {
        let mut wins = 0;
        for seed in 0..20 {
            wins += usize::from(search(Space::new().seed(seed), 60) < search(Space::new().seed(seed).random(), 60));
        }
        assert!(wins >= 14, "TPE won {wins} of 20");
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let space = Space::new().grid(3).int("n", 1, 2).float("x", 0.0, 1.0).choice("word", ["a", "b"]);
        let mut study = Study::new(space).unwrap();
        let mut seen = Vec::new();
        while let Some(trial) = study.ask() {
            seen.push(trial.params.iter().map(|(_, v)| v.to_string()).collect::<Vec<_>>().join(" "));
        }
        assert_eq!(seen, ["1 0 a", "1 0 b", "1 0.5 a", "1 0.5 b", "1 1 a", "1 1 b", "2 0 a", "2 0 b", "2 0.5 a", "2 0.5 b", "2 1 a", "2 1 b"]);
    }

    #[test]
    fn a_trial_behind_the_median_is_given_up_and_one_ahead_is_not() {
        let mut study = Study::new(Space::new().maximize().float("x", 0.0, 1.0)).unwrap();
        for value in 0..5 {
            let number = study.ask().unwrap().number;
            assert!(!study.report(number, 1, f64::from(value)), "too few to compare with");
            study.tell(number, End::Finished(f64::from(value)));
        }
        let number = study.ask().unwrap().number;
        assert!(study.report(number, 1, 1.0), "below the median of 2");
        study.tell(number, End::Pruned(1.0));
        let number = study.ask().unwrap().number;
        assert!(!study.report(number, 1, 3.0) && !study.report(number, 2, 0.0), "step 2 has nothing to compare with");
        assert_eq!(study.best().unwrap().value(), Some(4.0), "one that was given up is not the best");
    }

    #[test]
    fn empty_ranges_are_refused_by_name() {
        for space in [Space::new(), Space::new().float("x", 1.0, 1.0), Space::new().log("x", 0.0, 1.0), Space::new().choice("x", Vec::<&str>::new())] {
            assert!(Study::new(space).is_err());
        }
        let error = Study::new(Space::new().int("depth", 5, 2)).err().unwrap().to_string();
        assert!(error.contains("`depth`"), "{error}");
    }
}
