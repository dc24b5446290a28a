//! The magics, the service and the views over the embedded store.
//!
//! - "A run that begins by itself ends with its cell; one of `%start_run` with `%end_run` or the session."
//! - "A cell that fails or is interrupted leaves its run FAILED or KILLED, and a kernel that dies leaves it KILLED from the next start on."
//! - "What was logged is in the store once, whatever dies after the call returned."
//! - "The run of a trial does not stay open: it ends when its cell fails or is interrupted, or when the run above it ends."
//! - "A view is one display that is updated in place, and a saved notebook keeps its last picture."
use crate::double::{BOUND, Double, setup};
use ochre_api::{Ending, Service};
use ochre_link::Data;
use ochre_servers::SmallDisk;
use ochre_spool::wire::{Active, Appended, Child, Request, Status as Word, read};
use ochre_spool::{Header, Kept, Metric, Most, Record, Spool};
use ochre_tracking::{Query, Run, Status, tag};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Everything that can be read from a spool.
const ALL: Most = Most { records: usize::MAX, bytes: usize::MAX };

async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut found: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(started.elapsed() < BOUND, "{what}: not within {BOUND:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a cell's log call asks first.
async fn active(session: &Double) -> Active {
    let answer = session.service().answer(&Request::Active { create: true }.to_bytes()).await.expect("a run");
    read(&answer).expect("an answer")
}

async fn append(service: &dyn Service, spool: &Spool, run: &str) -> Appended {
    let batch = spool.batch(ALL);
    let request = Request::Append { run_id: run.into(), spool: "s".into(), batch: batch.clone() };
    let appended: Appended = read(&service.answer(&request.to_bytes()).await.expect("an answer")).expect("an answer");
    if appended.upto == batch.end {
        spool.delivered(&batch);
    }
    appended
}

/// A worker's spool with the metrics `key` at the steps from 0.
fn spool(root: &Path, run: &str, address: &str, key: &str, values: &[f64]) -> Spool {
    let spool = Spool::create(&root.join("spools"), &Header::new(run, "e", address), ochre_spool::LIMIT).expect("a spool");
    for (step, value) in values.iter().enumerate() {
        spool.append(&Record::Metric(Metric { key: key.into(), value: *value, timestamp_ms: 1_700_000_000_000 + step as i64, step: step as i64 })).expect("room");
    }
    spool
}

async fn stored(session: &Double, run: &str) -> Run {
    session.runs.tracking().await.expect("a store").run(run).await.expect("a run")
}

async fn history(session: &Double, run: &str, key: &str) -> Vec<f64> {
    session.runs.tracking().await.expect("a store").history(run, key, None).await.expect("a history").into_iter().map(|m| m.value).collect()
}

async fn with_status(session: &Double, run: &str, status: Status, over: bool) -> Run {
    until(&format!("{run} is {status}"), async || Some(stored(session, run).await).filter(|r| r.status == status && r.end_ms.is_some() == over)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_hand_has_its_values_and_says_where_it_comes_from() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.begin_cell(":dep rand = \"0.9\"");
    session.end_cell(Ending::Ok);
    assert!(session.run("%experiment cats").await.starts_with("experiment cats (new) in sqlite:///"));
    let begun = session.run("%start_run first --tag data=v2 --note \"**hi**\"").await;
    assert!(begun.starts_with("run first in experiment cats") && begun.ends_with("has begun"), "{begun}");
    assert_eq!(session.run("%log acc=0.5 model=tree").await, "");
    session.run("%log acc=0.75").await;
    session.run("%log depth=3 --param").await;
    session.run("%log verdict=\"too slow\" --tag").await;
    let id = session.runs.active().expect("a run").id.clone();
    let ended = session.run("%end_run").await;
    assert!(ended.starts_with("run first is finished after"), "{ended}");
    let run = with_status(&session, &id, Status::Finished, true).await;
    assert_eq!((run.params["model"].as_str(), run.params["depth"].as_str()), ("tree", "3"));
    assert_eq!((run.metrics["acc"].value, run.metrics["acc"].step), (0.75, 1));
    assert_eq!(history(&session, &id, "acc").await, [0.5, 0.75]);
    let tags = |key: &str| run.tags.get(key).map(String::as_str).unwrap_or_default();
    assert_eq!((tags(tag::USER), tags(tag::SOURCE_TYPE), tags("data"), tags(tag::NOTE), tags("verdict")), ("ada", "NOTEBOOK", "v2", "**hi**", "too slow"));
    assert_eq!((tags("ochre.prelude"), tags("ochre.dependencies")), ("prelude-1", "rand = \"0.9\""));
    assert!(!tags("ochre.host").is_empty() && !tags("ochre.kernel").is_empty());
    until("the GPU is said", async || stored(&session, &id).await.tags.get("ochre.gpu").cloned()).await;
    let source = session.runs.tracking().await.expect("a store").get_artifact(&id, "source/cells.rs").await.expect("the cells");
    let source = String::from_utf8_lossy(&source).into_owned();
    assert!(source.contains("%log acc=0.75") && source.contains("// In ["), "{source}");
    assert!(session.refused("%end_run").await.contains("no run is active"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_begins_by_itself_ends_with_its_cell() {
    // A run that begins by itself ends with its cell; one of `%start_run` with `%end_run` or the session.
    // A cell that fails or is interrupted leaves its run FAILED or KILLED, and a kernel that dies leaves it KILLED from the next start on.
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    let endings = [(Ending::Ok, Status::Finished), (Ending::Error { name: "panic", message: "boom" }, Status::Failed), (Ending::Error { name: "interrupted", message: "" }, Status::Killed)];
    for (ending, status) in endings {
        session.begin_cell("ochre::run::log_metric(\"loss\", 1.0);");
        let (first, second) = tokio::join!(active(&session), active(&session));
        assert_eq!(first.run_id, second.run_id, "two calls at the same time");
        let spool = spool(root.path(), &first.run_id, &first.tracking_uri, "loss", &[1.0, 0.5]);
        append(&*session.service(), &spool, &first.run_id).await;
        session.end_cell(ending);
        assert!(session.runs.active().is_none());
        let run = with_status(&session, &first.run_id, status, true).await;
        assert_eq!(run.tags.contains_key("ochre.error"), status != Status::Finished, "{:?}", run.tags);
        assert_eq!(history(&session, &run.id, "loss").await, [1.0, 0.5]);
    }
    assert_eq!(session.output.written().matches("began by itself (it ends with this cell").count(), 3, "{}", session.output.written());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_cells_tells_of_a_failed_cell_and_goes_on() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.run("%start_run long").await;
    let id = session.runs.active().expect("a run").id.clone();
    session.begin_cell("let x = 1 +;");
    session.end_cell(Ending::Error { name: "E0001", message: "syntax" });
    assert_eq!(session.runs.active().map(|a| a.status()), Some(Status::Running), "the cell did not log");
    session.begin_cell("log; panic!()");
    assert_eq!(active(&session).await.run_id, id);
    session.end_cell(Ending::Error { name: "panic", message: "boom" });
    with_status(&session, &id, Status::Failed, false).await;
    session.begin_cell("log");
    assert_eq!(active(&session).await.run_id, id);
    session.end_cell(Ending::Ok);
    with_status(&session, &id, Status::Running, false).await;
    assert!(session.run("%start_run next").await.contains("run long is finished\n"));
    with_status(&session, &id, Status::Finished, true).await;
    let next = session.runs.active().expect("a run").id.clone();
    session.end().await;
    assert_eq!(stored(&session, &next).await.status, Status::Finished);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_dead_left_is_delivered_once_and_their_runs_are_over() {
    // What was logged is in the store once, whatever dies after the call returned.
    let root = tempfile::tempdir().expect("a directory");
    let mut first = Double::new(root.path());
    first.begin_cell("log");
    let run = active(&first).await;
    let values: Vec<f64> = (0..3000).map(f64::from).collect();
    let worker = spool(root.path(), &run.run_id, &run.tracking_uri, "loss", &values);
    // A part was sent, but the answer never came: it comes again.
    let batch = worker.batch(Most { records: 1000, bytes: usize::MAX });
    let request = Request::Append { run_id: run.run_id.clone(), spool: "s".into(), batch };
    first.service().answer(&request.to_bytes()).await.expect("an answer");
    // Worker and kernel are gone at once: nobody ended anything.
    drop(worker);
    let journal = std::fs::read_dir(root.path().join("spools/kernels")).expect("a journal").count();
    assert_eq!(journal, 1);
    drop(first);
    let second = Double::new(root.path());
    let over = with_status(&second, &run.run_id, Status::Killed, true).await;
    assert_eq!(history(&second, &run.run_id, "loss").await, values);
    assert!(over.end_ms.is_some_and(|end| end >= over.start_ms));
    let left = || ochre_spool::spools(&root.path().join("spools")).expect("lists").len() + crate::journal::left(&root.path().join("spools")).len();
    until("nothing is left", async || (left() == 0).then_some(())).await;
    // The 3000, and what the system's metrics were by then.
    let late = second.runs.state().news.iter().find_map(|n| n.split_once(" records that an earlier kernel had not sent")?.0.parse::<usize>().ok());
    assert!(late.is_some_and(|late| (3000..3100).contains(&late)), "{:?}", second.runs.state().news);
}

#[tokio::test(flavor = "multi_thread")]
async fn trials_are_runs_below_the_run() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.run("%start_run sweep").await;
    session.begin_cell("sweep");
    let parent = active(&session).await.run_id;
    let request = Request::Child(Child { params: vec![("lr".into(), "0.1".into())], ..Child::default() });
    let child: Active = read(&session.service().answer(&request.to_bytes()).await.expect("a run")).expect("an answer");
    let spool = spool(root.path(), &child.run_id, &child.tracking_uri, "loss", &[3.0]);
    append(&*session.service(), &spool, &child.run_id).await;
    session.service().answer(&Request::End { run_id: child.run_id.clone(), status: Word::Failed }.to_bytes()).await.expect("an answer");
    let run = stored(&session, &child.run_id).await;
    assert_eq!((run.parent(), run.status, run.params["lr"].as_str(), run.metrics["loss"].value), (Some(parent.as_str()), Status::Failed, "0.1", 3.0));
    assert_eq!(session.runs.active().map(|a| a.id.clone()), Some(parent));
}

async fn with_status_count(session: &Double, status: Status, count: usize) {
    let tracking = session.runs.tracking().await.expect("a store");
    let experiments: Vec<String> = tracking.experiments().await.expect("experiments").into_iter().map(|e| e.id).collect();
    let query = Query { experiments, filter: format!("attributes.status = '{status}'"), max: 100, ..Query::default() };
    until(&format!("{count} runs are {status}"), async || (tracking.search(&query).await.expect("runs").items.len() == count).then_some(())).await;
}

/// Asks for a run below a run, as a cell's trial does.
fn ask_child(session: &Double, parent: &str) -> tokio::task::JoinHandle<String> {
    let (service, request) = (session.service(), Request::Child(Child { parent: parent.into(), params: vec![("lr".into(), "0.1".into())], ..Child::default() }));
    tokio::spawn(async move { read::<Active>(&service.answer(&request.to_bytes()).await.expect("a run")).expect("an answer").run_id })
}

const INTERRUPTED: Ending<'static> = Ending::Error { name: "interrupted", message: "" };
const PANIC: Ending<'static> = Ending::Error { name: "panic", message: "boom" };

#[tokio::test(flavor = "multi_thread")]
async fn a_trials_run_ends_with_its_cell_whatever_the_order_of_messages() {
    // The run of a trial does not stay open: it ends when its cell fails or is interrupted, or when the run above it ends.
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    for own in [false, true] {
        session.run(if own { "%end_run" } else { "%start_run sweep" }).await;
        for (ending, status) in [(INTERRUPTED, Status::Killed), (PANIC, Status::Failed)] {
            // The cell has its run when it ends.
            session.begin_cell("sweep");
            let parent = active(&session).await.run_id;
            let first = ask_child(&session, &parent).await.expect("a run");
            assert_eq!(stored(&session, &first).await.status, Status::Running);
            // The store is still making it.
            let store = session.runs.store();
            let held = store.hold().await;
            let second = ask_child(&session, &parent);
            until("it is asked for", async || (session.runs.children.count() == 2).then_some(())).await;
            session.end_cell(ending);
            drop(held);
            let second = second.await.expect("a run");
            for child in [&first, &second] {
                let run = with_status(&session, child, status, true).await;
                assert_eq!((run.parent(), run.params["lr"].as_str()), (Some(parent.as_str()), "0.1"));
            }
            // It is heard after the cell's end.
            if own || status == Status::Killed {
                let third = ask_child(&session, &parent).await.expect("a run");
                with_status(&session, &third, status, true).await;
            }
            assert_eq!(session.runs.children.count(), 0);
        }
    }
    with_status_count(&session, Status::Running, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trials_run_ends_when_nobody_waits_for_it_or_its_worker_or_the_run_above_ends() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.run("%start_run above").await;
    session.begin_cell("sweep");
    let parent = active(&session).await.run_id;
    let below = ask_child(&session, &parent).await.expect("a run");
    let nested = ask_child(&session, &below).await.expect("a run");
    // Nobody waits for the answer any more when the store has made it.
    let store = session.runs.store();
    let held = store.hold().await;
    let unheard = ask_child(&session, &parent);
    until("it is asked for", async || (session.runs.children.count() == 3).then_some(())).await;
    unheard.abort();
    assert!(unheard.await.is_err());
    drop(held);
    until("it is over", async || (session.runs.children.count() == 2).then_some(())).await;
    session.end_cell(Ending::Ok);
    with_status_count(&session, Status::Killed, 1).await;
    // A cell that went well leaves its trials to those who have them.
    assert_eq!((stored(&session, &below).await.status, stored(&session, &nested).await.status), (Status::Running, Status::Running));
    session.run("%end_run").await;
    with_status(&session, &below, Status::Killed, true).await;
    with_status(&session, &nested, Status::Killed, true).await;
    with_status(&session, &parent, Status::Finished, true).await;
    // A thread that has it still knows better.
    session.service().answer(&Request::End { run_id: below.clone(), status: Word::Finished }.to_bytes()).await.expect("an answer");
    with_status(&session, &below, Status::Finished, true).await;
    // The worker dies between cells.
    session.run("%start_run next").await;
    session.begin_cell("let trial = child()");
    let parent = active(&session).await.run_id;
    let kept = ask_child(&session, &parent).await.expect("a run");
    session.end_cell(Ending::Ok);
    session.worker_ended();
    with_status(&session, &kept, Status::Killed, true).await;
    assert_eq!(stored(&session, &parent).await.status, Status::Running);
    session.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_begins_while_its_cell_is_interrupted_ends_too() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.begin_cell("log");
    let store = session.runs.store();
    let held = store.hold().await;
    let (service, request) = (session.service(), Request::Active { create: true });
    let asked = tokio::spawn(async move { read::<Active>(&service.answer(&request.to_bytes()).await.expect("a run")).expect("an answer").run_id });
    until("it is asked for", async || session.runs.beginning.try_lock().is_err().then_some(())).await;
    session.end_cell(INTERRUPTED);
    drop(held);
    with_status(&session, &asked.await.expect("a run"), Status::Killed, true).await;
    assert!(session.runs.active().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_and_the_best_is_kept() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    for (name, acc, lr) in [("a", "0.5", "0.1"), ("b", "0.9", "0.01"), ("c", "NaN", "0.2")] {
        session.run(&format!("%start_run {name}")).await;
        session.run(&format!("%log acc={acc}")).await;
        session.run(&format!("%log lr={lr} --param")).await;
        session.run("%end_run").await;
    }
    session.run("%runs --best acc -o all").await;
    let code = session.ran.pop().expect("a cell");
    assert_eq!(
        code,
        "let best_run = ochre::__frames::asked(\"runs\", r#\"{\"table\":{\"id\":1,\"rows\":1}}\"#)?;\nlet all = ochre::__frames::asked(\"runs\", r#\"{\"table\":{\"id\":1}}\"#)?;\nall"
    );
    assert!(session.output.written().contains("best_run is b with the highest acc: 0.9"), "{}", session.output.written());
    let table: Value = serde_json::from_slice(&session.service().answer(b"{\"table\":{\"id\":1}}").await.expect("a table")).expect("JSON");
    let column = |name: &str| table["columns"].as_array().and_then(|c| c.iter().find(|c| c["name"] == name)).map(|c| c["values"].clone()).unwrap_or_default();
    assert_eq!((column("run_name"), column("params.lr")), (serde_json::json!(["b", "a", "c"]), serde_json::json!([0.01, 0.1, 0.2])));
    assert_eq!(column("metrics.acc")[2], "NaN");
    assert!(session.run("%start_run --resume best_run").await.contains("run b in experiment Default goes on"));
    session.run("%log acc=0.95").await;
    session.run("%end_run").await;
    session.engine = "evcxr";
    let text = session.run("%runs --best acc:max").await;
    assert!(text.lines().nth(1).is_some_and(|l| l.contains(" b ") && l.contains("0.95")), "{text}");
    assert!(session.run("%runs --filter \"metrics.acc > 0.94\"").await.lines().count() == 2);
    assert!(session.refused("%runs --best nope").await.contains("their metrics are acc"));
    assert!(session.refused("%runs --best acc:most").await.contains("neither min nor max"));
    assert!(session.refused("%runs --experiment nope").await.contains("there are: Default"));
    assert!(session.refused("%watch nobody").await.contains("no run is called `nobody`"));
    assert!(session.refused("%compare a a").await.contains("two runs or more"));
    assert!(session.refused("%log acc").await.contains("is not name=value"));
    assert!(session.refused("%tracking mlruns").await.contains("sqlite:///mlflow.db"));
    assert!(session.refused("%start_run --system soon").await.contains("no number of seconds"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_follows_its_run_in_place_and_ends_with_a_picture() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.begin_cell("%watch\ntrain();");
    session.line("%watch").await.expect("a view");
    let shown = session.output.shown();
    assert!(!shown[0].update && !shown[0].id.is_empty());
    assert!(shown[0].bundle.text().is_some_and(|t| t.starts_with("waiting for a run")));
    let run = active(&session).await;
    let worker = spool(root.path(), &run.run_id, &run.tracking_uri, "loss", &(0..2000).map(|n| 1.0 / f64::from(n + 1)).collect::<Vec<_>>());
    append(&*session.service(), &worker, &run.run_id).await;
    let spec_of = |data: Option<&Data>| match data {
        Some(Data::Json(text)) => serde_json::from_str::<Value>(text).expect("JSON"),
        other => panic!("no chart: {other:?}"),
    };
    let drawn = until("the chart", async || session.output.shown().into_iter().rev().find(|s| s.bundle.text().is_some_and(|t| t.contains("loss = ")))).await;
    assert!(drawn.update && drawn.id == shown[0].id);
    let spec = spec_of(drawn.bundle.get("application/vnd.vegalite.v5+json"));
    assert!(spec["concat"][0]["data"]["values"].as_array().is_some_and(|v| v.len() > 50 && v.len() <= 240), "downsampled");
    session.end_cell(Ending::Ok);
    let last = until("the last picture", async || {
        session.output.shown().pop().filter(|s| s.bundle.text().is_some_and(|t| t.contains("finished in")) && matches!(s.bundle.get("image/png"), Some(Data::Bytes(b)) if b.starts_with(b"\x89PNG")))
    })
    .await;
    assert!(last.bundle.metadata.as_ref().is_some_and(|m| m.contains("\"width\":")));
    assert!(session.output.shown().iter().all(|s| s.id == shown[0].id));
    // The same from the store, as another session sees it.
    let mut other = Double::of(setup(root.path(), &[]));
    other.run(&format!("%watch {}", run.run_id)).await;
    let seen = other.output.shown().pop().expect("a view");
    assert!(seen.bundle.text().is_some_and(|t| t.contains("2,000 values") && t.contains("loss = ")), "{:?}", seen.bundle.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn system_metrics_come_at_the_set_pace() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.run("%start_run busy --system 0.1").await;
    let id = session.runs.active().expect("a run").id.clone();
    let key = "system/system_memory_usage_megabytes";
    let values = until("three samples", async || Some(history(&session, &id, key).await).filter(|h| h.len() >= 3)).await;
    assert!(values.iter().all(|v| *v > 1.0));
    session.run("%end_run").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_keeps_nobody_waiting_and_gets_everything() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.run("%start_run patient").await;
    let id = session.runs.active().expect("a run").id.clone();
    // Another program has the file for itself.
    let database = root.path().join("mlflow.db");
    let away = root.path().join("elsewhere.db");
    session.begin_cell("log");
    let worker = spool(root.path(), &id, &session.runs.address(), "loss", &[1.0, 2.0]);
    std::fs::rename(&database, &away).expect("moves");
    std::fs::create_dir(&database).expect("a directory in its place");
    let shown = Double::of(setup(root.path(), &[])).run("%tracking").await;
    assert!(shown.contains("cannot be used now") && shown.contains("records wait to be sent"), "{shown}");
    std::fs::remove_dir(&database).expect("removed");
    std::fs::rename(&away, &database).expect("is back");
    // The pump asks again after the time that it was told.
    until("it answers again", async || (append(&*session.service(), &worker, &id).await.wait_ms == 0).then_some(())).await;
    assert_eq!(history(&session, &id, "loss").await, [1.0, 2.0]);
}

/// "On a full disk, what is logged is kept in memory until it is delivered, and you are told."
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_below_queue_and_store_costs_nothing_and_is_said() {
    let Some(disk) = SmallDisk::here() else { return SmallDisk::play("magics::tests::a_full_disk_below_queue_and_store_costs_nothing_and_is_said") };
    let mut session = Double::new(disk.path());
    session.run("%start_run full").await;
    let id = session.runs.active().expect("a run").id.clone();
    session.begin_cell("log");
    let worker = spool(disk.path(), &id, &session.runs.address(), "loss", &[0.0, 1.0]);
    assert_eq!(append(&*session.service(), &worker, &id).await.wait_ms, 0);
    disk.fill();
    let metric = |step: i64| Record::Metric(Metric { key: "loss".into(), value: step as f64, timestamp_ms: 1_700_000_000_000 + step, step });
    let kept: Vec<Kept> = (2..40_000).map(|step| worker.append(&metric(step)).expect("room in memory")).collect();
    assert!(kept.first() == Some(&Kept::OnDisk) && kept.last() == Some(&Kept::InMemory), "{:?} {:?}", kept.first(), kept.last());
    // Cells go on, and the outage is said once.
    until("it is said", async || {
        assert!(append(&*session.service(), &worker, &id).await.wait_ms > 0, "{}", session.output.written());
        session.output.written().contains("runs cannot be written now").then_some(())
    })
    .await;
    let said = session.output.written();
    assert!(said.contains("written when there is room") && said.matches("cannot be written").count() == 1, "{said}");
    assert_eq!(history(&session, &id, "loss").await, [0.0, 1.0]);
    disk.free();
    until("it is delivered", async || (append(&*session.service(), &worker, &id).await.wait_ms == 0).then_some(())).await;
    let delivered = history(&session, &id, "loss").await;
    assert!(delivered == (0..40_000).map(f64::from).collect::<Vec<_>>(), "{} of 40,000: {}", delivered.len(), session.output.written());
    assert!(session.output.written().contains("answers again"), "{}", session.output.written());
    session.end_cell(Ending::Ok);
    session.run("%end_run").await;
    with_status(&session, &id, Status::Finished, true).await;
}

#[tokio::test]
async fn the_store_is_what_was_chosen_else_the_variable_else_the_workspace_else_a_file() {
    let root = tempfile::tempdir().expect("a directory");
    let workspace = |variables: &[(&str, &str)]| {
        let setup = crate::Setup { workspace: std::sync::Arc::new(|| Some("azureml://region.example/mlflow/v2.0/w".into())), ..setup(root.path(), variables) };
        Double::of(setup).runs.address()
    };
    assert_eq!(Double::new(root.path()).runs.address(), format!("sqlite:///{}/mlflow.db", root.path().display()));
    assert_eq!(workspace(&[]), "azureml://region.example/mlflow/v2.0/w");
    assert_eq!(workspace(&[("MLFLOW_TRACKING_URI", "http://h:1")]), "http://h:1");
    let mut session = Double::of(setup(root.path(), &[("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")]));
    assert!(session.run("%tracking").await.contains("http://127.0.0.1:9, which cannot be used now"));
    assert!(session.refused("%tracking http://127.0.0.1:1").await.contains("runs stay in http://127.0.0.1:9"));
    assert!(session.run("%tracking sqlite:///other.db").await.contains("other.db (local file"));
    session.run("%start_run a").await;
    assert!(root.path().join("other.db").is_file() && !root.path().join("mlflow.db").exists());
    session.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_shows_the_run_of_its_cell_and_not_one_that_came_soon_after() {
    let root = tempfile::tempdir().expect("a directory");
    let mut session = Double::new(root.path());
    session.begin_cell("%watch\nquick();");
    session.line("%watch").await.expect("a view");
    let first = active(&session).await;
    session.end_cell(Ending::Ok);
    session.run("%start_run other").await;
    session.run("%end_run").await;
    session.begin_cell("%watch\nnothing();");
    session.line("%watch").await.expect("a view");
    session.end_cell(Ending::Ok);
    session.run("%start_run later").await;
    let shown = |word: &'static str| {
        let output = session.output.clone();
        move || {
            let found = output.shown().into_iter().find(|s| s.update && s.bundle.text().is_some_and(|t| t.starts_with(word)));
            async move { found }
        }
    };
    let view = until("the view of the cell without a run", shown("no run began")).await;
    let texts = || -> Vec<String> { session.output.shown().iter().filter(|s| s.update && s.id != view.id).filter_map(|s| s.bundle.text().map(str::to_owned)).collect() };
    until("the view of the quick cell's run", async || texts().iter().any(|t| t.starts_with(&first.name)).then_some(())).await;
    let others: Vec<String> = texts().into_iter().filter(|t| !t.starts_with(&first.name) && !t.starts_with("waiting")).collect();
    assert!(others.is_empty(), "{others:?}");
    session.end().await;
}
