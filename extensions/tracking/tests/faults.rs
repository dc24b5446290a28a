//! What a store on a server does when the server is slow, busy, broken or refuses; against a scripted server.
use ochre_servers::{Ending, Reply, Request, Stub};
use ochre_tracking::{Access, Batch, Credential, FromEnvironment, Host, Metric, NewRun, Status, Tracking, TrackingError, open};
use ochre_secrets::Secret;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn environment(variables: &[(&str, &str)]) -> Arc<FromEnvironment> {
    Arc::new(FromEnvironment::of(variables.iter().copied()))
}

/// Answers as a server does that has one experiment, one run, and neither logged models nor artifacts.
fn server() -> Stub {
    let stub = Stub::start().unwrap();
    stub.on("POST", "/api/2.0/mlflow/experiments/search", Reply::json(200, &json!({ "experiments": [] })));
    stub.on("GET", "/version", Reply::new(200, "text/html", "2.9.0"));
    stub.on("POST", "/api/2.0/mlflow/runs/log-batch", Reply::json(200, &json!({})));
    stub.on("GET", "/api/2.0/mlflow/runs/get", Reply::json(200, &json!({ "run": { "info": { "run_id": "r", "lifecycle_stage": "active" }, "data": {} } })));
    stub.on("POST", "/api/2.0/mlflow/runs/create", Reply::json(200, &json!({ "run": { "info": { "run_id": "r" }, "data": {} } })));
    stub.on("POST", "/api/2.0/mlflow/runs/update", Reply::json(200, &json!({})));
    stub
}

async fn opened(stub: &Stub) -> Arc<dyn Tracking> {
    open(&stub.url(), environment(&[])).await.unwrap()
}

fn batch(count: i64) -> Batch {
    Batch { metrics: (0..count).map(|n| Metric { key: "m".into(), value: n as f64, timestamp_ms: n, step: n }).collect(), ..Batch::default() }
}

/// Steps that a request carries.
fn steps(request: &Request) -> Vec<i64> {
    request.json()["metrics"].as_array().into_iter().flatten().filter_map(|m| m["step"].as_i64()).collect()
}

fn lines(stub: &Stub) -> Vec<String> {
    stub.requests().iter().map(|r| format!("{} {}", r.method, r.path)).collect()
}

#[tokio::test]
async fn what_a_server_lacks_is_found_out_when_it_is_opened() {
    let stub = server();
    let store = opened(&stub).await;
    let features = store.features();
    assert_eq!((features.version.as_deref(), features.logged_models, features.artifact_proxy), (Some("2.9.0"), false, false));
}

#[tokio::test]
async fn a_busy_or_broken_server_is_asked_again_until_each_metric_is_there_once() {
    // SEMANTICS.md: "A server that is away, slow or busy loses nothing."
    for seed in 0..20usize {
        let stub = server();
        let store = opened(&stub).await;
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (calls, kept_by) = (AtomicUsize::new(0), kept.clone());
        stub.when(move |request| {
            if request.path != "/api/2.0/mlflow/runs/log-batch" {
                return None;
            }
            let fault = (calls.fetch_add(1, Ordering::SeqCst) + seed) * 7 % 10;
            let mut reply = Reply::json(200, &json!({}));
            // A server keeps what it was sent although its answer is lost on the way.
            if ![0, 1, 2, 3].contains(&fault) {
                kept_by.lock().unwrap().extend(steps(request));
            }
            match fault {
                0 => reply = Reply::json(429, &json!({ "error_code": "REQUEST_LIMIT_EXCEEDED" })).with("Retry-After", "0"),
                1 => reply = Reply::json(503, &json!({})),
                2 => reply = Reply::new(502, "text/html", "<html>bad gateway</html>"),
                3 => reply.ending = Ending::Lost,
                4 => reply = Reply::json(500, &json!({ "error_code": "INTERNAL_ERROR", "message": "database is locked" })),
                5 => reply.ending = Ending::Reset(0),
                _ => {}
            }
            Some(reply)
        });
        let outcome = store.log("r", &batch(2500)).await.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(outcome.written, 2500);
        // By MLflow's primary key the same value twice is one value.
        let there: BTreeSet<i64> = kept.lock().unwrap().iter().copied().collect();
        assert_eq!(there, (0..2500).collect(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_run_is_not_begun_twice_by_asking_again() {
    let stub = server();
    let store = opened(&stub).await;
    for (reply, tries) in [(Reply::status(500), 1), (Reply { ending: Ending::Lost, ..Reply::status(200) }, 1), (Reply::status(503), 6)] {
        stub.forget();
        stub.on("POST", "/api/2.0/mlflow/runs/create", reply.with("Retry-After", "0"));
        let error = store.create_run(NewRun { experiment_id: "1".into(), ..NewRun::default() }).await.unwrap_err();
        assert!(error.is_away(), "{error}");
        assert_eq!(stub.requests().len(), tries, "{error}");
    }
}

#[tokio::test]
async fn a_retry_after_is_kept_and_a_long_one_reported() {
    let stub = server();
    let store = opened(&stub).await;
    let path = "/api/2.0/mlflow/runs/log-batch";
    stub.in_turn("POST", path, vec![Reply::status(429).with("Retry-After", "1"), Reply::json(200, &json!({}))]);
    let began = Instant::now();
    assert_eq!(store.log("r", &batch(1)).await.unwrap().written, 1);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    stub.on("POST", path, Reply::json(429, &json!({ "error_code": "X", "message": "too much" })).with("Retry-After", "3600"));
    let error = store.log("r", &batch(1)).await.unwrap_err();
    assert!(matches!(&error, TrackingError::Busy { status: 429, detail, .. } if detail == "too much"), "{error}");
}

#[tokio::test]
async fn one_metric_that_a_server_refuses_does_not_take_others_with_it() {
    // SEMANTICS.md: "What a store refuses or cuts is said once, and all the rest is written."
    let stub = server();
    let store = opened(&stub).await;
    let kept = Arc::new(Mutex::new(BTreeSet::new()));
    let kept_by = kept.clone();
    stub.when(move |request| {
        if request.path != "/api/2.0/mlflow/runs/log-batch" {
            return None;
        }
        let steps = steps(request);
        if steps.contains(&637) || steps.contains(&638) {
            return Some(Reply::json(400, &json!({ "error_code": "INVALID_PARAMETER_VALUE", "message": "not this one\nat all" })));
        }
        kept_by.lock().unwrap().extend(steps);
        Some(Reply::json(200, &json!({})))
    });
    let outcome = store.log("r", &batch(1000)).await.unwrap();
    assert_eq!(outcome.written, 998);
    let said: Vec<String> = outcome.problems.iter().map(ToString::to_string).collect();
    assert_eq!(said, vec!["the metric \"m\" was not logged: not this one"; 2]);
    assert_eq!(kept.lock().unwrap().len(), 998);
    assert!(stub.requests().len() < 60, "{} requests", stub.requests().len());
    // When it refuses all, that is not asked a thousand times.
    stub.forget();
    stub.on("POST", "/api/2.0/mlflow/runs/log-batch", Reply::json(400, &json!({ "error_code": "INVALID_STATE", "message": "no more" })));
    assert!(matches!(store.log("r", &batch(1000)).await, Err(TrackingError::Refused { .. })));
    assert!(stub.requests().len() < 100, "{} requests", stub.requests().len());
}

/// Credentials that change when they are asked for anew.
struct Changing(AtomicUsize);

#[async_trait::async_trait]
impl Access for Changing {
    async fn server(&self, _: &str, refresh: bool) -> Result<Credential, TrackingError> {
        let n = self.0.fetch_add(usize::from(refresh), Ordering::SeqCst) + usize::from(refresh);
        Ok(Credential::Bearer(Secret::new(format!("token-{n}"))))
    }
    async fn entra(&self, _: &str, _: bool) -> Result<Secret, TrackingError> {
        unreachable!("no Azure here")
    }
    async fn databricks(&self, _: Option<&str>, _: bool) -> Result<Host, TrackingError> {
        unreachable!("no Databricks here")
    }
}

#[tokio::test]
async fn a_refused_token_is_asked_for_anew_once_and_no_error_shows_one() {
    let stub = server();
    let store = open(&stub.url(), Arc::new(Changing(AtomicUsize::new(0)))).await.unwrap();
    stub.forget();
    stub.when(|r| (r.header("authorization") != Some("Bearer token-1")).then(|| Reply::json(401, &json!({ "message": "expired" }))));
    store.update_run("r", Status::Finished, Some(5)).await.unwrap();
    assert_eq!(lines(&stub), ["POST /api/2.0/mlflow/runs/update"; 2]);
    stub.when(|_| Some(Reply::json(403, &json!({ "error_code": "PERMISSION_DENIED", "message": "no" }))));
    stub.forget();
    let error = store.update_run("r", Status::Finished, None).await.unwrap_err();
    assert!(matches!(error, TrackingError::Denied { status: 403, .. }) && error.hint().is_some(), "{error}");
    assert_eq!(stub.requests().len(), 2);
    assert!(!format!("{error} {error:?}").contains("token-"), "{error:?}");
}

#[tokio::test]
async fn credentials_of_the_environment_are_sent_as_mlflow_sends_them() {
    let stub = server();
    let header = |variables: Vec<(&'static str, &'static str)>| {
        let stub = &stub;
        async move {
            stub.forget();
            open(&stub.url(), environment(&variables)).await.unwrap();
            let all: BTreeSet<Option<String>> = stub.requests().iter().map(|r| r.header("authorization").map(String::from)).collect();
            assert_eq!(all.len(), 1);
            all.into_iter().next().unwrap()
        }
    };
    assert_eq!(header(vec![]).await, None);
    assert_eq!(header(vec![("MLFLOW_TRACKING_TOKEN", "abc")]).await.as_deref(), Some("Bearer abc"));
    assert_eq!(header(vec![("MLFLOW_TRACKING_USERNAME", "ann"), ("MLFLOW_TRACKING_PASSWORD", "pä:ss")]).await.as_deref(), Some("Basic YW5uOnDDpDpzcw=="));
}

#[tokio::test]
async fn what_is_no_mlflow_server_is_said_when_it_is_opened() {
    let stub = Stub::start().unwrap();
    let check = async |reply: Reply, says: &str| {
        stub.on("POST", "/api/2.0/mlflow/experiments/search", reply);
        let error = open(&stub.url(), environment(&[])).await.err().expect("fails");
        assert!(error.to_string().contains(says), "{error}");
    };
    check(Reply::new(200, "text/html", "<html>hello</html>"), "is it an MLflow server?").await;
    check(Reply::status(301).with("Location", "https://elsewhere.example/x?token=1"), "it leads to https://elsewhere.example/x; use that address").await;
    check(Reply::json(401, &json!({})), "refused the credential").await;
    check(Reply::new(404, "text/html", "none"), "refused it (status 404)").await;
    let gone = stub.url();
    drop(stub);
    let error = open(&gone, environment(&[])).await.err().expect("fails");
    assert!(error.is_away() && error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_deleted_run_is_said_to_be_deleted() {
    let stub = server();
    let store = opened(&stub).await;
    let deleted: Value = json!({ "run": { "info": { "run_id": "r", "lifecycle_stage": "deleted" }, "data": {} } });
    stub.on("GET", "/api/2.0/mlflow/runs/get", Reply::json(200, &deleted));
    stub.on("POST", "/api/2.0/mlflow/runs/log-batch", Reply::json(400, &json!({ "error_code": "INVALID_PARAMETER_VALUE", "message": "must be active" })));
    assert!(matches!(store.log("r", &batch(500)).await, Err(TrackingError::Deleted { .. })));
}
