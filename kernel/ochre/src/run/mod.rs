//! `ochre run`: executes a notebook without Jupyter and without a browser, in a session of this process.
//!
//! The notebook is saved after every cell, so that what a long run has shown is never lost.
mod collect;
mod notebook;
mod other_kernel;
mod parameters;

use crate::cli::RunArguments;
use crate::{compose, guard};
use anyhow::{Context, bail};
use collect::Collector;
use notebook::Notebook;
use ochre_secrets::Redactor;
use ochre_session::Session;
use ochre_session::front::{Execute, Output, Payload, Status};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Outputs that may wait between the cell and the notebook; more only slow the cell down.
const OUTPUT_QUEUE: usize = 256;
/// The part of a cell's text that the progress line shows, in characters.
const TITLE_CHARACTERS: usize = 60;

/// Runs the command.
pub fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let out = arguments.output.clone().unwrap_or_else(|| arguments.notebook.clone());
    let mut notebook = Notebook::read(&arguments.notebook)?;
    if !arguments.parameters.is_empty() {
        parameters::replace(&mut notebook, &arguments.parameters)?;
    }
    if arguments.kernel != "ochre" {
        return other_kernel::run(&mut notebook, &arguments.notebook, &out, &arguments.kernel);
    }
    let out = std::path::absolute(&out).context("the place of the output has no absolute path")?;
    let launch = compose::Launch { notebook: std::path::absolute(&arguments.notebook).ok(), parameters: parameters::values(&notebook) };
    enter_directory_of(&arguments.notebook)?;
    guard::harden();
    let redactor = Redactor::new();
    let _log = guard::Log::redacted(redactor.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let failures = runtime.block_on(async {
        let session = compose::session(redactor, launch)?;
        let interrupts = tokio::spawn(interrupt_on_signal(session.clone()));
        let result = run_cells(&session, &mut notebook, &out).await;
        interrupts.abort();
        session.shutdown(false).await;
        result
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    report(failures?, &out)
}

/// Cells run where their notebook lies, as they do in Jupyter.
fn enter_directory_of(notebook: &Path) -> anyhow::Result<()> {
    match notebook.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(directory) => std::env::set_current_dir(directory).with_context(|| format!("cannot enter {}", directory.display())),
        None => Ok(()),
    }
}

/// How a notebook went.
struct Tally {
    cells: usize,
    passed: usize,
    failed: Option<(usize, String)>,
}

async fn run_cells(session: &Session, notebook: &mut Notebook, out: &Path) -> anyhow::Result<Tally> {
    let cells = notebook.code_cells();
    let mut tally = Tally { cells: cells.len(), passed: 0, failed: None };
    notebook.clear_outputs();
    let mut collector = Collector::default();
    for (position, index) in cells.iter().enumerate() {
        let code = notebook.source(*index);
        let started = Instant::now();
        let status = run_cell(session, notebook, *index, &code, &mut collector, out).await?;
        notebook.save(out)?;
        let mark = if status == Status::Ok { "ok  " } else { "FAIL" };
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("[{}/{}] {mark} {seconds:7.2} s  {}", position + 1, cells.len(), title(&code));
        match status {
            Status::Ok => tally.passed += 1,
            Status::Error(_) if notebook.has_tag(*index, "raises-exception") => tally.passed += 1,
            Status::Error(report) => {
                tally.failed = Some((position + 1, report.traceback.join("\n")));
                break;
            }
            Status::Aborted => {
                tally.failed = Some((position + 1, "aborted".into()));
                break;
            }
        }
    }
    Ok(tally)
}

/// One cell; its outputs go into the notebook, which is saved whenever a second has passed.
async fn run_cell(
    session: &Session,
    notebook: &mut Notebook,
    index: usize,
    code: &str,
    collector: &mut Collector,
    out: &Path,
) -> anyhow::Result<Status> {
    const SAVE_EVERY: Duration = Duration::from_secs(1);
    if code.trim().is_empty() {
        return Ok(Status::Ok);
    }
    let request = Execute {
        code: code.to_string(),
        silent: false,
        store_history: true,
        user_expressions: Vec::new(),
        allow_stdin: false,
        stop_on_error: true,
        cell_id: notebook.id(index),
    };
    let (send, mut receive) = mpsc::channel::<Output>(OUTPUT_QUEUE);
    let running = session.execute(request, send);
    tokio::pin!(running);
    let mut saved = Instant::now();
    let mut executed = None;
    loop {
        tokio::select! {
            output = receive.recv() => match output {
                Some(output) => {
                    collector.add(notebook, index, output);
                    if saved.elapsed() > SAVE_EVERY {
                        notebook.save(out)?;
                        saved = Instant::now();
                    }
                }
                None => break,
            },
            done = &mut running, if executed.is_none() => executed = Some(done),
        }
        // The session may keep a sender for stragglers: what is queued when it is done belongs to the cell.
        if executed.is_some() {
            while let Ok(output) = receive.try_recv() {
                collector.add(notebook, index, output);
            }
            break;
        }
    }
    let executed = match executed {
        Some(executed) => executed,
        None => running.await,
    };
    for payload in &executed.payloads {
        // The help of `%name?`: there is no pager here.
        if let Payload::Page(bundle) = payload {
            collector.add(notebook, index, Output::Display { bundle: bundle.clone(), id: None, update: false });
        }
    }
    if let Status::Error(report) = &executed.status {
        collector.ensure_error(notebook, index, report);
    }
    Ok(executed.status)
}

/// Ctrl-C asks the cell to stop; the next one ends the run.
async fn interrupt_on_signal(session: Session) {
    let mut asked = false;
    while tokio::signal::ctrl_c().await.is_ok() {
        if asked {
            std::process::exit(130);
        }
        asked = true;
        eprintln!("interrupting the cell; again to end the run");
        session.interrupt();
    }
}

fn report(tally: Tally, out: &PathBuf) -> anyhow::Result<ExitCode> {
    eprintln!("{} of {} cells succeeded; saved to {}", tally.passed, tally.cells, out.display());
    match tally.failed {
        None => Ok(ExitCode::SUCCESS),
        Some((number, text)) => {
            eprintln!("{text}");
            bail!("cell {number} failed, and the cells after it were not run")
        }
    }
}

/// The first line of a cell that says something.
fn title(code: &str) -> String {
    let line = code.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with("//")).unwrap_or_default();
    let short: String = line.chars().take(TITLE_CHARACTERS).collect();
    if short.len() < line.len() { short + "…" } else { short }
}
