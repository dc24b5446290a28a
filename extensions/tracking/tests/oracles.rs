//! Our requests beside those of MLflow's client with Microsoft's plugin (azureml-mlflow) and with Databricks' SDK: the same operations against the
//! same recording TLS server, compared in method, path, query, headers and body. Every deliberate difference is in [`expected_difference`].
use ochre_secrets::Secret;
use ochre_servers::{Reply, Request, Stub};
use ochre_tracking::{Access, Batch, Credential, DatasetInput, Host, Metric, NewModel, NewRun, Query, Source, Status, Tracking, TrackingError, open, tag};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

const SCOPE: &str = "/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.MachineLearningServices/workspaces/shop";

/// One request without what differs from run to run.
#[derive(Debug, PartialEq, Clone)]
struct Normal {
    line: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// Headers that mean something to the services. The rest are the client's name, tracing and transport.
const HEADERS: [&str; 4] = ["authorization", "content-type", "x-ms-blob-type", "if-none-match"];

fn normal(request: &Request) -> Normal {
    let headers = request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let mut headers: BTreeMap<String, String> = headers.filter(|(name, _)| HEADERS.contains(&name.as_str())).collect();
    let text = request.text();
    if text.is_empty() {
        // A body that is empty has no type.
        headers.remove("content-type");
    }
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(json!(text)) };
    Normal { line: format!("{} {}", request.method, request.path), query: request.query.iter().cloned().collect(), headers, body }
}

/// A client's request as we mean to send it, or `None` for one that we leave out; each with its reason.
fn expected_difference(operation: &str, mut theirs: Normal) -> Option<Normal> {
    // Databricks' SDK asks every host what kind of workspace it is, which the address says.
    if theirs.line.contains("/.well-known/databricks-config") {
        return None;
    }
    // A download also asks whether the path is a directory or a logged model.
    if theirs.line.ends_with("/logged-models/search") || operation == "artifact-get" && (theirs.line.ends_with("/artifacts/list") || theirs.line.ends_with("/runs/run-1/artifacts")) {
        return None;
    }
    // Ending a run, the client reads it to print a line about it; listing artifacts of Databricks, to know their root, which the answer is relative to.
    if ["run-update", "artifact-list"].contains(&operation) && theirs.line == "GET /api/2.0/mlflow/runs/get" || operation == "run-update" && theirs.line.starts_with("GET") {
        return None;
    }
    // The name that runs had before MLflow 1.0, beside the one that they have now.
    theirs.query.remove("run_uuid");
    if let Value::Object(body) = &mut theirs.body {
        body.remove("run_uuid");
        // Empty lists and what is the default.
        body.retain(|_, value| value != &json!([]));
        if operation == "experiments" {
            // The order is the caller's affair, and the page ours.
            body.remove("order_by");
        }
    }
    if operation == "models" {
        // Prompts are models that MLflow's client leaves out.
        theirs.query.remove("filter");
    }
    sorted(&mut theirs);
    // Ours may be written again: what was sent when the answer was lost is not an error.
    theirs.headers.remove("if-none-match");
    Some(theirs)
}

/// Lists whose order says nothing.
fn sorted(request: &mut Normal) {
    for name in ["tags", "params"] {
        if let Some(list) = request.body.get_mut(name).and_then(Value::as_array_mut) {
            list.sort_by_key(|pair| pair["key"].to_string());
        }
    }
}

/// Credentials that are there already.
struct Fixed {
    host: String,
    pem: Vec<u8>,
}

#[async_trait::async_trait]
impl Access for Fixed {
    async fn server(&self, _: &str, _: bool) -> Result<Credential, TrackingError> {
        unreachable!("neither is a plain server")
    }
    async fn entra(&self, scope: &str, _: bool) -> Result<Secret, TrackingError> {
        let first = scope.split("//").nth(1).and_then(|s| s.split('.').next()).unwrap_or_default();
        Ok(Secret::new(format!("tok-{first}")))
    }
    async fn databricks(&self, _: Option<&str>, _: bool) -> Result<Host, TrackingError> {
        Ok(Host { url: self.host.clone(), credential: Credential::Bearer("dapi-1".into()) })
    }
    fn certificates(&self) -> Result<Option<Vec<u8>>, TrackingError> {
        Ok(Some(self.pem.clone()))
    }
}

/// Answers as both services do.
fn stub(side: &str) -> Stub {
    let stub = Stub::start_tls().expect("starts");
    let (base, databricks) = (stub.url(), side == "databricks");
    stub.when(move |request| {
        let artifacts = if databricks { "dbfs:/databricks/mlflow-tracking/1/run-1/artifacts".to_owned() } else { format!("{}{SCOPE}/experiments/a b/runs/run-1/artifacts", base.replace("https", "azureml")) };
        let info = json!({ "run_id": "run-1", "run_uuid": "run-1", "run_name": "first", "experiment_id": "1", "status": "RUNNING", "start_time": 5, "artifact_uri": artifacts, "lifecycle_stage": "active", "user_id": "ann" });
        let run = json!({ "info": info, "data": { "metrics": [], "params": [], "tags": [] } });
        let experiment = json!({ "experiment_id": "1", "name": "a b/c", "artifact_location": "dbfs:/x", "lifecycle_stage": "active" });
        let version = json!({ "name": "flowers", "version": "3", "status": "READY", "source": "dbfs:/models/1", "run_id": "run-1" });
        let blob = format!("{base}/account/container/c.txt?sig=s%2Fg&sv=1");
        let path = request.path.rsplit("/mlflow/").next().unwrap_or_default();
        let answer = match path {
            _ if request.path.starts_with("/mark/") => json!({}),
            "experiments/get-by-name" | "experiments/get" => json!({ "experiment": experiment }),
            "experiments/search" => json!({ "experiments": [experiment] }),
            "runs/create" | "runs/get" => json!({ "run": run }),
            "runs/update" => json!({ "run_info": info }),
            "runs/search" => json!({ "runs": [run] }),
            "runs/log-batch" | "runs/log-inputs" | "runs/set-tag" => json!({}),
            "metrics/get-history" => json!({ "metrics": [{ "key": "loss", "value": 0.5, "timestamp": 5, "step": 1 }] }),
            "registered-models/create" => json!({ "registered_model": { "name": "flowers" } }),
            "registered-models/search" => json!({ "registered_models": [{ "name": "flowers" }] }),
            "registered-models/alias" | "model-versions/create" | "model-versions/get" => json!({ "model_version": version }),
            "model-versions/search" => json!({ "model_versions": [version] }),
            "logged-models/search" => json!({ "models": [] }),
            "artifacts/list" => json!({ "root_uri": "x", "files": [{ "path": "a b/c.txt", "is_dir": false, "file_size": 5 }] }),
            "artifacts/credentials-for-write" | "artifacts/credentials-for-read" => {
                json!({ "credential_infos": [{ "run_id": "run-1", "path": "a b/c.txt", "signed_uri": blob, "type": "AWS_PRESIGNED_URL", "headers": [{ "name": "x-extra", "value": "1" }] }] })
            }
            _ if request.path.ends_with("/artifacts/batch/metadata") => {
                let mut information = serde_json::Map::new();
                for one in request.json()["paths"].as_array().into_iter().flatten() {
                    let path = one["path"].as_str().unwrap_or_default();
                    information.insert(path.into(), json!({ "contentUri": blob, "path": path, "origin": "ExperimentRun", "container": "c" }));
                }
                json!({ "artifacts": {}, "artifactContentInformation": information, "errors": {} })
            }
            _ if request.path.ends_with("/artifacts/contentinfo") => json!({ "contentUri": blob, "origin": "ExperimentRun", "container": "c", "path": "a b/c.txt" }),
            _ if request.path.ends_with("/runs/run-1/artifacts") => json!({ "value": [{ "path": "a b/c.txt", "origin": "ExperimentRun", "container": "c", "artifactId": "i" }] }),
            _ if request.path == "/account/container/c.txt" && request.method == "PUT" => return Some(Reply::status(201).with("ETag", "\"1\"").with("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT")),
            _ if request.path == "/account/container/c.txt" => {
                let whole = Reply::new(if request.header("x-ms-range").is_some() { 206 } else { 200 }, "text/plain", "hello");
                return Some(whole.with("ETag", "\"1\"").with("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT").with("Content-Range", "bytes 0-4/5").with("x-ms-blob-type", "BlockBlob"));
            }
            _ => return None,
        };
        Some(Reply::json(200, &answer))
    });
    stub
}

/// Our side of the operations of `oracle.py`.
async fn ours(store: &dyn Tracking, operation: &str) -> Result<(), TrackingError> {
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    match operation {
        "experiment" => store.experiment("a b/c").await.map(drop),
        "experiments" => store.experiments().await.map(drop),
        "run-create" => {
            let new = NewRun { experiment_id: "1".into(), name: Some("first".into()), tags: vec![pair(tag::USER, "ann")], start_ms: Some(5), ..NewRun::default() };
            store.create_run(new).await.map(drop)
        }
        "batch" => {
            let values = [1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
            let metrics = values.iter().enumerate().map(|(n, v)| Metric { key: "loss".into(), value: *v, timestamp_ms: 1000 + n as i64, step: n as i64 }).collect();
            store.log("run-1", &Batch { metrics, params: vec![pair("größe", "a \"b\"")], tags: vec![pair("team", "red")] }).await.map(drop)
        }
        "run-get" => store.run("run-1").await.map(drop),
        "run-update" => store.update_run("run-1", Status::Finished, Some(7)).await,
        "runs" => {
            let query = Query { experiments: vec!["1".into()], filter: "metrics.loss > 1".into(), order_by: vec!["metrics.loss DESC".into()], max: 7, ..Query::default() };
            store.search(&query).await.map(drop)
        }
        "history" => store.history("run-1", "loss", None).await.map(drop),
        "inputs" => {
            let (schema, profile) = (Some("{}".into()), Some("{}".into()));
            let input = DatasetInput { name: "wine".into(), digest: "abc123".into(), source_type: "local".into(), source: r#"{"uri": "wine.csv"}"#.into(), schema, profile, tags: BTreeMap::from([pair(tag::DATA_CONTEXT, "training")]) };
            store.log_inputs("run-1", &[input]).await
        }
        "register" => {
            let new = NewModel { name: "flowers".into(), source: "dbfs:/models/1".into(), run: Some("run-1".into()), tags: vec![pair("k", "v")], description: Some("first".into()), alias: None };
            store.register_model(new).await.map(drop)
        }
        "version" => store.model_version("flowers", "3").await.map(drop),
        "versions" => store.model_versions("flowers").await.map(drop),
        "alias" => store.model_version("flowers", "champion").await.map(drop),
        "models" => store.models().await.map(drop),
        "artifact-put" => store.put_artifact("run-1", "a b/c.txt", Source::Bytes("hello".into())).await,
        "artifact-list" => store.list_artifacts("run-1", "a b").await.map(|files| assert_eq!(files[0].path, "a b/c.txt")),
        "artifact-get" => store.get_artifact("run-1", "a b/c.txt").await.map(|bytes| assert_eq!(bytes, "hello")),
        other => panic!("oracle.py has an operation that oracles.rs has not: {other}"),
    }
}

/// What the client sent, by operation.
fn segments(requests: Vec<Request>) -> BTreeMap<String, Vec<Request>> {
    let mut found: BTreeMap<String, Vec<Request>> = BTreeMap::new();
    let mut at = String::new();
    for request in requests {
        match request.path.strip_prefix("/mark/") {
            Some(name) => at = name.to_string(),
            None => found.entry(at.clone()).or_default().push(request),
        }
    }
    found
}

/// Runs oracle.py and gives the names of its operations with what failed in them.
fn run_client(side: &str, stub: &Stub) -> Vec<(String, Option<String>)> {
    let python = if side == "azureml" { ochre_servers::azureml_python() } else { ochre_servers::runs_python() };
    let mut command = Command::new(python.expect("`cargo xtask test` installs the Python clients"));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle.py")).args([side, &stub.url()]).arg(&stub.certificate().expect("TLS").pem);
    // A proxy of the machine's knows nothing of this server.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().expect("python starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "oracle.py failed:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.map(|v| (v["name"].as_str().unwrap_or_default().to_string(), v["error"].as_str().map(str::to_owned))).collect()
}

fn lines(requests: &[Normal]) -> String {
    requests.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>().join("\n        ")
}

/// Runs both sides; returns how many operations were alike.
async fn compare(side: &'static str) {
    let stub = Arc::new(stub(side));
    let recorder = stub.clone();
    let theirs = tokio::task::spawn_blocking(move || run_client(side, &recorder)).await.expect("runs");
    let mut recorded = segments(stub.requests());
    let pem = std::fs::read(&stub.certificate().expect("TLS").pem).expect("reads");
    let access = Arc::new(Fixed { host: stub.url(), pem });
    let uri = if side == "databricks" { "databricks".to_owned() } else { format!("{}/mlflow/v2.0{SCOPE}", stub.url().replace("https", "azureml")) };
    let store = open(&uri, access).await.expect("opens");
    assert_eq!(store.uri(), uri);
    let mut wrong = Vec::new();
    for (operation, error) in &theirs {
        if let Some(error) = error {
            // Databricks keeps aliases in Unity Catalog alone, and its client does not even ask.
            if operation == "alias" && error.contains("unsupported for models in the Workspace Model Registry") {
                continue;
            }
            wrong.push(format!("{operation}: the client fails: {error}"));
            continue;
        }
        stub.forget();
        if let Err(error) = ours(&*store, operation).await {
            wrong.push(format!("{operation}: we fail: {error}"));
        }
        let mut sent: Vec<Normal> = stub.requests().iter().map(normal).collect();
        sent.iter_mut().for_each(sorted);
        let mut expected: Vec<Normal> = recorded.remove(operation).unwrap_or_default().iter().filter_map(|r| expected_difference(operation, normal(r))).collect();
        // Reading the same run again tells nothing new.
        let mut seen = Vec::new();
        expected.retain(|request| !request.line.ends_with("/runs/get") || !seen.contains(request) && { seen.push(request.clone()); true });
        if sent != expected {
            wrong.push(format!("{operation}:\n   ours {}\n theirs {}", lines(&sent), lines(&expected)));
        }
    }
    assert_eq!(theirs.len(), 17, "operations ran");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_azure_ml_are_those_of_microsofts_plugin() {
    compare("azureml").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_databricks_are_those_of_its_sdk() {
    compare("databricks").await;
}
