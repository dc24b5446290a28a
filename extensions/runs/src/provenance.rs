//! Where a run comes from, as MLflow's tags and Ochre's own: user, notebook, git commit, versions, host.
use crate::setup::Setup;
use ochre_tracking::tag;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Ochre's own tags.
pub(crate) const KERNEL: &str = "ochre.kernel";
pub(crate) const PRELUDE: &str = "ochre.prelude";
pub(crate) const HOST: &str = "ochre.host";
pub(crate) const GPU: &str = "ochre.gpu";
pub(crate) const DEPENDENCIES: &str = "ochre.dependencies";
/// The number of the cell that began it.
pub(crate) const CELL: &str = "ochre.cell";
/// How the last cell that logged to it failed.
pub(crate) const ERROR: &str = "ochre.error";
/// How long `nvidia-smi` may take: it wakes sleeping GPUs.
const GPU_BOUND: Duration = Duration::from_secs(10);

/// The tags that a run begins with.
pub(crate) fn tags(setup: &Setup) -> Vec<(String, String)> {
    let mut tags: Vec<(&str, String)> = vec![
        (tag::USER, setup.variable("USER").or_else(|| setup.variable("LOGNAME")).or_else(|| setup.variable("JUPYTERHUB_USER")).unwrap_or("unknown").to_owned()),
        (tag::SOURCE_TYPE, "NOTEBOOK".to_owned()),
        (tag::SOURCE_NAME, setup.notebook().map_or_else(|| setup.directory.to_string_lossy().into_owned(), str::to_owned)),
        (KERNEL, env!("CARGO_PKG_VERSION").to_owned()),
        (PRELUDE, setup.prelude.clone()),
        (HOST, host()),
    ];
    if let Some(git) = Git::find(&setup.directory) {
        tags.extend(git.commit.map(|commit| (tag::GIT_COMMIT, commit)));
        tags.extend(git.branch.map(|branch| (tag::GIT_BRANCH, branch)));
        tags.extend(git.remote.map(|remote| (tag::GIT_REPOSITORY, remote)));
    }
    tags.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// This machine's name.
pub(crate) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// The GPUs by name, or `none`.
pub(crate) async fn gpus() -> String {
    let found = nvidia(&["--query-gpu=name", "--format=csv,noheader"]).await;
    let names: Vec<String> = found.unwrap_or_default().lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What `nvidia-smi` says; `None` where there is none, or it does not answer.
pub(crate) async fn nvidia(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("nvidia-smi");
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(GPU_BOUND, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a working tree's `.git` says. Read from its files: starting git takes longer than a run may take to begin.
#[derive(Debug, Default, PartialEq, Eq)]
struct Git {
    commit: Option<String>,
    branch: Option<String>,
    remote: Option<String>,
}

impl Git {
    fn find(directory: &Path) -> Option<Self> {
        let git = directory.ancestors().map(|d| d.join(".git")).find(|g| g.exists())?;
        let git = if git.is_file() { linked(&git)? } else { git };
        // A worktree's refs and config are in the repository that it belongs to.
        let common = std::fs::read_to_string(git.join("commondir")).map(|text| git.join(text.trim())).unwrap_or_else(|_| git.clone());
        let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
        let (commit, branch) = match head.trim().strip_prefix("ref: ") {
            Some(name) => (reference(&git, &common, name), name.strip_prefix("refs/heads/").map(str::to_owned)),
            None => (Some(head.trim().to_owned()), None),
        };
        Some(Self { commit, branch, remote: remote(&common) })
    }
}

/// `.git` of a worktree or submodule is a file that names the place.
fn linked(file: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(file.parent()?.join(text.trim().strip_prefix("gitdir: ")?))
}

fn reference(git: &Path, common: &Path, name: &str) -> Option<String> {
    let loose = [git, common].into_iter().find_map(|place| std::fs::read_to_string(place.join(name)).ok());
    if let Some(text) = loose {
        return Some(text.trim().to_owned());
    }
    let packed = std::fs::read_to_string(common.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| line.split_once(' ').filter(|(_, of)| *of == name).map(|(commit, _)| commit.to_owned()))
}

/// The address of `origin`, without what may be a password in it.
fn remote(common: &Path) -> Option<String> {
    let config = std::fs::read_to_string(common.join("config")).ok()?;
    let mut lines = config.lines().map(str::trim).skip_while(|line| *line != "[remote \"origin\"]").skip(1).take_while(|line| !line.starts_with('['));
    let url = lines.find_map(|line| line.strip_prefix("url")?.trim().strip_prefix('=').map(|url| url.trim().to_owned()))?;
    Some(match url.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('/') {
            Some((authority, path)) => format!("{scheme}://{}/{path}", authority.rsplit_once('@').map_or(authority, |(_, host)| host)),
            None => url,
        },
        None => url,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_working_tree_says_its_commit() {
        let root = tempfile::tempdir().expect("a directory");
        let git = |arguments: &[&str]| {
            let output = Command::new("git").current_dir(root.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments).output().expect("git");
            assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        git(&["init", "-q", "-b", "work"]);
        git(&["remote", "add", "origin", "https://ann:hunter2@host.example/a/b.git"]);
        git(&["commit", "-q", "--allow-empty", "-m", "one"]);
        let commit = git(&["rev-parse", "HEAD"]);
        std::fs::create_dir(root.path().join("deep")).expect("a directory");
        let expected = Git { commit: Some(commit), branch: Some("work".into()), remote: Some("https://host.example/a/b.git".into()) };
        assert_eq!(Git::find(&root.path().join("deep")), Some(expected));
        git(&["pack-refs", "--all"]);
        assert!(Git::find(root.path()).is_some_and(|g| g.commit.is_some()));
        git(&["checkout", "-q", "--detach"]);
        assert!(Git::find(root.path()).is_some_and(|g| g.commit.is_some() && g.branch.is_none()));
        assert_eq!(Git::find(Path::new("/proc")), None);
    }
}
