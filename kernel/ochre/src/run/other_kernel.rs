//! `ochre run --kernel NAME`: notebooks of other kernels go to Jupyter's own runner, with the same parameters and exit codes.
use super::notebook::Notebook;
use anyhow::Context;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Writes the notebook (parameters are in it) to `out` and lets `jupyter execute` run it there.
pub fn run(notebook: &mut Notebook, from: &Path, out: &Path, kernel: &str) -> anyhow::Result<ExitCode> {
    notebook.save(out)?;
    let status = Command::new("jupyter")
        .args(["execute", "--inplace"])
        .arg(format!("--kernel_name={kernel}"))
        .arg(out)
        .status()
        .with_context(|| format!("running {} with the kernel `{kernel}` needs Jupyter: `pip install nbclient {kernel}`", from.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
