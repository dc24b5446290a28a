//! The evcxr engine: the cases that give the same outputs on both engines, and what goes wrong in cells.
//!
//! `cells/evcxr.same` lists the titles of the cases whose outputs are the same, letter for letter; those that begin with
//! `* ` are run by every test run, all by `cargo xtask test --full`. `OCHRE_CASES=word` picks cases as in `cells.rs`;
//! `OCHRE_EVCXR_DIFFERENCES=FILE` writes what differs into a file.
mod cases;
mod support;

use cases::{Case, cell};
use ochre_session::engine::{Context, Engine, Outcome};
use ochre_session::evcxr_engine::EvcxrEngine;
use ochre_session::front::{Output, Report};
use ochre_session::worker::LocalWorker;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// No cell of the cases takes that long on a loaded machine, unless it hangs.
const CELL_BOUND: Duration = Duration::from_secs(45);
/// A cell's text is on its way for less than this, and compiles for more.
const ARRIVAL: Duration = Duration::from_millis(50);

/// `$OCHRE_EVCXR`, else the program that `cargo xtask build` put beside `ochre`.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this program's path");
    let release = test.parent().and_then(|d| d.parent()).expect("a target directory");
    let program = std::env::var_os("OCHRE_EVCXR").map_or_else(|| release.join("ochre-evcxr"), PathBuf::from);
    assert!(program.is_file(), "{} is not there: run `cargo xtask build` first (or `cargo xtask test`, which does)", program.display());
    program
}

fn engine() -> EvcxrEngine {
    EvcxrEngine::new(Arc::new(LocalWorker::evcxr(&program())), Default::default())
}

/// The titles that are expected to be the same: those of every run, and all.
fn same() -> (Vec<&'static str>, Vec<&'static str>) {
    let lines = include_str!("cells/evcxr.same").lines().filter(|l| !l.is_empty());
    let always = lines.clone().filter_map(|l| l.strip_prefix("* ")).collect();
    (always, lines.map(|l| l.strip_prefix("* ").unwrap_or(l)).collect())
}

fn all_cases() -> Vec<Case> {
    let read = |file: PathBuf| cases::parse(&std::fs::read_to_string(file).expect("a case file")).1;
    let wanted = std::env::var("OCHRE_CASES").unwrap_or_default();
    // The prelude is the default engine's.
    let files = cases::files().into_iter().filter(|f| !f.ends_with("frames.cells"));
    files.flat_map(read).filter(|c| c.title.contains(&wanted)).collect()
}

/// Runs a case in a session that was cleared; gives what differs.
async fn differences(engine: &mut EvcxrEngine, case: &Case) -> Vec<String> {
    let (output, _unread) = mpsc::channel(64);
    let cleared = support::bounded("the reset", engine.reset(&Context { output, allow_stdin: false, count: 0, silent: true })).await;
    let mut differing = cleared.err().map(|report| format!("{}: {report:?}", case.title)).into_iter().collect::<Vec<_>>();
    for (i, (code, expected)) in case.cells.iter().enumerate() {
        let Ok(got) = tokio::time::timeout(CELL_BOUND, cell(engine, code, i as u32 + 1)).await else {
            differing.push(format!("# {}\n{code}\n--- ochre\n{expected}--- evcxr\n(does not end within {CELL_BOUND:?})", case.title));
            *engine = self::engine();
            break;
        };
        let got = support::clean(&got);
        if *expected != got {
            differing.push(format!("# {}\n{code}\n--- ochre\n{expected}--- evcxr\n{got}", case.title));
        }
    }
    differing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_of_every_run_are_the_same_on_both_engines() {
    let (always, _) = same();
    let mut engine = engine();
    let (mut count, mut differing) = (0, Vec::new());
    for case in all_cases().iter().filter(|c| always.contains(&c.title.as_str())) {
        count += 1;
        differing.extend(differences(&mut engine, case).await);
    }
    engine.shutdown().await;
    assert!(count > 0 || std::env::var_os("OCHRE_CASES").is_some(), "cells/evcxr.same names no case that is there");
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "every case on the evcxr engine: several minutes"]
async fn the_cases_that_are_listed_are_the_same_on_both_engines() {
    let (_, listed) = same();
    let mut engine = engine();
    let (mut broken, mut unlisted, mut report) = (Vec::new(), Vec::new(), String::new());
    for case in all_cases() {
        let differing = differences(&mut engine, &case).await;
        let expected = listed.contains(&case.title.as_str());
        match (differing.is_empty(), expected) {
            (false, true) => broken.extend(differing.clone()),
            (true, false) => unlisted.push(case.title.clone()),
            _ => {}
        }
        let differs = if differing.is_empty() { format!("{}: the same", case.title) } else { differing.join("\n\n") };
        report.push_str(&format!("{differs}\n\n"));
        if let Some(file) = std::env::var_os("OCHRE_EVCXR_DIFFERENCES") {
            std::fs::write(file, &report).expect("the file of differences");
        }
    }
    engine.shutdown().await;
    println!("the same, and not listed: {unlisted:#?}");
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// A session whose cells may be interrupted at a sign.
struct Session {
    engine: EvcxrEngine,
    count: u32,
}

impl Session {
    /// Runs a cell; interrupts it when its output holds `sign`.
    async fn run(&mut self, code: &str, sign: Option<&str>) -> (String, Result<String, Report>) {
        self.count += 1;
        let (output, mut outputs) = mpsc::channel(64);
        let context = Context { output, allow_stdin: false, count: self.count, silent: false };
        let controls = self.engine.controls();
        let mut text = String::new();
        let mut take = |one: Output| {
            let Output::Stream { text: more, .. } = one else { return };
            text.push_str(&more);
            if sign.is_some_and(|s| text.contains(s)) {
                controls.interrupt();
            }
        };
        let outcome = {
            let execution = support::bounded(code, self.engine.execute(code, &context));
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
        let result = match outcome {
            Outcome::Ok(value) => Ok(value.and_then(|v| v.text().map(str::to_owned)).unwrap_or_default()),
            Outcome::Error(report) => Err(report),
        };
        (text, result)
    }

    async fn value(&mut self, code: &str) -> String {
        let (text, result) = self.run(code, None).await;
        result.unwrap_or_else(|report| panic!("{code}: {report:?} after {text}"))
    }

    async fn error(&mut self, code: &str) -> Report {
        let (text, result) = self.run(code, None).await;
        result.expect_err(&format!("{code} printed {text}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cells_that_fail_are_told_and_the_next_one_runs() {
    let mut session = Session { engine: engine(), count: 0 };
    assert_eq!(session.value("let kept = vec![1, 2]; fn twice(n: i32) -> i32 { n * 2 }").await, "");
    // Output that hangs stock evcxr, or shifts its later results.
    let (text, result) = session.run("use std::io::Write; print!(\"50%\"); std::io::stdout().flush().unwrap(); 7", None).await;
    assert_eq!((text.as_str(), result.unwrap().as_str()), ("50%", "7"));
    let (text, _) = session.run("std::io::stdout().write_all(b\"a\\xffb\\n\").unwrap();", None).await;
    assert_eq!(text, "a\u{fffd}b\n");
    // A panic and an error are errors here, in evcxr_jupyter both are successes.
    let report = session.error("let lost = 1; kept[twice(9) as usize]").await;
    assert_eq!((report.name.as_str(), report.message.contains("index out of bounds")), ("panic", true), "{report:?}");
    let report = session.error("let lost: i32 = \"x\".parse::<i32>()?;").await;
    assert_eq!((report.name.as_str(), report.message.as_str()), ("error", "invalid digit found in string"), "{report:?}");
    let report = session.error("let wrong: i32 = \"text\";").await;
    assert_eq!(report.name, "E0308", "{report:?}");
    assert_eq!(session.value("kept.len()").await, "2");
    let names: Vec<String> = session.engine.variables().into_iter().map(|v| format!("{}: {}", v.name, v.type_name)).collect();
    assert_eq!(names, ["kept: Vec<i32>"]);
    assert!(session.engine.items().iter().any(|item| item.text == "twice"));
    assert!(session.engine.expand().is_some_and(|source| source.contains("kept")));
    // The process of the cells dies: variables are gone, items are not.
    let report = session.error("std::process::exit(3)").await;
    assert_eq!((report.name.as_str(), report.message.contains("exit status: 3")), ("worker died", true), "{report:?}");
    assert!(session.engine.variables().is_empty());
    assert_eq!(session.value("twice(4)").await, "8");
    session.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_running_code_and_says_what_was_lost() {
    let mut session = Session { engine: engine(), count: 0 };
    assert_eq!(session.value("let kept = 5;").await, "");
    let (_, result) = session.run("println!(\"begun\"); loop { std::hint::spin_loop() }", Some("begun")).await;
    let report = result.expect_err("the loop was interrupted");
    assert_eq!((report.name.as_str(), report.message.contains("1 variable is gone")), ("interrupted", true), "{report:?}");
    assert_eq!(session.value("let again = 6; again").await, "6");
    session.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_of_a_compilation_loses_nothing() {
    let mut session = Session { engine: engine(), count: 0 };
    assert_eq!(session.value("let kept = 5;").await, "");
    let controls = session.engine.controls();
    let (output, mut outputs) = mpsc::channel(64);
    let context = Context { output, allow_stdin: false, count: 2, silent: false };
    let outcome = {
        let code = "println!(\"ran\"); kept + 1";
        let execution = support::bounded(code, session.engine.execute(code, &context));
        tokio::pin!(execution);
        // Time for the text to get there; analysis and compilation take several times as long.
        assert!(tokio::time::timeout(ARRIVAL, &mut execution).await.is_err());
        controls.interrupt();
        execution.await
    };
    let Outcome::Error(report) = outcome else { panic!("the interrupt was not heard") };
    assert_eq!((report.name.as_str(), report.message.contains("no variable was lost")), ("interrupted", true), "{report:?}");
    assert!(outputs.try_recv().is_err(), "the cell has run");
    assert_eq!(session.value("kept + 2").await, "7");
    session.engine.shutdown().await;
}
