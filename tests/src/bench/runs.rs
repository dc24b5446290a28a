//! `cargo xtask bench runs`: what logging costs and how fast it arrives, beside MLflow's Python client. Each part is an ignored test of the crate that
//! it measures, which prints lines of the table and fails where a target is missed.
use crate::build;
use crate::peers;
use anyhow::{Context, ensure};
use std::process::{Command, ExitCode, Stdio};

/// Crates with a test whose name begins with `measured`.
const PARTS: &[&str] = &["ochre-logging", "ochre-tracking"];

/// `[--save]` keeps the table in the checkout.
pub fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (cache, compiler, source) = (ochre_build::Cache::find()?, ochre_build::Compiler::find()?, build::source());
    peers::Runs::install(&source, &cache)?;
    let mut table = format!("# Runs, beside MLflow's Python client in the same run\n\n{}\n\n| what | Ochre | Python | |\n|---|---|---|---|\n", machine());
    for part in PARTS {
        eprintln!("measuring {part}");
        let cargo = build::kernel_command(&source, &cache, &compiler, &[(*part).to_owned()]);
        let mut command: Command = cargo.command("test")?;
        let output = command.args(["--", "--ignored", "--nocapture", "measured"]).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().filter(|line| line.starts_with("| ")).for_each(|line| table.push_str(&format!("{line}\n")));
        print!("{table}");
        ensure!(output.status.success(), "{part} failed:\n{text}");
    }
    if arguments.iter().any(|a| a == "--save") {
        let out = source.join("tests/bench/runs.md");
        std::fs::write(&out, &table).with_context(|| format!("cannot write {}", out.display()))?;
        eprintln!("saved as {}", out.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Cores and load, without which no number says anything.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{cores} cores, load {} at the beginning.", load.split(' ').next().unwrap_or("unknown"))
}
