//! `cargo xtask test`: every suite, its counts, and one closing line that CI reads.
mod browser;
mod clients;
mod emulated;
mod hunt;
mod lanes;
mod notebooks;
mod programs;
mod python;
mod rust;
mod tally;

use crate::build::{self, Built};
use crate::host;
use crate::peers::Python;
use anyhow::Context as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Instant, SystemTime};
pub use tally::Tally;

/// What suites are given.
pub struct Context {
    pub built: Built,
    /// Slow tests too.
    pub full: bool,
    /// Part of a Rust test's name.
    pub name_filter: Option<String>,
    /// A private installation of the kernel: `share/jupyter` and `share/ochre` are below it.
    pub prefix: PathBuf,
    /// Logs of failed and passed suites.
    pub logs: PathBuf,
    /// What is older was there before.
    pub started: SystemTime,
}

/// A suite; an `Err` counts as one failure with its text.
struct Suite {
    name: &'static str,
    about: &'static str,
    run: fn(&Context) -> anyhow::Result<Tally>,
}

const SUITES: &[Suite] = &[
    Suite { name: "rules", about: "the architecture's rules, and xtask itself", run: rust::rules },
    Suite { name: "cells", about: "crates that are linked into cells", run: rust::cell_side },
    Suite { name: "kernel", about: "crates of the kernel", run: rust::kernel_side },
    Suite { name: "ptx", about: "the GPU's kernels, assembled for sm_80 and sm_90", run: rust::ptx },
    Suite { name: "clients", about: "jupyter_client, jupyter_kernel_test and hostile clients", run: clients::run },
    Suite { name: "notebooks", about: "every notebook under `ochre run` and nbclient", run: notebooks::run },
    Suite { name: "browser", about: "JupyterLab in Chromium opens the notebooks and runs them", run: browser::run },
    Suite { name: "hunt", about: "no secret of the tests is in what they left behind", run: hunt::run },
];

/// Runs the suites that the arguments name.
pub fn test(arguments: &[String]) -> anyhow::Result<ExitCode> {
    if arguments.iter().any(|a| a == "--list") {
        for suite in SUITES {
            println!("{:<10} {}", suite.name, suite.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let filter = arguments.iter().find(|a| !a.starts_with("--"));
    let named: Vec<&Suite> = SUITES.iter().filter(|s| filter.is_some_and(|f| f == s.name)).collect();
    let (suites, name_filter) = match (named.is_empty(), filter) {
        (false, _) => (named, None),
        (true, None) => (SUITES.iter().collect(), None),
        (true, Some(name)) => (SUITES.iter().filter(|s| ["rules", "cells", "kernel"].contains(&s.name)).collect(), Some(name.clone())),
    };
    let context = prepare(arguments.iter().any(|a| a == "--full"), name_filter)?;
    let total = run_suites(&suites, &context);
    for (name, reason) in &total.skipped {
        println!("skipped: {name}: {reason}");
    }
    for (name, reason) in &total.failures {
        println!("FAILED: {name}: {reason}");
    }
    println!("{}", total.closing_line());
    Ok(if total.failed() == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn prepare(full: bool, name_filter: Option<String>) -> anyhow::Result<Context> {
    let built = build::build()?;
    let prefix = host::scratch(&built.source, "prefix")?;
    let logs = host::scratch(&built.source, "logs")?;
    Ok(Context { built, full, name_filter, prefix, logs, started: SystemTime::now() })
}

fn run_suites(suites: &[&Suite], context: &Context) -> Tally {
    let mut total = Tally::default();
    for suite in suites {
        let started = Instant::now();
        println!("== {}: {}", suite.name, suite.about);
        let tally = (suite.run)(context).unwrap_or_else(|error| Tally::failure(suite.name, format!("{error:#}")));
        for (name, reason) in &tally.failures {
            println!("   FAILED {name}: {reason}");
        }
        let skipped = tally.skipped.len();
        println!("   {} passed, {} failed, {skipped} skipped in {:.0} s", tally.passed, tally.failed(), started.elapsed().as_secs_f64());
        total.add(tally);
    }
    total
}

impl Context {
    /// Installs the kernel below the private prefix, once per run of xtask at least.
    pub fn install_kernel(&self) -> anyhow::Result<()> {
        let mut install = Command::new(&self.built.ochre);
        install.args(["install", "--prefix"]).arg(&self.prefix).env(ochre_build::SOURCE_VARIABLE, &self.built.copy);
        let output = install.output().context("cannot start ochre install")?;
        anyhow::ensure!(output.status.success(), "ochre install failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// A command in which Jupyter finds this kernel and touches nothing of the user's.
    pub fn jupyter_command(&self, python: &Python, program: &str) -> anyhow::Result<Command> {
        let home = host::scratch(&self.built.source, "home")?;
        let mut command = Command::new(python.program(program));
        command
            .env("JUPYTER_PATH", self.prefix.join("share/jupyter"))
            .env("JUPYTER_RUNTIME_DIR", home.join("runtime"))
            .env("JUPYTER_CONFIG_DIR", home.join("config"))
            .env("JUPYTER_DATA_DIR", home.join("data"))
            .env("XDG_DATA_HOME", home.join("xdg"))
            .env("IPYTHONDIR", home.join("ipython"))
            // The cache is the user's (it holds the crates); everything that is personal is not.
            .env("OCHRE_CACHE", self.built.cache.root())
            .env(hunt::LIST_VARIABLE, hunt::list(&self.built.source)?)
            .env_remove("VIRTUAL_ENV");
        Ok(command)
    }
}
