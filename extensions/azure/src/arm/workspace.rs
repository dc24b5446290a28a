//! A workspace as ARM describes it.
use super::{Arm, ML, ResourceId, WorkspaceId, text};
use crate::AzureError;
use serde_json::Value;

/// What the rest of Ochre needs to know of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub location: String,
    /// Its own account, where its datastores are by default.
    pub storage_account: Option<ResourceId>,
    pub key_vault: Option<ResourceId>,
    pub container_registry: Option<ResourceId>,
    /// `azureml://REGION.api.azureml.ms/mlflow/v2.0/…`: where its runs and models are.
    pub tracking_uri: Option<String>,
    /// From which the addresses of its other services are learnt.
    pub discovery_url: Option<String>,
}

impl Workspace {
    pub(super) fn read(id: &WorkspaceId, value: &Value) -> Self {
        let property = |name: &str| text(value, &["properties", name]);
        let resource = |name: &str| property(name).and_then(|path| ResourceId::parse(&path).ok());
        Self {
            id: id.clone(),
            location: text(value, &["location"]).unwrap_or_default(),
            storage_account: resource("storageAccount"),
            key_vault: resource("keyVault"),
            container_registry: resource("containerRegistry"),
            tracking_uri: property("mlFlowTrackingUri"),
            discovery_url: property("discoveryUrl"),
        }
    }
}

impl Arm {
    /// A workspace.
    pub async fn workspace(&self, id: &WorkspaceId) -> Result<Workspace, AzureError> {
        let value: Value = self.get(&id.path(), ML, &format!("reading the workspace {id}")).await?;
        Ok(Workspace::read(id, &value))
    }

    /// Names of a resource group's workspaces.
    pub async fn workspaces(&self, subscription: &str) -> Result<Vec<WorkspaceId>, AzureError> {
        let path = format!("/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/workspaces");
        let found = self.list(&path, ML, &format!("listing the workspaces of the subscription {subscription}")).await?;
        Ok(found.iter().filter_map(|value| WorkspaceId::of_path(&text(value, &["id"])?).ok()).collect())
    }
}
