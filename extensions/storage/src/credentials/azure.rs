//! Azure: tokens of an Entra identity, the account's key through the resource manager, keys out of the environment, and signing in with a code.
use super::of_azure;
use crate::accounts::{GrantSource, Place};
use crate::workspace::Workspaces;
use async_trait::async_trait;
use ochre_api::{Failure, SessionAccess};
use ochre_azure::arm::ResourceId;
use ochre_azure::{Arm, Cached, Cloud, Datastore, Environment, Finder, TokenSource};
use ochre_blobs::{ConnectionString, Credential, Grant, Location, Scheme};
use ochre_link::Stream;
use ochre_secrets::Secret;
use std::sync::Arc;

/// Tokens of an identity.
pub(super) struct Entra {
    pub word: String,
    pub identity: Arc<dyn TokenSource>,
    pub cloud: Cloud,
}

#[async_trait]
impl GrantSource for Entra {
    fn word(&self) -> String {
        self.word.clone()
    }
    async fn grant(&self, location: &Location, _: &Place, refresh: bool) -> Result<Grant, Failure> {
        if location.scheme != Scheme::Azure {
            let failure = Failure::usage(format!("`{}` is an identity of Azure's, which {}:// does not know", self.word, location.scheme.word()));
            return Err(failure.hint("use `auto`, `environment` or `secret:SCOPE/KEY` there"));
        }
        token_grant(self.identity.as_ref(), &self.cloud, location, refresh).await.map_err(of_azure)
    }
}

/// A token of an identity as a grant; outside the public cloud also where the account is.
pub(super) async fn token_grant(identity: &dyn TokenSource, cloud: &Cloud, location: &Location, refresh: bool) -> Result<Grant, ochre_azure::AzureError> {
    let scope = &cloud.storage_scope;
    let token = if refresh { identity.renewed(scope).await? } else { identity.token(scope).await? };
    let account = location.account.as_deref().filter(|a| !a.contains('.') && !cloud.is_public());
    let endpoint = account.map(|account| cloud.blob_endpoint(account));
    Ok(Grant { expires: Some(token.expires), endpoint, ..Grant::new(Credential::AzureToken(token.secret)) })
}

/// The account's own key, told by the resource manager. Only on request: it opens everything in the account and does not expire.
pub(super) struct AccountKey {
    pub finder: Finder,
    pub identity: Arc<dyn TokenSource>,
    pub workspaces: Arc<Workspaces>,
}

impl AccountKey {
    async fn find(&self, arm: &Arm, account: &str) -> Result<ResourceId, Failure> {
        let current = self.workspaces.current();
        if let Some(own) = current.as_ref().and_then(|c| c.workspace.storage_account.as_ref()).filter(|id| id.name == account) {
            return Ok(own.clone());
        }
        let given = self.finder.environment.get("AZURE_SUBSCRIPTION_ID").map(str::to_string);
        let Some(subscription) = current.map(|c| c.workspace.id.subscription.clone()).or(given) else {
            let failure = Failure::configuration(format!("the key of {account} is asked for in its subscription, and none is known"));
            return Err(failure.hint("choose a workspace with `%workspace config.json`, or set AZURE_SUBSCRIPTION_ID before the kernel starts"));
        };
        let accounts = arm.storage_accounts(&subscription).await.map_err(of_azure)?;
        accounts.into_iter().map(|a| a.id).find(|id| id.name == account).ok_or_else(|| {
            let failure = Failure::configuration(format!("the subscription {subscription} has no storage account {account} that {} may see", arm.identity().name()));
            failure.hint("check the account's name, or use `--credential secret:SCOPE/KEY`")
        })
    }
}

#[async_trait]
impl GrantSource for AccountKey {
    fn word(&self) -> String {
        "account-key".into()
    }
    async fn grant(&self, location: &Location, _: &Place, _: bool) -> Result<Grant, Failure> {
        let account = location.account.as_deref().filter(|_| location.scheme == Scheme::Azure);
        let account = account.ok_or_else(|| Failure::usage("`account-key` is for az:// locations that name an account"))?;
        let name = account.split('.').next().unwrap_or(account);
        let arm = Arm::new(&self.finder.http, &self.finder.cloud, self.identity.clone());
        let id = self.find(&arm, name).await?;
        Ok(Grant::new(Credential::AzureKey(arm.storage_key(&id).await.map_err(of_azure)?)))
    }
}

/// Names of variables that hold an account, a key, a signature; Azure's own tools have the first, other libraries the second.
const ACCOUNT: [&str; 2] = ["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"];
const KEY: [&str; 3] = ["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"];
const SAS: [&str; 2] = ["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"];
const CONNECTION: &str = "AZURE_STORAGE_CONNECTION_STRING";

/// What the environment holds for this account, or why there is nothing.
pub(super) fn of_environment(environment: &Environment, account: Option<&str>) -> Result<Grant, String> {
    let matches = |named: Option<&str>| match (named, account) {
        (Some(named), Some(account)) => named == account.split('.').next().unwrap_or(account),
        _ => true,
    };
    if let Some(text) = environment.get(CONNECTION) {
        let parsed = ConnectionString::parse(text).map_err(|_| format!("{CONNECTION} cannot be read"))?;
        if matches(parsed.account.as_deref()) {
            let credential = parsed.key.map(Credential::AzureKey).or_else(|| parsed.sas.map(Credential::AzureSas));
            let credential = credential.ok_or_else(|| format!("{CONNECTION} holds no key"))?;
            return Ok(Grant { account: parsed.account, endpoint: parsed.endpoint, ..Grant::new(credential) });
        }
    }
    let named = environment.first(&ACCOUNT).map(|(_, account)| account);
    if !matches(named) {
        return Err(format!("{} is another account", environment.first(&ACCOUNT).map_or(ACCOUNT[0], |(name, _)| name)));
    }
    let secret = |names: &[&str]| names.iter().find_map(|name| environment.secret(name));
    if let Some(key) = secret(&KEY) {
        return Ok(Grant { account: named.map(str::to_string), ..Grant::new(Credential::AzureKey(key)) });
    }
    if let Some(sas) = secret(&SAS) {
        let sas = Secret::new(sas.expose().trim_start_matches('?'));
        return Ok(Grant { account: named.map(str::to_string), ..Grant::new(Credential::AzureSas(sas)) });
    }
    Err(format!("{}, {} and {CONNECTION} are not set", KEY[0], SAS[0]))
}

/// Where a datastore is.
pub(super) fn location_of(datastore: &Datastore, path: &str) -> Result<Location, Failure> {
    if !datastore.is_blobs() {
        let failure = Failure::usage(format!("the datastore {} is of the kind {}, not blobs", datastore.name, datastore.kind));
        return Err(failure.hint("AzureBlob and AzureDataLakeGen2 datastores can be used here"));
    }
    let (Some(account), Some(container)) = (&datastore.account, &datastore.container) else {
        return Err(Failure::remote(format!("the datastore {} names no account or no container", datastore.name)));
    };
    let public = datastore.suffix.as_deref().is_none_or(|suffix| suffix == "core.windows.net");
    let account = match &datastore.suffix {
        Some(suffix) if !public => format!("{account}.blob.{suffix}"),
        _ => account.clone(),
    };
    Ok(Location { scheme: Scheme::Azure, account: Some(account), container: container.clone(), path: path.trim_matches('/').to_string() })
}

/// Shows a code, and waits until the person has signed in, the code is dead or the cell is interrupted.
pub(super) async fn sign_in(finder: &Finder, tenant: Option<&str>, session: &mut dyn SessionAccess) -> Result<Arc<Cached>, Failure> {
    let device = finder.device_code(tenant).map_err(of_azure)?;
    let prompt = tokio::select! {
        prompt = device.begin(&finder.cloud.storage_scope) => prompt.map_err(of_azure)?,
        () = session.interrupted() => return Err(Failure::interrupted()),
    };
    session.write(Stream::Stdout, &format!("{}\n", prompt.message)).await;
    tokio::select! {
        ended = device.finish(prompt) => ended.map_err(of_azure)?,
        () = session.interrupted() => return Err(Failure::interrupted()),
    };
    session.write(Stream::Stdout, "signed in\n").await;
    Ok(Arc::new(Cached::new(device)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], account: Option<&str>, expected: Result<&str, &str>) {
        let found = of_environment(&Environment::of(variables.iter().copied()), account);
        let kind = found.as_ref().map(|grant| match &grant.credential {
            Credential::AzureKey(_) => "key",
            Credential::AzureSas(sas) => sas.expose(),
            _ => "other",
        });
        match (kind, expected) {
            (Ok(kind), Ok(expected)) => assert_eq!(kind, expected),
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (found, _) => panic!("{found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn the_environment_speaks_of_one_account() {
        let (account, key) = (("AZURE_STORAGE_ACCOUNT", "shop"), ("AZURE_STORAGE_KEY", "a2V5"));
        check(&[], Some("shop"), Err("are not set"));
        check(&[account, key], Some("shop"), Ok("key"));
        check(&[account, key], Some("shop.blob.core.chinacloudapi.cn"), Ok("key"));
        check(&[account, key], Some("other"), Err("AZURE_STORAGE_ACCOUNT is another account"));
        check(&[key], Some("other"), Ok("key"));
        check(&[("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=x")], None, Ok("sv=1&sig=x"));
        check(&[("AZURE_STORAGE_CONNECTION_STRING", "AccountName=shop;AccountKey=a2V5")], Some("shop"), Ok("key"));
        check(&[("AZURE_STORAGE_CONNECTION_STRING", "AccountName=shop;AccountKey=a2V5")], Some("other"), Err("are not set"));
    }
}
