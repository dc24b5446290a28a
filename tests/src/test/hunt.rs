//! The hunt for secrets over what a whole run left behind: no secret that a test worked with is in a notebook, log, history, cell or core.
use super::{Context, Tally};
use crate::host;
use crate::peers::Python;
use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Tests write the secrets that they make into this file (`secret_hunt.note`).
pub const LIST_VARIABLE: &str = "OCHRE_HUNT_LIST";
/// Directories of `target/xtask` that kernels and clients write into.
const LEFT: [&str; 3] = ["home", "lab", "logs"];

/// Where the list is: beside what is searched.
pub fn list(source: &Path) -> anyhow::Result<PathBuf> {
    Ok(host::scratch(source, "hunt")?.join("secrets.json"))
}

/// One test.
pub fn run(context: &Context) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    tally.count("no secret of any test is in what the run left", search(context));
    Ok(tally)
}

fn search(context: &Context) -> anyhow::Result<()> {
    let list = list(&context.built.source)?;
    ensure!(list.is_file(), "no test has noted its secrets: `cargo xtask test clients` does");
    let python = Python::install(&context.built)?;
    let since = context.started.duration_since(UNIX_EPOCH)?.as_secs();
    let mut command = context.jupyter_command(&python, "python")?;
    command.arg(context.built.source.join("tests/clients/secret_hunt.py")).arg(&list).arg(since.to_string());
    for name in LEFT {
        command.arg(host::scratch(&context.built.source, name)?);
    }
    command.arg(context.built.cache.root().join("cells")).arg(context.built.cache.root().join("dependencies"));
    let output = command.output().context("cannot start the hunt")?;
    let found = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "found: {}{}", found.trim(), String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
