//! The process that runs cells. The kernel starts it (here or on another machine) and speaks `ochre-link`
//! with it over the streams that it finds on descriptors 0 and 1.
//!
//! ```text
//! reader (main thread) --> queue --> cell thread      supervisor: interrupts, detaches
//! pump, flusher: what cells print                     crash reporter: last words
//! ```
//! It knows nothing of Jupyter, of rustc or of the kernel's files. Linked with `-C prefer-dynamic`, so that
//! it and the cells share one std and one `ochre-runtime`.
mod cells;
mod convert;
mod crash;
mod host;
mod libraries;
mod os;
mod out;
mod pump;
mod requests;
mod state;
mod trap;

use cells::Job;
use ochre_link::{FrameError, FromWorker, ToWorker, VERSION, frame};
use ochre_runtime::host::{AskFailure, set_setting};
use out::Out;
use pump::Pump;
use state::{install, worker};
use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How long destructors of variables may take at a shutdown: a person waits for the restart.
const SHUTDOWN_BOUND: Duration = Duration::from_secs(2);
/// Buffer of the reader in bytes: libraries of cells are tens of kilobytes.
const READ_BUFFER: usize = 64 << 10;
/// The kernel puts the `LD_LIBRARY_PATH` that programs started by cells should see here.
const ORIGINAL_LIBRARY_PATH: &str = "OCHRE_ORIGINAL_LD_LIBRARY_PATH";

type Reader = BufReader<File>;

fn main() {
    restore_library_path();
    match begin() {
        Ok(reader) => serve(reader),
        Err(error) => {
            eprintln!("ochre-worker could not start: {error}");
            std::process::exit(2);
        }
    }
}

/// The loader has read its path by now; programs that cells start shall not see ours.
fn restore_library_path() {
    // SAFETY: no other thread exists yet.
    unsafe {
        match std::env::var_os(ORIGINAL_LIBRARY_PATH) {
            Some(path) => {
                std::env::set_var("LD_LIBRARY_PATH", path);
                std::env::remove_var(ORIGINAL_LIBRARY_PATH);
            }
            None => std::env::remove_var("LD_LIBRARY_PATH"),
        }
    }
}

/// Takes the link off the standard descriptors, shakes hands, starts the threads.
fn begin() -> io::Result<Reader> {
    let (link_in, link_out) = (os::private_copy(0)?, os::private_copy(1)?);
    os::own(link_in, link_out);
    // SAFETY: a fresh descriptor that nobody else owns.
    let mut reader = BufReader::with_capacity(READ_BUFFER, unsafe { File::from_raw_fd(link_in) });
    let out = Out::new(link_out);
    shake_hands(&mut reader, &out)?;
    let null = File::open("/dev/null")?;
    os::replace(null.as_raw_fd(), 0)?;
    let pump = Pump::install()?;
    os::line_buffer_c_stdout();
    libraries::make_directory()?;
    crash::install()?;
    ochre_runtime::host::install(Box::new(host::Link));
    install(out, pump)?;
    spawn("pump", || worker().pump.run())?;
    spawn("flusher", pump::keep_flushing)?;
    spawn("supervisor", || worker().supervise())?;
    let host = os::host_name();
    worker().out.send(FromWorker::Hello { version: VERSION, pid: std::process::id(), host });
    Ok(reader)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(body).map(drop)
}

/// Reads the kernel's greeting. Who does not speak our version is refused in words.
fn shake_hands(reader: &mut Reader, out: &Out) -> io::Result<()> {
    let reason = match frame::read::<ToWorker>(reader) {
        Ok(Some(ToWorker::Hello { version: VERSION, .. })) => return Ok(()),
        Ok(Some(ToWorker::Hello { version, .. })) => format!(
            "this worker speaks version {VERSION} of Ochre's protocol and the kernel speaks version {version}: \
             they were built from different versions of Ochre; run `ochre install` again, then restart the kernel"
        ),
        Ok(Some(_)) => "the kernel did not greet first".to_owned(),
        Ok(None) => os::end(0),
        Err(error) => format!("the greeting cannot be read ({error}): is the other side an Ochre kernel of the same version? Run `ochre install` again"),
    };
    out.send(FromWorker::Refused { reason });
    os::end(3)
}

/// The reader: hands on what the kernel says. It never waits for a cell and never sends, so an interrupt
/// is always heard.
fn serve(mut reader: Reader) -> ! {
    loop {
        match frame::read::<ToWorker>(&mut reader) {
            Ok(Some(message)) => handle(message),
            Ok(None) | Err(FrameError::Truncated | FrameError::Io(_)) => os::end_without_kernel(),
            Err(error) => {
                // To stderr, hence to the user; after a frame that does not decode nothing can be trusted.
                eprintln!("ochre-worker: the kernel's message cannot be read: {error}");
                std::process::exit(4);
            }
        }
    }
}

fn handle(message: ToWorker) {
    let worker = worker();
    match message {
        ToWorker::Library { file, bytes } => {
            worker.pump.mend();
            worker.libraries().write(file, &bytes);
        }
        ToWorker::Run(run) => worker.post_run(run),
        ToWorker::Interrupt => worker.interrupt(),
        ToWorker::InputReply { text } => worker.questions.give(text.ok_or(AskFailure::NotAllowed)),
        ToWorker::Answer { id, result } => worker.requests.give(id, result),
        // On this thread: a cell that comes after the message must find its files.
        ToWorker::TrapOpens { socket, program } => trap::install(&socket, &program),
        ToWorker::Forget { names } => worker.post(Job::Forget(names)),
        ToWorker::Environment { name, value } => worker.post(Job::Environment { name, value }),
        ToWorker::Directory { path } => worker.post(Job::Directory(path)),
        ToWorker::Setting { name, value } if name == "preload" => {
            // Best effort: without a thread the first cell that needs the library loads it.
            let _ = spawn("preload", move || libraries::preload(&PathBuf::from(value)));
        }
        ToWorker::Setting { name, value } => set_setting(&name, &value),
        // No cell can listen to a comm yet: the runtime has only the way to the front end.
        ToWorker::Comm(_) => {}
        ToWorker::Evaluate { cell, .. } => {
            let _ = spawn("refuser", move || refuse_text(cell));
        }
        ToWorker::Shutdown => {
            let _ = spawn("shutdown", || cells::shut_down(SHUTDOWN_BOUND));
        }
        // Said once already.
        ToWorker::Hello { .. } => {}
    }
}

fn refuse_text(cell: ochre_link::CellId) {
    let message = "this worker runs compiled cells only; source text goes to the evcxr engine".to_owned();
    let end = ochre_link::End::Broken { message };
    worker().out.send(FromWorker::Finished { cell, end, value: None, variables: Vec::new() });
}
