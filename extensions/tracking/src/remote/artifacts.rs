//! A run's artifacts, where its server keeps them: the run's own artifact URI says which way.
use super::http::{Ask, Body, signed_url};
use super::{Remote, azure, databricks, wire};
use crate::{ArtifactInfo, Kind, Result, Run, Source, Tracking, TrackingError, embedded};
use base64::Engine;
use bytes::Bytes;
use reqwest::Method;
use std::path::PathBuf;
use url::Url;

/// The version of Azure's blob interface that the requests are written for.
const BLOB_VERSION: &str = "2023-11-03";
/// A blob up to this size is put at once, as Azure's SDK does it. Bytes.
const SINGLE_PUT: u64 = 64 << 20;
/// Parts of larger ones; 50,000 of them are the most that a blob has. Bytes.
const BLOCK: u64 = 32 << 20;

/// Where a run's artifacts are.
enum Way {
    /// Through the server: the folder's address.
    Proxy(Url),
    /// A folder of this machine: the server keeps artifacts there and lets clients write by themselves.
    Folder(PathBuf),
    Azure(azure::Runs),
    Databricks,
}

async fn way(remote: &Remote, run: &Run) -> Result<Way> {
    let uri = &run.artifact_uri;
    if remote.features.kind == Kind::AzureMl {
        return azure::Runs::of(remote, run).await.map(Way::Azure);
    }
    if let Some(rest) = uri.strip_prefix("mlflow-artifacts:") {
        // `mlflow-artifacts://HOST/…` names another server, `mlflow-artifacts:/…` this one.
        let (base, path) = match rest.strip_prefix("//").filter(|rest| !rest.starts_with('/')) {
            Some(rest) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                let base = format!("{}://{host}", remote.base.scheme());
                (Url::parse(&base).map_err(|e| TrackingError::Address { uri: base.clone(), why: e.to_string() })?, path)
            }
            None => (remote.base.clone(), rest),
        };
        let mut url = base;
        let before = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{before}/api/2.0/mlflow-artifacts/artifacts"));
        extend(&mut url, path);
        return Ok(Way::Proxy(url));
    }
    if uri.starts_with("http") && uri.contains("/mlflow-artifacts/artifacts") {
        return Ok(Way::Proxy(signed_url(uri, "finding artifacts", &remote.uri)?));
    }
    if uri.starts_with("dbfs:/databricks/mlflow-tracking") || remote.features.kind == Kind::Databricks {
        return Ok(Way::Databricks);
    }
    embedded::plain_folder(uri).map(Way::Folder).ok_or_else(|| TrackingError::Unsupported {
        what: "writing and reading artifacts of this run",
        at: format!("{}: it keeps them at {uri}, which only clients with its credentials reach (`mlflow server --serve-artifacts` passes them on)", remote.uri),
    })
}

/// Adds the parts of a path, escaped.
fn extend(url: &mut Url, path: &str) {
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/').filter(|part| !part.is_empty()));
    }
}

pub(super) async fn put(remote: &Remote, run: &str, path: &str, source: Source) -> Result<()> {
    let path = embedded::checked_path(path)?;
    let run = remote.run(run).await?;
    match way(remote, &run).await? {
        Way::Proxy(mut url) => {
            extend(&mut url, path);
            let ask = Ask::new(Method::PUT, url, "writing an artifact").header("content-type", kind(path)).body(whole(&source).await?);
            remote.http.ask(&ask).await.map(drop)
        }
        Way::Folder(folder) => embedded::put_artifact(folder, path.to_owned(), source).await,
        Way::Azure(runs) => runs.put(remote, path, &source).await,
        Way::Databricks => databricks::put(remote, &run.id, path, &source).await,
    }
}

pub(super) async fn list(remote: &Remote, run: &str, path: &str) -> Result<Vec<ArtifactInfo>> {
    let inner = if path.trim_matches('/').is_empty() { "" } else { embedded::checked_path(path)? };
    if remote.features.kind == Kind::AzureMl {
        let run = remote.run(run).await?;
        return azure::Runs::of(remote, &run).await?.list(remote, inner).await;
    }
    let (mut found, mut page) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("run_id", run)];
        query.extend((!inner.is_empty()).then_some(("path", inner)));
        query.extend(page.as_deref().map(|page| ("page_token", page)));
        let answer = remote.get("artifacts/list", &query, "listing artifacts").await?;
        let files = wire::list(&answer["files"]).iter().map(|file| ArtifactInfo {
            path: wire::text(&file["path"]),
            is_directory: file["is_dir"].as_bool().unwrap_or_default(),
            size: wire::whole(&file["file_size"]).and_then(|size| u64::try_from(size).ok()),
        });
        // A file lists itself; it is no directory.
        found.extend(files.filter(|file| file.is_directory || file.path != inner));
        page = wire::optional(&answer["next_page_token"]);
        if page.is_none() {
            found.sort_by(|a, b| a.path.cmp(&b.path));
            return Ok(found);
        }
    }
}

pub(super) async fn get(remote: &Remote, run: &str, path: &str) -> Result<Bytes> {
    let path = embedded::checked_path(path)?;
    let run = remote.run(run).await?;
    match way(remote, &run).await? {
        Way::Proxy(mut url) => {
            extend(&mut url, path);
            Ok(remote.http.ask(&Ask::new(Method::GET, url, "reading an artifact")).await.map_err(|e| missing(e, path))?.body)
        }
        Way::Folder(folder) => embedded::get_artifact(folder, path.to_owned()).await,
        Way::Azure(runs) => runs.get(remote, path).await,
        Way::Databricks => databricks::get(remote, &run.id, path).await,
    }
}

/// Stores answer 404 or 500 for a file that is not there.
pub(super) fn missing(error: TrackingError, path: &str) -> TrackingError {
    match error {
        TrackingError::NotFound { .. } | TrackingError::Refused { status: 404, .. } => TrackingError::NotFound { what: format!("the artifact {path:?}") },
        other => other,
    }
}

/// All of a source as one body.
pub(super) async fn whole(source: &Source) -> Result<Body> {
    Ok(match source {
        Source::Bytes(bytes) => Body::Bytes(bytes.clone()),
        Source::File(path) => Body::File { path: path.clone(), from: 0, length: length(source).await? },
    })
}

/// Bytes of a source.
async fn length(source: &Source) -> Result<u64> {
    match source {
        Source::Bytes(bytes) => Ok(bytes.len() as u64),
        Source::File(path) => match tokio::fs::metadata(path).await {
            Ok(about) => Ok(about.len()),
            Err(source) => Err(TrackingError::File { doing: "reading", path: path.clone(), source }),
        },
    }
}

fn part(source: &Source, from: u64, length: u64) -> Body {
    match source {
        Source::File(path) => Body::File { path: path.clone(), from, length },
        Source::Bytes(bytes) => {
            let at = usize::try_from(from).unwrap_or(bytes.len());
            Body::Bytes(bytes.slice(at..bytes.len().min(at + usize::try_from(length).unwrap_or(bytes.len()))))
        }
    }
}

/// Puts a blob at an address that carries its own signature: at once, or in blocks.
pub(super) async fn put_blob(remote: &Remote, address: &str, headers: &[(String, String)], source: &Source) -> Result<()> {
    let url = signed_url(address, "writing an artifact", &remote.uri)?;
    let ask = |url: Url, body: Body| {
        let mut ask = Ask::new(Method::PUT, url, "writing an artifact").header("x-ms-version", BLOB_VERSION).body(body);
        ask.headers.extend(headers.iter().cloned());
        // The address is the credential; a token beside it would be refused, and is nothing for that host.
        ask.signed = false;
        ask
    };
    let size = length(source).await?;
    if size <= SINGLE_PUT {
        let ask = ask(url, whole(source).await?).header("x-ms-blob-type", "BlockBlob").header("content-type", "application/octet-stream");
        return remote.http.ask(&ask).await.map(drop);
    }
    let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for (n, from) in (0..size).step_by(usize::try_from(BLOCK).unwrap_or(usize::MAX)).enumerate() {
        let id = base64::engine::general_purpose::STANDARD.encode(format!("ochre-{n:010}"));
        let mut at = url.clone();
        at.query_pairs_mut().append_pair("comp", "block").append_pair("blockid", &id);
        remote.http.ask(&ask(at, part(source, from, BLOCK.min(size - from)))).await?;
        list.push_str(&format!("<Latest>{id}</Latest>"));
    }
    list.push_str("</BlockList>");
    let mut at = url;
    at.query_pairs_mut().append_pair("comp", "blocklist");
    remote.http.ask(&ask(at, Body::Bytes(list.into())).header("content-type", "application/xml")).await.map(drop)
}

/// The bytes at an address that carries its own signature.
pub(super) async fn get_signed(remote: &Remote, address: &str, headers: &[(String, String)], path: &str) -> Result<Bytes> {
    let mut ask = Ask::new(Method::GET, signed_url(address, "reading an artifact", &remote.uri)?, "reading an artifact");
    ask.headers.extend(headers.iter().cloned());
    ask.signed = false;
    Ok(remote.http.ask(&ask).await.map_err(|e| missing(e, path))?.body)
}

/// The type by the name, as MLflow's pages need it to show a file.
fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "txt" | "log" | "md" | "rs" | "py" | "toml" => "text/plain",
        "json" | "ipynb" => "application/json",
        "html" => "text/html",
        "csv" => "text/csv",
        "yaml" | "yml" => "application/yaml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
