//! Entra's token endpoint, as all identities that sign in there use it.
//! Protocol: OAuth 2.0 with Microsoft's paths (`/TENANT/oauth2/v2.0/token`).
use crate::http::{Answer, Ask, hidden};
use crate::token::TokenAnswer;
use crate::{AzureError, Http};
use ochre_secrets::Secret;
use url::Url;

/// One Entra, for one tenant.
#[derive(Clone, Debug)]
pub(super) struct Entra {
    pub http: Http,
    /// With a slash at its end.
    pub authority: Url,
    pub tenant: String,
}

impl Entra {
    pub fn new(http: &Http, authority: &Url, tenant: &str) -> Result<Self, AzureError> {
        // A tenant is a GUID, a domain, or one of the words `organizations`, `common`, `consumers`; it becomes part of the URL.
        if tenant.is_empty() || !tenant.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-') {
            return Err(AzureError::BadName(format!("`{tenant}` is no tenant: give its id or its domain")));
        }
        Ok(Self { http: http.clone(), authority: authority.clone(), tenant: tenant.to_string() })
    }

    /// Posts a form to `/TENANT/oauth2/v2.0/LEAF`.
    pub async fn post(&self, leaf: &str, form: &[(&str, &str)]) -> Result<Answer, AzureError> {
        let path = format!("{}/oauth2/v2.0/{leaf}", self.tenant);
        let url = self.authority.join(&path).map_err(|e| AzureError::BadName(format!("`{path}`: {e}")))?;
        let what = format!("Entra ({})", self.authority.host_str().unwrap_or_default());
        self.http.ask(&Ask::new(reqwest::Method::POST, url, what).form(form)).await
    }

    /// A token for a form, or what Entra said against it, without the secrets of the form.
    pub async fn token(&self, identity: &'static str, form: &[(&str, &str)], secrets: &[&Secret]) -> Result<TokenAnswer, AzureError> {
        let answer = self.post("token", form).await?;
        if answer.is_success() {
            return answer.json();
        }
        Err(refused(identity, &answer, secrets))
    }
}

/// Entra's refusal in one line; that it is busy or broken is not about the identity.
pub(super) fn refused(identity: &'static str, answer: &Answer, secrets: &[&Secret]) -> AzureError {
    let (code, message) = answer.refusal();
    if answer.status == 429 || answer.status >= 500 {
        let operation = format!("signing in ({identity})");
        return AzureError::Refused { operation, status: answer.status, code, message: hidden(&message, secrets) };
    }
    let message = match (message.is_empty(), message.contains("AADSTS")) {
        (true, _) => format!("status {} {code}", answer.status),
        (false, true) => message,
        (false, false) => format!("{code}: {message}"),
    };
    AzureError::SignInRefused { identity, message: hidden(&message, secrets) }
}
