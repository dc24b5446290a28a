//! PyTorch as a child process: cases go in as JSON, its values and gradients come back.
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What runs there.
const SCRIPT: &str = include_str!("reference.py");

/// Python with PyTorch: `OCHRE_TORCH_PYTHON`, else what `cargo xtask peers` (and every `cargo xtask test`) installs.
pub fn python() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(python) = variable("OCHRE_TORCH_PYTHON") {
        return Ok(python);
    }
    let cache = || variable("OCHRE_CACHE").or_else(|| variable("XDG_CACHE_HOME").map(|d| d.join("ochre"))).or_else(|| variable("HOME").map(|d| d.join(".cache/ochre")));
    let peers = variable("OCHRE_PEERS").or_else(|| cache().map(|d| d.join("peers"))).context("neither OCHRE_PEERS nor HOME is set")?;
    let python = peers.join("python-torch/bin/python");
    if !python.is_file() {
        bail!("there is no {}: run `cargo xtask peers`", python.display());
    }
    Ok(python)
}

/// Runs a script of ours with a request on its standard input; gives what it wrote.
pub fn ask(python: &PathBuf, script: &str, request: &Value) -> anyhow::Result<Value> {
    let mut command = Command::new(python);
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", python.display()))?;
    let mut input = child.stdin.take().context("the child has no standard input")?;
    let text = request.to_string();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    // A child that failed has closed its input; its own words say more.
    let written = writer.join();
    if !output.status.success() {
        bail!("PyTorch ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    drop(written);
    serde_json::from_slice(&output.stdout).context("PyTorch's answer is no JSON")
}

/// Values and gradients of cases.
pub fn reference(python: &PathBuf, request: &Value) -> anyhow::Result<Value> {
    ask(python, SCRIPT, request)
}
