//! Whether the host lets us trap opens: tried, in a fork of this process, with everything that is needed.

use std::ffi::CStr;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;

use super::sys::{self, Delivered, Listener};
use super::{calls, program};

/// How long the trial may take; it takes some milliseconds.
const LIMIT: Duration = Duration::from_secs(5);
/// A path that is nowhere: who opens it was given a file.
const NOWHERE: &CStr = c"/ochre-probe-of-trapped-opens/there-is-no-such-file";
const INSTALLED_AND_GIVEN: i32 = 0;
const NOT_GIVEN: i32 = 100;

/// Tries it, once: a process that has become unreadable ([`crate::process`]) has children that are too, which the kernel's are not.
pub(super) fn probe() -> Result<(), String> {
    static TRIED: OnceLock<Result<(), String>> = OnceLock::new();
    TRIED.get_or_init(tried).clone()
}

fn tried() -> Result<(), String> {
    if cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
        return Err("this machine's calls are not known".to_owned());
    }
    let failed = |error: std::io::Error| format!("it cannot be tried ({error})");
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    ours.set_read_timeout(Some(LIMIT)).map_err(failed)?;
    let program = program::program();
    let answering = std::thread::spawn(move || answer_one(&ours));
    let child = || match sys::install(&program) {
        Err(error) => error.raw_os_error().filter(|code| *code < NOT_GIVEN).unwrap_or(libc::EINVAL),
        Ok(listener) => {
            let sent = sys::send_listener(&theirs, &listener).is_ok();
            drop(listener);
            if sent && sys::try_open(NOWHERE) { INSTALLED_AND_GIVEN } else { NOT_GIVEN }
        }
    };
    let ended = sys::in_fork(LIMIT, child).map_err(failed)?;
    drop(theirs);
    let answered = answering.join().unwrap_or_else(|_| Err("the answering thread panicked".to_owned()));
    match ended {
        Some(INSTALLED_AND_GIVEN) => Ok(()),
        Some(code @ 1..NOT_GIVEN) => Err(format!("the host refuses a seccomp listener ({})", std::io::Error::from_raw_os_error(code))),
        Some(_) => Err(answered.err().unwrap_or_else(|| "a trapped program was not given its file".to_owned())),
        None => Err("a trapped program hung".to_owned()),
    }
}

/// Gives the child a file when it opens [`NOWHERE`].
fn answer_one(stream: &UnixStream) -> Result<(), String> {
    let fd = match sys::receive(stream) {
        Ok(Delivered::Listener { fd, .. }) => fd,
        Ok(Delivered::Refused(reason)) => return Err(reason),
        Err(error) => return Err(format!("no listener came ({error})")),
    };
    let listener = Listener::new(fd);
    while let Ok(Some(trapped)) = listener.next() {
        let calls::Call::Path { path, .. } = calls::call(&trapped) else {
            listener.proceed(trapped.id);
            continue;
        };
        let text = match sys::read_text(trapped.thread, path.address) {
            Ok(text) => text,
            Err(error) => {
                listener.fail(trapped.id, libc::EIO);
                return Err(format!("the host forbids reading a child's memory ({error})"));
            }
        };
        if text != NOWHERE.to_bytes() {
            listener.proceed(trapped.id);
            continue;
        }
        let null = File::open("/dev/null").map_err(|error| error.to_string())?;
        if let Err(error) = listener.give(trapped.id, &null.into(), None, true) {
            listener.fail(trapped.id, libc::EIO);
            return Err(format!("the host forbids handing a file to a trapped program ({error})"));
        }
    }
    Ok(())
}
