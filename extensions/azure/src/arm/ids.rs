//! Names of resources, and the places in datastores that `azureml://` names.
use crate::AzureError;
use std::fmt;

/// A workspace of Azure ML.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkspaceId {
    pub subscription: String,
    pub resource_group: String,
    pub name: String,
}

/// What may be part of a resource's path: what Azure allows in names of subscriptions, groups and workspaces, and no slash.
fn part<'a>(what: &str, text: &'a str) -> Result<&'a str, AzureError> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
    if !text.is_empty() && text.len() <= 90 && text.chars().all(fits) && text.chars().any(char::is_alphanumeric) {
        return Ok(text);
    }
    Err(AzureError::BadName(format!("`{text}` is no name of a {what}")))
}

impl WorkspaceId {
    /// Checks the names.
    pub fn new(subscription: &str, resource_group: &str, name: &str) -> Result<Self, AzureError> {
        Ok(Self {
            subscription: part("subscription", subscription)?.to_string(),
            resource_group: part("resource group", resource_group)?.to_string(),
            name: part("workspace", name)?.to_string(),
        })
    }

    /// Reads Azure ML's `config.json`: `subscription_id`, `resource_group`, `workspace_name`.
    pub fn read_config(text: &str) -> Result<Self, AzureError> {
        let value: serde_json::Value =
            serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|e| AzureError::BadName(format!("it is no JSON: {e}")))?;
        // Older portals wrote the whole path under `Scope`.
        if let Some(scope) = value["Scope"].as_str() {
            return Self::of_path(scope);
        }
        let field = |name: &str| value[name].as_str().ok_or_else(|| AzureError::BadName(format!("it has no `{name}`")));
        Self::new(field("subscription_id")?, field("resource_group")?, field("workspace_name")?)
    }

    /// Reads `/subscriptions/…/workspaces/NAME`.
    pub fn of_path(path: &str) -> Result<Self, AzureError> {
        let id = ResourceId::parse(path)?;
        Self::new(&id.subscription, &id.resource_group, &id.name)
    }

    /// The content of a `config.json` for it.
    #[must_use]
    pub fn to_config(&self) -> String {
        let value = serde_json::json!({
            "subscription_id": self.subscription,
            "resource_group": self.resource_group,
            "workspace_name": self.name,
        });
        format!("{value:#}\n")
    }

    /// `/subscriptions/…/workspaces/NAME`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/providers/Microsoft.MachineLearningServices/workspaces/{}", self.group_path(), self.name)
    }

    /// `/subscriptions/…/resourceGroups/…`.
    #[must_use]
    pub fn group_path(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}", self.subscription, self.resource_group)
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (resource group {}, subscription {})", self.name, self.resource_group, self.subscription)
    }
}

/// Any resource: `/subscriptions/S/resourceGroups/G/providers/Microsoft.X/type/NAME`. Azure writes the fixed words in any case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourceId {
    pub subscription: String,
    pub resource_group: String,
    /// `Microsoft.Storage/storageAccounts`.
    pub kind: String,
    pub name: String,
}

impl ResourceId {
    /// Reads the path; what is below the resource is left out.
    pub fn parse(path: &str) -> Result<Self, AzureError> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let words = |at: usize, word: &str| parts.get(at).is_some_and(|p| p.eq_ignore_ascii_case(word));
        if parts.len() < 8 || !words(0, "subscriptions") || !words(2, "resourceGroups") || !words(4, "providers") {
            return Err(AzureError::BadName(format!("`{path}` is no path of an Azure resource")));
        }
        Ok(Self {
            subscription: part("subscription", parts[1])?.to_string(),
            resource_group: part("resource group", parts[3])?.to_string(),
            kind: format!("{}/{}", part("provider", parts[5])?, part("kind", parts[6])?),
            name: part("resource", parts[7])?.to_string(),
        })
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{}/providers/{}/{}", self.subscription, self.resource_group, self.kind, self.name)
    }
}

/// `azureml://datastores/NAME/paths/PATH`, or its long form with subscription, group and workspace before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatastorePath {
    /// `None`: the session's workspace.
    pub workspace: Option<WorkspaceId>,
    pub datastore: String,
    /// Without a leading slash; empty for the whole datastore.
    pub path: String,
}

impl DatastorePath {
    /// The scheme, with `://`.
    pub const SCHEME: &'static str = "azureml://";

    /// Reads the URL. Names may be in any order of case that Azure writes (`resourcegroups`, `resourceGroups`).
    pub fn parse(url: &str) -> Result<Self, AzureError> {
        let form = "azureml://datastores/NAME/paths/PATH";
        let bad = || AzureError::BadName(format!("`{url}` names no place in a datastore: write {form}"));
        let rest = url.strip_prefix(Self::SCHEME).ok_or_else(bad)?;
        let (head, path) = match rest.split_once("/paths/").or_else(|| rest.strip_suffix("/paths").map(|h| (h, ""))) {
            Some((head, path)) => (head, path),
            None => (rest.trim_end_matches('/'), ""),
        };
        let parts: Vec<&str> = head.split('/').collect();
        let is = |at: usize, word: &str| parts.get(at).is_some_and(|p: &&str| p.eq_ignore_ascii_case(word));
        let (workspace, datastore) = match parts.as_slice() {
            [_, name] if is(0, "datastores") => (None, *name),
            [_, s, _, g, _, w, _, name] if is(0, "subscriptions") && is(2, "resourcegroups") && is(4, "workspaces") && is(6, "datastores") => {
                (Some(WorkspaceId::new(s, g, w)?), *name)
            }
            _ => return Err(bad()),
        };
        let path = percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8().map_err(|_| bad())?.into_owned();
        Ok(Self { workspace, datastore: part("datastore", datastore)?.to_string(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datastore_paths_in_both_forms() {
        let check = |url: &str, expected: Option<(&str, &str, bool)>| {
            let found = DatastorePath::parse(url).ok();
            assert_eq!(found.as_ref().map(|d| (d.datastore.as_str(), d.path.as_str(), d.workspace.is_some())), expected, "{url}");
        };
        check("azureml://datastores/workspaceblobstore/paths/a/b.csv", Some(("workspaceblobstore", "a/b.csv", false)));
        check("azureml://datastores/d/paths/", Some(("d", "", false)));
        check("azureml://datastores/d", Some(("d", "", false)));
        check("azureml://datastores/d/paths/a%20b", Some(("d", "a b", false)));
        check("azureml://subscriptions/s-1/resourcegroups/g/workspaces/w/datastores/d/paths/x/paths/y", Some(("d", "x/paths/y", true)));
        check("azureml://subscriptions/s-1/resourceGroups/g/workspaces/w/datastores/d/paths/x", Some(("d", "x", true)));
        check("azureml://subscriptions/s/resourcegroups/g/datastores/d/paths/x", None);
        check("azureml:data:1", None);
        check("azureml://datastores/..%2f/paths/x", None);
        check("az://c@a/x", None);
    }

    #[test]
    fn config_files_of_all_ages() {
        let expected = WorkspaceId::new("s", "g", "w").expect("names");
        let read = |text: &str| WorkspaceId::read_config(text);
        assert_eq!(read(r#"{"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}"#).ok(), Some(expected.clone()));
        let scope = r#"{"Id": null, "Scope": "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"}"#;
        assert_eq!(read(scope).ok(), Some(expected.clone()));
        assert_eq!(read(&expected.to_config()).ok(), Some(expected));
        assert_eq!(read(r#"{"subscription_id": "s"}"#).expect_err("lacks").to_string(), "it has no `resource_group`");
        assert!(read(r#"{"subscription_id": "s/../x", "resource_group": "g", "workspace_name": "w"}"#).is_err());
    }
}
