//! What may vary in a search, and how the search is done.
use crate::{LearningError, exact};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The value of one parameter in one trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Setting {
    Float(#[serde(with = "exact::one")] f64),
    Int(i64),
    Text(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Float(value) => write!(f, "{value}"),
            Setting::Int(value) => write!(f, "{value}"),
            Setting::Text(value) => f.write_str(value),
        }
    }
}

impl From<f64> for Setting {
    fn from(value: f64) -> Self {
        Setting::Float(value)
    }
}

impl From<i64> for Setting {
    fn from(value: i64) -> Self {
        Setting::Int(value)
    }
}

impl From<i32> for Setting {
    fn from(value: i32) -> Self {
        Setting::Int(value.into())
    }
}

impl From<bool> for Setting {
    fn from(value: bool) -> Self {
        Setting::Text(value.to_string())
    }
}

impl From<&str> for Setting {
    fn from(value: &str) -> Self {
        Setting::Text(value.into())
    }
}

impl From<String> for Setting {
    fn from(value: String) -> Self {
        Setting::Text(value)
    }
}

/// The parameters of one trial, in the order of the space.
pub type Params = Vec<(String, Setting)>;

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// From `low` to `high`; `log` when what counts is the factor between two values.
    Float { low: f64, high: f64, log: bool },
    /// From `low` to `high`, both included.
    Int { low: i64, high: i64, log: bool },
    /// One of these.
    Choice(Vec<Setting>),
}

/// Who proposes trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Tree-structured Parzen estimators (Bergstra 2011), after some random trials.
    Tpe,
    Random,
    /// All combinations, with so many values of each number.
    Grid(usize),
}

/// What may vary, and how it is searched.
#[derive(Debug, Clone)]
pub struct Space {
    pub(crate) parameters: Vec<(String, Parameter)>,
    pub(crate) strategy: Strategy,
    pub(crate) maximized: bool,
    pub(crate) pruned: bool,
    pub(crate) seed: u64,
    pub(crate) threads: Option<usize>,
    pub(crate) metric: String,
}

impl Default for Space {
    fn default() -> Self {
        Self { parameters: Vec::new(), strategy: Strategy::Tpe, maximized: false, pruned: true, seed: 0, threads: None, metric: "value".into() }
    }
}

impl Space {
    /// An empty space; smaller results are better, trials are proposed by TPE, and those that fall behind are given up.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: &str, parameter: Parameter) -> Self {
        self.parameters.push((name.into(), parameter));
        self
    }

    /// A number between two ends.
    pub fn float(self, name: &str, low: f64, high: f64) -> Self {
        self.with(name, Parameter::Float { low, high, log: false })
    }

    /// A number between two ends above 0, of which the order of magnitude counts: a learning rate.
    pub fn log(self, name: &str, low: f64, high: f64) -> Self {
        self.with(name, Parameter::Float { low, high, log: true })
    }

    /// A whole number between two ends, both included.
    pub fn int(self, name: &str, low: i64, high: i64) -> Self {
        self.with(name, Parameter::Int { low, high, log: false })
    }

    /// A whole number above 0, of which the order of magnitude counts.
    pub fn log_int(self, name: &str, low: i64, high: i64) -> Self {
        self.with(name, Parameter::Int { low, high, log: true })
    }

    /// One of some values: texts, numbers or truths.
    pub fn choice<S: Into<Setting>>(self, name: &str, choices: impl IntoIterator<Item = S>) -> Self {
        self.with(name, Parameter::Choice(choices.into_iter().map(Into::into).collect()))
    }

    /// Larger results are better.
    pub fn maximize(mut self) -> Self {
        self.maximized = true;
        self
    }

    /// Smaller results are better, as it is unless said.
    pub fn minimize(mut self) -> Self {
        self.maximized = false;
        self
    }

    /// Trials at random, without learning from earlier ones.
    pub fn random(mut self) -> Self {
        self.strategy = Strategy::Random;
        self
    }

    /// All combinations, with `points` values of each number.
    pub fn grid(mut self, points: usize) -> Self {
        self.strategy = Strategy::Grid(points.max(1));
        self
    }

    /// No trial is given up before its end.
    pub fn without_pruning(mut self) -> Self {
        self.pruned = false;
        self
    }

    /// The same seed proposes the same trials where they run one after another.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many trials run at a time; the number of cores unless said.
    pub fn parallel(mut self, trials: usize) -> Self {
        self.threads = Some(trials.max(1));
        self
    }

    /// What the result is called in tables and runs; `value` unless said.
    pub fn metric(mut self, name: &str) -> Self {
        self.metric = name.into();
        self
    }

    pub fn metric_name(&self) -> &str {
        &self.metric
    }

    pub fn threads(&self) -> Option<usize> {
        self.threads
    }

    pub fn is_maximized(&self) -> bool {
        self.maximized
    }

    /// Whether `a` is better than `b`; NaN never is.
    pub fn better(&self, a: f64, b: f64) -> bool {
        match (a.is_nan(), b.is_nan()) {
            (true, _) => false,
            (false, true) => true,
            _ => if self.maximized { a > b } else { a < b },
        }
    }

    /// Names of the parameters.
    pub fn names(&self) -> Vec<&str> {
        self.parameters.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Refuses empty ranges and names that are there twice.
    pub fn check(&self) -> Result<(), LearningError> {
        let refuse = |what, rule, found: String| Err(LearningError::Setting { what, rule, found });
        if self.parameters.is_empty() {
            return refuse("a space", "at least one parameter", "empty".into());
        }
        for (index, (name, parameter)) in self.parameters.iter().enumerate() {
            if self.parameters[..index].iter().any(|(other, _)| other == name) {
                return Err(LearningError::TwiceNamed(name.clone()));
            }
            match parameter {
                Parameter::Float { low, high, log } if !(low.is_finite() && high.is_finite() && low < high && (!log || *low > 0.0)) => {
                    let rule = if *log { "from a number above 0 to a larger one" } else { "from a number to a larger one" };
                    return refuse("a parameter's range", rule, format!("{low} to {high} for `{name}`"));
                }
                Parameter::Int { low, high, log } if !(low < high && (!log || *low > 0)) => {
                    return refuse("a parameter's range", "from a number (above 0 with log) to a larger one", format!("{low} to {high} for `{name}`"));
                }
                Parameter::Choice(choices) if choices.is_empty() => return refuse("the choices of a parameter", "at least one", format!("none for `{name}`")),
                _ => {}
            }
        }
        Ok(())
    }
}
