//! What is Databricks' own: artifacts by addresses that it signs for each file.
use super::{Remote, artifacts, wire};
use crate::{Result, Source, TrackingError};
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};

/// One signed address.
struct Signed {
    address: String,
    headers: Vec<(String, String)>,
    kind: String,
}

async fn signed(remote: &Remote, endpoint: &str, run: &str, path: &str) -> Result<Signed> {
    let body = json!({ "run_id": run, "path": [path] });
    let answer = remote.post(endpoint, &body, "asking for the artifact's address").await.map_err(|e| artifacts::missing(e, path))?;
    let info: &Value = &answer["credential_infos"][0];
    let headers = wire::list(&info["headers"]).iter().map(|h| (wire::text(&h["name"]), wire::text(&h["value"]))).collect();
    Ok(Signed { address: wire::text(&info["signed_uri"]), headers, kind: wire::text(&info["type"]) })
}

pub(super) async fn put(remote: &Remote, run: &str, path: &str, source: &Source) -> Result<()> {
    let signed = signed(remote, "artifacts/credentials-for-write", run, path).await?;
    match signed.kind.as_str() {
        "AZURE_SAS_URI" => artifacts::put_blob(remote, &signed.address, &signed.headers, source).await,
        "AWS_PRESIGNED_URL" | "GCP_SIGNED_URL" => {
            let url = super::http::signed_url(&signed.address, "writing an artifact", &remote.uri)?;
            let mut ask = super::http::Ask::new(Method::PUT, url, "writing an artifact").body(artifacts::whole(source).await?);
            ask.headers = signed.headers;
            ask.signed = false;
            remote.http.ask(&ask).await.map(drop)
        }
        "AZURE_ADLS_GEN2_SAS_URI" => adls(remote, &signed, source).await,
        other => Err(TrackingError::BadAnswer { doing: "writing an artifact", at: remote.uri.clone(), found: format!("the kind of address {other:?}") }),
    }
}

/// Made, filled at once, and closed, as Data Lake's interface has it.
async fn adls(remote: &Remote, signed: &Signed, source: &Source) -> Result<()> {
    use super::http::{Ask, Body, signed_url};
    let base = signed_url(&signed.address, "writing an artifact", &remote.uri)?;
    let body = artifacts::whole(source).await?;
    let length = match &body {
        Body::Bytes(bytes) => bytes.len() as u64,
        Body::File { length, .. } => *length,
        Body::None | Body::Json(_) => 0,
    };
    let ask = |method: Method, query: &[(&str, &str)], body: Body| {
        let mut url = base.clone();
        url.query_pairs_mut().extend_pairs(query);
        let mut ask = Ask::new(method, url, "writing an artifact").body(body);
        ask.headers.clone_from(&signed.headers);
        ask.signed = false;
        ask
    };
    let end = length.to_string();
    remote.http.ask(&ask(Method::PUT, &[("resource", "file")], Body::None)).await?;
    if length > 0 {
        remote.http.ask(&ask(Method::PATCH, &[("action", "append"), ("position", "0")], body)).await?;
    }
    remote.http.ask(&ask(Method::PATCH, &[("action", "flush"), ("position", &end)], Body::None)).await.map(drop)
}

pub(super) async fn get(remote: &Remote, run: &str, path: &str) -> Result<Bytes> {
    let signed = signed(remote, "artifacts/credentials-for-read", run, path).await?;
    artifacts::get_signed(remote, &signed.address, &signed.headers, path).await
}
