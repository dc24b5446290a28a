//! `cargo xtask bench runs`, the part of the stores: metrics per second to a file and to an MLflow server, beside MLflow's Python client in the same
//! run and to the same server; a million points and 10,000 runs read. Prints lines of a table; fails where a target of the project is missed.
mod support;

use ochre_servers::Mlflow;
use ochre_tracking::{Batch, FromEnvironment, NewRun, Query, Tracking, open};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Peer, metric};

/// Batches of a thousand that each client sends.
const BATCHES: i64 = 20;
/// Single calls of Python's client.
const CALLS: i64 = 200;
const POINTS: i64 = 1_000_000;
const RUNS: i64 = 10_000;
/// The project's target for listing and for filtering [`RUNS`].
const LISTED: Duration = Duration::from_secs(1);

fn thousand(key: &str, number: i64) -> Batch {
    let metrics = (0..1000).map(|n| number * 1000 + n).map(|n| metric(key, n as f64 * 0.5, n, n)).collect();
    Batch { metrics, ..Batch::default() }
}

async fn begun(store: &dyn Tracking, experiment: &str) -> (String, String) {
    let experiment = store.experiment(experiment).await.unwrap().id;
    let run = store.create_run(NewRun { experiment_id: experiment.clone(), ..NewRun::default() }).await.unwrap();
    (experiment, run.id)
}

/// Metrics per second in batches of a thousand.
async fn rate(store: &dyn Tracking, run: &str, key: &str, batches: i64) -> f64 {
    let batches_made: Vec<Batch> = (0..batches).map(|n| thousand(key, n)).collect();
    let began = Instant::now();
    for batch in &batches_made {
        assert_eq!(store.log(run, batch).await.unwrap().written, 1000);
    }
    (batches * 1000) as f64 / began.elapsed().as_secs_f64()
}

/// Written in one transaction: making runs one by one is not what is measured.
fn runs(path: &std::path::Path, experiment: &str) {
    let mut connection = rusqlite::Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    for n in 0..RUNS {
        let id = format!("{n:032x}");
        let run = "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, source_version, lifecycle_stage,
                   artifact_uri, experiment_id) VALUES (?1, ?1, 'UNKNOWN', '', '', 'ann', 'FINISHED', ?2, '', 'active', '/x', ?3)";
        transaction.prepare_cached(run).unwrap().execute((&id, n, experiment)).unwrap();
        for (key, value) in [("mlflow.user", "ann"), ("mlflow.runName", &id), ("team", "red")] {
            transaction.prepare_cached("INSERT INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3)").unwrap().execute((key, value, &id)).unwrap();
        }
        for k in 0..5 {
            let (metric, value) = (format!("m{k}"), ((n * 7919 + k) % 1000) as f64);
            let latest = "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?1, ?2, ?3, 0, 0, ?4)";
            transaction.prepare_cached(latest).unwrap().execute((metric, value, n, &id)).unwrap();
            let param = "INSERT INTO params (key, value, run_uuid) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(param).unwrap().execute((format!("p{k}"), (n % 10).to_string(), &id)).unwrap();
        }
    }
    transaction.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: a measurement, run by `cargo xtask bench runs`"]
async fn measured_delivery_and_reading() {
    let nobody = || Arc::new(FromEnvironment::of([("", ""); 0]));
    let directory = tempfile::tempdir().unwrap();
    let mut peer = Peer::start(directory.path());
    let server = tokio::task::spawn_blocking(Mlflow::start).await.unwrap().unwrap();
    let store = open(server.endpoint(), nobody()).await.unwrap();
    let (_, run) = begun(&*store, "bench").await;
    // One after the other, both ways round, so that neither has the warmer server.
    let first = rate(&*store, &run, "first", BATCHES).await;
    let theirs = peer.ask(&json!({ "do": "timed_log", "uri": server.endpoint(), "run_id": run, "calls": CALLS, "batches": BATCHES }));
    let ours = first.max(rate(&*store, &run, "second", BATCHES).await);
    let (single, batch) = (CALLS as f64 / theirs[0].as_f64().unwrap(), (BATCHES * 1000) as f64 / theirs[1].as_f64().unwrap());
    println!("| delivered to an MLflow server, metrics/s | Ochre {ours:.0} | Python log_batch(1000) {batch:.0} | Python log_metric {single:.0} |");

    let path = directory.path().join("mlflow.db");
    let uri = format!("sqlite:///{}", path.display());
    let file = open(&uri, nobody()).await.unwrap();
    let (experiment, run) = begun(&*file, "bench").await;
    let written = rate(&*file, &run, "loss", POINTS / 1000).await;
    println!("| written to mlflow.db, metrics/s | Ochre {written:.0} | | |");
    runs(&path, &experiment);
    let began = Instant::now();
    let points = file.history(&run, "loss", None).await.unwrap().len();
    let history = began.elapsed();
    let began = Instant::now();
    let last = file.history(&run, "loss", Some(POINTS - 1000)).await.unwrap().len();
    let tail = began.elapsed();
    let filter = "metrics.m1 < 100 and params.p1 = '3' and tags.team = 'red'";
    let query = |filter: &str| Query { experiments: vec![experiment.clone()], filter: filter.into(), order_by: vec!["metrics.m0 ASC".into()], ..Query::default() };
    let began = Instant::now();
    let all = file.search(&query("")).await.unwrap().items.len();
    let listed = began.elapsed();
    let began = Instant::now();
    let found = file.search(&query(filter)).await.unwrap().items.len();
    let filtered = began.elapsed();
    let theirs = peer.ask(&json!({ "do": "timed_read", "uri": uri, "run_id": run, "key": "loss", "experiments": [experiment], "filter": filter }));
    assert_eq!(theirs[0], json!([points, all, found]));
    assert_eq!((points as i64, last, all as i64), (POINTS, 1000, RUNS + 1));
    let seconds = |n: usize| theirs[1][n].as_f64().unwrap();
    println!("| a million points read, s | Ochre {:.2} | Python {:.2} | |", history.as_secs_f64(), seconds(0));
    println!("| the last thousand of them, s | Ochre {:.3} | | |", tail.as_secs_f64());
    println!("| 10,000 runs listed, s | Ochre {:.2} | Python {:.2} | |", listed.as_secs_f64(), seconds(1));
    println!("| {found} of 10,000 runs found by a filter, s | Ochre {:.3} | Python {:.3} | |", filtered.as_secs_f64(), seconds(2));
    assert!(listed < LISTED && filtered < LISTED, "10,000 runs: listed in {listed:?}, filtered in {filtered:?}");
    assert!(ours >= batch * 0.9, "{ours:.0} metrics/s, and Python's log_batch {batch:.0}");
}
