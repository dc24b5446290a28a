//! AutoML on scikit-learn's bundled tables: what it gives, what it saves, and (slow) the table of tests/bench/automl.md.
//!
//! - "AutoML judges models only on rows that they were not trained on."
//! - "A saved model predicts what it predicted before, bit by bit."
//! - "The same seed finds the same model on every number of cores, unless the time ends the search."
mod peer;

use ochre_learning::auto::{self, Outcome, Predictions, Settings, Trained};
use ochre_learning::judge::Metric;
use ochre_learning::{Column, LearningError, Table, Values, never};
use peer::{bundled, fixtures, integers, number, numbers, table};
use serde_json::Value;
use std::time::{Duration, Instant};

fn iris() -> (Table, Column) {
    let data = &fixtures()["tables"]["iris"];
    let names = ["setosa", "versicolor", "virginica"];
    let target = integers(&data["target"]).into_iter().map(|c| Some(names[c].to_string())).collect();
    (table(&data["columns"]), Column::texts("species", target))
}

fn quick(candidates: usize) -> Settings {
    Settings { candidates, time: Duration::from_secs(120), ..Settings::default() }
}

fn search(table: &Table, target: &Column, settings: &Settings) -> Result<Outcome, LearningError> {
    auto::run(table, target, settings, &never, &mut |_| {})
}

#[test]
fn the_best_model_is_found_told_and_saved() {
    let (mut table, target) = iris();
    // A text, a column with holes and one of noise, as real tables have them.
    let rows = table.rows();
    let mut columns = table.columns().to_vec();
    columns.push(Column::texts("garden", (0..rows).map(|i| (i % 7 != 0).then(|| ["north", "south"][i % 2].to_string())).collect()));
    columns.push(Column::numbers("noise", (0..rows).map(|i| if i % 5 == 0 { f64::NAN } else { (i * 7919 % 101) as f64 }).collect()));
    table = Table::new(columns).unwrap();
    let mut shown = Vec::new();
    let outcome = auto::run(&table, &target, &quick(5), &never, &mut |p| shown.push((p.doing.to_string(), p.board.len()))).unwrap();
    assert!(outcome.board[0].score > 0.93, "{:?}", outcome.board);
    assert!(outcome.board.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let kinds = ["logistic", "random forest", "extra trees", "gradient boosting"];
    assert!(kinds.iter().all(|kind| outcome.board.iter().any(|e| e.name == *kind)), "{:?}", outcome.board);
    assert!(shown.iter().any(|(doing, _)| doing.starts_with("tries logistic")) && shown.last().unwrap().0.contains("importance"), "{shown:?}");
    let place = |name: &str| outcome.importance.iter().position(|i| i.column == name).unwrap();
    assert!(place("x2").min(place("x3")) < 2 && outcome.importance[place("noise")].mean < 0.02, "{:?}", outcome.importance);

    let directory = tempfile::tempdir().unwrap();
    outcome.model.save(directory.path()).unwrap();
    let saved = Trained::load(directory.path()).unwrap();
    assert_eq!(saved.predict(&table).unwrap(), outcome.model.predict(&table).unwrap());
    let Predictions::Classes { labels, probabilities, .. } = saved.predict(&table).unwrap() else { panic!() };
    assert_eq!((labels[0].as_str(), probabilities.columns(), saved.target()), ("setosa", 3, "species"));
    let description = std::fs::read_to_string(directory.path().join("MLmodel")).unwrap();
    assert!(description.contains(r#"{"type":"string","name":"garden","required":false}"#), "{description}");
    assert!(description.contains("task: classification") && description.contains("probability_virginica"), "{description}");
}

#[test]
fn chance_is_not_taken_for_skill() {
    // Nothing can be learnt from these columns: judged on its own rows, a forest would be right always.
    let mut random = ochre_learning::Random::new(11);
    let mut noise = |name: &str| Column::numbers(name, (0..400).map(|_| random.unit()).collect());
    let table = Table::new(vec![noise("a"), noise("b"), noise("c")]).unwrap();
    let Values::Numbers(coin) = noise("y").values else { panic!() };
    let target = Column::numbers("y", coin.into_iter().map(f64::round).collect());
    let outcome = search(&table, &target, &quick(6)).unwrap();
    assert!((0.4..0.6).contains(&outcome.board[0].score), "{:?}", outcome.board);
    assert!(outcome.importance.iter().all(|i| i.mean.abs() < 0.1), "{:?}", outcome.importance);
}

#[test]
fn a_seed_finds_the_same_on_every_number_of_cores() {
    let (table, target) = iris();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let outcome = pool.install(|| search(&table, &target, &quick(8))).unwrap();
        let board: Vec<(String, u64)> = outcome.board.iter().map(|e| (e.settings.clone(), e.score.to_bits())).collect();
        (board, outcome.probabilities, outcome.model.predict(&table).unwrap())
    };
    assert!(on(1) == on(4));
}

#[test]
fn a_saved_model_of_a_later_ochre_says_so() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("model.json"), r#"{"format": 99}"#).unwrap();
    let error = Trained::load(directory.path()).unwrap_err().to_string();
    assert!(error.contains("format 99") && error.contains("update"), "{error}");
}

#[test]
fn numbers_are_predicted_and_metrics_chosen() {
    let data = &fixtures()["tables"]["diabetes"];
    let target = Column::numbers("progression", numbers(&data["target"]));
    let settings = Settings { metric: Some("mae".into()), ..quick(4) };
    let outcome = search(&table(&data["columns"]), &target, &settings).unwrap();
    assert!(outcome.metric == Metric::Mae && outcome.board[0].score < 46.0, "{:?}", outcome.board);
    assert!(outcome.board.windows(2).all(|pair| pair[0].score <= pair[1].score), "smaller is better");
    let error = search(&table(&data["columns"]), &target, &Settings { metric: Some("accuracy".into()), ..quick(4) }).unwrap_err().to_string();
    assert!(error.contains("r2, rmse, mae"), "{error}");
}

#[test]
fn the_time_is_kept_and_a_stop_ends_it() {
    let data = &fixtures()["tables"]["digits"];
    let (table, target) = (table(&data["columns"]), Column::numbers("digit", numbers(&data["target"])));
    let began = Instant::now();
    let outcome = search(&table, &target, &Settings { time: Duration::from_secs(4), folds: 3, ..Settings::default() }).unwrap();
    // The last training and one part of the importance may come on top.
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(outcome.board.len() < 40 && outcome.classes.len() == 10);
    let stop = || began.elapsed() > Duration::ZERO;
    let error = auto::run(&table, &target, &quick(40), &stop, &mut |_| {}).unwrap_err();
    assert_eq!(error, LearningError::Stopped);
}

#[test]
fn what_cannot_be_learnt_from_is_said() {
    let (table, mut target) = iris();
    let error = search(&table, &Column::texts("y", vec![Some("a".into()); 150]), &quick(4)).unwrap_err();
    assert_eq!(error, LearningError::OneClass("a".into()));
    if let Values::Texts(values) = &mut target.values {
        values[3] = None;
    }
    assert_eq!(search(&table, &target, &quick(4)).unwrap_err(), LearningError::Missing { column: "species".into(), rows: 1 });
    assert!(search(&Table::default(), &Column::numbers("y", vec![]), &quick(4)).is_err());
}

/// The score over scikit-learn's own parts: in each, AutoML sees the training rows alone.
fn nested(name: &str, data: &Value, settings: &Settings) -> (f64, f64, Vec<String>) {
    let (table, part, truth) = (table(&data["columns"]), integers(&data["part"]), numbers(&data["target"]));
    let mut predicted = vec![0.0; truth.len()];
    let (mut chosen, mut seconds) = (Vec::new(), 0.0);
    for fold in 0..5 {
        let (test, train): (Vec<usize>, Vec<usize>) = (0..part.len()).partition(|&row| part[row] == fold);
        let target = Column::numbers("y", train.iter().map(|&r| truth[r]).collect());
        let outcome = search(&table.take(&train), &target, settings).unwrap();
        seconds += outcome.spent.as_secs_f64();
        chosen.push(outcome.board[0].name.clone());
        let out: Vec<f64> = match outcome.model.predict(&table.take(&test)).unwrap() {
            Predictions::Numbers(values) => values,
            Predictions::Classes { labels, .. } => labels.iter().map(|l| l.parse().unwrap()).collect(),
        };
        test.iter().zip(out).for_each(|(&row, value)| predicted[row] = value);
    }
    println!("{name}: {chosen:?} in {seconds:.0} s");
    let score = if data["classes"].as_bool().unwrap() {
        truth.iter().zip(&predicted).filter(|(t, p)| t == p).count() as f64 / truth.len() as f64
    } else {
        Metric::R2.numbers(&truth, &predicted).unwrap()
    };
    (score, seconds / 5.0, chosen)
}

#[test]
#[ignore = "slow: some minutes; prints the table of tests/bench/automl.md"]
fn the_table_against_a_default_random_forest() {
    let mut lines = String::new();
    for (name, data) in bundled() {
        let time = Duration::from_secs(if name == "digits" { 60 } else { 20 });
        let (ours, seconds, chosen) = nested(name, data, &Settings { time, ..Settings::default() });
        let theirs = number(&data["forest_score"]);
        let metric = if data["classes"].as_bool().unwrap() { "accuracy" } else { "R²" };
        let verdict = if ours > theirs { "better" } else if ours == theirs { "equal" } else { "worse" };
        lines += &format!("| {name} | {metric} | {ours:.4} | {theirs:.4} | {:+.4} | {verdict} | {seconds:.0} s | {} |\n", ours - theirs, chosen.join(", "));
    }
    println!("{lines}");
    assert!(!lines.contains("| worse |"), "{lines}");
}
