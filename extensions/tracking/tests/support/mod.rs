//! MLflow's Python client as a process that a test talks to, and what both stores are filled with.
#![allow(dead_code)]
use bytes::Bytes;
use ochre_tracking::{Batch, DatasetInput, Metric, NewModel, NewRun, Run, Source, Status, Tracking, tag};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// MLflow's client.
pub struct Peer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it in a directory; importing MLflow takes some seconds.
    pub fn start(directory: &std::path::Path) -> Self {
        let python = ochre_servers::runs_python().expect("`cargo xtask test` installs MLflow");
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer.py")).current_dir(directory).env("PYTHONDONTWRITEBYTECODE", "1").env("GIT_PYTHON_REFRESH", "quiet");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        let (input, output) = (process.stdin.take().expect("piped"), BufReader::new(process.stdout.take().expect("piped")));
        Self { process, input, output }
    }

    /// Sends a command; `answer` waits for what comes of it.
    pub fn send(&mut self, command: &Value) {
        writeln!(self.input, "{command}").expect("the peer reads");
    }

    pub fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the peer answers");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("the peer ended or wrote {line:?}: {e}"));
        assert!(answer.get("failed").is_none(), "MLflow failed: {}", answer["failed"]);
        answer["ok"].clone()
    }

    pub fn ask(&mut self, command: &Value) -> Value {
        self.send(command);
        self.answer()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn metric(key: &str, value: f64, timestamp_ms: i64, step: i64) -> Metric {
    Metric { key: key.into(), value, timestamp_ms, step }
}

pub fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// Text of a thousand characters of all kinds.
pub fn odd_text() -> String {
    "größe \"x\" \\ 'y' \u{1F980} \t".repeat(45)
}

/// A run with one of everything, and a child run. Returns the parent as it is read back.
pub async fn fill(store: &dyn Tracking, experiment: &str) -> Run {
    let experiment = store.experiment(experiment).await.expect("is made");
    let again = store.experiment(&experiment.name).await.expect("is found");
    assert_eq!(experiment.id, again.id, "an experiment is made once");
    let tags = vec![pair(tag::USER, "ann"), pair(tag::SOURCE_NAME, "a.ipynb"), pair(tag::SOURCE_TYPE, "NOTEBOOK"), pair(tag::GIT_COMMIT, "abc")];
    let new = NewRun { experiment_id: experiment.id.clone(), name: Some("ours".into()), tags, start_ms: Some(1_700_000_000_000), ..NewRun::default() };
    let run = store.create_run(new).await.expect("begins");
    assert_eq!((run.name.as_str(), run.status, run.user.as_str()), ("ours", Status::Running, "ann"));
    let numbers = [1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.25, 5e-324];
    let mut metrics: Vec<Metric> = numbers.iter().enumerate().map(|(n, v)| metric("loss", *v, 1000 + n as i64, n as i64)).collect();
    // A late value of an early step is not the latest; neither is the same again.
    metrics.extend([metric("loss", 9.0, 9000, 2), metric("loss", 1.5, 1000, 0), metric("val/acc ü", 0.5, 1, -3), metric("nan only", f64::NAN, 1, 0)]);
    let params = vec![pair("model", "tree"), pair("odd", &odd_text()), pair("empty", ""), pair("long", &"p".repeat(7000))];
    let batch = Batch { metrics, params, tags: vec![pair("team", "red"), pair("team", "blue"), pair(tag::NOTE, "# about")] };
    let first = store.log(&run.id, &batch).await.expect("logs");
    assert_eq!(first.problems.len(), 1, "a long value is cut and that is said: {:?}", first.problems);
    let second = store.log(&run.id, &batch).await.expect("logs again");
    assert_eq!(second, first, "a batch that comes again changes nothing");
    let wrong = Batch { params: vec![pair("model", "forest"), pair("depth", "3")], metrics: vec![metric("a?b", 1.0, 1, 1), metric("late", 1.0, 1, 1)], tags: vec![] };
    let outcome = store.log(&run.id, &wrong).await.expect("the rest is written");
    let said: Vec<String> = outcome.problems.iter().map(ToString::to_string).collect();
    assert!(said.len() == 2 && said.iter().any(|s| s.contains("a param keeps its first value")) && said.iter().any(|s| s.contains("a?b")), "{said:?}");
    store.put_artifact(&run.id, "notes/a b.txt", Source::Bytes(Bytes::from_static(b"hello"))).await.expect("is written");
    store.put_artifact(&run.id, "notes/a b.txt", Source::Bytes(Bytes::from_static(b"hello again"))).await.expect("is replaced");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), (0..=255u8).cycle().take(100_000).collect::<Vec<u8>>()).expect("writes");
    store.put_artifact(&run.id, "model/größe.bin", Source::File(file.path().into())).await.expect("is copied");
    store.log_inputs(&run.id, &[input()]).await.expect("logs");
    store.log_inputs(&run.id, &[input()]).await.expect("logs again");
    let child = store.create_run(NewRun { experiment_id: experiment.id.clone(), parent: Some(run.id.clone()), ..NewRun::default() }).await.expect("begins");
    assert_eq!(child.parent(), Some(run.id.as_str()));
    store.update_run(&child.id, Status::Killed, Some(child.start_ms + 5)).await.expect("ends");
    for (source, alias) in [("model", None), (format!("runs:/{}/model", run.id).as_str(), Some("champion".to_owned()))] {
        let new = NewModel { name: "ours".into(), source: source.into(), run: Some(run.id.clone()), tags: vec![pair("k", "v")], description: Some("d".into()), alias };
        store.register_model(new).await.expect("is registered");
    }
    store.run(&run.id).await.expect("is read")
}

pub fn input() -> DatasetInput {
    DatasetInput {
        name: "wine".into(),
        digest: "abc123".into(),
        source_type: "local".into(),
        source: r#"{"uri": "wine.csv"}"#.into(),
        schema: Some(r#"{"mlflow_colspec": []}"#.into()),
        profile: Some(r#"{"num_rows": 178}"#.into()),
        tags: BTreeMap::from([pair(tag::DATA_CONTEXT, "training")]),
    }
}

/// What `fill` must have left, as the store itself reads it.
pub async fn check_filled(store: &dyn Tracking, run: &Run) {
    let keys: Vec<&str> = run.metrics.keys().map(String::as_str).collect();
    assert_eq!(keys, ["late", "loss", "nan only", "val/acc ü"]);
    assert_eq!(run.metrics["loss"], metric("loss", 5e-324, 1005, 5));
    assert!(run.metrics["nan only"].value.is_nan());
    assert_eq!(run.params["odd"], odd_text());
    assert_eq!((run.params["long"].len(), run.params["model"].as_str(), run.params["depth"].as_str()), (6000, "tree", "3"));
    assert_eq!(run.tags["team"], "blue");
    assert_eq!(run.inputs, [input()]);
    let history = store.history(&run.id, "loss", None).await.expect("is read");
    let values: Vec<f64> = history.iter().map(|m| m.value).collect();
    assert_eq!(format!("{values:?}"), "[1.5, NaN, inf, -inf, -0.25, 5e-324, 9.0]");
    let late = store.history(&run.id, "loss", Some(4)).await.expect("is read");
    assert_eq!(late.iter().map(|m| m.step).collect::<Vec<_>>(), [4, 5]);
    let root = store.list_artifacts(&run.id, "").await.expect("lists");
    assert_eq!(root.iter().map(|f| (f.path.as_str(), f.is_directory)).collect::<Vec<_>>(), [("model", true), ("notes", true)]);
    let notes = store.list_artifacts(&run.id, "notes").await.expect("lists");
    assert_eq!((notes[0].path.as_str(), notes[0].size), ("notes/a b.txt", Some(11)));
    assert_eq!(store.get_artifact(&run.id, "notes/a b.txt").await.expect("is read"), "hello again");
    assert_eq!(store.get_artifact(&run.id, "model/größe.bin").await.expect("is read").len(), 100_000);
    let missing = store.get_artifact(&run.id, "none").await.expect_err("is not there");
    assert!(missing.to_string().contains("does not exist"), "{missing}");
    let versions = store.model_versions("ours").await.expect("lists");
    assert_eq!(versions.iter().map(|v| v.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(versions[0].source, versions[1].source);
    let champion = store.model_version("ours", "champion").await.expect("is found");
    assert_eq!((champion.version, champion.run.as_deref(), champion.tags["k"].as_str()), (2, Some(run.id.as_str()), "v"));
    let models = store.models().await.expect("lists");
    let ours = models.iter().find(|m| m.name == "ours").expect("is there");
    assert_eq!((ours.latest, &ours.aliases), (Some(2), &BTreeMap::from([("champion".to_owned(), 2)])));
}

/// The same, as MLflow's client reads it.
pub fn check_dump(dump: &Value, run: &Run) {
    let theirs = &dump["runs"][&run.id];
    assert_eq!(theirs["name"], "ours");
    assert_eq!((&theirs["user"], &theirs["start"], &theirs["end"]), (&json!("ann"), &json!(1_700_000_000_000i64), &json!(run.end_ms)));
    assert_eq!(theirs["status"], run.status.name());
    assert_eq!(theirs["params"], json!(run.params));
    assert_eq!(theirs["tags"], json!(run.tags));
    let max = f64::MAX;
    let history = json!([[1.5, 1000, 0], ["NaN", 1001, 1], [max, 1002, 2], [-max, 1003, 3], [-0.25, 1004, 4], [5e-324, 1005, 5], [9.0, 9000, 2]]);
    assert_eq!(theirs["history"]["loss"], history);
    assert_eq!(theirs["history"]["val/acc ü"], json!([[0.5, 1, -3]]));
    assert_eq!(theirs["metrics"], json!({ "late": 1.0, "loss": 5e-324, "nan only": "NaN", "val/acc ü": 0.5 }));
    let input = input();
    assert_eq!(theirs["inputs"], json!([[input.name, input.digest, input.source_type, input.source, input.schema, input.profile, input.tags]]));
    assert_eq!(theirs["files"]["notes/a b.txt"], "hello again");
    assert_eq!(theirs["files"]["model/größe.bin"].as_str().map(|s| s.chars().count()), Some(100_000));
    let child = dump["runs"].as_object().expect("runs").values().find(|r| r["tags"]["mlflow.parentRunId"] == json!(run.id)).expect("the child is there");
    assert_eq!(child["status"], "KILLED");
    let model = &dump["models"]["ours"];
    assert_eq!(model["aliases"], json!({ "champion": 2 }));
    let versions = model["versions"].as_array().expect("versions");
    assert_eq!(versions.len(), 2);
    assert_eq!((&versions[1][2], &versions[1][3], &versions[1][5]), (&json!(run.id), &json!("READY"), &json!({ "k": "v" })));
}

/// A run that MLflow's client began, as this store reads it, is continued here; and MLflow reads what came of it.
pub async fn continue_theirs(store: &dyn Tracking, peer: &mut Peer, uri: &str) {
    let id = peer.ask(&json!({ "do": "begin", "uri": uri, "experiment": "theirs" }));
    let id = id.as_str().expect("an id");
    let run = store.run(id).await.expect("is read");
    assert_eq!((run.name.as_str(), run.status, run.tags["team"].as_str(), run.params["depth"].as_str()), ("theirs", Status::Running, "a b", "3"));
    let history = store.history(id, "loss", None).await.expect("is read");
    assert_eq!(format!("{:?}", history.iter().map(|m| m.value).collect::<Vec<_>>()), "[1.5, NaN, inf, -inf, 0.25]");
    assert_eq!(store.get_artifact(id, "notes/a.txt").await.expect("is read"), "written by MLflow");
    assert_eq!((run.inputs[0].name.as_str(), run.inputs[0].tags[tag::DATA_CONTEXT].as_str()), ("iris", "training"));
    let version = store.model_version("theirs", "champion").await.expect("is found");
    assert_eq!((version.version, version.description.as_str()), (1, "first"));
    let batch = Batch { metrics: vec![metric("loss", 0.0625, 6000, 9)], params: vec![pair("ours", "yes")], tags: vec![pair(tag::RUN_NAME, "renamed")] };
    assert_eq!(store.log(id, &batch).await.expect("logs").problems, []);
    store.put_artifact(id, "notes/b.txt", Source::Bytes("by us".into())).await.expect("is written");
    store.update_run(id, Status::Finished, Some(7000)).await.expect("ends");
    let dump = peer.ask(&json!({ "do": "dump", "uri": uri }));
    let theirs = &dump["runs"][id];
    assert_eq!((&theirs["status"], &theirs["end"], &theirs["name"]), (&json!("FINISHED"), &json!(7000), &json!("renamed")));
    assert_eq!((&theirs["params"]["ours"], &theirs["metrics"]["loss"], &theirs["files"]["notes/b.txt"]), (&json!("yes"), &json!(0.0625), &json!("by us")));
}

/// A run that was begun here is continued and ended by MLflow's client.
pub async fn continued_by_them(store: &dyn Tracking, peer: &mut Peer, uri: &str, run: &str) {
    assert_eq!(peer.ask(&json!({ "do": "extend", "uri": uri, "run_id": run })), json!("FINISHED"));
    let run = store.run(run).await.expect("is read");
    assert_eq!((run.status, run.metrics["loss"].step, run.params["theirs"].as_str()), (Status::Finished, 100, "yes"));
    assert!(run.end_ms.is_some());
    assert_eq!(store.get_artifact(&run.id, "more.txt").await.expect("is read"), "more");
}
