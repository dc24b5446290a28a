//! The file, beside MLflow itself: it reads all that we write, we read all that it writes, and both write at once.
mod support;

use ochre_servers::SmallDisk;
use ochre_tracking::{Batch, FromEnvironment, NewRun, Query, Source, Status, Tracking, TrackingError, open};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use support::{Peer, metric, pair};

async fn store(path: &Path) -> Result<Arc<dyn Tracking>, TrackingError> {
    open(&format!("sqlite:///{}", path.display()), Arc::new(FromEnvironment::of([("", ""); 0]))).await
}

fn objects(path: &Path) -> Vec<Value> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").unwrap();
    let row = |r: &rusqlite::Row<'_>| Ok(json!([r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?, r.get::<_, Option<String>>(3)?]));
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// The objects by name, each with the lines of its text in order: MLflow's migrations write the constraints of a table in an order that changes.
fn alike(objects: &[Value]) -> BTreeMap<String, Vec<String>> {
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(|line| line.trim().trim_end_matches(',').to_owned()).collect();
        lines.sort();
        lines
    };
    objects.iter().map(|o| (format!("{} {} of {}", o[0], o[1], o[2]), lines(o[3].as_str().unwrap_or_default()))).collect()
}

/// One test, because MLflow takes seconds to start.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_mlflows_own() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let path = directory.join("mlflow.db");
    let uri = format!("sqlite:///{}", path.display());
    let mut peer = Peer::start(&directory);
    let ours = store(&path).await.unwrap();
    assert_eq!(ours.uri(), uri);

    made_alike(&mut peer, &directory, &path).await;
    // SEMANTICS.md: "Without a server, runs are kept in `mlflow.db` beside the notebook, in MLflow's own schema."
    let run = support::fill(&*ours, "ours").await;
    support::check_filled(&*ours, &run).await;
    let dump = peer.ask(&json!({ "do": "dump", "uri": uri }));
    support::check_dump(&dump, &run);
    assert_eq!(dump["experiments"]["Default"], json!(["0", "active", format!("{}/mlruns/0", directory.display())]));
    support::continue_theirs(&*ours, &mut peer, &uri).await;
    support::continued_by_them(&*ours, &mut peer, &uri, &run.id).await;
    filters_find_the_same(&*ours, &mut peer, &uri).await;
    both_write_at_once(&path, &*ours, &mut peer, &uri).await;
}

/// A new MLflow that makes another schema is noticed here.
async fn made_alike(peer: &mut Peer, directory: &Path, path: &Path) {
    std::fs::create_dir(directory.join("theirs")).unwrap();
    let theirs = directory.join("theirs/mlflow.db");
    let answer = peer.ask(&json!({ "do": "schema", "uri": format!("sqlite:///{}", theirs.display()), "path": theirs }));
    let (ours, theirs_made) = (alike(&objects(path)), alike(answer["objects"].as_array().unwrap()));
    let other: Vec<_> = ours.iter().filter(|(name, lines)| theirs_made.get(*name) != Some(*lines)).collect();
    assert!(other.is_empty() && ours.len() == theirs_made.len(), "MLflow {} makes another schema: {other:?}", answer["version"]);
    let connection = Connection::open(path).unwrap();
    let revision: String = connection.query_row("SELECT version_num FROM alembic_version", [], |r| r.get(0)).unwrap();
    assert_eq!((json!(revision), &answer["rows"]["alembic_version"]), (answer["revision"].clone(), &json!([[revision]])));
    let workspace: (String, String) = connection.query_row("SELECT name, description FROM workspaces", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    assert_eq!(answer["rows"]["workspaces"][0].as_array().unwrap()[..2], [json!(workspace.0), json!(workspace.1)]);
    // What the client of MLflow in that folder writes as places of artifacts.
    let beside = directory.join("theirs").display().to_string();
    assert_eq!(answer["default"], json!([[0, "Default", format!("{beside}/mlruns/0"), "active", "default"]]));
    assert_eq!(answer["location"], format!("{beside}/mlruns/1"));
    assert_eq!(answer["artifacts"], format!("{beside}/mlruns/1/RUN/artifacts"));
    let opened = store(&theirs).await.unwrap();
    let run = opened.create_run(NewRun { experiment_id: "1".into(), ..NewRun::default() }).await.unwrap();
    assert_eq!(run.artifact_uri, format!("{beside}/mlruns/1/{}/artifacts", run.id));
    let columns = "SELECT source_type, source_name, entry_point_name, status, end_time, source_version, lifecycle_stage, deleted_time FROM runs";
    let connection = Connection::open(&theirs).unwrap();
    let mut statement = connection.prepare(columns).unwrap();
    let rows: Vec<String> = statement.query_map([], |r| Ok((0..8).map(|n| format!("{:?}", r.get_ref(n).unwrap())).collect::<String>())).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows[0], rows[1], "their run and ours have the same in the columns that nobody reads");
    let journal: String = connection.query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap();
    assert_eq!(answer["journal"], json!([journal]));
}

const FILTERS: [(&str, &[&str]); 34] = [
    ("", &[]),
    ("metrics.loss < 0.5", &["metrics.loss ASC"]),
    ("metrics.loss >= 0.5 and params.model = 'tree'", &["metrics.loss DESC"]),
    ("metrics.loss != 0", &[]),
    ("metrics.loss = 0", &[]),
    ("metrics.loss > -1 AND metrics.loss <= 3.5e-1", &[]),
    ("metrics.`val loss` > 0", &["metrics.`val loss` DESC", "params.model"]),
    ("metrics.\"val loss\" > 0", &["params.model DESC"]),
    ("metrics.loss > '0.3'", &[]),
    ("params.model LIKE 'Tr%'", &[]),
    ("params.model ILIKE 'Tr%'", &["tags.team ASC"]),
    ("params.model != 'tree'", &["tags.`team` DESC"]),
    ("params.model IS NULL", &[]),
    ("params.model is not null", &["attributes.start_time ASC"]),
    ("tags.team = \"it's\"", &[]),
    ("tags.team IS NULL and metrics.loss > 0", &[]),
    ("attributes.status = 'FINISHED'", &["run_name ASC"]),
    ("status != 'FINISHED'", &["attributes.end_time DESC"]),
    ("run_name LIKE 'r%1'", &["start_time DESC"]),
    ("attributes.run_name ILIKE 'R1%'", &["created ASC"]),
    ("start_time > 1005 and start_time <= 1012", &[]),
    ("end_time < 2010", &["status", "start_time"]),
    ("user_id = 'ann'", &[]),
    ("artifact_uri LIKE '%mlruns%'", &["artifact_uri"]),
    ("run_id IN ('A','B')", &[]),
    ("run_id NOT IN ('A','B')", &[]),
    ("dataset.name = 'wine'", &[]),
    ("dataset.digest ILIKE 'ABC%'", &[]),
    ("datasets.context = 'training' and dataset.name LIKE 'w%'", &[]),
    ("params.model = tree", &[]),
    ("metrics.loss LIKE 'x'", &[]),
    ("metrics.loss > 1 or metrics.loss < 0", &[]),
    ("nonsense.loss > 1", &[]),
    ("params.a > ", &[]),
];

async fn filters_find_the_same(store: &dyn Tracking, peer: &mut Peer, uri: &str) {
    let experiment = store.experiment("filters").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..20i64 {
        let user = if n % 2 == 0 { "ann" } else { "bob" };
        let new = NewRun { experiment_id: experiment.id.clone(), name: Some(format!("r{n}")), tags: vec![pair("mlflow.user", user)], start_ms: Some(1000 + n / 2), ..NewRun::default() };
        let run = store.create_run(new).await.unwrap();
        let mut batch = Batch::default();
        if n % 5 != 0 {
            let value = if n % 7 == 0 { f64::NAN } else { n as f64 / 20.0 };
            batch.metrics.push(metric("loss", value, n, n));
            batch.params.push(pair("model", ["tree", "Tree", "forest"][n as usize % 3]));
        }
        if n % 3 == 0 {
            batch.metrics.push(metric("val loss", (n % 4) as f64, n, n));
            batch.tags.push(pair("team", ["it's", "b", "c"][n as usize / 3 % 3]));
        }
        store.log(&run.id, &batch).await.unwrap();
        if n % 4 == 0 {
            store.log_inputs(&run.id, &[support::input()]).await.unwrap();
            store.update_run(&run.id, ochre_tracking::Status::Finished, Some(2000 + n)).await.unwrap();
        }
        ids.push(run.id);
    }
    for (filter, order_by) in FILTERS {
        let filter = filter.replace("'A'", &format!("'{}'", ids[3])).replace("'B'", &format!("'{}'", ids[4]));
        let theirs = peer.ask(&json!({ "do": "search", "uri": uri, "experiments": [experiment.id], "filter": filter, "order_by": order_by }));
        let query = Query { experiments: vec![experiment.id.clone()], filter: filter.clone(), order_by: order_by.iter().map(ToString::to_string).collect(), ..Query::default() };
        match store.search(&query).await {
            Ok(page) => assert_eq!(json!(page.items.iter().map(|r| &r.id).collect::<Vec<_>>()), theirs, "{filter} {order_by:?}"),
            Err(error) => assert!(matches!(error, TrackingError::Filter { .. }) && theirs["error"].is_string(), "{filter}: {error}, MLflow: {theirs}"),
        }
    }
    let mut query = Query { experiments: vec![experiment.id.clone()], max: 7, ..Query::default() };
    let mut paged = Vec::new();
    loop {
        let page = store.search(&query).await.unwrap();
        paged.extend(page.items.into_iter().map(|r| r.id));
        query.page = page.next;
        if query.page.is_none() {
            break;
        }
    }
    let all = store.search(&Query { experiments: vec![experiment.id], ..Query::default() }).await.unwrap();
    assert_eq!(paged, all.items.into_iter().map(|r| r.id).collect::<Vec<_>>());
    assert_eq!(paged.len(), 20);
}

/// Two of our stores and MLflow write to one file at the same time, and everything is there once.
async fn both_write_at_once(path: &Path, first: &dyn Tracking, peer: &mut Peer, uri: &str) {
    // SEMANTICS.md: "Several kernels and MLflow's own programs may write to the same file at the same time."
    let second = store(path).await.unwrap();
    let experiment = first.experiment("together").await.unwrap();
    let run = first.create_run(NewRun { experiment_id: experiment.id, ..NewRun::default() }).await.unwrap().id;
    peer.send(&json!({ "do": "many", "uri": uri, "run_id": run, "count": 60 }));
    let write = async |store: &dyn Tracking, key: &str| {
        for n in 0..100i64 {
            let batch = Batch { metrics: vec![metric(key, n as f64, n, n), metric("shared", n as f64, n, n)], ..Batch::default() };
            store.log(&run, &batch).await.unwrap();
        }
    };
    tokio::join!(write(first, "first"), write(&*second, "second"));
    assert_eq!(peer.answer(), json!(60));
    for (key, count) in [("first", 100), ("second", 100), ("shared", 100), ("python", 60)] {
        let history = first.history(&run, key, None).await.unwrap();
        assert_eq!(history.iter().map(|m| m.step).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>(), "{key}");
    }
}

#[tokio::test]
async fn a_file_of_another_version_is_refused_and_left_as_it_is() {
    // SEMANTICS.md: "A file of another MLflow version is refused with a sentence that says what to do, and is not touched."
    let directory = tempfile::tempdir().unwrap();
    let check = async |name: &str, change: &str, says: &str| {
        let path = directory.path().join(name);
        drop(store(&path).await.unwrap());
        Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = store(&path).await.err().expect("is refused");
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains(says), "{error}: {hint}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    };
    check("older.db", "UPDATE alembic_version SET version_num = 'acf3f17fdcc7'", "mlflow db upgrade").await;
    check("newer.db", "UPDATE alembic_version SET version_num = 'ffffffffffff'", "mlflow server").await;
    let path = directory.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE people (name TEXT)").unwrap();
    assert!(matches!(store(&path).await.err(), Some(TrackingError::NotMlflow { table, .. }) if table == "people"));
    let path = directory.path().join("text.db");
    std::fs::write(&path, "this is no database, and longer than a header of one would be".repeat(20)).unwrap();
    let error = store(&path).await.err().expect("is refused");
    assert!(error.hint().is_some_and(|h| h.contains("no SQLite database")), "{error} {:?}", error.hint());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_that_make_the_file_at_once_find_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/down/mlflow.db");
    let opened = futures::future::join_all((0..8).map(|_| store(&path))).await;
    let experiments = futures::future::join_all(opened.iter().map(|s| s.as_ref().unwrap().experiment("same"))).await;
    assert!(experiments.iter().all(|e| e.as_ref().unwrap().id == "1"), "{experiments:?}");
}

#[tokio::test]
async fn a_file_that_was_deleted_is_made_anew_instead_of_written_to_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mlflow.db");
    let store = store(&path).await.unwrap();
    let experiment = store.experiment("first").await.unwrap();
    let run = store.create_run(NewRun { experiment_id: experiment.id, ..NewRun::default() }).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let batch = Batch { metrics: vec![metric("a", 1.0, 1, 1)], ..Batch::default() };
    assert!(matches!(store.log(&run.id, &batch).await, Err(TrackingError::NotFound { .. })));
    assert_eq!(store.experiment("second").await.unwrap().id, "1");
    assert!(path.is_file());
}

#[tokio::test]
async fn a_locked_file_and_one_in_the_way_are_named_and_may_pass() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mlflow.db");
    let store = store(&path).await.unwrap();
    let experiment = store.experiment("e").await.unwrap();
    let run = store.create_run(NewRun { experiment_id: experiment.id, ..NewRun::default() }).await.unwrap();
    // A write lock of another program: the write waits for it instead of failing.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let batch = Batch { metrics: vec![metric("a", 1.0, 1, 1)], ..Batch::default() };
    let writing = store.log(&run.id, &batch);
    let release = async {
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(move || other.execute_batch("COMMIT").unwrap()).await.unwrap();
    };
    let (written, ()) = tokio::join!(writing, release);
    assert_eq!(written.unwrap().written, 1);
    // The folder of artifacts cannot be made where a file is.
    std::fs::write(directory.path().join("mlruns"), "in the way").unwrap();
    let error = store.put_artifact(&run.id, "a.txt", Source::Bytes("x".into())).await.unwrap_err();
    assert!(matches!(error, TrackingError::File { .. }) && error.is_away(), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_named_and_takes_all_when_there_is_room_again() {
    let Some(disk) = SmallDisk::here() else { return SmallDisk::play("a_full_disk_is_named_and_takes_all_when_there_is_room_again") };
    let store = store(&disk.path().join("mlflow.db")).await.unwrap();
    let experiment = store.experiment("e").await.unwrap();
    let run = store.create_run(NewRun { experiment_id: experiment.id, ..NewRun::default() }).await.unwrap();
    let batch = |number: i64| Batch { metrics: (number * 200..(number + 1) * 200).map(|step| metric("loss", step as f64, 1_700_000_000_000 + step, step)).collect(), ..Batch::default() };
    assert_eq!(store.log(&run.id, &batch(0)).await.unwrap().written, 200);
    disk.fill();
    let mut number = 1;
    // Pages that have room take some more.
    let refused = loop {
        assert!(number < 100, "the disk is never full");
        match store.log(&run.id, &batch(number)).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    let hint = refused.hint().unwrap_or_default();
    assert!(matches!(refused, TrackingError::Database { .. }) && refused.is_away() && hint.contains("written when there is room"), "{refused}: {hint}");
    assert!(store.log(&run.id, &batch(number)).await.is_err_and(|again| again.is_away()));
    let bytes = vec![1u8; 100_000];
    let artifact = store.put_artifact(&run.id, "a.bin", Source::Bytes(bytes.clone().into())).await.unwrap_err();
    assert!(artifact.is_away() && artifact.hint().is_some_and(|hint| hint.contains("written when there is room")), "{artifact}");
    // What was acknowledged is there, the refused batch and file are not.
    let steps = async || store.history(&run.id, "loss", None).await.unwrap().iter().map(|m| m.step).collect::<Vec<_>>();
    assert_eq!(steps().await, (0..number * 200).collect::<Vec<_>>());
    assert!(store.list_artifacts(&run.id, "").await.unwrap().is_empty());
    disk.free();
    assert_eq!(store.log(&run.id, &batch(number)).await.unwrap().written, 200);
    store.put_artifact(&run.id, "a.bin", Source::Bytes(bytes.clone().into())).await.unwrap();
    assert_eq!(steps().await, (0..(number + 1) * 200).collect::<Vec<_>>());
    assert_eq!(store.get_artifact(&run.id, "a.bin").await.unwrap(), bytes);
    store.update_run(&run.id, Status::Finished, Some(1)).await.unwrap();
}
