//! The tests in Rust. Two builds: the kernel's crates, and those that cells link.
use super::{Context, Tally, programs};
use crate::build;
use anyhow::Context as _;
use ochre_build::{Artifact, Cargo, Kind};
use std::path::Path;
use std::process::Command;

/// Crates that are linked into cells or run them: built with the prelude's flags, in the prelude's target directory.
const CELL_SIDE: [&str; 9] =
    ["ochre-prelude", "ochre-runtime", "ochre-worker", "ochre-frames", "ochre-plots", "ochre-stores", "ochre-logging", "ochre-ml", "ochre-nn"];

/// xtask's own tests and the rules over the whole workspace; a development build, like xtask.
pub fn rules(context: &Context) -> anyhow::Result<Tally> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&context.built.source).args(["test", "--quiet", "--no-run", "-p", "xtask"]);
    crate::host::run(&mut command)?;
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&context.built.source).args(["test", "-p", "xtask"]);
    programs::alone(context, "rules", command)
}

/// Crates of the kernel.
pub fn kernel_side(context: &Context) -> anyhow::Result<Tally> {
    let packages: Vec<String> =
        packages(&context.built.source)?.into_iter().filter(|p| !CELL_SIDE.contains(&p.as_str()) && p != "xtask" && p != build::EVCXR).collect();
    let cargo = build::kernel_command(&context.built.source, &context.built.cache, &context.built.compiler, &packages);
    let mut tally = storage_peers(context);
    tally.add(runs_peers(context));
    tally.add(tensors_peer(context));
    tally.add(run(context, "kernel", &cargo)?);
    let evcxr = build::evcxr_command(&context.built.source, &context.built.cache, &context.built.compiler);
    tally.add(run(context, "evcxr", &evcxr)?);
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
    tally.add(run(context, "cells", &prelude)?);
    let worker = ochre_build::worker_command(&built.source, &built.cache, &built.compiler);
    tally.add(run(context, "worker", &worker)?);
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

/// Builds the tests of a cargo command's packages and runs them.
fn run(context: &Context, suite: &str, cargo: &Cargo) -> anyhow::Result<Tally> {
    let artifacts = cargo.build_tests()?;
    let programs: Vec<Artifact> = artifacts.into_iter().filter(|a| a.kind == Kind::Test).collect();
    let mut tally = programs::run(context, suite, cargo, &programs)?;
    if context.full {
        let mut command = cargo.command("test")?;
        command.args(["--doc", "--no-fail-fast"]);
        tally.add(programs::alone(context, &format!("{suite}-documentation"), command)?);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_of_the_workspace_is_on_one_side() {
        let names = packages(&crate::build::source()).unwrap();
        for name in ["ochre", "ochre-session", "ochre-runtime", "ochre-frames", "ochre-servers"] {
            assert!(names.iter().any(|n| n == name), "{names:?}");
        }
    }
}
