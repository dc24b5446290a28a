//! The words that users type after `--credential`. Names only: none of them may hold a secret.
use ochre_api::Failure;
use std::fmt;

/// A credential word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Auto,
    Anonymous,
    Environment,
    Cli,
    /// With the client id of a user-assigned one.
    ManagedIdentity(Option<String>),
    WorkloadIdentity,
    /// `secret` is SCOPE/KEY.
    ServicePrincipal { tenant: String, client: String, secret: String },
    /// With a tenant.
    DeviceCode(Option<String>),
    /// SCOPE/KEY.
    Secret(String),
    /// The account's own key, which the resource manager tells to those who may know it.
    AccountKey,
}

/// All words, for completion and errors.
pub(crate) const WORDS: [&str; 10] = [
    "auto",
    "anonymous",
    "environment",
    "cli",
    "managed-identity",
    "workload-identity",
    "service-principal:TENANT/CLIENT/secret:SCOPE/KEY",
    "device-code",
    "secret:SCOPE/KEY",
    "account-key",
];

impl Word {
    /// Reads a word. What is none is not repeated in the error: it may be the key itself.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let (head, rest) = match text.trim().split_once(':') {
            Some((head, rest)) => (head, Some(rest.trim()).filter(|r| !r.is_empty())),
            None => (text.trim(), None),
        };
        let plain = |word: Self| if rest.is_none() { Ok(word) } else { Err(Failure::usage(format!("`{head}` takes nothing after it"))) };
        match head {
            "auto" => plain(Self::Auto),
            "anonymous" => plain(Self::Anonymous),
            "environment" => plain(Self::Environment),
            "cli" => plain(Self::Cli),
            "workload-identity" => plain(Self::WorkloadIdentity),
            "account-key" => plain(Self::AccountKey),
            "managed-identity" => Ok(Self::ManagedIdentity(rest.map(str::to_string))),
            "device-code" => Ok(Self::DeviceCode(rest.map(str::to_string))),
            "secret" => secret_name(rest.unwrap_or_default()).map(Self::Secret),
            "service-principal" => principal(rest.unwrap_or_default()),
            _ => {
                let failure = Failure::usage("that is no credential word; a key itself never belongs into a cell");
                Err(failure.hint(format!("use one of {}; `%secret set SCOPE/KEY` keeps a key", WORDS.join(", "))))
            }
        }
    }
}

fn secret_name(text: &str) -> Result<String, Failure> {
    match text.split_once('/') {
        Some((scope, key)) if !scope.is_empty() && !key.is_empty() => Ok(text.to_string()),
        _ => Err(Failure::usage("after `secret:` the name of a secret is expected, as SCOPE/KEY").hint("`%secret list` shows the names")),
    }
}

/// `TENANT/CLIENT/secret:SCOPE/KEY`.
fn principal(text: &str) -> Result<Word, Failure> {
    let bad = || {
        let failure = Failure::usage("a service principal is written service-principal:TENANT/CLIENT/secret:SCOPE/KEY, with its secret kept as SCOPE/KEY");
        failure.hint("`%secret set SCOPE/KEY` asks for the value without showing it")
    };
    let mut parts = text.splitn(3, '/');
    let (Some(tenant), Some(client), Some(secret)) = (parts.next(), parts.next(), parts.next()) else { return Err(bad()) };
    let secret = secret.strip_prefix("secret:").ok_or_else(bad)?;
    if tenant.is_empty() || client.is_empty() {
        return Err(bad());
    }
    Ok(Word::ServicePrincipal { tenant: tenant.into(), client: client.into(), secret: secret_name(secret)? })
}

impl fmt::Display for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |out: &mut fmt::Formatter<'_>, word: &str, rest: &Option<String>| match rest {
            Some(rest) => write!(out, "{word}:{rest}"),
            None => out.write_str(word),
        };
        match self {
            Self::Auto => out.write_str("auto"),
            Self::Anonymous => out.write_str("anonymous"),
            Self::Environment => out.write_str("environment"),
            Self::Cli => out.write_str("cli"),
            Self::ManagedIdentity(client) => with(out, "managed-identity", client),
            Self::WorkloadIdentity => out.write_str("workload-identity"),
            Self::ServicePrincipal { tenant, client, secret } => write!(out, "service-principal:{tenant}/{client}/secret:{secret}"),
            Self::DeviceCode(tenant) => with(out, "device-code", tenant),
            Self::Secret(name) => write!(out, "secret:{name}"),
            Self::AccountKey => out.write_str("account-key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written_again() {
        for text in [
            "auto",
            "anonymous",
            "environment",
            "cli",
            "managed-identity",
            "managed-identity:11111111-2222",
            "workload-identity",
            "service-principal:contoso.com/app/secret:shop/sp",
            "device-code",
            "device-code:contoso.com",
            "secret:shop/blob-key",
            "account-key",
        ] {
            assert_eq!(Word::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_key_in_its_place_is_refused_and_not_repeated() {
        for text in ["TOPSECRETkey==", "TOPSECRET:x", "secret:TOPSECRET", "service-principal:t/c/TOPSECRET", "service-principal:TOPSECRET", "auto:TOPSECRET", ""] {
            let failure = Word::parse(text).expect_err(text);
            assert!(!failure.lines().concat().contains("TOPSECRET"), "{failure:?}");
            assert!(failure.hint.is_some() || text.starts_with("auto"));
        }
    }
}
