//! Cells in, outputs out: the cases in `tests/cells/*.cells`, run by a real compiler and a real worker.
//!
//! A case is a session of its own:
//! ```text
//! # what it shows
//! >>> let x = 1;
//! ... let y = 2;
//! >>> x + y
//! = 3
//! ```
//! `= ` is the value's text, `! ` a line of stderr, `D ` a display, `E name: message` an error; other lines are stdout.
//! `OCHRE_UPDATE=1` writes what came out into the files; read the difference before you commit it. `OCHRE_CASES=word` picks
//! the cases whose title holds the word; `OCHRE_SHOW=1` prints whole errors.
mod support;

use ochre_link::Stream;
use ochre_session::engine::{Context, Engine, Outcome};
use ochre_session::front::Output;
use std::fmt::Write;
use std::path::PathBuf;
use tokio::sync::mpsc;

struct Case {
    title: String,
    cells: Vec<(String, String)>,
}

fn parse(text: &str) -> (String, Vec<Case>) {
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

fn render(head: &str, cases: &[Case]) -> String {
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

async fn run(case: &Case) -> Vec<String> {
    let mut engine = support::engine();
    let mut results = Vec::new();
    for (i, (code, _)) in case.cells.iter().enumerate() {
        results.push(support::clean(&cell(&mut engine, code, i as u32 + 1).await));
    }
    engine.shutdown().await;
    results
}

async fn cell(engine: &mut impl Engine, code: &str, count: u32) -> String {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cells() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cells");
    let update = std::env::var_os("OCHRE_UPDATE").is_some();
    let wanted = std::env::var("OCHRE_CASES").unwrap_or_default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).expect("tests/cells").map(|f| f.expect("a file").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "cells"));
    files.sort();
    let (mut count, mut failures) = (0, Vec::new());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a case file");
        let (head, mut cases) = parse(&text);
        for case in cases.iter_mut().filter(|c| c.title.contains(&wanted)) {
            count += 1;
            let results = run(case).await;
            if results.iter().any(|r| r.contains("bug in Ochre")) {
                println!("bug: {}", case.title);
            }
            for ((code, expected), got) in case.cells.iter_mut().zip(results) {
                if *expected != got {
                    failures.push(format!("{}: {}\n{code}\n--- expected\n{expected}--- got\n{got}", file.display(), case.title));
                    *expected = got;
                }
            }
        }
        if update {
            std::fs::write(&file, render(&head, &cases)).expect("a case file");
        }
    }
    println!("{count} cell cases, {} cells differ", failures.len());
    assert!(count > 0, "no case matches");
    assert!(update || failures.is_empty(), "{}", failures.join("\n\n"));
}
