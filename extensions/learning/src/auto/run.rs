//! The search itself: candidates one after another while there is time, then the ensemble, then the final training.
use super::candidates::{Family, describe};
use super::ensemble::{mix, weigh};
use super::evaluate::{Answers, Data, evaluate, fit};
use super::importance::{Importance, permutation};
use super::saved::{Member, Trained};
use crate::judge::{self, Metric, Task};
use crate::models;
use crate::search::{End, Study};
use crate::{Column, LearningError, Stop, Table, Values, split};
use std::time::{Duration, Instant};

/// How a search is done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `None`: classes when the target holds texts, or up to [`FEW_NUMBERS`] different whole numbers; else numbers.
    pub task: Option<Task>,
    /// By name; `None` is accuracy for classes and R² for numbers.
    pub metric: Option<String>,
    /// For all of it. The last training may take longer.
    pub time: Duration,
    /// Parts of the cross-validation.
    pub folds: usize,
    /// Most candidates.
    pub candidates: usize,
    pub seed: u64,
}

/// Different whole numbers up to which a target counts as classes.
pub const FEW_NUMBERS: usize = 20;

impl Default for Settings {
    fn default() -> Self {
        Self { task: None, metric: None, time: Duration::from_secs(600), folds: 5, candidates: 40, seed: 0 }
    }
}

/// Share of the time for candidates; the rest is for the last training and the importance of columns.
const SEARCHING: f64 = 0.75;
/// Candidates without one that is better, after which the search ends.
const PATIENCE: usize = 16;
/// Candidates that the ensemble weighs at most: the best.
const WEIGHED: usize = 12;
/// Name of the ensemble on the board.
const ENSEMBLE: &str = "ensemble";

/// A line of the leaderboard.
#[derive(Debug, Clone)]
pub struct Entry {
    pub name: String,
    /// Settings in one line.
    pub settings: String,
    /// The mean over the parts.
    pub score: f64,
    /// The standard deviation over the parts.
    pub deviation: f64,
    pub seconds: f64,
}

/// How far a search is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Best first.
    pub board: &'a [Entry],
    pub doing: &'a str,
    pub spent: Duration,
    pub time: Duration,
    pub metric: Metric,
    /// The entry that has just been added.
    pub newest: Option<&'a Entry>,
}

/// What a search found.
#[derive(Debug)]
pub struct Outcome {
    pub task: Task,
    pub metric: Metric,
    /// Best first.
    pub board: Vec<Entry>,
    pub model: Trained,
    /// Most important first.
    pub importance: Vec<Importance>,
    /// What is true, and what the best model says about rows that it had not seen: labels or numbers.
    pub truth: Values,
    pub predicted: Values,
    /// Probabilities row by row, for classes.
    pub probabilities: Vec<f64>,
    pub classes: Vec<String>,
    pub spent: Duration,
    /// Candidates that did not end: out of time, or the reason.
    pub left_out: Vec<(String, String)>,
}

struct Tried {
    entry: Entry,
    settings: models::Settings,
    predicted: Vec<f64>,
}

/// Searches for a model that predicts `target` from `table`. `shown` is called when something changes; `stop` ends the search with an error.
pub fn run(table: &Table, target: &Column, settings: &Settings, stop: Stop, shown: &mut dyn FnMut(&Progress)) -> Result<Outcome, LearningError> {
    let begun = Instant::now();
    let answers = read_target(target, settings.task)?;
    if table.rows() == 0 || table.columns().is_empty() {
        return Err(LearningError::NoRows);
    }
    crate::error::same_length("the target", table.rows(), target.values.len())?;
    let metric = match &settings.metric {
        Some(name) => Metric::parse(name, answers.task())?,
        None => Metric::usual(answers.task()),
    };
    let parts = parts(&answers, settings)?;
    let data = Data { table, answers, parts, metric };
    let mut search = Search { data: &data, settings, begun, tried: Vec::new(), board: Vec::new(), left_out: Vec::new(), stop };
    search.candidates(shown)?;
    let (weights, predicted) = search.ensemble()?;
    search.show(shown, "trains the best on all rows", None);
    let model = search.last_training(&weights)?.named(&target.name);
    search.show(shown, "measures the importance of columns", None);
    let importance = search.importance(&weights)?;
    let (board, left_out) = (std::mem::take(&mut search.board), std::mem::take(&mut search.left_out));
    let (classes, probabilities, labels) = match &data.answers {
        Answers::Classes(coded) => {
            let labels = judge::likeliest(&predicted, coded.classes.len()).into_iter().map(|c| Some(coded.classes[c].clone())).collect();
            (coded.classes.clone(), predicted, Values::Texts(labels))
        }
        Answers::Numbers(_) => (Vec::new(), Vec::new(), Values::Numbers(predicted)),
    };
    Ok(Outcome { task: data.answers.task(), metric, board, model, importance, truth: data.answers.values(), predicted: labels, probabilities, classes, spent: begun.elapsed(), left_out })
}

fn read_target(target: &Column, task: Option<Task>) -> Result<Answers, LearningError> {
    let rows = target.values.missing();
    if rows > 0 {
        return Err(LearningError::Missing { column: target.name.clone(), rows });
    }
    let few_whole = |values: &[f64]| {
        let mut different: Vec<f64> = values.to_vec();
        different.sort_by(f64::total_cmp);
        different.dedup();
        different.len() <= FEW_NUMBERS && different.iter().all(|x| x.fract() == 0.0)
    };
    match (&target.values, task) {
        (Values::Numbers(values), Some(Task::Regression)) => Ok(Answers::Numbers(values.clone())),
        (Values::Numbers(values), None) if !few_whole(values) => Ok(Answers::Numbers(values.clone())),
        (Values::Texts(_), Some(Task::Regression)) => Err(LearningError::Kind { column: target.name.clone(), expected: "numbers", found: "texts", hint: "" }),
        _ => {
            let coded = judge::code(target)?;
            match coded.classes.len() {
                1 => Err(LearningError::OneClass(coded.classes[0].clone())),
                _ => Ok(Answers::Classes(coded)),
            }
        }
    }
}

/// Parts in which every class is, as far as there are rows for it.
fn parts(answers: &Answers, settings: &Settings) -> Result<Vec<split::Split>, LearningError> {
    match answers {
        Answers::Numbers(values) => split::folds(values.len(), settings.folds, None, settings.seed),
        Answers::Classes(coded) => {
            let counts = |class| coded.codes.iter().filter(|c| **c == class).count();
            if let Some(class) = (0..coded.classes.len()).find(|&class| counts(class) < 2) {
                return Err(LearningError::RareClass { class: coded.classes[class].clone(), rows: 1, folds: settings.folds });
            }
            split::folds(coded.codes.len(), settings.folds, Some(&coded.codes), settings.seed)
        }
    }
}

struct Search<'a> {
    data: &'a Data<'a>,
    settings: &'a Settings,
    begun: Instant,
    tried: Vec<Tried>,
    board: Vec<Entry>,
    left_out: Vec<(String, String)>,
    stop: Stop<'a>,
}

impl Search<'_> {
    fn show(&self, shown: &mut dyn FnMut(&Progress), doing: &str, newest: Option<&Entry>) {
        let progress = Progress { board: &self.board, doing, spent: self.begun.elapsed(), time: self.settings.time, metric: self.data.metric, newest };
        shown(&progress);
    }

    fn searching(&self) -> Duration {
        self.settings.time.mul_f64(SEARCHING)
    }

    /// One model of each kind, then variations of the kinds in turns, the better ones more often.
    fn candidates(&mut self, shown: &mut dyn FnMut(&Progress)) -> Result<(), LearningError> {
        let (task, rows, seed) = (self.data.answers.task(), self.data.table.rows(), self.settings.seed);
        for family in Family::ALL {
            self.try_one(family, family.usual(task, rows, seed), shown)?;
        }
        let mut studies: Vec<(Family, Study)> = Vec::new();
        for family in Family::ALL {
            studies.push((family, Study::new(family.space(rows, seed))?));
        }
        let (mut best, mut since) = (f64::NEG_INFINITY, 0);
        for turn in 0.. {
            if self.tried.len() >= self.settings.candidates || self.begun.elapsed() >= self.searching() || since >= PATIENCE {
                break;
            }
            let family = self.family_of_turn(turn);
            let Some((_, study)) = studies.iter_mut().find(|(f, _)| *f == family) else { break };
            let Some(trial) = study.ask() else { break };
            let (number, settings) = (trial.number, family.at(&trial.params, task, rows, seed));
            // A failure is on the list of what was left out; the sampler learns only from results.
            if let Some(score) = self.try_one(family, settings, shown)? {
                if let Some((_, study)) = studies.iter_mut().find(|(f, _)| *f == family) {
                    study.tell(number, End::Finished(-self.data.metric.gain(score)));
                }
            }
            let now = self.best_gain();
            (best, since) = if now > best { (now, 0) } else { (best, since + 1) };
        }
        if self.tried.is_empty() {
            let reasons: Vec<String> = self.left_out.iter().map(|(name, why)| format!("{name}: {why}")).collect();
            return Err(LearningError::Setting { what: "the time", rule: "enough for one model", found: format!("{:?} ({})", self.settings.time, reasons.join("; ")) });
        }
        Ok(())
    }

    fn best_gain(&self) -> f64 {
        self.board.iter().map(|e| self.data.metric.gain(e.score)).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The kinds by their best results: the first has every second turn, the next every fourth.
    fn family_of_turn(&self, turn: usize) -> Family {
        let task = self.data.answers.task();
        let gain = |family: &Family| {
            let own = self.tried.iter().filter(|t| t.entry.name == family.name(task)).map(|t| self.data.metric.gain(t.entry.score));
            own.fold(f64::NEG_INFINITY, f64::max)
        };
        let mut families = Family::ALL.to_vec();
        families.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
        families[((turn + 1).trailing_zeros() as usize).min(families.len() - 1)]
    }

    /// Cross-validates a candidate; `None` when it did not end.
    fn try_one(&mut self, family: Family, settings: models::Settings, shown: &mut dyn FnMut(&Progress)) -> Result<Option<f64>, LearningError> {
        let name = family.name(self.data.answers.task());
        self.show(shown, &format!("tries {name} {}", describe(&settings)), None);
        let began = Instant::now();
        let (end, user) = (self.begun + self.searching(), self.stop);
        // The first one may use all of the time: without it there is no result.
        let first = self.tried.is_empty();
        let stop = move || user() || (!first && Instant::now() >= end);
        match evaluate(self.data, &settings, &stop) {
            Err(LearningError::Stopped) if user() => Err(LearningError::Stopped),
            Err(error) => {
                let why = if error == LearningError::Stopped { "out of time".into() } else { error.to_string() };
                self.left_out.push((format!("{name} {}", describe(&settings)), why));
                Ok(None)
            }
            Ok(evaluated) => {
                let (score, deviation) = moments(&evaluated.scores);
                let entry = Entry { name: name.into(), settings: describe(&settings), score, deviation, seconds: began.elapsed().as_secs_f64() };
                self.tried.push(Tried { entry: entry.clone(), settings, predicted: evaluated.predicted });
                self.enter(entry.clone());
                self.show(shown, "", Some(&entry));
                Ok(Some(score))
            }
        }
    }

    fn enter(&mut self, entry: Entry) {
        self.board.push(entry);
        let gain = |e: &Entry| self.data.metric.gain(e.score);
        self.board.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
    }

    /// Weights of what was tried (the best alone, or an ensemble that is better), and their predictions for rows that they had not seen.
    fn ensemble(&mut self) -> Result<(Vec<f64>, Vec<f64>), LearningError> {
        let gain = |t: &Tried| self.data.metric.gain(t.entry.score);
        self.tried.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
        let lists: Vec<&[f64]> = self.tried.iter().take(WEIGHED).map(|t| t.predicted.as_slice()).collect();
        let weights = weigh(&lists, &self.data.answers)?;
        let mixed = mix(&lists, &weights);
        let outputs = self.data.answers.outputs();
        let judged: Result<Vec<f64>, LearningError> = self.data.parts.iter().map(|part| {
            let own: Vec<f64> = part.test.iter().flat_map(|&row| mixed[row * outputs..(row + 1) * outputs].iter().copied()).collect();
            self.data.answers.take(&part.test).judge(self.data.metric, &own)
        }).collect();
        let (score, deviation) = moments(&judged?);
        let several = weights.iter().filter(|w| **w > 0.0).count() > 1;
        if several && self.data.metric.gain(score) >= self.best_gain() {
            let used: Vec<String> = self.tried.iter().zip(&weights).filter(|(_, w)| **w > 0.0).map(|(t, w)| format!("{:.0}% {}", w * 100.0, t.entry.name)).collect();
            let seconds = self.tried.iter().zip(&weights).filter(|(_, w)| **w > 0.0).map(|(t, _)| t.entry.seconds).sum();
            let entry = Entry { name: ENSEMBLE.into(), settings: used.join(" + "), score, deviation, seconds };
            // Before those that are as good.
            self.board.insert(0, entry);
            return Ok((weights, mixed));
        }
        let mut alone = vec![0.0; weights.len()];
        alone[0] = 1.0;
        Ok((alone, self.tried[0].predicted.clone()))
    }

    fn used<'b>(&'b self, weights: &'b [f64]) -> impl Iterator<Item = (&'b Tried, f64)> {
        self.tried.iter().zip(weights.iter().copied()).filter(|(_, weight)| *weight > 0.0)
    }

    fn train(&self, table: &Table, answers: &Answers, weights: &[f64]) -> Result<Trained, LearningError> {
        let member = |(tried, weight): (&Tried, f64)| Ok(Member { weight, ..fit(&tried.settings, table, answers, self.stop)? });
        let members: Result<Vec<Member>, LearningError> = self.used(weights).map(member).collect();
        let classes = if let Answers::Classes(coded) = answers { Some(coded.classes.clone()) } else { None };
        let best = &self.board[0];
        Ok(Trained::new("", classes, format!("{} {}", best.name, best.settings), members?))
    }

    fn last_training(&self, weights: &[f64]) -> Result<Trained, LearningError> {
        self.train(self.data.table, &self.data.answers, weights)
    }

    /// Models of the parts, as many as there is time for, judge the columns.
    fn importance(&self, weights: &[f64]) -> Result<Vec<Importance>, LearningError> {
        let mut models = Vec::new();
        for (place, part) in self.data.parts.iter().enumerate() {
            if place > 0 && self.begun.elapsed() >= self.settings.time {
                break;
            }
            let (table, answers) = (self.data.table.take(&part.train), self.data.answers.take(&part.train));
            models.push((place, self.train(&table, &answers, weights)?));
        }
        permutation(self.data, &models, self.settings.seed, self.stop)
    }
}

fn moments(scores: &[f64]) -> (f64, f64) {
    let count = scores.len().max(1) as f64;
    let mean = scores.iter().sum::<f64>() / count;
    (mean, (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count).sqrt())
}
