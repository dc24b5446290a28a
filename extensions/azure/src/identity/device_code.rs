//! A person signs in with a code on any device that has a browser: works where nothing else does.
//!
//! Two steps, because a person stands between them: [`DeviceCode::begin`] gives the text to show, [`DeviceCode::finish`] waits until it was done.
//! Drop the future of `finish` to stop waiting. After that tokens for every scope come from the refresh token, which is kept in memory alone.
use super::DEVICE;
use super::entra::{Entra, refused};
use crate::token::{TokenAnswer, now};
use crate::{AzureError, Http, Token, TokenSource};
use async_trait::async_trait;
use ochre_secrets::Secret;
use serde::Deserialize;
use std::sync::Mutex;
use std::time::Duration;
use url::Url;

/// The public client that Microsoft's own tools sign people in with (the Azure CLI's), allowed in every tenant.
const CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
/// Any tenant of a company or school: what is meant when none is said.
const TENANT: &str = "organizations";
/// Wait between two questions where Entra names none (RFC 8628), seconds.
const INTERVAL: u64 = 5;
/// What a service may ask for at most, seconds.
const LONGEST_INTERVAL: u64 = 60;
/// What `slow_down` adds (RFC 8628), seconds.
const SLOWER: u64 = 5;

/// The identity of whoever signs in.
pub struct DeviceCode {
    entra: Entra,
    client: String,
    refresh: Mutex<Option<Secret>>,
    second: Duration,
}

/// What the person is to be shown, and what is needed to wait for them.
#[derive(Debug)]
pub struct Prompt {
    /// The whole text, in Entra's words.
    pub message: String,
    /// The code to type.
    pub code: String,
    /// Where to type it.
    pub address: String,
    /// Unix seconds after which the code is dead.
    pub expires: u64,
    device: Secret,
    interval: u64,
}

#[derive(Deserialize)]
struct Begun {
    device_code: String,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default)]
    message: String,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

impl DeviceCode {
    /// For a tenant (`organizations` when none is given).
    pub fn new(http: &Http, authority: &Url, tenant: Option<&str>) -> Result<Self, AzureError> {
        Ok(Self { entra: Entra::new(http, authority, tenant.unwrap_or(TENANT))?, client: CLIENT.into(), refresh: Mutex::new(None), second: Duration::from_secs(1) })
    }

    /// How long one second of the protocol's waits lasts; for tests.
    #[must_use]
    pub fn paced(mut self, second: Duration) -> Self {
        self.second = second;
        self
    }

    /// Whether somebody has signed in.
    pub fn is_signed_in(&self) -> bool {
        self.refresh.lock().is_ok_and(|held| held.is_some())
    }

    /// Asks for a code.
    pub async fn begin(&self, scope: &str) -> Result<Prompt, AzureError> {
        let answer = self.entra.post("devicecode", &[("client_id", &self.client), ("scope", &with_refresh(scope))]).await?;
        if !answer.is_success() {
            return Err(refused(DEVICE, &answer, &[]));
        }
        let begun: Begun = answer.json()?;
        let message = if begun.message.is_empty() {
            format!("To sign in, open {} in a browser and enter the code {}.", begun.verification_uri, begun.user_code)
        } else {
            begun.message
        };
        Ok(Prompt {
            message,
            code: begun.user_code,
            address: begun.verification_uri,
            expires: now() + begun.expires_in,
            device: begun.device_code.into(),
            interval: begun.interval.unwrap_or(INTERVAL).clamp(1, LONGEST_INTERVAL),
        })
    }

    /// Waits until the person has signed in; ends by itself when the code dies.
    pub async fn finish(&self, prompt: Prompt) -> Result<Token, AzureError> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", self.client.as_str()),
            ("device_code", prompt.device.expose()),
        ];
        let mut interval = prompt.interval;
        loop {
            tokio::time::sleep(self.second * u32::try_from(interval).unwrap_or(u32::MAX)).await;
            let answer = match self.entra.post("token", &form).await {
                Ok(answer) => answer,
                // The person may need minutes, and the network may blink meanwhile.
                Err(AzureError::Unreachable { .. } | AzureError::TimedOut { .. }) if now() < prompt.expires => continue,
                Err(error) => return Err(error),
            };
            if answer.is_success() {
                return Ok(self.keep(answer.json()?));
            }
            match answer.refusal().0.as_str() {
                "authorization_pending" if now() < prompt.expires => {}
                "slow_down" if now() < prompt.expires => interval += SLOWER,
                "authorization_pending" | "slow_down" | "expired_token" | "code_expired" => return Err(ended("the code has expired")),
                "authorization_declined" | "access_denied" => return Err(ended("the sign-in was declined")),
                _ => return Err(refused(DEVICE, &answer, &[&prompt.device])),
            }
        }
    }

    fn keep(&self, mut answer: TokenAnswer) -> Token {
        if let (Some(new), Ok(mut held)) = (answer.refresh_token.take(), self.refresh.lock()) {
            *held = Some(new.into());
        }
        answer.token()
    }
}

#[async_trait]
impl TokenSource for DeviceCode {
    fn name(&self) -> String {
        DEVICE.into()
    }

    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        let refresh = self.refresh.lock().ok().and_then(|held| held.clone()).ok_or(AzureError::SignInNeeded)?;
        let scope = with_refresh(scope);
        let form = [("grant_type", "refresh_token"), ("client_id", self.client.as_str()), ("refresh_token", refresh.expose()), ("scope", &scope)];
        Ok(self.keep(self.entra.token(DEVICE, &form, &[&refresh]).await?))
    }
}

/// A scope for which Entra also gives a refresh token.
fn with_refresh(scope: &str) -> String {
    format!("{scope} offline_access openid profile")
}

fn ended(message: &str) -> AzureError {
    AzureError::SignInRefused { identity: DEVICE, message: message.into() }
}
