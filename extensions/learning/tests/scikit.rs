//! Preparation, metrics, curves and models against scikit-learn, which runs as a peer (tests/peer/fixtures.py).
//!
//! - "Preparation, metrics and curves are scikit-learn's to the ninth digit, where the definition is the same."
mod peer;

use ochre_learning::judge::{ClassificationReport, ConfusionMatrix, Metric, PrecisionRecallCurve, RegressionReport, RocCurve};
use ochre_learning::models::{BoostingSettings, ForestSettings, LinearSettings, LogisticSettings, Settings, Target};
use ochre_learning::prepare::{MinMaxScaler, OneHotEncoder, OrdinalEncoder, SimpleImputer, StandardScaler};
use ochre_learning::{Column, Table, Values, never};
use peer::{bundled, fixtures, integers, number, numbers, table};
use serde_json::Value;

/// Where the definition is the same, so is the number.
const SAME: f64 = 1e-9;

fn close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (place, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let equal = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs().max(1.0);
        assert!(equal, "{what}[{place}]: {a} here, {b} in scikit-learn");
    }
}

fn column(table: &Table, index: usize) -> &[f64] {
    match &table.columns()[index].values {
        Values::Numbers(values) => values,
        Values::Texts(_) => panic!("texts"),
    }
}

fn same_table(what: &str, ours: &Table, theirs: &Value) {
    let theirs = theirs.as_array().unwrap();
    assert_eq!(ours.columns().len(), theirs.len(), "{what}");
    for (index, expected) in theirs.iter().enumerate() {
        close(&format!("{what} column {index}"), column(ours, index), &numbers(expected), SAME);
    }
}

#[test]
fn scalers_imputers_and_encoders_give_the_same_values() {
    for (name, data) in bundled() {
        let table = table(&data["columns"]);
        let (mut standard, mut range) = (StandardScaler::new(), MinMaxScaler::new().range(-1.0, 2.0));
        standard.fit(&table).unwrap();
        range.fit(&table).unwrap();
        same_table(&format!("{name} standard"), &standard.transform(&table).unwrap(), &data["standard"]);
        same_table(&format!("{name} minmax"), &range.transform(&table).unwrap(), &data["minmax"]);
    }
    let data = &fixtures()["preparation"];
    let holes = table(&data["columns"]);
    let (mut standard, mut range) = (StandardScaler::new(), MinMaxScaler::new());
    standard.fit(&holes).unwrap();
    range.fit(&holes).unwrap();
    same_table("holes standard", &standard.transform(&holes).unwrap(), &data["standard"]);
    same_table("holes minmax", &range.transform(&holes).unwrap(), &data["minmax"]);
    for (name, mut imputer) in [("mean", SimpleImputer::mean()), ("median", SimpleImputer::median()), ("most_frequent", SimpleImputer::most_frequent())] {
        imputer.fit(&holes).unwrap();
        same_table(name, &imputer.transform(&holes).unwrap(), &data[name]);
    }
    let texts = |name: &str| Column::texts(name, data[name].as_array().unwrap().iter().map(|t| Some(t.as_str().unwrap().to_string())).collect());
    let words = Table::new(vec![texts("words"), texts("other")]).unwrap();
    for (name, mut encoder) in [("onehot", OneHotEncoder::new()), ("onehot_first", OneHotEncoder::new().drop_first()), ("onehot_binary", OneHotEncoder::new().drop_if_binary())] {
        encoder.fit(&words).unwrap();
        let out = encoder.transform(&words).unwrap();
        same_table(name, &out, &data[name]["columns"]);
        let names: Vec<&str> = out.columns().iter().map(|c| c.name.as_str()).collect();
        let theirs: Vec<&str> = data[name]["names"].as_array().unwrap().iter().map(|n| n.as_str().unwrap()).collect();
        assert_eq!(names, theirs);
    }
    let mut ordinal = OrdinalEncoder::new();
    ordinal.fit(&words).unwrap();
    same_table("ordinal", &ordinal.transform(&words).unwrap(), &data["ordinal"]);
}

#[test]
fn reports_and_curves_give_the_same_values() {
    for (name, data) in bundled() {
        let (truth, predicted, judged) = (numbers(&data["target"]), numbers(&data["predicted"]), &data["judged"]);
        if !data["classes"].as_bool().unwrap() {
            let report = serde_json::to_value(RegressionReport::new(&truth, &predicted).unwrap()).unwrap();
            for (key, expected) in judged.as_object().unwrap() {
                close(&format!("{name} {key}"), &[number(&report[key])], &[number(expected)], SAME);
            }
            continue;
        }
        let (true_values, predicted_values) = (Values::Numbers(truth.clone()), Values::Numbers(predicted));
        let confusion = ConfusionMatrix::new(&true_values, &predicted_values).unwrap();
        let counts: Vec<f64> = confusion.counts.iter().flatten().map(|&c| c as f64).collect();
        close(&format!("{name} confusion"), &counts, &judged["confusion"].as_array().unwrap().iter().flat_map(numbers).collect::<Vec<_>>(), 0.0);
        close(&format!("{name} balanced"), &[confusion.balanced_accuracy()], &[number(&judged["balanced_accuracy"])], SAME);
        close(&format!("{name} matthews"), &[confusion.matthews()], &[number(&judged["matthews"])], SAME);
        let report = ClassificationReport::new(&true_values, &predicted_values).unwrap();
        close(&format!("{name} accuracy"), &[report.accuracy], &[number(&judged["report"]["accuracy"])], SAME);
        for line in report.classes.iter().chain([&report.macro_average, &report.weighted_average]) {
            let theirs = &judged["report"][&line.name];
            let expected = ["precision", "recall", "f1-score", "support"].map(|key| number(&theirs[key]));
            close(&format!("{name} {}", line.name), &[line.precision, line.recall, line.f1, line.support as f64], &expected, SAME);
        }
        let codes = integers(&data["target"]);
        let probabilities: Vec<f64> = data["probabilities"].as_array().unwrap().iter().flat_map(numbers).collect();
        let classes = confusion.classes.len();
        close(&format!("{name} log loss"), &[Metric::LogLoss.classes(&codes, classes, &probabilities).unwrap()], &[number(&judged["log_loss"])], SAME);
        close(&format!("{name} area"), &[Metric::RocAuc.classes(&codes, classes, &probabilities).unwrap()], &[number(&judged["roc_auc"])], SAME);
        for (class, theirs) in judged["roc"].as_array().unwrap().iter().enumerate() {
            let truth: Vec<bool> = theirs["truth"].as_array().unwrap().iter().map(|t| t.as_bool().unwrap()).collect();
            let scores = numbers(&theirs["scores"]);
            let roc = RocCurve::new(&truth, &scores).unwrap();
            let what = format!("{name} class {class}");
            close(&format!("{what} fpr"), &roc.false_positive_rate, &numbers(&theirs["fpr"]), SAME);
            close(&format!("{what} tpr"), &roc.true_positive_rate, &numbers(&theirs["tpr"]), SAME);
            close(&format!("{what} thresholds"), &roc.thresholds, &numbers(&theirs["thresholds"]), SAME);
            close(&format!("{what} area"), &[roc.area], &[number(&theirs["area"])], SAME);
            let curve = PrecisionRecallCurve::new(&truth, &scores).unwrap();
            close(&format!("{what} precision"), &curve.precision, &numbers(&theirs["precision"]), SAME);
            close(&format!("{what} recall"), &curve.recall, &numbers(&theirs["recall"]), SAME);
            close(&format!("{what} pr thresholds"), &curve.thresholds, &numbers(&theirs["pr_thresholds"]), SAME);
            close(&format!("{what} average precision"), &[curve.average_precision], &[number(&theirs["average_precision"])], SAME);
        }
    }
}

#[test]
fn linear_and_logistic_models_are_the_same() {
    let data = &fixtures()["tables"]["diabetes"];
    let matrix = table(&data["columns"]).matrix().unwrap();
    let target = numbers(&data["target"]);
    for (name, penalty) in [("linear", 0.0), ("ridge", 0.3)] {
        let model = ochre_learning::models::Linear::fit(&LinearSettings { penalty }, &matrix, &target).unwrap();
        let ours: Vec<f64> = model.coefficients.iter().copied().chain([model.intercept]).collect();
        close(name, &ours, &numbers(&data[name]), SAME);
    }
    for (name, data) in bundled().filter(|(_, d)| d["classes"].as_bool().unwrap()) {
        let codes = integers(&data["target"]);
        let mut scaler = StandardScaler::new();
        let table = table(&data["columns"]);
        scaler.fit(&table).unwrap();
        let matrix = scaler.transform(&table).unwrap().matrix().unwrap();
        let settings = Settings::Logistic(LogisticSettings { freedom: 0.5, tolerance: 1e-9, steps: 100_000 });
        let target = Target::Classes { codes: &codes, count: codes.iter().max().unwrap() + 1 };
        let ours = settings.fit(&matrix, target, &never).unwrap().predict(&matrix).unwrap();
        let theirs: Vec<f64> = data["logistic"].as_array().unwrap().iter().flat_map(numbers).collect();
        // Both stop where their own measure of the gradient is small enough.
        close(&format!("{name} logistic"), &ours, &theirs, 1e-4);
    }
}

/// The score of a model over scikit-learn's own parts.
fn cross_validated(data: &Value, settings: &Settings) -> f64 {
    let matrix = table(&data["columns"]).matrix().unwrap();
    let part = integers(&data["part"]);
    let truth = numbers(&data["target"]);
    let codes = integers(&data["target"]);
    let classes = data["classes"].as_bool().unwrap();
    let count = codes.iter().max().unwrap() + 1;
    let outputs = if classes { count } else { 1 };
    let mut predicted = vec![0.0; truth.len() * outputs];
    for fold in 0..5 {
        let (test, train): (Vec<usize>, Vec<usize>) = (0..part.len()).partition(|&row| part[row] == fold);
        let (own_codes, own): (Vec<usize>, Vec<f64>) = train.iter().map(|&r| (codes[r], truth[r])).unzip();
        let target = if classes { Target::Classes { codes: &own_codes, count } } else { Target::Numbers(&own) };
        let model = settings.fit(&matrix.take(&train), target, &never).unwrap();
        let out = model.predict(&matrix.take(&test)).unwrap();
        test.iter().enumerate().for_each(|(i, &row)| predicted[row * outputs..(row + 1) * outputs].copy_from_slice(&out[i * outputs..(i + 1) * outputs]));
    }
    if classes { Metric::Accuracy.classes(&codes, count, &predicted).unwrap() } else { Metric::R2.numbers(&truth, &predicted).unwrap() }
}

#[test]
fn forests_and_boosting_are_as_good_under_the_same_parts() {
    // What the seed alone changes in scikit-learn's forest on these tables; small tables move more.
    let seed_noise = |rows: usize| 0.006 + 3.0 / rows as f64;
    for (name, data) in bundled() {
        let least = seed_noise(data["target"].as_array().unwrap().len());
        let cases = [
            ("forest_score", Settings::Forest(ForestSettings::default())),
            ("extra_trees_score", Settings::Forest(ForestSettings::extra_trees())),
            ("boosting_score", Settings::Boosting(BoostingSettings::default())),
        ];
        for (key, settings) in cases {
            let Some(theirs) = data.get(key).map(number) else { continue };
            let ours = cross_validated(data, &settings);
            println!("{name} {key}: {ours:.4} here, {theirs:.4} in scikit-learn");
            assert!(ours >= theirs - least, "{name} {key}: {ours:.4} here, {theirs:.4} in scikit-learn");
        }
    }
}
