//! Storage accounts: where they are, their keys (only when a user asks for them by name), their containers.
use super::{Arm, ResourceId, text};
use crate::AzureError;
use ochre_secrets::Secret;
use serde_json::Value;

/// Version of the storage resource provider: the newest that all three clouds have.
const VERSION: &str = "2024-01-01";

/// A storage account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageAccount {
    pub id: ResourceId,
    pub location: String,
    /// Has directories (ADLS gen 2).
    pub is_hierarchical: bool,
}

impl Arm {
    /// All accounts of a subscription that the identity may see.
    pub async fn storage_accounts(&self, subscription: &str) -> Result<Vec<StorageAccount>, AzureError> {
        let path = format!("/subscriptions/{subscription}/providers/Microsoft.Storage/storageAccounts");
        let found = self.list(&path, VERSION, &format!("listing the storage accounts of the subscription {subscription}")).await?;
        Ok(found.iter().filter_map(read).collect())
    }

    /// The first key of an account.
    pub async fn storage_key(&self, account: &ResourceId) -> Result<Secret, AzureError> {
        let doing = format!("reading the keys of the storage account {}", account.name);
        let value: Value = self.post(&format!("{}/listKeys", account.path()), VERSION, &doing).await?;
        let keys = value["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        let key = keys.iter().find_map(|key| text(key, &["value"]));
        key.map(Secret::new).ok_or_else(|| AzureError::BadAnswer { what: format!("the storage account {}", account.name), found: "no key".into() })
    }

    /// Names of an account's containers. Needs no role on its data.
    pub async fn storage_containers(&self, account: &ResourceId) -> Result<Vec<String>, AzureError> {
        let path = format!("{}/blobServices/default/containers", account.path());
        let found = self.list(&path, VERSION, &format!("listing the containers of the storage account {}", account.name)).await?;
        Ok(found.iter().filter_map(|value| text(value, &["name"])).collect())
    }
}

fn read(value: &Value) -> Option<StorageAccount> {
    Some(StorageAccount {
        id: ResourceId::parse(&text(value, &["id"])?).ok()?,
        location: text(value, &["location"]).unwrap_or_default(),
        is_hierarchical: value["properties"]["isHnsEnabled"].as_bool().unwrap_or_default(),
    })
}
