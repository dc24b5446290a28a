//! `ochre lab`: JupyterLab with this kernel, from the machine's own Jupyter or from a private Python environment.
use crate::install;
use crate::places::Destination;
use anyhow::{Context, bail};
use ochre_build::Cache;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The version of the private JupyterLab; the browser test runs the same one.
const JUPYTERLAB: &str = "jupyterlab==4.6.*";

/// Installs the kernel if that was not done, then becomes JupyterLab.
pub fn lab(notebook: Option<&Path>) -> anyhow::Result<ExitCode> {
    if let Some(missing) = notebook.filter(|n| !n.exists()) {
        bail!("there is no notebook {}", missing.display());
    }
    let place = Destination::user()?;
    if !place.kernelspec().join("kernel.json").is_file() {
        install::install(&place)?;
    }
    let jupyter = match find_on_path("jupyter-lab") {
        Some(program) => program,
        None => private_lab()?,
    };
    let mut command = Command::new(&jupyter);
    if let Some(notebook) = notebook {
        command.arg(notebook);
    }
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", jupyter.display()))
}

/// A program of the PATH.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|d| d.join(name)).find(|p| p.is_file())
}

/// Makes the private environment on first use.
fn private_lab() -> anyhow::Result<PathBuf> {
    let environment = Cache::find()?.root().join("lab");
    let program = environment.join("bin/jupyter-lab");
    if program.is_file() {
        return Ok(program);
    }
    let Some(python) = find_on_path("python3") else {
        bail!("there is no JupyterLab and no python3 to install one with: install Python 3.9 or newer, or open the notebook in another Jupyter front end");
    };
    eprintln!("no JupyterLab on the PATH; making a private one in {}", environment.display());
    step(Command::new(python).args(["-m", "venv"]).arg(&environment), "python3 -m venv (on Debian: apt install python3-venv)")?;
    step(Command::new(environment.join("bin/pip")).args(["install", "--quiet", JUPYTERLAB]), "pip install jupyterlab")?;
    Ok(program)
}

fn step(command: &mut Command, name: &str) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} failed; its messages are above");
    }
    Ok(())
}
