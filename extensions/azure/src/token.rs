//! Tokens and what gives them. Identities implement [`TokenSource`]; whoever calls a service asks one.
use crate::AzureError;
use async_trait::async_trait;
use ochre_secrets::Secret;
use serde::Deserialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// A bearer token that is ready to use.
#[derive(Clone, Debug)]
pub struct Token {
    pub secret: Secret,
    /// Unix seconds after which it is refused.
    pub expires: u64,
}

impl Token {
    /// Seconds that it is still good for.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.expires.saturating_sub(now())
    }
}

/// Gives tokens for a scope such as `https://storage.azure.com/.default`.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// As users know it, in a few words: `Azure CLI`, `managed identity (IMDS)`.
    fn name(&self) -> String;

    /// A token that is good for some minutes at least. Bounded in time.
    async fn token(&self, scope: &str) -> Result<Token, AzureError>;

    /// The same, after the last one was refused: nothing that was kept may be given.
    async fn renewed(&self, scope: &str) -> Result<Token, AzureError> {
        self.token(scope).await
    }
}

/// Unix seconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// `https://x/.default` -> `https://x`: what managed identities call a resource.
pub(crate) fn resource(scope: &str) -> &str {
    scope.strip_suffix("/.default").unwrap_or(scope)
}

/// The answer that all of Azure's token services share, with the differences that they are known for.
#[derive(Deserialize)]
pub(crate) struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_on: serde_json::Value,
    #[serde(default)]
    expires_in: serde_json::Value,
    #[serde(default)]
    pub refresh_token: Option<String>,
}

/// Lifetime that is assumed where none is said; Entra's shortest, seconds.
const ASSUMED_LIFETIME: u64 = 600;

impl TokenAnswer {
    pub fn token(&self) -> Token {
        let expires = moment(&self.expires_on).or_else(|| number(&self.expires_in).map(|s| now() + s));
        Token { secret: Secret::new(self.access_token.clone()), expires: expires.unwrap_or_else(|| now() + ASSUMED_LIFETIME) }
    }
}

impl Drop for TokenAnswer {
    fn drop(&mut self) {
        // The `String`s that serde made are handed to `Secret`, which overwrites them, so that no copy is left.
        drop(Secret::new(std::mem::take(&mut self.access_token)));
        drop(self.refresh_token.take().map(Secret::new));
    }
}

/// A number, or a text that is one.
fn number(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|f| f as u64)).or_else(|| value.as_str()?.trim().parse().ok())
}

/// Ways in which App Service and Azure ML write a moment.
const MOMENTS: [&str; 4] = ["%m/%d/%Y %H:%M:%S %z", "%m/%d/%Y %I:%M:%S %p %z", "%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f %z"];

/// Unix seconds, or a date in one of [`MOMENTS`].
pub(crate) fn moment(value: &serde_json::Value) -> Option<u64> {
    number(value).or_else(|| {
        let text = value.as_str()?.trim().replace('Z', "+00:00");
        let read = MOMENTS.iter().find_map(|form| chrono::DateTime::parse_from_str(&text, form).ok())?;
        u64::try_from(read.timestamp()).ok()
    })
}

/// Unix seconds of a date as services write it, such as `2030-01-01T00:00:00Z`.
#[must_use]
pub fn timestamp(text: &str) -> Option<u64> {
    moment(&serde_json::Value::String(text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn moments_are_read_in_all_forms_that_are_sent() {
        let check = |value, expected| assert_eq!(moment(&value), expected, "{value}");
        check(json!(1_700_000_000), Some(1_700_000_000));
        check(json!("1700000000"), Some(1_700_000_000));
        check(json!("11/14/2023 22:13:20 +00:00"), Some(1_700_000_000));
        check(json!("11/14/2023 10:13:20 PM +00:00"), Some(1_700_000_000));
        check(json!("2023-11-14T22:13:20Z"), Some(1_700_000_000));
        check(json!("soon"), None);
        check(json!(null), None);
    }

    #[test]
    fn a_lifetime_counts_from_now() {
        let answer: TokenAnswer = serde_json::from_value(json!({"access_token": "t", "expires_in": "3599"})).expect("reads");
        assert!((3590..=3599).contains(&answer.token().remaining()));
    }
}
