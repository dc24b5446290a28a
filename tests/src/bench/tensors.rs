//! `cargo xtask bench tensors`: builds the suite, installs PyTorch, and hands over to `tests/tensors`, which measures both in turn.
use super::storage::program;
use crate::build;
use crate::host;
use crate::peers;
use anyhow::ensure;
use std::process::{Command, ExitCode};

/// Package and program.
const SUITE: &str = "ochre-tensors-suite";

/// `[--rounds N] [--threads N] [--only PART] [--save]`; `--save` keeps the table in the checkout.
pub fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (cache, compiler, source) = (ochre_build::Cache::find()?, ochre_build::Compiler::find()?, build::source());
    let torch = peers::Torch::install(&source, &cache)?;
    let artifacts = build::kernel_command(&source, &cache, &compiler, &[SUITE.to_owned()]).build()?;
    let save = arguments.iter().any(|a| a == "--save");
    let out = if save { source.join("tests/bench/tensors.md") } else { host::scratch(&source, "bench")?.join("tensors.md") };
    let mut command = Command::new(program(&artifacts, SUITE)?);
    command.args(["bench", "cpu", "--out"]).arg(&out).args(arguments.iter().filter(|a| *a != "--save"));
    host::run(command.env("OCHRE_TORCH_PYTHON", &torch.python))?;
    ensure!(out.is_file(), "the measurement wrote nothing");
    eprintln!("saved as {}", out.display());
    Ok(ExitCode::SUCCESS)
}
