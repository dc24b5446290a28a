//! What is Azure ML's own: its addresses, and artifacts by its run history, which hands out blob addresses with a SAS.
use super::http::{Ask, Body};
use super::{Remote, artifacts, wire};
use crate::{ArtifactInfo, Result, Run, Source, TrackingError};
use reqwest::Method;
use serde_json::json;
use url::Url;

/// The scope of tokens for a tracking address, by the cloud that its host is of.
pub(super) fn scope(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    let manager = if host.ends_with(".azure.cn") {
        "https://management.chinacloudapi.cn"
    } else if host.ends_with(".azure.us") {
        "https://management.usgovcloudapi.net"
    } else {
        "https://management.azure.com"
    };
    format!("{manager}/.default")
}

/// `/subscriptions/S/resourceGroups/G/providers/…/workspaces/W` of a tracking address.
fn workspace(base: &Url) -> Option<&str> {
    let path = base.path();
    path.find("/subscriptions/").map(|at| path[at..].trim_end_matches('/'))
}

/// The run's page in the studio.
pub(super) fn page(base: &Url, run: &str) -> Option<String> {
    let short = workspace(base)?.replace("/providers/Microsoft.MachineLearningServices", "");
    let studio = match base.host_str().unwrap_or_default() {
        host if host.ends_with(".azure.cn") => "https://studio.ml.azure.cn",
        host if host.ends_with(".azure.us") => "https://ml.azure.us",
        _ => "https://ml.azure.com",
    };
    Some(format!("{studio}/runs/{run}?wsid={short}"))
}

/// The artifacts of one run in the run history.
pub(super) struct Runs {
    /// `…/experiments/E/runs/R/artifacts`.
    base: Url,
    /// In front of every path, when the run's artifacts are not the history's root.
    prefix: String,
}

impl Runs {
    /// By the run's artifact URI (`azureml://…/experiments/E/runs/R/artifacts[/PREFIX]`), else by its experiment's name.
    pub async fn of(remote: &Remote, run: &Run) -> Result<Self> {
        let unknown = || TrackingError::Unsupported { what: "finding artifacts", at: remote.uri.clone() };
        let parts: Vec<&str> = run.artifact_uri.split('/').collect();
        let at = parts.iter().position(|part| *part == "runs").filter(|at| *at > 0 && parts.len() > at + 1);
        let (experiment, id, prefix) = match at {
            Some(at) => {
                let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
                let after = parts.get(at + 3..).unwrap_or_default().iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join("/");
                (decode(parts[at - 1]), parts[at + 1].to_owned(), after)
            }
            None => {
                let found = remote.get("experiments/get", &[("experiment_id", &run.experiment_id)], "reading the experiment").await?;
                (wire::text(&found["experiment"]["name"]), run.id.clone(), String::new())
            }
        };
        let mut base = remote.base.clone();
        base.set_path(&format!("/history/v1.0{}", workspace(&remote.base).ok_or_else(unknown)?));
        base.path_segments_mut().map_err(|()| unknown())?.extend(["experiments", &experiment, "runs", &id, "artifacts"]);
        Ok(Self { base, prefix })
    }

    fn url(&self, parts: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(parts);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn full(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }

    /// Announces the artifact, and puts its bytes where the answer says.
    pub async fn put(&self, remote: &Remote, path: &str, source: &Source) -> Result<()> {
        let full = self.full(path);
        let body = json!({ "paths": [{ "path": full }] }).to_string();
        let ask = Ask::new(Method::POST, self.url(&["batch", "metadata"], &[]), "announcing an artifact").body(Body::Json(body));
        let answer = remote.http.json(&ask).await?;
        let address = wire::text(&answer["artifactContentInformation"][&full]["contentUri"]);
        if !address.is_empty() {
            return artifacts::put_blob(remote, &address, &[], source).await;
        }
        let error = &answer["errors"][&full]["error"];
        let (code, detail) = (wire::text(&error["code"]), wire::text(&error["message"]));
        // The same may have been written before: by us, when our first answer was lost.
        if self.holds(remote, path, source).await {
            return Ok(());
        }
        Err(TrackingError::Refused { doing: "announcing an artifact", at: remote.uri.clone(), status: 200, code, detail })
    }

    async fn holds(&self, remote: &Remote, path: &str, source: &Source) -> bool {
        let wanted = match source {
            Source::Bytes(bytes) => Some(bytes.clone()),
            Source::File(file) => tokio::fs::read(file).await.ok().map(Into::into),
        };
        wanted.is_some() && self.get(remote, path).await.ok() == wanted
    }

    pub async fn get(&self, remote: &Remote, path: &str) -> Result<bytes::Bytes> {
        let url = self.url(&["contentinfo"], &[("path", &self.full(path))]);
        let answer = remote.http.json(&Ask::new(Method::GET, url, "finding an artifact")).await.map_err(|e| artifacts::missing(e, path))?;
        artifacts::get_signed(remote, &wire::text(&answer["contentUri"]), &[], path).await
    }

    /// The history lists every file of the run; directories are made of their paths.
    pub async fn list(&self, remote: &Remote, inner: &str) -> Result<Vec<ArtifactInfo>> {
        let root = if inner.is_empty() { self.prefix.clone() } else { self.full(inner) };
        let mut found: Vec<ArtifactInfo> = Vec::new();
        let mut next = Some(self.url(&[], &[]));
        while let Some(url) = next {
            let answer = remote.http.json(&Ask::new(Method::GET, url, "listing artifacts")).await?;
            for file in wire::list(&answer["value"]) {
                let path = wire::text(&file["path"]);
                let Some(rest) = (if root.is_empty() { Some(path.as_str()) } else { path.strip_prefix(&format!("{root}/")) }) else { continue };
                let (name, is_directory) = rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
                let path = if inner.is_empty() { name.to_owned() } else { format!("{inner}/{name}") };
                if !found.iter().any(|one| one.path == path) {
                    found.push(ArtifactInfo { path, is_directory, size: None });
                }
            }
            next = self.following(remote, &answer)?;
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// The next page's address, which must be of the same host: a token goes with it.
    fn following(&self, remote: &Remote, answer: &serde_json::Value) -> Result<Option<Url>> {
        let Some(link) = wire::optional(&answer["nextLink"]) else {
            let token = wire::optional(&answer["continuationToken"]);
            return Ok(token.map(|token| self.url(&[], &[("continuationToken", &token)])));
        };
        let bad = || TrackingError::BadAnswer { doing: "listing artifacts", at: remote.uri.clone(), found: "a next page on another host".into() };
        let link = self.base.join(&link).map_err(|_| bad())?;
        if link.origin() == self.base.origin() { Ok(Some(link)) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_cloud_workspace_and_page() {
        let base = |host: &str| {
            Url::parse(&format!("https://{host}/mlflow/v2.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w")).unwrap()
        };
        assert_eq!(scope(&base("westeurope.api.azureml.ms")), "https://management.azure.com/.default");
        assert_eq!(scope(&base("chinaeast2.api.ml.azure.cn")), "https://management.chinacloudapi.cn/.default");
        assert_eq!(scope(&base("usgovvirginia.api.ml.azure.us")), "https://management.usgovcloudapi.net/.default");
        assert_eq!(page(&base("westeurope.api.azureml.ms"), "r1").unwrap(), "https://ml.azure.com/runs/r1?wsid=/subscriptions/s/resourceGroups/g/workspaces/w");
    }
}
