//! A real MLflow server that asks who comes: by name and password, and by a bearer token.
mod support;

use ochre_servers::{ADMIN, Mlflow};
use ochre_tracking::{Batch, Fault, FromEnvironment, NewRun, Tracking, TrackingError, open};
use serde_json::json;
use std::sync::Arc;
use support::metric;

async fn started(token: Option<&'static str>) -> Mlflow {
    tokio::task::spawn_blocking(move || Mlflow::with_users(token)).await.unwrap().unwrap()
}

async fn shown(server: &Mlflow, variables: &[(&str, &str)]) -> Result<Arc<dyn Tracking>, TrackingError> {
    open(server.endpoint(), Arc::new(FromEnvironment::of(variables.iter().copied()))).await
}

async fn known(server: &Mlflow, (user, password): (&str, &str)) -> Result<Arc<dyn Tracking>, TrackingError> {
    shown(server, &[("MLFLOW_TRACKING_USERNAME", user), ("MLFLOW_TRACKING_PASSWORD", password)]).await
}

/// It says what to set, whose affair it is and that what was logged waits; never what was shown.
fn check_refused(opened: Result<Arc<dyn Tracking>, TrackingError>, secret: &str) {
    let Err(error) = opened else { panic!("somebody who is not known was let in") };
    assert!(matches!(error, TrackingError::Denied { status: 401, .. }) && error.is_away() && error.fault() == Fault::YourConfiguration, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("MLFLOW_TRACKING_USERNAME")), "{error}");
    let said = format!("{error} {error:?}");
    assert!(secret.is_empty() || !said.contains(secret), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_users_lets_them_do_what_they_may() {
    let server = started(None).await;
    check_refused(shown(&server, &[]).await, "");
    check_refused(known(&server, (ADMIN.0, "a wrong password of ours")).await, "a wrong password of ours");
    check_refused(known(&server, ("nobody", ADMIN.1)).await, ADMIN.1);
    check_refused(shown(&server, &[("MLFLOW_TRACKING_TOKEN", ADMIN.1)]).await, ADMIN.1);
    let (ann, bob) = (("ann", "ann's own password"), ("bob ü", "größe, lang genug: 12"));
    for (name, password) in [ann, bob] {
        let asked = reqwest::Client::new().post(format!("{}/api/2.0/mlflow/users/create", server.endpoint())).basic_auth(ADMIN.0, Some(ADMIN.1));
        let made = asked.json(&json!({ "username": name, "password": password })).send().await.unwrap();
        assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    }
    let theirs = known(&server, ann).await.unwrap();
    let admins = known(&server, ADMIN).await.unwrap();
    assert!(theirs.features().logged_models && theirs.features().artifact_proxy && theirs.features() == admins.features(), "{:?}", theirs.features());
    let run = support::fill(&*theirs, "of ann").await;
    support::check_filled(&*theirs, &run).await;
    support::check_filled(&*admins, &run).await;
    // Who may read only reads, and writes what is theirs.
    let others = known(&server, bob).await.unwrap();
    assert_eq!(others.run(&run.id).await.unwrap().params, run.params);
    let batch = Batch { metrics: vec![metric("intruder", 1.0, 1, 1)], ..Batch::default() };
    let refused = others.log(&run.id, &batch).await.unwrap_err();
    assert!(matches!(refused, TrackingError::Denied { status: 403, .. }) && refused.hint().is_some(), "{refused}");
    assert!(admins.history(&run.id, "intruder", None).await.unwrap().is_empty());
    let experiment = others.experiment("of bob").await.unwrap();
    let own = others.create_run(NewRun { experiment_id: experiment.id, ..NewRun::default() }).await.unwrap();
    assert_eq!(others.log(&own.id, &batch).await.unwrap().written, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_tokens_takes_the_token() {
    const TOKEN: &str = "a-token.of_a~test";
    let server = started(Some(TOKEN)).await;
    check_refused(shown(&server, &[]).await, "");
    check_refused(shown(&server, &[("MLFLOW_TRACKING_TOKEN", "another-token")]).await, "another-token");
    check_refused(known(&server, ADMIN).await, ADMIN.1);
    let store = shown(&server, &[("MLFLOW_TRACKING_TOKEN", TOKEN)]).await.unwrap();
    let run = support::fill(&*store, "by token").await;
    support::check_filled(&*store, &run).await;
}
