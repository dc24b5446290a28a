//! `cargo xtask bench cells`: prepares the peers and hands over to `tests/bench/cells.py`, which speaks to the kernels.
//!
//! `stopwatch` is its clock for programs: requests and answers are JSON lines on stdin and stdout.
use crate::build::{self, Built};
use crate::host;
use crate::peers::{Evcxr, Python};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Medians of this many rounds.
const ROUNDS: u64 = 11;

/// `[--rounds N] [--no-evcxr] [--evcxr-polars] [--save]`; `--save` keeps the table in the checkout.
pub fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    if arguments.first().is_some_and(|a| a == "stopwatch") {
        return stopwatch();
    }
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    let rounds = match arguments.iter().position(|a| a == "--rounds") {
        Some(at) => arguments.get(at + 1).and_then(|n| n.parse().ok()).filter(|n| *n > 0).context("--rounds takes a number above 0")?,
        None => ROUNDS,
    };
    let built = build::build()?;
    let python = Python::install(&built)?;
    let evcxr = if has("--no-evcxr") { None } else { Some(Evcxr::install(&built)?) };
    let directory = host::scratch(&built.source, "bench")?;
    let out = if has("--save") { built.source.join("tests/bench/cells.md") } else { directory.join("cells.md") };
    let config = json!({
        "rounds": rounds,
        "ochre": built.ochre,
        "prelude": built.prelude,
        "rustc": built.compiler.sysroot.join("bin/rustc"),
        "rustc_version": built.compiler.text.lines().next(),
        "xtask": std::env::current_exe()?,
        "notebook": built.source.join("notebooks/01-first-cells.ipynb"),
        "evcxr": evcxr.as_ref().map(|e| &e.program),
        "evcxr_version": evcxr.as_ref().map(|_| Evcxr::VERSION),
        "evcxr_polars": evcxr.is_some() && has("--evcxr-polars"),
        "out": out,
        "samples": directory.join("cells-samples.json"),
    });
    measure(&built, &python, &directory.join("cells-config.json"), &config)?;
    eprintln!("saved as {}", out.display());
    Ok(ExitCode::SUCCESS)
}

fn measure(built: &Built, python: &Python, file: &std::path::Path, config: &Value) -> anyhow::Result<()> {
    std::fs::write(file, config.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    let mut command = Command::new(python.program("python"));
    command.arg(built.source.join("tests/bench/cells.py")).arg(file).env("PYTHONDONTWRITEBYTECODE", "1");
    host::run(&mut command)
}

/// Runs the programs that it is asked for until its input ends.
fn stopwatch() -> anyhow::Result<ExitCode> {
    let mut answers = std::io::stdout().lock();
    for request in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&request?)?;
        writeln!(answers, "{}", time(&request)?)?;
        answers.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// From before the start of the program until it has ended and its output is read.
fn time(request: &Value) -> anyhow::Result<Value> {
    let program = request["program"].as_str().context("no program")?;
    let arguments: Vec<&str> = request["arguments"].as_array().context("no arguments")?.iter().filter_map(Value::as_str).collect();
    let directory = request["directory"].as_str().context("no directory")?;
    ensure!(std::path::Path::new(directory).is_dir(), "{directory} is not a directory");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    let started = Instant::now();
    let output = command.output().with_context(|| format!("cannot start {program}"))?;
    let seconds = started.elapsed().as_secs_f64();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(json!({ "seconds": seconds, "success": output.status.success(), "stdout": text(&output.stdout), "stderr": text(&output.stderr) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_timed_in_its_directory() {
        let answer = time(&json!({ "program": "/bin/sh", "arguments": ["-c", "pwd; exit 3"], "directory": "/" })).unwrap();
        assert_eq!((answer["success"].as_bool(), answer["stdout"].as_str()), (Some(false), Some("/\n")));
        assert!(answer["seconds"].as_f64().is_some_and(|s| s > 0.0 && s < 60.0), "{answer}");
    }

    #[test]
    fn a_directory_that_is_missing_is_named() {
        let error = time(&json!({ "program": "/bin/sh", "arguments": [], "directory": "/no/such" })).unwrap_err();
        assert!(error.to_string().contains("/no/such"), "{error}");
    }
}
