//! What a server has, found by asking it once when it is opened. What it does not know is an answer, not a failure.
use super::http::Ask;
use super::{Remote, wire};
use crate::{Kind, Result, TrackingError};
use reqwest::Method;
use serde_json::json;

/// A name that nothing has.
const NOWHERE: &str = "ochre-probe-of-features";

impl Remote {
    /// Fills in the features. Fails where the server is away, refuses the credential or is none of MLflow's.
    pub(super) async fn probe(&mut self) -> Result<()> {
        let answer = self.post("experiments/search", &json!({ "max_results": 1 }), "asking for experiments").await?;
        if !answer.is_object() {
            let found = "no JSON object; is it an MLflow server?".to_owned();
            return Err(TrackingError::BadAnswer { doing: "asking for experiments", at: self.uri.clone(), found });
        }
        if self.features.kind == Kind::Mlflow {
            self.features.version = self.version().await;
            self.features.artifact_proxy = self.has_proxy().await;
        }
        self.features.logged_models = self.has_logged_models().await;
        Ok(())
    }

    /// `GET /version` answers the bare number.
    async fn version(&self) -> Option<String> {
        let answer = self.http.ask(&Ask::new(Method::GET, self.url("version"), "asking for the version")).await.ok()?;
        let text = String::from_utf8(answer.body.to_vec()).ok()?;
        let text = text.trim();
        let number = text.starts_with(|c: char| c.is_ascii_digit()) && text.len() < 40 && text.chars().all(|c| c.is_ascii_alphanumeric() || ".+-".contains(c));
        number.then(|| text.to_owned())
    }

    /// A server that passes artifacts on lists a folder that does not exist as empty, and one that does not answers 503.
    async fn has_proxy(&self) -> bool {
        let mut url = self.url("api/2.0/mlflow-artifacts/artifacts");
        url.query_pairs_mut().append_pair("path", NOWHERE);
        let mut ask = Ask::new(Method::GET, url, "asking for artifacts");
        // One answer is enough, whatever it is.
        ask.repeatable = false;
        self.http.json(&ask).await.is_ok()
    }

    /// Servers that have them say that this one is not there; others do not know the address.
    async fn has_logged_models(&self) -> bool {
        let asked = self.http.json(&Ask::new(Method::GET, self.api(&format!("logged-models/{NOWHERE}")), "asking for logged models")).await;
        match asked {
            Ok(answer) => !wire::text(&answer["model"]["info"]["model_id"]).is_empty(),
            Err(TrackingError::NotFound { .. }) => true,
            // A server with users says so of what is not there, and of no address that it does not know.
            Err(TrackingError::Denied { status: 403, .. }) => self.features.kind == Kind::Mlflow,
            Err(_) => false,
        }
    }
}
