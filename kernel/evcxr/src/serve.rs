//! The engine's role: shakes hands, reads what the kernel says, and never waits for a cell while it does.
use crate::evaluator::{self, Job, Work};
use crate::link::{self, Out, Reader};
use anyhow::Context;
use ochre_link::{EXIT_LINK_LOST, FrameError, FromWorker, ToWorker, VERSION, frame};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

/// How long evcxr may take to end its child and remove its directory, after a shutdown or a lost kernel.
const SHUTDOWN_BOUND: Duration = Duration::from_secs(2);

/// Serves one kernel; gives the exit code.
pub fn serve() -> anyhow::Result<u8> {
    let (mut reader, out, printed) = link::take()?;
    if !shake_hands(&mut reader, &out) {
        return Ok(3);
    }
    let showing = out.clone();
    spawn("own output", move || link::show_own_output(printed, &showing))?;
    let work = Arc::new(Work::new(out.clone()));
    let stopping = work.clone();
    spawn("stopper", move || stopping.stop_cells())?;
    let (jobs, queue) = mpsc::channel();
    let (ended, end) = mpsc::channel();
    let evaluating = work.clone();
    spawn("evaluator", move || {
        evaluator::run(&queue, &evaluating);
        // The end of the channel tells that it is done; nobody may wait any more.
        drop(ended);
    })?;
    let code = read(&mut reader, &out, &work, &jobs)?;
    let _ = jobs.send(Job::End);
    let _ = end.recv_timeout(SHUTDOWN_BOUND).map(|(): ()| ());
    std::process::exit(code)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    thread::Builder::new().name(name.into()).spawn(body).map(drop).context("no thread can be started")
}

/// Reads the kernel's greeting. Who does not speak our version is refused in words.
fn shake_hands(reader: &mut Reader, out: &Out) -> bool {
    let reason = match frame::read::<ToWorker>(reader) {
        Ok(Some(ToWorker::Hello { version: VERSION, .. })) => {
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            out.send(&FromWorker::Hello { version: VERSION, pid: std::process::id(), host });
            return true;
        }
        Ok(Some(ToWorker::Hello { version, .. })) => format!(
            "this ochre-evcxr speaks version {VERSION} of Ochre's protocol and the kernel speaks version {version}: \
             they were built from different versions of Ochre; run `ochre install` again, then restart the kernel"
        ),
        Ok(Some(_)) => "the kernel did not greet first".to_owned(),
        Ok(None) => return false,
        Err(error) => format!("the greeting cannot be read ({error}): is the other side an Ochre kernel of the same version? Run `ochre install` again"),
    };
    out.send(&FromWorker::Refused { reason });
    false
}

/// Hands on what the kernel says until it says goodbye; gives the exit code.
fn read(reader: &mut Reader, out: &Out, work: &Work, jobs: &Sender<Job>) -> anyhow::Result<i32> {
    loop {
        match frame::read::<ToWorker>(reader) {
            Ok(Some(ToWorker::Shutdown)) => {
                work.interrupt();
                return Ok(0);
            }
            Ok(Some(message)) => handle(message, out, work, jobs),
            Ok(None) | Err(FrameError::Truncated | FrameError::Io(_)) => {
                work.interrupt();
                return Ok(EXIT_LINK_LOST);
            }
            Err(error) => return Err(error).context("the kernel's message cannot be read"),
        }
    }
}

fn handle(message: ToWorker, out: &Out, work: &Work, jobs: &Sender<Job>) {
    // The evaluator lives as long as the reader.
    let post = |job: Job| drop(jobs.send(job));
    match message {
        ToWorker::Evaluate { cell, code, allow_stdin } => {
            work.expect_cell();
            post(Job::Evaluate { cell, code, allow_stdin });
        }
        ToWorker::Interrupt => work.interrupt(),
        ToWorker::InputReply { text } => work.answer(text),
        ToWorker::Forget { .. } => post(Job::Variables),
        ToWorker::Environment { name, value } => post(Job::Environment { name, value }),
        ToWorker::Directory { path } => out.send(&FromWorker::Directory { path: change_directory(&path, jobs) }),
        ToWorker::Run(run) => {
            let message = "this worker evaluates text only; compiled cells go to the default engine".to_owned();
            let end = ochre_link::End::Broken { message };
            out.send(&FromWorker::Finished { cell: run.cell, end, value: None, variables: Vec::new() });
        }
        // evcxr has none of these: no libraries from elsewhere, no settings of displays, no widgets, no requests.
        ToWorker::Library { .. } | ToWorker::Setting { .. } | ToWorker::Comm(_) | ToWorker::Answer { .. } | ToWorker::TrapOpens { .. } => {}
        // Said once already.
        ToWorker::Hello { .. } | ToWorker::Shutdown => {}
    }
}

/// Here at once, for the children to come; in the living one by a line of code.
fn change_directory(path: &str, jobs: &Sender<Job>) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot change to {path}: {error}");
    let full = Path::new(path).canonicalize().map_err(failed)?;
    std::env::set_current_dir(&full).map_err(failed)?;
    let text = full.to_string_lossy().into_owned();
    let code = format!("{{ std::env::set_current_dir({text:?}).expect(\"the directory is there\"); }}");
    // The evaluator lives as long as the reader.
    let _ = jobs.send(Job::Quiet { code });
    Ok(text)
}
