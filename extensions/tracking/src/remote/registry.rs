//! The model registry over REST.
use super::{Remote, wire};
use crate::{Model, ModelVersion, NewModel, Result, Tracking, TrackingError};
use serde_json::{Value, json};

/// Models and versions of one page; Databricks allows no more.
const PAGE: &str = "100";

/// Makes the next version, and the model when there is none of the name.
pub(super) async fn register(remote: &Remote, new: &NewModel) -> Result<ModelVersion> {
    crate::types::check_model(new)?;
    let source = source(remote, new).await?;
    match remote.post("registered-models/create", &json!({ "name": new.name }), "making the registered model").await {
        Ok(_) => {}
        Err(TrackingError::Refused { code, .. }) if code == "RESOURCE_ALREADY_EXISTS" => {}
        Err(error) => return Err(error),
    }
    let mut body = json!({ "name": new.name, "source": source });
    for (name, value) in [("run_id", &new.run), ("description", &new.description)] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    if !new.tags.is_empty() {
        body["tags"] = wire::key_values(new.tags.iter().map(|(k, v)| (k, v)));
    }
    let answer = remote.make("model-versions/create", &body, "registering a version").await?;
    let made = wire::model_version(&answer["model_version"]);
    let Some(alias) = &new.alias else { return Ok(made) };
    let body = json!({ "name": new.name, "alias": alias, "version": made.version.to_string() });
    remote.post("registered-models/alias", &body, "setting the alias").await?;
    version(remote, &new.name, &made.version.to_string()).await
}

/// Where a source's files are, as MLflow's client resolves it before it asks the server.
async fn source(remote: &Remote, new: &NewModel) -> Result<String> {
    let (run, path) = match new.source.strip_prefix("runs:/").and_then(|rest| rest.trim_start_matches('/').split_once('/')) {
        Some((run, path)) => (run, path),
        None => match &new.run {
            Some(run) if !new.source.starts_with('/') && !new.source.contains(":/") => (run.as_str(), new.source.as_str()),
            _ => return Ok(new.source.clone()),
        },
    };
    let run = remote.run(run).await?;
    Ok(format!("{}/{}", run.artifact_uri.trim_end_matches('/'), path.trim_matches('/')))
}

/// All pages of a list.
async fn pages(remote: &Remote, path: &str, filter: Option<&str>, list: &str, doing: &'static str) -> Result<Vec<Value>> {
    let (mut found, mut page) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("max_results", PAGE)];
        query.extend(filter.map(|filter| ("filter", filter)));
        query.extend(page.as_deref().map(|page| ("page_token", page)));
        let answer = remote.get(path, &query, doing).await?;
        found.extend(wire::list(&answer[list]).iter().cloned());
        page = wire::optional(&answer["next_page_token"]);
        if page.is_none() {
            return Ok(found);
        }
    }
}

pub(super) async fn models(remote: &Remote) -> Result<Vec<Model>> {
    let found = pages(remote, "registered-models/search", None, "registered_models", "listing models").await?;
    Ok(found.iter().map(wire::model).collect())
}

/// The latest first.
pub(super) async fn versions(remote: &Remote, name: &str) -> Result<Vec<ModelVersion>> {
    let filter = format!("name='{}'", name.replace('\'', "''"));
    let found = pages(remote, "model-versions/search", Some(&filter), "model_versions", "listing versions").await?;
    let mut found: Vec<_> = found.iter().map(wire::model_version).collect();
    found.sort_by_key(|v| std::cmp::Reverse(v.version));
    Ok(found)
}

pub(super) async fn version(remote: &Remote, name: &str, version: &str) -> Result<ModelVersion> {
    let answer = if version.parse::<i64>().is_ok() {
        remote.get("model-versions/get", &[("name", name), ("version", version)], "reading the version").await?
    } else {
        remote.get("registered-models/alias", &[("name", name), ("alias", version)], "reading the alias").await?
    };
    Ok(wire::model_version(&answer["model_version"]))
}
