//! Runs Python test files through `clients/run.py`, which prints one JSON line with the counts.
use super::{Context, Tally};
use crate::host;
use crate::peers::Python;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::process::Stdio;

/// The beginning of the line that carries the counts.
const MARK: &str = "ochre-tally ";

/// Runs the named modules of `tests/clients`.
pub fn run(context: &Context, python: &Python, modules: &[&str]) -> anyhow::Result<Tally> {
    let mut command = context.jupyter_command(python, "python")?;
    // The history that kernels keep is the user's: each module is a user of its own.
    let data = host::scratch(&context.built.source, &format!("home/xdg/{}", modules.join("-")))?;
    command.env("XDG_DATA_HOME", data);
    command.arg(context.built.source.join("tests/clients/run.py")).args(modules);
    command.env("OCHRE_FULL", if context.full { "1" } else { "" }).env("OCHRE_BINARY", &context.built.ochre);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("OCHRE_PRELUDE", &context.built.prelude);
    let log = context.logs.join(format!("{}.log", modules.join("-")));
    let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status()?;
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    let Some(line) = text.lines().rev().find_map(|l| l.strip_prefix(MARK)) else {
        println!("{text}");
        bail!("the Python runner did not finish; see {}", log.display());
    };
    let tally = read(&serde_json::from_str(line)?);
    if tally.failed() > 0 {
        println!("{text}");
    }
    Ok(tally)
}

fn read(counts: &Value) -> Tally {
    let pairs = |v: &Value| -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
        v.as_array().into_iter().flatten().map(|p| (text(&p[0]), text(&p[1]))).collect()
    };
    Tally {
        passed: counts["passed"].as_u64().unwrap_or(0) as usize,
        failures: pairs(&counts["failed"]),
        skipped: pairs(&counts["skipped"]),
    }
}
