//! Sources that hold what they give: nothing at all, or what a secret's text is.
use crate::accounts::{GrantSource, Place};
use async_trait::async_trait;
use ochre_api::Failure;
use ochre_blobs::{Credential, Grant, Location};
use ochre_secrets::Secret;

/// Public containers and buckets.
pub(super) struct Anonymous;

#[async_trait]
impl GrantSource for Anonymous {
    fn word(&self) -> String {
        "anonymous".into()
    }
    async fn grant(&self, _: &Location, _: &Place, _: bool) -> Result<Grant, Failure> {
        Ok(Grant::new(Credential::Anonymous))
    }
}

/// The same grant for ever: a key, a signature.
pub(super) struct Fixed {
    pub word: String,
    pub grant: Grant,
}

#[async_trait]
impl GrantSource for Fixed {
    fn word(&self) -> String {
        self.word.clone()
    }
    async fn grant(&self, _: &Location, _: &Place, _: bool) -> Result<Grant, Failure> {
        Ok(self.grant.clone())
    }
}

/// A service principal out of a secret.
pub(super) struct Principal {
    pub tenant: String,
    pub client: String,
    pub secret: Secret,
}

/// What the tools call the three parts: `az ad sp create-for-rbac`, the same with `--sdk-auth`, Terraform's variables, our own.
const TENANT: [&str; 4] = ["tenant", "tenantId", "tenant_id", "AZURE_TENANT_ID"];
const CLIENT: [&str; 5] = ["appId", "clientId", "client_id", "client", "AZURE_CLIENT_ID"];
const SECRET: [&str; 5] = ["password", "clientSecret", "client_secret", "secret", "AZURE_CLIENT_SECRET"];

/// Reads the JSON of a service principal; `None` for anything else.
pub(super) fn principal(secret: &Secret) -> Option<Principal> {
    let value: serde_json::Value = serde_json::from_str(secret.expose().trim()).ok()?;
    let first = |names: &[&str]| names.iter().find_map(|name| value[*name].as_str()).filter(|v| !v.is_empty()).map(str::to_string);
    Some(Principal { tenant: first(&TENANT)?, client: first(&CLIENT)?, secret: first(&SECRET)?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_principals_of_all_tools() {
        let check = |text: &str, expected: Option<(&str, &str, &str)>| {
            let found = principal(&Secret::from(text));
            assert_eq!(found.as_ref().map(|p| (p.tenant.as_str(), p.client.as_str(), p.secret.expose())), expected, "{text}");
        };
        check(r#"{"appId": "a", "displayName": "x", "password": "p", "tenant": "t"}"#, Some(("t", "a", "p")));
        check(r#"{"clientId": "a", "clientSecret": "p", "tenantId": "t", "subscriptionId": "s"}"#, Some(("t", "a", "p")));
        check(r#"{"client_id": "a", "client_secret": "p", "tenant_id": "t"}"#, Some(("t", "a", "p")));
        check(r#"{"type": "service_account", "client_id": "a", "private_key": "k"}"#, None);
        check("a key", None);
    }
}
