//! What can go wrong with identities, ARM and vaults. Texts name what was tried and what was answered, never a credential.
use std::fmt;

/// One identity that was tried, and why it was not the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// As users know it: `environment`, `Azure CLI`, ….
    pub identity: &'static str,
    /// A lower-case fragment.
    pub why: String,
}

impl fmt::Display for Tried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.identity, self.why)
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum AzureError {
    /// The identity needs something that is not there; a chain goes on with the next.
    #[error("{identity}: {why}")]
    NotSetUp { identity: &'static str, why: String },
    /// It is set up, and the service that gives tokens said no.
    #[error("{identity}: the sign-in was refused: {message}")]
    SignInRefused { identity: &'static str, message: String },
    /// A person has to sign in first.
    #[error("nobody has signed in yet with a device code")]
    SignInNeeded,
    /// No identity of the chain is set up.
    #[error("no Azure identity was found; looked, in this order, at: {}", list(.tried))]
    NoIdentity { tried: Vec<Tried> },
    /// No connection, or one that was cut.
    #[error("{what} could not be reached")]
    Unreachable {
        what: String,
        #[source]
        source: reqwest::Error,
    },
    /// It did not answer in time.
    #[error("{what} did not answer within {seconds} s")]
    TimedOut { what: String, seconds: u64 },
    /// It answered with something that is not in its documentation.
    #[error("{what} gave an answer that cannot be read: {found}")]
    BadAnswer { what: String, found: String },
    /// A service refused a request.
    #[error("{operation} was refused: status {status}{}", tail(.code, .message))]
    Refused { operation: String, status: u16, code: String, message: String },
    /// A name or URL that the user gave is not one.
    #[error("{0}")]
    BadName(String),
    /// A file that an identity needs.
    #[error("cannot read {path}")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client could not be made (no root certificates, a bad proxy setting).
    #[error("cannot set up HTTPS")]
    Setup(#[source] reqwest::Error),
}

/// ` CODE: message`, as far as there are any.
fn tail(code: &str, message: &str) -> String {
    match (code.is_empty(), message.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!(" {code}"),
        (true, false) => format!(": {message}"),
        (false, false) => format!(" {code}: {message}"),
    }
}

fn list(tried: &[Tried]) -> String {
    tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl AzureError {
    /// Whether a chain goes on with its next identity: this one is not set up, or its service is not there.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NotSetUp { .. } | Self::Unreachable { .. } | Self::TimedOut { .. } | Self::SignInNeeded)
    }

    /// The HTTP status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the other side (and not this machine's settings) has to put it right.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::BadAnswer { .. }) || self.status().is_some_and(|s| s >= 500 || s == 429)
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoIdentity { .. } => "sign in with `az login`, or choose one: `--credential device-code` works everywhere".into(),
            Self::NotSetUp { identity, .. } => not_set_up(identity),
            Self::SignInNeeded => "run `%credential URL device-code` to sign in".into(),
            Self::SignInRefused { message, .. } => refused(message),
            Self::Unreachable { .. } | Self::TimedOut { .. } => "check the network, HTTPS_PROXY and the address, then run the cell again".into(),
            Self::BadAnswer { .. } => "something between here and the service answered in its place (a proxy, a login page?); check the address".into(),
            Self::Refused { status: 401, .. } => "the identity is not of this service's tenant, or its token was revoked; sign in again".into(),
            Self::Refused { status: 403, .. } => "the identity lacks a role there; ask the owner for one, or use another with `--credential`".into(),
            Self::Refused { status: 404, .. } => "check the name, the subscription and the resource group".into(),
            Self::Refused { status: 429 | 500.., .. } => "the service is busy or broken; try again in a minute".into(),
            Self::Refused { .. } | Self::BadName(_) => "check what was typed".into(),
            Self::File { .. } => "check the path and its permissions".into(),
            Self::Setup(_) => "check SSL_CERT_FILE and the proxy variables".into(),
        }
    }
}

fn not_set_up(identity: &str) -> String {
    match identity {
        crate::identity::CLI => "install the Azure CLI and run `az login`, or use `--credential device-code`".into(),
        crate::identity::MANAGED => "this host gives no identity; use `--credential cli`, `device-code` or `service-principal:…`".into(),
        crate::identity::WORKLOAD => "the pod needs the label azure.workload.identity/use and a service account with a client id".into(),
        _ => "set what is missing, or choose another identity with `--credential`".into(),
    }
}

/// What Entra's most frequent codes ask for.
fn refused(message: &str) -> String {
    let known = [
        ("AADSTS7000215", "the client secret is wrong: give its value, not its id"),
        ("AADSTS7000222", "the client secret has expired: make a new one in the app registration"),
        ("AADSTS700016", "no application of this client id is in that tenant: check both ids"),
        ("AADSTS90002", "no such tenant: check the tenant id"),
        ("AADSTS700213", "no federated credential of the application matches this token: check issuer and subject"),
        ("AADSTS70021", "no federated credential of the application matches this token: check issuer and subject"),
        ("AADSTS50076", "more than a password is asked for: sign in again with `az login` or a device code"),
        ("AADSTS700082", "the sign-in is too old: sign in again"),
        ("expired", "the code was not entered in time: run the cell again"),
        ("declined", "the sign-in was declined in the browser: run the cell again"),
    ];
    let found = known.iter().find(|(code, _)| message.contains(code)).map(|(_, what)| *what);
    found.unwrap_or("check tenant, client id and secret, or choose another identity with `--credential`").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_is_said_in_order() {
        let tried = vec![
            Tried { identity: "environment", why: "AZURE_CLIENT_ID is not set".into() },
            Tried { identity: "Azure CLI", why: "`az` is not installed".into() },
        ];
        let error = AzureError::NoIdentity { tried };
        assert_eq!(
            error.to_string(),
            "no Azure identity was found; looked, in this order, at: environment (AZURE_CLIENT_ID is not set); Azure CLI (`az` is not installed)"
        );
        assert!(error.hint().contains("az login"));
    }

    #[test]
    fn a_known_code_says_what_to_do() {
        let error = AzureError::SignInRefused { identity: "service principal", message: "AADSTS7000215: Invalid client secret provided.".into() };
        assert!(error.hint().contains("not its id"), "{}", error.hint());
    }
}
