//! A real MLflow server: what we write there MLflow's client reads, and the other way round; and what happens when it dies.
mod support;

use ochre_servers::Mlflow;
use ochre_tracking::{Batch, FromEnvironment, Kind, NewRun, Query, TrackingError, open};
use serde_json::json;
use std::sync::Arc;
use support::{Peer, metric, pair};

/// One test, because the server takes a quarter of a minute to start.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_holds_what_a_file_holds() {
    let directory = tempfile::tempdir().unwrap();
    let mut peer = Peer::start(directory.path());
    let mut server = tokio::task::spawn_blocking(Mlflow::start).await.unwrap().unwrap();
    let uri = server.endpoint().to_owned();
    let store = open(&uri, Arc::new(FromEnvironment::of([("", ""); 0]))).await.unwrap();
    let features = store.features();
    assert_eq!((features.kind, features.version.as_deref()), (Kind::Mlflow, Some("3.17.2")));
    assert!(features.logged_models && features.artifact_proxy);

    let run = support::fill(&*store, "ours").await;
    assert_eq!(store.page(&run), Some(format!("{uri}/#/experiments/{}/runs/{}", run.experiment_id, run.id)));
    support::check_filled(&*store, &run).await;
    let dump = peer.ask(&json!({ "do": "dump", "uri": uri }));
    support::check_dump(&dump, &run);
    support::continue_theirs(&*store, &mut peer, &uri).await;
    support::continued_by_them(&*store, &mut peer, &uri, &run.id).await;

    // More than every limit at once.
    let metrics = (0..2500).map(|n| metric(&format!("m{}", n % 3), n as f64, n, n)).collect();
    let params = (0..230).map(|n| pair(&format!("p{n}"), &"v".repeat(6000))).collect();
    let tags = (0..130).map(|n| pair(&format!("t{n}"), &"w".repeat(8000))).collect();
    let large = Batch { metrics, params, tags };
    let begun = store.create_run(NewRun { experiment_id: run.experiment_id.clone(), ..NewRun::default() }).await.unwrap();
    let outcome = store.log(&begun.id, &large).await.unwrap();
    assert_eq!((outcome.written, outcome.problems), (2860, vec![]));
    let read = store.run(&begun.id).await.unwrap();
    assert_eq!((read.params.len(), read.metrics.len()), (230, 3));
    assert_eq!(store.history(&begun.id, "m0", None).await.unwrap().len(), 834);
    let query = |filter: &str| Query { experiments: vec![run.experiment_id.clone()], filter: filter.into(), order_by: vec!["metrics.m1 DESC".into()], ..Query::default() };
    let found = store.search(&query("metrics.m1 > 2000")).await.unwrap();
    assert_eq!(found.items.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), [begun.id.as_str()]);
    assert!(matches!(store.search(&query("nonsense > 1")).await, Err(TrackingError::Filter { .. })));
    assert!(store.experiments().await.unwrap().iter().any(|e| e.name == "theirs"));
    assert!(matches!(store.run("0123456789abcdef0123456789abcdef").await, Err(TrackingError::NotFound { .. })));

    server.child().kill();
    let error = store.run(&begun.id).await.unwrap_err();
    assert!(error.is_away(), "{error}");
}
