//! The addresses of one of Azure's clouds: public, China, US government, or a test's.
use crate::{AzureError, Environment};
use url::Url;

/// Addresses and scopes. Every one may be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// Entra: `https://login.microsoftonline.com/`.
    pub authority: Url,
    /// Resource manager: `https://management.azure.com/`.
    pub arm: Url,
    /// Scope of tokens for `arm`.
    pub arm_scope: String,
    /// Scope of tokens for blobs; the same in every cloud.
    pub storage_scope: String,
    /// Host of a blob account is `ACCOUNT.blob.` and this: `core.windows.net`.
    pub storage_suffix: String,
    /// Host of a key vault is `NAME.` and this: `vault.azure.net`.
    pub vault_suffix: String,
}

/// Authority host, ARM host, storage suffix and vault suffix of each cloud.
const CLOUDS: [(&str, &str, &str, &str); 3] = [
    ("login.microsoftonline.com", "management.azure.com", "core.windows.net", "vault.azure.net"),
    ("login.chinacloudapi.cn", "management.chinacloudapi.cn", "core.chinacloudapi.cn", "vault.azure.cn"),
    ("login.microsoftonline.us", "management.usgovcloudapi.net", "core.usgovcloudapi.net", "vault.usgovcloudapi.net"),
];

/// Scope of storage tokens in every cloud.
const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

impl Cloud {
    /// That of `AZURE_AUTHORITY_HOST`, as Microsoft's SDKs read it; the public one when it is not set. `AZURE_RESOURCE_MANAGER_ENDPOINT` replaces
    /// the resource manager alone (Azure Stack, tests).
    pub fn of(environment: &Environment) -> Result<Self, AzureError> {
        let authority = environment.get("AZURE_AUTHORITY_HOST").unwrap_or("login.microsoftonline.com");
        let mut cloud = Self::at(authority)?;
        if let Some(arm) = environment.get("AZURE_RESOURCE_MANAGER_ENDPOINT") {
            cloud.arm = address(arm)?;
        }
        Ok(cloud)
    }

    /// The cloud whose Entra is there; an unknown authority goes with the public cloud's other addresses.
    pub fn at(authority: &str) -> Result<Self, AzureError> {
        let authority = address(authority)?;
        let host = authority.host_str().unwrap_or_default();
        let (_, arm, storage, vault) = CLOUDS.iter().find(|c| c.0 == host).unwrap_or(&CLOUDS[0]);
        Ok(Self {
            arm: address(arm)?,
            arm_scope: format!("https://{arm}/.default"),
            storage_scope: STORAGE_SCOPE.into(),
            storage_suffix: (*storage).into(),
            vault_suffix: (*vault).into(),
            authority,
        })
    }

    /// Scope of tokens for key vaults.
    #[must_use]
    pub fn vault_scope(&self) -> String {
        format!("https://{}/.default", self.vault_suffix)
    }

    /// Address of a blob account.
    #[must_use]
    pub fn blob_endpoint(&self, account: &str) -> String {
        format!("https://{account}.blob.{}", self.storage_suffix)
    }

    /// Whether this is the public cloud, whose addresses need not be said.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.storage_suffix == CLOUDS[0].2
    }
}

/// `host`, or a URL; a secret travels there, so that plain http is for this machine alone.
pub(crate) fn address(text: &str) -> Result<Url, AzureError> {
    let full = if text.contains("://") { text.to_string() } else { format!("https://{text}") };
    let mut url = Url::parse(&full).map_err(|e| AzureError::BadName(format!("`{text}` is no address: {e}")))?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    let ok = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    };
    if !ok || !url.username().is_empty() || url.password().is_some() {
        return Err(AzureError::BadName(format!("`{}` is no https address", url.host_str().unwrap_or_default())));
    }
    Ok(url)
}

/// Whether a URL stays on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_told_apart_by_their_authority() {
        let china = Cloud::of(&Environment::of([("AZURE_AUTHORITY_HOST", "https://login.chinacloudapi.cn/")])).expect("a cloud");
        assert_eq!(china.blob_endpoint("a"), "https://a.blob.core.chinacloudapi.cn");
        assert_eq!(china.arm_scope, "https://management.chinacloudapi.cn/.default");
        assert_eq!(china.vault_scope(), "https://vault.azure.cn/.default");
        let public = Cloud::of(&Environment::default()).expect("a cloud");
        assert_eq!(public.arm.as_str(), "https://management.azure.com/");
        assert!(public.is_public() && !china.is_public());
    }

    #[test]
    fn secrets_do_not_travel_in_the_clear() {
        assert!(address("http://login.example").is_err());
        assert!(address("http://127.0.0.1:99").is_ok());
        assert!(address("https://user:pw@login.example").is_err());
        assert!(address("ftp://login.example").is_err());
    }
}
