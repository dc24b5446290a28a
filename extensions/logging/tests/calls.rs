//! What becomes of each call: the records that it leaves, and what the user is told.
mod support;

use ochre_spool::wire::Active;
use ochre_spool::{Record, limits};
use std::collections::HashMap;
use std::path::Path;
use support::{Ran, metrics, records};

/// Steps and values of a metric, in order.
fn points(records: &[Record], key: &str) -> Vec<(i64, f64)> {
    let of = |r: &Record| if let Record::Metric(m) = r && m.key == key { Some((m.step, m.value)) } else { None };
    records.iter().filter_map(of).collect()
}

#[test]
fn each_call_leaves_what_is_said() {
    let ran = Ran::of(&["calls", "."], Some("from the environment"));
    let readers = ran.readers();
    let reader = &readers[0];
    assert_eq!(reader.header().run_id, "from the environment");
    assert_eq!(reader.header().tracking_uri, "http://host:5000", "no credential in a spool");
    let all = records(reader);

    // "A metric that is logged without a step gets the step after the last of its name, 0 at first."
    assert_eq!(points(&all, "steps"), [(0, 0.0), (1, 1.0), (2, 2.0), (100, 9.0), (101, 10.5)]);

    // "NaN and infinities are kept as such."
    let values = points(&all, "values");
    assert!(values[0].1.is_nan() && values[1].1 == f64::INFINITY && values[2].1.to_bits() == (-0.0f64).to_bits() && values[3].1.is_nan(), "{values:?}");
    assert_eq!((values[4].1, values[5].1), (1.0, usize::MAX as f64));

    // "A name that MLflow refuses is logged under one that it takes, and you are told once."
    assert_eq!(points(&all, "loss _ of /all/__/x").len(), 2);
    assert_eq!(ran.said.matches("the metric `loss % of /all/../x` is logged as `loss _ of /all/__/x`").count(), 1, "{}", ran.said);
    assert_eq!(points(&all, "_").len(), 1);
    // Names that become one name share its steps, so that no point is taken for another.
    assert_eq!(points(&all, "a/b"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)]);
    let long = limits::key(&"k".repeat(300)).into_owned();
    assert_eq!((points(&all, &long).len(), long.len()), (1, 250));
    assert!(all.iter().all(|r| !matches!(r, Record::Metric(m) if !limits::is_valid_key(&m.key))));

    // "A parameter keeps its first value."
    let params: Vec<(&str, usize)> = all.iter().filter_map(|r| if let Record::Param { key, value } = r { Some((key.as_str(), value.len())) } else { None }).collect();
    assert_eq!(params, [("depth", 1), ("rate", 3), ("kind", 6), ("long", 6_000)]);
    assert!(ran.said.contains("the param `depth` stays `3`"), "{}", ran.said);
    assert!(ran.said.contains("the value of the param `long` is cut to its first 6000 characters"), "{}", ran.said);

    let tags: Vec<(&str, usize)> = all.iter().filter_map(|r| if let Record::Tag { key, value } = r { Some((key.as_str(), value.len())) } else { None }).collect();
    assert_eq!(tags, [("tag", 5), ("tag", 8_000), ("mlflow.note.content", 15)]);

    assert!(all.contains(&Record::Text { path: "a/short.txt".into(), text: "short".into() }));
    assert!(all.contains(&Record::Text { path: "config.json".into(), text: "{\n  \"a\": [\n    1,\n    2\n  ]\n}".into() }));

    // "A file is logged as it is when it is logged."
    let files: HashMap<String, String> = all.iter().filter_map(|r| if let Record::Artifact { path, file, owned: true } = r { Some((path.clone(), text(file))) } else { None }).collect();
    assert_eq!(files["model.bin"], "as it was");
    assert_eq!(files["long.txt"].len(), 400_000);
    assert_eq!((files["in/data/deep/x"].as_str(), files["deep/x"].as_str()), ("x", "x"));
    assert_eq!(files.len(), 4, "{:?}", files.keys());
    assert!(ran.out.contains("missing: cannot log ./missing: No such file or directory"), "{}", ran.out);
    assert!(ran.out.contains("current: true"), "{}", ran.out);
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).expect("the copy")
}

/// "Without a kernel, `MLFLOW_RUN_ID` names the run; where nothing names one, log calls do nothing and say so once."
#[test]
fn without_a_run_nothing_is_logged_and_it_is_said_once() {
    let ran = Ran::of(&["calls", "."], None);
    assert_eq!(ran.said, "ochre: nothing is logged: there is no kernel, and MLFLOW_RUN_ID does not name a run\n");
    assert!(!ran.spools().exists());
    assert!(ran.out.starts_with("missing: cannot log ./missing"), "a file that is not there is told all the same: {}", ran.out);
}

/// "A continued run goes on where it stopped."
#[test]
fn a_continued_run_goes_on_where_it_stopped() {
    let ran = Ran::of(&["continued"], None);
    let kept = std::fs::read_to_string(ran.place.path().join("kept")).expect("what was delivered");
    assert!(kept.starts_with("loss 42 "), "{kept}");
    assert!(metrics(&ran.spools()).is_empty(), "all was delivered");
}

/// "A forked child logs to its parent's run."
#[test]
fn a_forked_child_logs_to_its_parents_run() {
    let ran = Ran::of(&["fork"], Some("parents"));
    let readers = ran.readers();
    assert_eq!(readers.iter().map(|r| r.header().run_id.as_str()).collect::<Vec<_>>(), ["parents", "parents"]);
    let mut steps: Vec<Vec<i64>> = readers.iter().map(|r| points(&records(r), "loss").into_iter().map(|p| p.0).collect()).collect();
    steps.sort();
    assert_eq!(steps, [vec![0, 1, 2, 3, 4], vec![3, 4]]);
}

/// "When 256 MiB wait because the place for runs does not answer, log calls wait too, and go on when it does."
#[test]
#[ignore = "slow: writes 256 MiB and waits for a retry"]
fn too_much_that_waits_makes_calls_wait() {
    let ran = Ran::of(&["stuck"], None);
    assert_eq!(ran.out.lines().filter(|l| l.ends_with(": true")).count(), 2, "{}", ran.out);
    assert_eq!(ran.said.matches("256 MiB of what was logged wait to be delivered").count(), 1, "{}", ran.said);
}

#[test]
fn an_answer_of_an_older_kernel_is_understood() {
    let active: Active = ochre_spool::wire::read(br#"{"run_id":"r","experiment":"e"}"#).expect("an answer");
    assert_eq!((active.run_id.as_str(), active.remote), ("r", false));
}
