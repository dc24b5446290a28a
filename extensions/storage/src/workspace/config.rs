//! Where a workspace's names come from: the file that was named, one that lies here or above (as azure-ai-ml's `from_config` looks), or the
//! variables of Azure ML's own computers.
use ochre_api::Failure;
use ochre_azure::{Environment, WorkspaceId};
use std::path::{Path, PathBuf};

/// In each directory, in this order; the last is that of the first SDK.
const PLACES: [&str; 3] = ["config.json", ".azureml/config.json", "aml_config/config.json"];
/// Set on compute instances and in jobs.
const VARIABLES: [&str; 3] = ["AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME"];
/// Workspace files have some hundred bytes; a larger file of that name is another's.
const LARGEST: u64 = 64 << 10;

/// The names, and where they were found.
pub(super) fn find(named: Option<&str>, directory: &Path, environment: &Environment) -> Result<(WorkspaceId, String), Failure> {
    match named {
        Some(named) => {
            let path = expanded(named, directory, environment);
            let path = if path.is_dir() { in_directory(&path).ok_or_else(|| nothing(&path))? } else { path };
            read(&path)
        }
        None => above(directory, environment),
    }
}

fn expanded(named: &str, directory: &Path, environment: &Environment) -> PathBuf {
    match (named.strip_prefix("~/"), environment.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => directory.join(named),
    }
}

/// A file here or above that is a workspace's; one that only has the name (many programs have a `config.json`) is passed over.
fn above(directory: &Path, environment: &Environment) -> Result<(WorkspaceId, String), Failure> {
    for at in directory.ancestors() {
        let found = PLACES.iter().map(|place| at.join(place)).filter(|path| path.is_file()).find_map(|path| read(&path).ok());
        if let Some(found) = found {
            return Ok(found);
        }
    }
    if let [Some(subscription), Some(group), Some(name)] = VARIABLES.map(|name| environment.get(name)) {
        let id = WorkspaceId::new(subscription, group, name).map_err(super::of_azure)?;
        return Ok((id, VARIABLES.join(", ")));
    }
    Err(nothing(directory))
}

fn in_directory(directory: &Path) -> Option<PathBuf> {
    PLACES.iter().map(|place| directory.join(place)).find(|path| path.is_file())
}

fn nothing(directory: &Path) -> Failure {
    let failure = Failure::configuration(format!("there is no workspace file (config.json) in {} or above", directory.display()));
    failure.hint("download it from the workspace's page in the Azure portal, or make a workspace with `%workspace create`")
}

fn read(path: &Path) -> Result<(WorkspaceId, String), Failure> {
    let shown = path.display().to_string();
    let length = std::fs::metadata(path).map_err(|e| Failure::io(format!("cannot read {shown}"), e).hint("check the path with `!ls`"))?.len();
    let what = "no workspace file of Azure ML's";
    if length > LARGEST {
        return Err(Failure::configuration(format!("{shown} is {what}: it has {length} bytes")).hint("choose another file"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| Failure::io(format!("cannot read {shown}"), e))?;
    let id = WorkspaceId::read_config(&text).map_err(|error| {
        let failure = Failure::configuration(format!("{shown} is {what}: {error}"));
        failure.hint("it has `subscription_id`, `resource_group` and `workspace_name`; the workspace's page in the Azure portal has it for download")
    })?;
    Ok((id, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}"#;

    #[test]
    fn the_file_is_found_here_or_above_and_others_of_its_name_are_passed_over() {
        let root = tempfile::tempdir().expect("a directory");
        let deep = root.path().join("a/b");
        std::fs::create_dir_all(deep.join(".azureml")).expect("makes");
        let env = Environment::default();
        std::fs::write(deep.join("config.json"), r#"{"model_type": "bert"}"#).expect("writes");
        std::fs::write(root.path().join("config.json"), FILE).expect("writes");
        let (id, origin) = find(None, &deep, &env).expect("found above");
        assert_eq!((id.name.as_str(), origin), ("w", root.path().join("config.json").display().to_string()));
        std::fs::write(deep.join(".azureml/config.json"), FILE.replace("\"w\"", "\"near\"")).expect("writes");
        assert_eq!(find(None, &deep, &env).expect("found here").0.name, "near");
        let failure = find(Some("config.json"), &deep, &env).expect_err("named, so its fault is said");
        assert!(failure.message.ends_with("is no workspace file of Azure ML's: it has no `subscription_id`"), "{failure}");
    }

    #[test]
    fn an_azure_ml_computer_says_where_it_is() {
        let root = tempfile::tempdir().expect("a directory");
        let env = Environment::of(VARIABLES.into_iter().zip(["s", "g", "compute"]));
        assert_eq!(find(None, root.path(), &env).expect("from variables").0.name, "compute");
        assert!(find(None, root.path(), &Environment::default()).expect_err("none").hint.is_some());
    }
}
