//! What lets one into a store right now, and where fresh ones come from. A [`Grant`] is what crosses from the kernel to cells and to the mount
//! process: ready to use, short-lived where the identity allows, and never an identity itself.

use async_trait::async_trait;
use ochre_secrets::Secret;
use serde_json::{Map, Value, json};

use crate::{BlobError, Location, Result};

/// A credential that a service takes as it is.
#[derive(Debug, Clone)]
pub enum Credential {
    /// Public containers and buckets.
    Anonymous,
    /// An account key, base64.
    AzureKey(Secret),
    /// A shared access signature: the query, without `?`.
    AzureSas(Secret),
    /// An Entra token for `https://storage.azure.com/`.
    AzureToken(Secret),
    AwsKeys { id: Secret, key: Secret, token: Option<Secret> },
    /// An OAuth token.
    GcsToken(Secret),
    /// A service account's key file, JSON.
    GcsServiceAccount(Secret),
}

/// A credential and what it is for.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Azure's storage account, where the location does not say.
    pub account: Option<String>,
    /// Base URL of the service where it is not the public one: `http://127.0.0.1:10000/devstoreaccount1`, `https://minio.example`.
    pub endpoint: Option<String>,
    /// S3's region.
    pub region: Option<String>,
    pub credential: Credential,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
}

impl Grant {
    /// `credential` for the public service.
    #[must_use]
    pub fn new(credential: Credential) -> Self {
        Self { account: None, endpoint: None, region: None, credential, expires: None }
    }

    /// Bytes for the link and for a mount process's standard input. They hold the credential: send them nowhere else.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let credential = match &self.credential {
            Credential::Anonymous => json!({"kind": "anonymous"}),
            Credential::AzureKey(key) => json!({"kind": "azure-key", "key": key.expose()}),
            Credential::AzureSas(sas) => json!({"kind": "azure-sas", "sas": sas.expose()}),
            Credential::AzureToken(token) => json!({"kind": "azure-token", "token": token.expose()}),
            Credential::AwsKeys { id, key, token } => {
                json!({"kind": "aws-keys", "id": id.expose(), "key": key.expose(), "token": token.as_ref().map(Secret::expose)})
            }
            Credential::GcsToken(token) => json!({"kind": "gcs-token", "token": token.expose()}),
            Credential::GcsServiceAccount(file) => json!({"kind": "gcs-service-account", "json": file.expose()}),
        };
        let grant = json!({"account": self.account, "endpoint": self.endpoint, "region": self.region, "credential": credential, "expires": self.expires});
        grant.to_string().into_bytes()
    }

    /// Reads what [`Grant::to_wire`] wrote.
    ///
    /// # Errors
    /// [`BlobError::Internal`], without the bytes.
    pub fn from_wire(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: &str| BlobError::Internal { doing: "reading a grant", at: "from the kernel".to_owned(), detail: format!("{what} is missing or of another form") };
        let Ok(Value::Object(all)) = serde_json::from_slice(bytes) else { return Err(wrong("the object")) };
        let Some(Value::Object(credential)) = all.get("credential") else { return Err(wrong("`credential`")) };
        let secret = |name: &'static str| text(credential, name).map(Secret::from).ok_or_else(|| wrong(name));
        let credential = match text(credential, "kind").as_deref() {
            Some("anonymous") => Credential::Anonymous,
            Some("azure-key") => Credential::AzureKey(secret("key")?),
            Some("azure-sas") => Credential::AzureSas(secret("sas")?),
            Some("azure-token") => Credential::AzureToken(secret("token")?),
            Some("aws-keys") => Credential::AwsKeys { id: secret("id")?, key: secret("key")?, token: secret("token").ok() },
            Some("gcs-token") => Credential::GcsToken(secret("token")?),
            Some("gcs-service-account") => Credential::GcsServiceAccount(secret("json")?),
            _ => return Err(wrong("`kind`")),
        };
        Ok(Self {
            account: text(&all, "account"),
            endpoint: text(&all, "endpoint"),
            region: text(&all, "region"),
            credential,
            expires: all.get("expires").and_then(Value::as_u64),
        })
    }
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Where grants come from: the kernel's accounts, or a request to the kernel.
#[async_trait]
pub trait Grants: Send + Sync {
    /// A grant for `location`. `refresh`: the last one was refused or is about to expire, so one from memory does not do.
    async fn grant(&self, location: &Location, refresh: bool) -> Result<Grant>;
}

/// One grant for everything, for emulators and tests, and for keys that do not expire.
#[derive(Debug, Clone)]
pub struct FixedGrant(pub Grant);

#[async_trait]
impl Grants for FixedGrant {
    async fn grant(&self, _: &Location, _: bool) -> Result<Grant> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every() -> Vec<Credential> {
        let s = || Secret::from("TOPSECRET".to_owned());
        vec![
            Credential::Anonymous,
            Credential::AzureKey(s()),
            Credential::AzureSas(s()),
            Credential::AzureToken(s()),
            Credential::AwsKeys { id: s(), key: s(), token: None },
            Credential::AwsKeys { id: s(), key: s(), token: Some(s()) },
            Credential::GcsToken(s()),
            Credential::GcsServiceAccount(s()),
        ]
    }

    #[test]
    fn grants_cross_the_link_and_are_not_printed() {
        for credential in every() {
            let grant = Grant { account: Some("a".into()), endpoint: Some("http://e".into()), region: None, credential, expires: Some(7) };
            let wire = grant.to_wire();
            let again = Grant::from_wire(&wire).expect("reads back");
            assert_eq!(again.to_wire(), wire);
            assert_eq!(std::mem::discriminant(&again.credential), std::mem::discriminant(&grant.credential));
            assert!(!format!("{grant:?}{again:#?}").contains("TOPSECRET"));
        }
    }

    #[test]
    fn a_broken_grant_is_an_error_that_does_not_repeat_it() {
        for wire in ["", "[]", "{}", r#"{"credential":{"kind":"azure-key","kee":"TOPSECRET"}}"#, r#"{"credential":{"kind":"TOPSECRET"}}"#] {
            let error = Grant::from_wire(wire.as_bytes()).expect_err(wire);
            assert!(!format!("{error}{error:?}").contains("TOPSECRET"), "{error}");
        }
    }
}
