//! Making a workspace with what it needs: a resource group, a storage account and a key vault. `%workspace create` shows the steps and their
//! cost first. What azure-ai-ml makes by a template deployment is made here by one PUT each, so that each is named when it fails, and one that
//! is there already is kept.
use super::{Arm, ML, ResourceId, Workspace, WorkspaceId, text};
use crate::AzureError;
use serde_json::{Value, json};

const GROUPS: &str = "2022-09-01";
const STORAGE: &str = "2023-05-01";
const VAULTS: &str = "2023-07-01";
const SUBSCRIPTIONS: &str = "2022-12-01";

/// What is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWorkspace {
    pub id: WorkspaceId,
    /// `westeurope`.
    pub location: String,
    /// An account that is there; else one is made.
    pub storage_account: Option<ResourceId>,
    /// A vault that is there; else one is made.
    pub key_vault: Option<ResourceId>,
}

/// One PUT.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// `storage account mywsstorage1a2b`.
    pub what: String,
    pub path: String,
    pub version: &'static str,
    pub body: Value,
}

impl NewWorkspace {
    /// All steps in order. `tenant` is the subscription's, which a key vault belongs to.
    #[must_use]
    pub fn steps(&self, tenant: &str) -> Vec<Step> {
        let location = &self.location;
        let (storage, vault) = (self.storage(), self.vault());
        let mut steps = vec![Step {
            what: format!("resource group {}", self.id.resource_group),
            path: self.id.group_path(),
            version: GROUPS,
            body: json!({ "location": location }),
        }];
        if self.storage_account.is_none() {
            steps.push(Step {
                what: format!("storage account {}", storage.name),
                path: storage.path(),
                version: STORAGE,
                body: json!({
                    "kind": "StorageV2", "location": location, "sku": { "name": "Standard_LRS" },
                    "properties": {
                        "allowBlobPublicAccess": false, "isHnsEnabled": false, "minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": true,
                        "encryption": { "keySource": "Microsoft.Storage", "services": { "blob": { "enabled": true }, "file": { "enabled": true } } },
                    },
                }),
            });
        }
        if self.key_vault.is_none() {
            steps.push(Step {
                what: format!("key vault {}", vault.name),
                path: vault.path(),
                version: VAULTS,
                body: json!({
                    "location": location,
                    "properties": { "tenantId": tenant, "sku": { "family": "A", "name": "standard" }, "accessPolicies": [], "enableRbacAuthorization": true },
                }),
            });
        }
        steps.push(Step {
            what: format!("workspace {}", self.id.name),
            path: self.id.path(),
            version: ML,
            body: json!({
                "location": location, "identity": { "type": "SystemAssigned" },
                "properties": { "friendlyName": self.id.name, "storageAccount": storage.path(), "keyVault": vault.path() },
            }),
        });
        steps
    }

    fn storage(&self) -> ResourceId {
        self.storage_account.clone().unwrap_or_else(|| self.resource("Microsoft.Storage/storageAccounts", short_name(&self.id, "storage", 24, false)))
    }

    fn vault(&self) -> ResourceId {
        self.key_vault.clone().unwrap_or_else(|| self.resource("Microsoft.KeyVault/vaults", short_name(&self.id, "vault", 24, true)))
    }

    fn resource(&self, kind: &str, name: String) -> ResourceId {
        ResourceId { subscription: self.id.subscription.clone(), resource_group: self.id.resource_group.clone(), kind: kind.into(), name }
    }
}

/// A name that is the same for the same workspace (so that a second run finds what the first made) and unlike that of any other: letters and digits
/// of the workspace's, then a word, then a hash. Accounts and vaults have names that no two customers may share.
fn short_name(id: &WorkspaceId, word: &str, longest: usize, capitals: bool) -> String {
    let hash = format!("{:08x}", fnv(&id.path().to_ascii_lowercase()) as u32);
    let plain = id.name.chars().filter(char::is_ascii_alphanumeric).map(|c| if capitals { c } else { c.to_ascii_lowercase() });
    // A vault's name begins with a letter.
    let plain: String = plain.skip_while(char::is_ascii_digit).take(longest - word.len() - hash.len()).collect();
    format!("{plain}{word}{hash}")
}

/// FNV-1a, 64 bits: stable for ever, which the standard library's hasher does not promise.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Arm {
    /// The tenant of a subscription.
    pub async fn tenant(&self, subscription: &str) -> Result<String, AzureError> {
        let value: Value = self.get(&format!("/subscriptions/{subscription}"), SUBSCRIPTIONS, &format!("reading the subscription {subscription}")).await?;
        text(&value, &["tenantId"]).ok_or_else(|| AzureError::BadAnswer { what: "the subscription".into(), found: "no tenant".into() })
    }

    /// Whether there is a resource group of that name, for which a role is not needed to make one.
    pub async fn has_group(&self, id: &WorkspaceId) -> Result<bool, AzureError> {
        let found: Result<Value, _> = self.get(&id.group_path(), GROUPS, &format!("reading the resource group {}", id.resource_group)).await;
        match found {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One step, to its end.
    pub async fn make(&self, step: &Step) -> Result<Value, AzureError> {
        self.put_and_wait(&step.path, step.version, &step.body, &format!("making the {}", step.what)).await
    }

    /// The workspace that the last step gave.
    pub async fn made(&self, new: &NewWorkspace) -> Result<Workspace, AzureError> {
        self.workspace(&new.id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_new_resources_are_stable_and_allowed() {
        let id = WorkspaceId::new("s", "g", "1My-Long_Workspace.Name").expect("names");
        let storage = short_name(&id, "storage", 24, false);
        assert_eq!(storage, short_name(&id, "storage", 24, false));
        assert!(storage.len() <= 24 && storage.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{storage}");
        assert!(short_name(&id, "vault", 24, true).starts_with('M'));
        let other = WorkspaceId::new("s", "h", "1My-Long_Workspace.Name").expect("names");
        assert_ne!(storage, short_name(&other, "storage", 24, false));
    }

    #[test]
    fn what_is_there_is_not_made() {
        let id = WorkspaceId::new("s", "g", "w").expect("names");
        let account = ResourceId::parse("/subscriptions/s/resourceGroups/o/providers/Microsoft.Storage/storageAccounts/mine").expect("a path");
        let new = NewWorkspace { id, location: "westeurope".into(), storage_account: Some(account.clone()), key_vault: None };
        let steps = new.steps("t");
        let what: Vec<&str> = steps.iter().map(|s| s.what.split(' ').next().unwrap_or_default()).collect();
        assert_eq!(what, ["resource", "key", "workspace"]);
        assert_eq!(steps[2].body["properties"]["storageAccount"], account.path());
    }
}
