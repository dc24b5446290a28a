//! Every numbered notebook runs from its directory: under `ochre run`, under `jupyter execute`, with the same text outputs.
use super::emulated::Emulated;
use super::{Context, Tally};
use crate::demo::text;
use crate::peers::Python;
use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Says where a notebook's runs are kept.
const TRACKING: &str = "MLFLOW_TRACKING_URI";

/// Runs them all.
pub fn run(context: &Context) -> anyhow::Result<Tally> {
    let python = Python::install(&context.built)?;
    context.install_kernel()?;
    let mut tally = Tally::default();
    for notebook in notebooks(&context.built.source.join("notebooks"))? {
        let name = notebook.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let ours = context.logs.join(format!("ochre-run-{name}"));
        let theirs = context.logs.join(format!("jupyter-execute-{name}"));
        let (first, second) = std::thread::scope(|scope| {
            let second = scope.spawn(|| jupyter_execute(context, &python, &notebook, &theirs));
            (ochre_run(context, &notebook, &ours), second.join().unwrap_or_else(|_| Err(anyhow::anyhow!("xtask panicked"))))
        });
        tally.count(&format!("ochre run {name}"), first);
        tally.count(&format!("jupyter execute {name}"), second);
        tally.count(&format!("{name} shows the same in both"), same_outputs(&ours, &theirs));
    }
    ensure!(tally.passed + tally.failed() > 0, "there are no notebooks");
    Ok(tally)
}

/// The numbered notebooks, sorted.
fn notebooks(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "ipynb")).collect();
    found.sort();
    Ok(found)
}

fn ochre_run(context: &Context, notebook: &Path, out: &Path) -> anyhow::Result<()> {
    let storage = Emulated::for_notebook(context, notebook)?;
    let mut command = Command::new(&context.built.ochre);
    Emulated::offer(storage.as_ref(), &mut command);
    finish(command.arg("run").arg(notebook).arg("-o").arg(out).env("OCHRE_PRELUDE", &context.built.prelude).env(TRACKING, runs_of(out)))
}

fn jupyter_execute(context: &Context, python: &Python, notebook: &Path, out: &Path) -> anyhow::Result<()> {
    let storage = Emulated::for_notebook(context, notebook)?;
    let mut command = context.jupyter_command(python, "jupyter-execute")?;
    Emulated::offer(storage.as_ref(), &mut command);
    let directory = notebook.parent().context("the notebook lies nowhere")?;
    command.current_dir(directory).env(TRACKING, runs_of(out)).arg("--kernel_name=ochre").arg("--timeout=300");
    finish(command.arg(format!("--output={}", out.display())).arg(notebook))
}

/// The runs of a notebook are kept beside its output, not in the checkout; from none at the start.
fn runs_of(out: &Path) -> String {
    let file = out.with_extension("db");
    let _ = std::fs::remove_file(&file);
    format!("sqlite:///{}", file.display())
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("it ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Compares what both runs show as text. Cells tagged `varies` show times and the like.
fn same_outputs(ours: &Path, theirs: &Path) -> anyhow::Result<()> {
    let read = |p: &Path| -> anyhow::Result<Value> { Ok(serde_json::from_slice(&std::fs::read(p)?)?) };
    let (ours, theirs) = (read(ours)?, read(theirs)?);
    let cells = |n: &Value| n["cells"].as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (cells(&ours), cells(&theirs));
    ensure!(ours.len() == theirs.len(), "{} cells against {}", ours.len(), theirs.len());
    for (number, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        let varies = a["metadata"]["tags"].as_array().is_some_and(|t| t.iter().any(|t| t == "varies"));
        let (kinds_a, kinds_b) = (kinds(a), kinds(b));
        let draws = draws(&text(&a["source"]));
        let (a, b) = (shown(a), shown(b));
        ensure!(varies || a == b, "cell {number} shows\n{a}\nunder ochre run, and\n{b}\nunder jupyter execute");
        ensure!(varies || a.is_empty() == b.is_empty(), "cell {number} shows something in one of them only");
        ensure!(kinds_a == kinds_b, "cell {number} shows {kinds_a:?} under ochre run, and {kinds_b:?} under jupyter execute");
        // What cannot be drawn is shown as a sentence, the same in both.
        ensure!(!draws || kinds_a.contains("image/png"), "cell {number} is to draw a picture, and shows {kinds_a:?}: {a}");
    }
    Ok(())
}

/// The types of all that a cell shows beside its streams.
fn kinds(cell: &Value) -> BTreeSet<String> {
    let outputs = cell["outputs"].as_array().into_iter().flatten();
    outputs.flat_map(|o| o["data"].as_object().into_iter().flat_map(|data| data.keys().cloned())).collect()
}

/// Whether a cell's last line draws.
fn draws(source: &str) -> bool {
    let last = source.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    !last.trim_end().ends_with(';') && ["ochre::plot(", "ochre::image(", "ochre::images(", ".pictures(", ".chart()"].iter().any(|call| last.contains(call))
}

fn shown(cell: &Value) -> String {
    let outputs = cell["outputs"].as_array().into_iter().flatten();
    outputs.map(|o| text(&o["text"]) + &text(&o["data"]["text/plain"])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn notebook(name: &str, outputs: Value) -> PathBuf {
        let file = std::env::temp_dir().join(format!("ochre-notebooks-test-{}-{name}.ipynb", std::process::id()));
        let cell = json!({ "source": "let x = 1;\njudged.pictures(&test, 3)\n", "metadata": { "tags": ["varies"] }, "outputs": outputs });
        std::fs::write(&file, json!({ "cells": [cell] }).to_string()).expect("written");
        file
    }

    #[test]
    fn a_picture_that_fails_is_not_taken_for_one() {
        let failed = notebook("failed", json!([{ "data": { "text/plain": "nothing to draw", "text/html": "<b>nothing</b>" } }]));
        let drawn = notebook("drawn", json!([{ "data": { "text/plain": "<picture>", "image/png": "…" } }]));
        assert!(same_outputs(&drawn, &drawn).is_ok());
        let error = same_outputs(&failed, &failed).expect_err("the same in both, and no picture");
        assert!(error.to_string().contains("to draw a picture"), "{error}");
        assert!(same_outputs(&drawn, &failed).is_err());
        [failed, drawn].iter().for_each(|file| drop(std::fs::remove_file(file)));
    }
}
