//! `ochre worker …`: becomes the prelude's worker program. The worker is linked to the prelude's libraries,
//! so it is a file of its own; this only finds and starts it.
use anyhow::Context;
use ochre_build::Manifest;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Replaces this process; returns only when that failed.
pub fn worker(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let prelude = crate::places::find_prelude().context("no prelude is installed here; run `ochre install`")?;
    let manifest = Manifest::read(&prelude)?;
    let program = prelude.join(&manifest.worker);
    // The loader reads this at start only: libraries of the prelude and std lie beside the worker.
    let error = Command::new(&program).args(arguments).env("LD_LIBRARY_PATH", &prelude).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
