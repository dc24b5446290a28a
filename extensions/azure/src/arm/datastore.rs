//! Datastores: the names that a workspace gives to containers, and the credentials that it keeps for them.
use super::{Arm, ML, WorkspaceId, text};
use crate::AzureError;
use ochre_secrets::Secret;
use serde_json::Value;

/// A datastore on blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datastore {
    pub name: String,
    /// `AzureBlob`, `AzureDataLakeGen2`, or a kind that is no blob container (`AzureFile`, …).
    pub kind: String,
    pub account: Option<String>,
    pub container: Option<String>,
    /// `core.windows.net`.
    pub suffix: Option<String>,
    pub is_default: bool,
    /// `AccountKey`, `Sas`, `ServicePrincipal`, `None`, ….
    pub credentials: String,
    /// Of its service principal.
    principal: Option<(String, String)>,
}

/// How a datastore is opened.
#[derive(Clone, Debug)]
pub enum DatastoreCredential {
    /// As whoever asks (identity-based access).
    Identity,
    Key(Secret),
    Sas(Secret),
    Principal { tenant: String, client: String, secret: Secret },
}

impl Datastore {
    fn read(value: &Value) -> Self {
        let property = |name: &str| text(value, &["properties", name]);
        let credential = |name: &str| text(value, &["properties", "credentials", name]);
        Self {
            name: text(value, &["name"]).unwrap_or_default(),
            kind: property("datastoreType").unwrap_or_default(),
            account: property("accountName"),
            container: property("containerName").or_else(|| property("filesystem")),
            suffix: property("endpoint"),
            is_default: value["properties"]["isDefault"].as_bool().unwrap_or_default(),
            credentials: credential("credentialsType").unwrap_or_else(|| "None".into()),
            principal: credential("tenantId").zip(credential("clientId")),
        }
    }

    /// Whether it is a container of blobs: what can be mounted, listed and copied here.
    #[must_use]
    pub fn is_blobs(&self) -> bool {
        matches!(self.kind.as_str(), "AzureBlob" | "AzureDataLakeGen2")
    }
}

impl Arm {
    /// All datastores of a workspace.
    pub async fn datastores(&self, workspace: &WorkspaceId) -> Result<Vec<Datastore>, AzureError> {
        let path = format!("{}/datastores", workspace.path());
        let found = self.list(&path, ML, &format!("listing the datastores of {}", workspace.name)).await?;
        Ok(found.iter().map(Datastore::read).collect())
    }

    /// One datastore, by a name that was checked when it was parsed.
    pub async fn datastore(&self, workspace: &WorkspaceId, name: &str) -> Result<Datastore, AzureError> {
        let path = format!("{}/datastores/{name}", workspace.path());
        let value: Value = self.get(&path, ML, &format!("reading the datastore {name} of {}", workspace.name)).await?;
        Ok(Datastore::read(&value))
    }

    /// The credential that the workspace keeps for a datastore.
    pub async fn datastore_credential(&self, workspace: &WorkspaceId, datastore: &Datastore) -> Result<DatastoreCredential, AzureError> {
        if datastore.credentials == "None" {
            return Ok(DatastoreCredential::Identity);
        }
        let path = format!("{}/datastores/{}/listSecrets", workspace.path(), datastore.name);
        let doing = format!("reading the credential of the datastore {}", datastore.name);
        let value: Value = self.post(&path, ML, &doing).await?;
        let secret = |name: &str| text(&value, &[name]).map(Secret::new);
        let unknown = || AzureError::BadAnswer { what: format!("the datastore {}", datastore.name), found: format!("a credential of the kind {}", datastore.credentials) };
        match (secret("key"), secret("sasToken"), secret("clientSecret"), &datastore.principal) {
            (Some(key), ..) => Ok(DatastoreCredential::Key(key)),
            (_, Some(sas), ..) => Ok(DatastoreCredential::Sas(sas)),
            (_, _, Some(secret), Some((tenant, client))) => Ok(DatastoreCredential::Principal { tenant: tenant.clone(), client: client.clone(), secret }),
            _ => Err(unknown()),
        }
    }
}
