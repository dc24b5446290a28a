//! Boards of runs.
use super::*;

fn seen(name: &str, metrics: &[(&str, &[f64])]) -> Seen {
    let facts = Facts { id: format!("{name}{}", "0".repeat(32)), name: name.into(), experiment: "cats".into(), start_ms: 1_700_000_000_000, page: None, params: BTreeMap::new() };
    let mut seen = Seen { facts, ..Seen::default() };
    for (key, values) in metrics {
        for (step, value) in values.iter().enumerate() {
            seen.metric(key, Point { step: step as i64, at_ms: 1_700_000_000_000 + step as i64, value: *value });
        }
    }
    seen
}

#[test]
fn training_and_validation_share_a_chart() {
    let run = seen("owl", &[("train_loss", &[1.0, 0.5]), ("val_loss", &[1.2, 0.7]), ("lr", &[0.1, 0.1]), ("system/cpu_utilization_percentage", &[3.0])]);
    let board = single(&run, &Wanted::default(), 1_700_000_065_000);
    assert_eq!(board.title, "owl · running for 1 min 05 s");
    assert_eq!(board.names, ["train", "val"]);
    let titles: Vec<&str> = board.charts.iter().filter_map(|c| c.title.as_deref()).collect();
    assert_eq!(titles, ["loss: train 0.5, val 0.7", "lr = 0.1"]);
    assert_eq!(board.columns, 2);
    assert!(board.lines[0].contains("experiment cats") && board.lines[0].contains("6 values"), "{:?}", board.lines);
    let with_system = single(&run, &Wanted { system: true, ..Wanted::default() }, 0);
    assert_eq!(with_system.charts.len(), 3);
    let one = single(&run, &Wanted { metrics: vec!["lr".into()], system: false }, 0);
    assert_eq!(one.charts.len(), 1);
}

#[test]
fn keras_names_share_a_chart_too_and_others_stay_alone() {
    assert_eq!(part_of("val_loss"), ("loss".into(), Some("val".into())));
    assert_eq!(part_of("loss"), ("loss".into(), None));
    assert_eq!(part_of("Test/acc top1"), ("acc_top1".into(), Some("test".into())));
    assert_eq!(part_of("test"), ("test".into(), None));
    assert_eq!(part_of("trainable_params"), ("trainable_params".into(), None));
    let run = seen("owl", &[("loss", &[1.0]), ("val_loss", &[1.2]), ("test_acc", &[0.9])]);
    let board = single(&run, &Wanted::default(), 0);
    let titles: Vec<&str> = board.charts.iter().filter_map(|c| c.title.as_deref()).collect();
    assert_eq!(titles, ["loss: value 1, val 1.2", "test_acc = 0.9"]);
}

#[test]
fn runs_are_compared_by_metric_and_their_params_named_where_they_differ() {
    let (mut a, mut b) = (seen("a", &[("loss", &[1.0, 0.5])]), seen("a", &[("loss", &[2.0]), ("acc", &[0.5])]));
    b.facts.id = "ffffffffffff".into();
    a.facts.params = [("lr", "0.1"), ("same", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    b.facts.params = [("lr", "0.2"), ("same", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    b.status = Status::Failed;
    b.end_ms = Some(1_700_000_002_500);
    let board = compared(&[a, b], &Wanted::default(), 1_700_000_001_000);
    assert_eq!(board.names, ["a (a0000000)", "a (ffffffff)"]);
    assert_eq!(board.charts.len(), 2);
    assert!(board.lines[0].contains("failed after 2.5 s"), "{:?}", board.lines);
    assert_eq!(board.lines[1], "lr: 0.1 in a (a0000000), 0.2 in a (ffffffff)");
}

#[test]
fn odd_values_do_not_spoil_a_chart() {
    let run = seen("owl", &[("loss", &[f64::NAN, 1.0, f64::INFINITY, 2.0]), ("never", &[f64::NAN])]);
    let board = single(&run, &Wanted::default(), 0);
    assert_eq!(board.charts[0].notes, ["2 of NaN or infinity not drawn"]);
    assert_eq!(board.charts[1].title.as_deref(), Some("never = NaN"));
    board.draw().expect("a picture");
    assert!(board.spec().to_string().contains("\"loss\":2"));
}

#[test]
fn numbers_and_times_are_short() {
    assert_eq!([0.0, 1.0, 0.123456, 123.456, 1234567.0, 0.00012, 98765.4, f64::NAN, 0.05].map(number), ["0", "1", "0.1235", "123.46", "1.235e6", "1.2e-4", "98765", "NaN", "0.05"]);
    assert_eq!([1234, 59_000, 61_000, 3_700_000].map(duration), ["1.2 s", "59 s", "1 min 01 s", "1 h 01 min"]);
}
