//! Making a resource: PUT, then asking until it is there. ARM says where to ask in one of three ways, and each provider has its favourite:
//! `Azure-AsyncOperation` (a status document), `Location` (202 until done), or the resource's own `provisioningState`.
use super::{Arm, text};
use crate::AzureError;
use crate::http::Answer;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Wait between two questions where ARM names none.
const PAUSE: Duration = Duration::from_secs(5);
/// What ARM names is kept to, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A workspace takes one to three minutes; nothing that is made here takes longer than this.
const BOUND: Duration = Duration::from_secs(20 * 60);

/// Where the end of an operation shows.
enum Watch {
    Status(String),
    Location(String),
    Resource,
}

impl Arm {
    /// Makes or changes a resource, and waits for it. Dropping the future stops the waiting, not the making.
    pub(super) async fn put_and_wait(&self, path: &str, version: &str, body: &Value, doing: &str) -> Result<Value, AzureError> {
        let answer = self.ask(Method::PUT, self.url(path, version)?, Some(body), doing).await?;
        let until = Instant::now() + BOUND;
        let watch = if let Some(url) = answer.header("azure-asyncoperation") {
            Watch::Status(url.to_string())
        } else if let Some(url) = answer.header("location").filter(|_| answer.status == 202) {
            Watch::Location(url.to_string())
        } else {
            Watch::Resource
        };
        let mut last = answer;
        loop {
            if self.is_done(&watch, &last, doing)? {
                let value = last.value();
                return match watch {
                    // Both end with the resource itself, or with nothing.
                    Watch::Resource | Watch::Location(_) if value.is_object() => Ok(value),
                    _ => self.get(path, version, doing).await,
                };
            }
            if Instant::now() > until {
                return Err(AzureError::TimedOut { what: doing.to_string(), seconds: BOUND.as_secs() });
            }
            tokio::time::sleep(last.pause().unwrap_or(PAUSE).min(LONGEST_PAUSE)).await;
            let url = match &watch {
                Watch::Status(url) | Watch::Location(url) => self.ours(url)?,
                Watch::Resource => self.url(path, version)?,
            };
            last = self.ask(Method::GET, url, None, doing).await?;
        }
    }

    fn is_done(&self, watch: &Watch, answer: &Answer, doing: &str) -> Result<bool, AzureError> {
        let value = answer.value();
        let state = match watch {
            // The answer to the PUT itself is the resource, whose state is told apart from the operation's.
            Watch::Status(_) => text(&value, &["status"]).or_else(|| text(&value, &["properties", "provisioningState"]).filter(|s| s != "Succeeded")),
            Watch::Location(_) => return Ok(answer.status != 202),
            Watch::Resource => Some(text(&value, &["properties", "provisioningState"]).unwrap_or_else(|| "Succeeded".into())),
        };
        match state.as_deref() {
            Some("Succeeded") => Ok(true),
            Some("Failed" | "Canceled") => {
                let (code, message) = answer.refusal();
                Err(AzureError::Refused { operation: doing.to_string(), status: answer.status, code, message })
            }
            _ => Ok(false),
        }
    }
}
