//! Cases of cells as text: read, written, and run one cell at a time with any engine.
use crate::support;
use ochre_link::Stream;
use ochre_session::engine::{Context, Engine, Outcome};
use ochre_session::front::Output;
use std::fmt::Write;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// A session of its own.
pub struct Case {
    pub title: String,
    /// Text, and what comes out.
    pub cells: Vec<(String, String)>,
}

/// A file's head and cases.
pub fn parse(text: &str) -> (String, Vec<Case>) {
    let mut head = String::new();
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            cases.push(Case { title: title.into(), cells: Vec::new() });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            writeln!(head, "{line}").expect("a string");
            continue;
        };
        if let Some(code) = line.strip_prefix(">>>") {
            case.cells.push((code.strip_prefix(' ').unwrap_or(code).into(), String::new()));
        } else if let (Some(more), Some((code, out))) = (line.strip_prefix("..."), case.cells.last_mut())
            && out.is_empty()
        {
            code.push('\n');
            code.push_str(more.strip_prefix(' ').unwrap_or(more));
        } else if let Some((_, out)) = case.cells.last_mut()
            && !line.is_empty()
        {
            writeln!(out, "{line}").expect("a string");
        }
    }
    (head, cases)
}

/// The file again.
#[allow(dead_code, reason = "only one of the tests writes files")]
pub fn render(head: &str, cases: &[Case]) -> String {
    let mut text = head.to_owned();
    for case in cases {
        if !text.is_empty() {
            text.push('\n');
        }
        writeln!(text, "# {}", case.title).expect("a string");
        for (code, out) in &case.cells {
            for (i, line) in code.lines().enumerate() {
                writeln!(text, "{} {line}", if i == 0 { ">>>" } else { "..." }).expect("a string");
            }
            text.push_str(out);
        }
    }
    text.trim_start().to_owned()
}

/// The case files, sorted: those of the checkout that `cargo xtask` names, for a test may write them.
pub fn files() -> Vec<PathBuf> {
    let checkout = std::env::var_os("OCHRE_CHECKOUT").map(|checkout| PathBuf::from(checkout).join("kernel/session"));
    let dir = checkout.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()).join("tests/cells");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).expect("tests/cells").map(|f| f.expect("a file").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "cells"));
    files.sort();
    files
}

/// Runs a cell; gives its outputs as the cases have them.
pub async fn cell(engine: &mut impl Engine, code: &str, count: u32) -> String {
    let (output, mut outputs) = mpsc::channel(64);
    let context = Context { output, allow_stdin: false, count, silent: false };
    let (mut text, mut out) = (String::new(), String::new());
    let mut take = |one: Output| match one {
        Output::Stream { stream: Stream::Stdout, text: more } => out.push_str(&more),
        Output::Stream { text: more, .. } => more.lines().for_each(|l| text.push_str(&format!("! {l}\n"))),
        Output::Display { bundle, .. } => bundle.text().unwrap_or("(no text)").lines().for_each(|l| text.push_str(&format!("D {l}\n"))),
        _ => {}
    };
    let outcome = {
        let execution = support::bounded("the end of the cell", engine.execute(code, &context));
        tokio::pin!(execution);
        loop {
            tokio::select! {
                outcome = &mut execution => break outcome,
                Some(one) = outputs.recv() => take(one),
            }
        }
    };
    while let Ok(one) = outputs.try_recv() {
        take(one);
    }
    // Streams have no order among each other; the cases show stdout first.
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    let mut text = out + &text;
    match outcome {
        Outcome::Ok(Some(value)) => value.text().unwrap_or("(no text)").lines().for_each(|l| text.push_str(&format!("= {l}\n"))),
        Outcome::Ok(None) => {}
        Outcome::Error(report) => {
            text.push_str(&format!("E {}: {}\n", report.name, report.message.lines().next().unwrap_or_default()));
            if std::env::var_os("OCHRE_SHOW").is_some() {
                println!("{}", report.traceback.join("\n"));
                println!("{}", engine.expand().unwrap_or_default());
            }
            let hints = report.traceback.iter().map(|l| support::clean(l)).filter(|l| l.starts_with("help: "));
            hints.for_each(|l| text.push_str(&format!("E {}\n", l.trim())));
        }
    }
    text
}
