//! Runs cargo's tests and reads its lines. Two builds: the kernel's crates, and those that cells link.
use super::{Context, Tally};
use crate::build;
use anyhow::Context as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Crates that are linked into cells or run them: built with the prelude's flags, in the prelude's target directory.
const CELL_SIDE: [&str; 9] =
    ["ochre-prelude", "ochre-runtime", "ochre-worker", "ochre-frames", "ochre-plots", "ochre-stores", "ochre-logging", "ochre-ml", "ochre-nn"];
/// Lines of a failed test's log that are repeated on the terminal.
const LOG_TAIL: usize = 150;

/// xtask's own tests and the rules over the whole workspace; a development build, like xtask.
pub fn rules(context: &Context) -> anyhow::Result<Tally> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&context.built.source).args(["test", "--quiet", "--no-run", "-p", "xtask"]);
    crate::host::run(&mut command)?;
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&context.built.source).args(["test", "-p", "xtask"]);
    run(context, "rules", command)
}

/// Crates of the kernel.
pub fn kernel_side(context: &Context) -> anyhow::Result<Tally> {
    let packages: Vec<String> =
        packages(&context.built.source)?.into_iter().filter(|p| !CELL_SIDE.contains(&p.as_str()) && p != "xtask" && p != build::EVCXR).collect();
    let cargo = build::kernel_command(&context.built.source, &context.built.cache, &context.built.compiler, &packages);
    let mut tally = storage_peers(context);
    tally.add(runs_peers(context));
    tally.add(tensors_peer(context));
    tally.add(run(context, "kernel", cargo.command("test")?)?);
    let evcxr = build::evcxr_command(&context.built.source, &context.built.cache, &context.built.compiler);
    tally.add(run(context, "evcxr", evcxr.command("test")?)?);
    Ok(tally)
}

/// Assembles the PTX that the binary carries: what NVIDIA's driver would refuse is refused here.
pub fn ptx(_: &Context) -> anyhow::Result<Tally> {
    crate::gpu::assemble()?;
    Ok(Tally { passed: 1, ..Tally::default() })
}

/// Crates that are linked into cells, and the worker.
pub fn cell_side(context: &Context) -> anyhow::Result<Tally> {
    let built = &context.built;
    let prelude = ochre_build::prelude_command(&built.source, &built.cache, &built.compiler);
    let mut tally = storage_peers(context);
    tally.add(tensors_peer(context));
    tally.add(onnx_peer(context));
    tally.add(run(context, "cells", prelude.command("test")?)?);
    let worker = ochre_build::worker_command(&built.source, &built.cache, &built.compiler);
    tally.add(run(context, "worker", worker.command("test")?)?);
    Ok(tally)
}

/// Installs MLflow, for the tests of runs.
fn runs_peers(context: &Context) -> Tally {
    match crate::peers::Runs::install(&context.built.source, &context.built.cache) {
        Ok(()) => Tally::default(),
        Err(error) => Tally::failure("runs peers", format!("{error:#}")),
    }
}

/// Installs PyTorch, for the tests of tensors.
fn tensors_peer(context: &Context) -> Tally {
    match crate::peers::Torch::install(&context.built.source, &context.built.cache) {
        Ok(_) => Tally::default(),
        Err(error) => Tally::failure("tensors' peer", format!("{error:#}")),
    }
}

/// Installs onnxruntime, for the tests of ONNX models.
fn onnx_peer(context: &Context) -> Tally {
    match crate::peers::Onnx::install(&context.built.source, &context.built.cache) {
        Ok(()) => Tally::default(),
        Err(error) => Tally::failure("ONNX's peer", format!("{error:#}")),
    }
}

/// Installs the emulators and clients that both sides' tests talk to. One that cannot be had is a failure; the tests that need it fail too, and name
/// it, and the others are still worth running.
fn storage_peers(context: &Context) -> Tally {
    match crate::peers::Storage::install(&context.built.source, &context.built.cache) {
        Ok(_) => Tally::default(),
        Err(error) => Tally::failure("storage peers", format!("{error:#}")),
    }
}

/// Names of the workspace's packages.
fn packages(source: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for group in ["kernel", "extensions", "tests"] {
        for entry in std::fs::read_dir(source.join(group))? {
            let Ok(text) = std::fs::read_to_string(entry?.path().join("Cargo.toml")) else { continue };
            let name = text.lines().find_map(|l| l.strip_prefix("name = \"")).and_then(|l| l.strip_suffix('"'));
            names.push(name.context("a Cargo.toml without a name")?.to_string());
        }
    }
    names.sort();
    Ok(names)
}

fn run(context: &Context, suite: &str, mut command: Command) -> anyhow::Result<Tally> {
    command.arg("--no-fail-fast").arg("--");
    if context.full {
        command.arg("--include-ignored");
    }
    command.args(context.name_filter.iter());
    let log = context.logs.join(format!("{suite}.log"));
    let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command.env("OCHRE_PRELUDE", &context.built.prelude).env("OCHRE_PEERS", context.built.cache.peers());
    let status = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status()?;
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    let mut tally = read(suite, &text);
    if !status.success() {
        let lines: Vec<&str> = text.lines().collect();
        println!("{}", lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n"));
        if tally.failed() == 0 {
            tally.failures.push((suite.to_string(), format!("cargo test ended with {status}; see {}", log.display())));
        }
    }
    Ok(tally)
}

/// Reads the lines of Rust's test harness: `test NAME ... ok`, `… FAILED`, `… ignored, REASON`.
fn read(suite: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter_map(|l| l.strip_prefix("test ")) {
        let Some((name, result)) = line.rsplit_once(" ... ") else { continue };
        let name = format!("{suite}: {name}");
        match result.trim() {
            "ok" => tally.passed += 1,
            "FAILED" => tally.failures.push((name, "see above".into())),
            other if other.starts_with("ignored") => {
                let reason = other.trim_start_matches("ignored").trim_start_matches(", ");
                tally.skipped.push((name, if reason.is_empty() { "no reason given".into() } else { reason.into() }));
            }
            // A test that printed around the harness; the totals below count it.
            _ => {}
        }
    }
    // What tests print can tear their line: the totals are right.
    let totals: usize = text.lines().filter_map(|l| l.strip_prefix("test result: ")).filter_map(passed).sum();
    tally.passed = tally.passed.max(totals);
    tally
}

/// `ok. 5 passed; 0 failed; …` to 5.
fn passed(line: &str) -> Option<usize> {
    line.split(['.', ';']).find_map(|part| part.trim().strip_suffix(" passed")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_lines_are_counted() {
        let text = "running 4 tests\ntest a::b ... ok\ntest c ... FAILED\ntest d ... ignored, slow: 2 minutes\nnoise test e ... ok\n\ntest result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.0s\n";
        let tally = read("s", text);
        assert_eq!((tally.passed, tally.failed()), (2, 1));
        assert_eq!(tally.skipped, [("s: d".to_string(), "slow: 2 minutes".to_string())]);
    }

    #[test]
    fn every_crate_of_the_workspace_is_on_one_side() {
        let names = packages(&crate::build::source()).unwrap();
        for name in ["ochre", "ochre-session", "ochre-runtime", "ochre-frames", "ochre-servers"] {
            assert!(names.iter().any(|n| n == name), "{names:?}");
        }
    }
}
