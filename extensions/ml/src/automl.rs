//! `ochre::ml::automl`: the search of `ochre-learning` over a frame, shown while it goes on, each candidate a run, the best model saved.
use crate::Ml;
use crate::frames::{column, frame as frame_of};
use crate::judged::Logs;
use crate::view::{TableView, number, seconds};
use ochre_learning::auto::{self, Entry, Importance, Outcome, Predictions, Progress, Settings, Trained};
use ochre_learning::judge::{ConfusionMatrix, RegressionReport, Task};
use ochre_learning::{Column as Learnt, LearningError, Tabular, ToValues, Values};
use ochre_logging::run::{self, Status};
use ochre_plots::{Chart, plot};
use ochre_runtime::{Mime, Show, display_as, host, interrupted, text};
use polars::prelude::{Column, DataFrame};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lines of the leaderboard and of the columns that are shown.
const SHOWN: usize = 12;

/// A search that is to be begun with [`Order::run`].
#[derive(Debug, Clone)]
pub struct Order {
    frame: DataFrame,
    target: String,
    time: Option<String>,
    settings: Settings,
    directory: Option<PathBuf>,
}

/// A search for a model that predicts `target` from the other columns. Texts, truths and whole numbers with up to 20 different values are classes.
pub fn automl(frame: &DataFrame, target: &str) -> Order {
    Order { frame: frame.clone(), target: target.into(), time: None, settings: Settings::default(), directory: None }
}

impl Order {
    /// The time for all of it: `90s`, `10m` (as it is unless said), `1h`.
    pub fn time(mut self, time: &str) -> Self {
        self.time = Some(time.into());
        self
    }

    /// What is made best: accuracy for classes and r2 for numbers unless said; balanced_accuracy, f1, log_loss, roc_auc, average_precision, rmse, mae.
    pub fn metric(mut self, name: &str) -> Self {
        self.settings.metric = Some(name.into());
        self
    }

    /// Numbers are to be predicted, also where they are few.
    pub fn regression(mut self) -> Self {
        self.settings.task = Some(Task::Regression);
        self
    }

    /// Classes are to be predicted.
    pub fn classification(mut self) -> Self {
        self.settings.task = Some(Task::Classification);
        self
    }

    /// Most candidates; 40 unless said.
    pub fn candidates(mut self, most: usize) -> Self {
        self.settings.candidates = most;
        self
    }

    /// Parts of the cross-validation; 5 unless said.
    pub fn folds(mut self, parts: usize) -> Self {
        self.settings.folds = parts;
        self
    }

    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Where the model is saved; `automl-TARGET` unless said.
    pub fn save_to(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Searches. An interrupt ends it.
    pub fn run(mut self) -> Result<AutoMl, LearningError> {
        if let Some(time) = &self.time {
            self.settings.time = duration(time)?;
        }
        let known = self.frame.column(&self.target).map_err(|_| LearningError::NoColumn(self.target.clone()))?;
        let target = Learnt { name: self.target.clone(), values: known.to_values()? };
        let (table, _) = self.frame.to_table()?.split_off(&self.target)?;
        let screen = Screen::new();
        let found = auto::run(&table, &target, &self.settings, &interrupted, &mut |progress| {
            screen.paint(progress);
            if let Some(entry) = progress.newest {
                log_candidate(entry, progress.metric.name());
            }
        });
        if matches!(found, Err(LearningError::Stopped)) {
            ochre_runtime::__rt::check();
        }
        let outcome = found?;
        let directory = self.directory.unwrap_or_else(|| format!("automl-{}", file_name(&self.target)).into());
        outcome.model.save(&directory)?;
        let found = AutoMl { outcome, directory };
        screen.end(&found);
        found.log();
        Ok(found)
    }
}

/// Letters and digits of a name; the rest could mean something in a path.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

fn duration(text: &str) -> Result<Duration, LearningError> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let seconds = digits.trim().parse::<f64>().unwrap_or(f64::NAN) * unit;
    let refused = || LearningError::Setting { what: "the time", rule: "written like 90s, 10m or 1h", found: text.into() };
    if seconds > 0.0 { Duration::try_from_secs_f64(seconds).map_err(|_| refused()) } else { Err(refused()) }
}

/// A run for a candidate, where there is a kernel.
fn log_candidate(entry: &Entry, metric: &str) {
    if host::get().is_none() {
        return;
    }
    let logged = run::child(&entry.name, &[("model", &entry.name), ("settings", &entry.settings)]).and_then(|child| {
        child.log_metric(metric, entry.score);
        child.log_metric(format!("{metric}_deviation"), entry.deviation);
        child.log_metric("seconds", entry.seconds);
        child.end(Status::Finished)
    });
    if let Err(error) = logged {
        eprintln!("ochre: the candidate `{}` is not logged: {error}", entry.name);
    }
}

/// What a search found.
pub struct AutoMl {
    outcome: Outcome,
    directory: PathBuf,
}

impl AutoMl {
    /// All candidates, best first.
    pub fn leaderboard(&self) -> Result<DataFrame, LearningError> {
        let board = &self.outcome.board;
        frame_of(vec![
            Column::new("model".into(), board.iter().map(|e| e.name.clone()).collect::<Vec<_>>()),
            Column::new(self.outcome.metric.name().into(), board.iter().map(|e| e.score).collect::<Vec<_>>()),
            Column::new("deviation".into(), board.iter().map(|e| e.deviation).collect::<Vec<_>>()),
            Column::new("seconds".into(), board.iter().map(|e| e.seconds).collect::<Vec<_>>()),
            Column::new("settings".into(), board.iter().map(|e| e.settings.clone()).collect::<Vec<_>>()),
        ])
    }

    /// How much worse the metric gets when a column is shuffled, most important first.
    pub fn importance(&self) -> Result<DataFrame, LearningError> {
        let found: &[Importance] = &self.outcome.importance;
        frame_of(vec![
            Column::new("column".into(), found.iter().map(|i| i.column.clone()).collect::<Vec<_>>()),
            Column::new("importance".into(), found.iter().map(|i| i.mean).collect::<Vec<_>>()),
            Column::new("deviation".into(), found.iter().map(|i| i.deviation).collect::<Vec<_>>()),
        ])
    }

    /// The importance of columns as a chart.
    pub fn importance_chart(&self) -> Result<Chart, LearningError> {
        Ok(plot(&self.importance()?).bar("importance", "column").title("importance of columns"))
    }

    /// The best score under cross-validation.
    pub fn score(&self) -> f64 {
        self.outcome.board.first().map_or(f64::NAN, |e| e.score)
    }

    /// Where the model was saved.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The best model, trained on all rows.
    pub fn model(&self) -> Model {
        Model { trained: self.outcome.model.clone() }
    }

    /// Predicts with the best model: see [`Model::predict`].
    pub fn predict(&self, frame: &DataFrame) -> Result<DataFrame, LearningError> {
        predict(&self.outcome.model, frame)
    }

    /// For classes: the best model's predictions for rows that it had not seen.
    pub fn confusion_matrix(&self) -> Result<ConfusionMatrix, LearningError> {
        ConfusionMatrix::new(&self.outcome.truth, &self.outcome.predicted)
    }

    /// For numbers: the best model's errors on rows that it had not seen.
    pub fn regression_report(&self) -> Result<RegressionReport, LearningError> {
        let numbers = |values: &Values, what| ochre_learning::numbers(values.clone(), what);
        RegressionReport::new(&numbers(&self.outcome.truth, "truth")?, &numbers(&self.outcome.predicted, "predictions")?)
    }

    /// The best model and how it was found, to the active run.
    fn log(&self) {
        if host::get().is_none() {
            return;
        }
        run::log_param("automl.model", &self.outcome.model.description());
        run::log_param("automl.target", self.outcome.model.target());
        run::log_metric(format!("best_{}", self.outcome.metric.name()), self.score());
        let logged = match self.outcome.task {
            Task::Classification => self.confusion_matrix().map(|m| m.log("automl_confusion")),
            Task::Regression => self.regression_report().map(|r| r.log("automl")),
        };
        if let Err(error) = logged {
            eprintln!("ochre: the judgement of the best model is not logged: {error}");
        }
        let folder = "model";
        for file in ["MLmodel", "model.json"] {
            if let Err(error) = run::log_artifact_to(self.directory.join(file), folder) {
                eprintln!("ochre: the model is not logged: {error}");
            }
        }
        if let Ok(importance) = self.importance() {
            if let Err(error) = run::log_frame("automl_importance.csv", &importance) {
                eprintln!("ochre: the importance of columns is not logged: {error}");
            }
        }
    }

    fn views(&self) -> [TableView; 2] {
        let outcome = &self.outcome;
        let mut note = format!("the model is in {}", self.directory.display());
        if !outcome.left_out.is_empty() {
            note += &format!(" · {} candidates did not end: {} {}", outcome.left_out.len(), outcome.left_out[0].0, outcome.left_out[0].1);
        }
        let line = |i: &Importance| vec![i.column.clone(), number(i.mean), number(i.deviation)];
        let importance = TableView {
            title: "Importance of columns".into(),
            headings: ["column", "importance", "±"].map(String::from).to_vec(),
            rows: outcome.importance.iter().take(SHOWN).map(line).collect(),
            best_first: false,
            note: format!("how much worse {} gets on unseen rows when the column is shuffled", outcome.metric.name()),
        };
        [board_view(&outcome.board, outcome.metric.name(), format!("{} · {}", outcome.task.name(), seconds(outcome.spent.as_secs_f64())), note), importance]
    }
}

impl Show<Ml> for AutoMl {
    fn show(&self) -> Mime {
        let parts = self.views().map(|view| view.show());
        let html: Vec<String> = parts.iter().filter_map(|part| part.get("text/html")).map(|data| if let ochre_runtime::Data::Text(t) = data { t.clone() } else { String::new() }).collect();
        let plain: Vec<&str> = parts.iter().map(Mime::plain).collect();
        Mime::new().with_text("text/html", html.join("<br>")).with_text("text/plain", plain.join("\n\n"))
    }
}

fn board_view(board: &[Entry], metric: &str, title: String, note: String) -> TableView {
    let line = |e: &Entry| vec![e.name.clone(), number(e.score), number(e.deviation), seconds(e.seconds), e.settings.clone()];
    let more = board.len().saturating_sub(SHOWN);
    let note = if more > 0 { format!("{more} more below · {note}") } else { note };
    TableView { title, headings: ["model", metric, "±", "time", "settings"].map(String::from).to_vec(), rows: board.iter().take(SHOWN).map(line).collect(), best_first: true, note }
}

/// The one display of a search.
struct Screen {
    id: String,
}

impl Screen {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: format!("ochre-automl-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    fn paint(&self, progress: &Progress) {
        // What is done next comes at once; then the two are one picture.
        if host::get().is_none() || progress.newest.is_some() {
            return;
        }
        let title = format!("AutoML · {} of {} · {} candidates", seconds(progress.spent.as_secs_f64()), seconds(progress.time.as_secs_f64()), progress.board.len());
        display_as(&self.id, &board_view(progress.board, progress.metric.name(), title, progress.doing.to_owned()).show());
    }

    fn end(&self, found: &AutoMl) {
        if host::get().is_some() {
            let outcome = &found.outcome;
            let line = format!("AutoML · {} candidates in {} · best: {}", outcome.board.len(), seconds(outcome.spent.as_secs_f64()), outcome.model.description());
            display_as(&self.id, &text(line));
        }
    }
}

/// A trained model with its preparation.
#[derive(Clone)]
pub struct Model {
    trained: Trained,
}

impl Model {
    /// Reads a model from a directory that [`Model::save`] or AutoML wrote.
    pub fn load(directory: impl AsRef<Path>) -> Result<Self, LearningError> {
        Ok(Self { trained: Trained::load(directory.as_ref())? })
    }

    /// Writes it into a directory: `MLmodel` and `model.json`.
    pub fn save(&self, directory: impl AsRef<Path>) -> Result<(), LearningError> {
        self.trained.save(directory.as_ref())
    }

    /// A frame with the column `prediction`, and for classes a column `probability_CLASS` each. The frame needs the columns of the training, in
    /// any order.
    pub fn predict(&self, frame: &DataFrame) -> Result<DataFrame, LearningError> {
        predict(&self.trained, frame)
    }
}

impl Show<Ml> for Model {
    fn show(&self) -> Mime {
        text(format!("{} of `{}`: {}", self.trained.task().name(), self.trained.target(), self.trained.description()))
    }
}

fn predict(trained: &Trained, frame: &DataFrame) -> Result<DataFrame, LearningError> {
    match trained.predict(&frame.to_table()?)? {
        Predictions::Numbers(values) => frame_of(vec![column(Learnt::numbers("prediction", values))]),
        Predictions::Classes { labels, classes, probabilities } => {
            let mut columns = vec![Column::new("prediction".into(), labels)];
            for (index, class) in classes.iter().enumerate() {
                columns.push(Column::new(format!("probability_{class}").into(), probabilities.column(index).to_vec()));
            }
            frame_of(columns)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{AnyValue, df};

    #[test]
    fn times_are_read() {
        assert_eq!([duration("90s"), duration("10m"), duration("1.5h"), duration("30")].map(|d| d.unwrap().as_secs()), [90, 600, 5400, 30]);
        for wrong in ["", "m", "-3s", "10 parsecs", "NaN"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_frame_goes_in_and_predictions_come_out() {
        let x: Vec<f64> = (0..120).map(f64::from).collect();
        let colour: Vec<&str> = (0..120).map(|i| ["red", "green", "blue"][i % 3]).collect();
        let y: Vec<bool> = (0..120).map(|i| i >= 60).collect();
        let frame = df!("x" => x, "colour" => colour, "late" => y).unwrap();
        let directory = std::env::temp_dir().join(format!("ochre-automl-test-{}", std::process::id()));
        let found = automl(&frame, "late").time("20s").candidates(4).save_to(&directory).run().unwrap();
        assert!(found.score() > 0.95, "{}", found.score());
        let out = Model::load(&directory).unwrap().predict(&frame.drop("late").unwrap()).unwrap();
        let names: Vec<String> = out.columns().iter().map(|c| c.name().to_string()).collect();
        assert_eq!(names, ["prediction", "probability_false", "probability_true"]);
        assert_eq!(out.column("prediction").unwrap().get(0).unwrap(), AnyValue::String("false"));
        assert_eq!(found.confusion_matrix().unwrap().total(), 120);
        assert!(found.show().plain().contains("Importance of columns"));
        assert_eq!(found.importance().unwrap().column("column").unwrap().get(0).unwrap(), AnyValue::String("x"));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
