//! The programs that use the mount, as `/proc` shows them: which process a thread belongs to, and whether it was killed.
#![allow(unsafe_code, reason = "rustix has no safe form of PIDFD_GET_INFO")]

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Set in a process's flags while it ends (`PF_EXITING` of linux/sched.h).
const EXITING: u64 = 0x4;

/// The process of a thread; the thread itself where `/proc` does not say.
pub(crate) fn process_of(thread: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok()).unwrap_or(thread)
}

/// The process that opened a file to write it. When it is killed, the kernel closes its files without saying for whom, and often after it is gone.
pub(super) struct Opener {
    process: u32,
    /// Still says how the process ended when nothing else does; old kernels have none.
    handle: Option<OwnedFd>,
}

impl Opener {
    /// The process of a thread.
    pub(super) fn of(thread: u32) -> Self {
        let process = process_of(thread);
        let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
        Self { process, handle: pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) }
    }

    /// Whether `thread` is one of its threads.
    pub(super) fn is(&self, thread: u32) -> bool {
        process_of(thread) == self.process
    }

    /// Whether it was ended by a signal.
    pub(super) fn was_killed(&self) -> bool {
        was_killed(self.process) || self.handle.as_ref().and_then(exit_code).is_some_and(|code| code & SIGNAL != 0)
    }
}

/// The part of an exit code that holds the signal.
const SIGNAL: u64 = 0x7f;

/// How a process ended that is gone; `None` while it is not, and on kernels before 6.15 (`PIDFD_GET_INFO` of linux/pidfd.h).
fn exit_code(handle: &OwnedFd) -> Option<u64> {
    const GET_INFO: libc::c_ulong = 0xc040_ff0b;
    const INFO_EXIT: u64 = 1 << 3;
    /// The index of `exit_code` in the structure's first 64 bytes, in units of 4.
    const EXIT_CODE: usize = 15;
    let mut info = [0u64; 8];
    info[0] = INFO_EXIT;
    // SAFETY: the request names 64 bytes, which is what the array has, and the kernel writes no more.
    let result = unsafe { libc::ioctl(handle.as_raw_fd(), GET_INFO as _, info.as_mut_ptr()) };
    let code = info[EXIT_CODE / 2].to_ne_bytes();
    let code = u32::from_ne_bytes([code[4], code[5], code[6], code[7]]);
    (result == 0 && info[0] & INFO_EXIT != 0).then_some(u64::from(code))
}

/// Whether the process is ending because of a signal: what it wrote is not all that it wanted to write.
pub(crate) fn was_killed(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| killed(&stat))
}

/// Whether the process is there and not about to end.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let flags = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(9 - 3)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & EXITING == 0)
}

/// Reads the flags (field 9) and the exit code (field 52) of `/proc/PID/stat`; a signal is in the low seven bits of the code.
fn killed(stat: &str) -> bool {
    // The second field is the program's name in parentheses, which may hold anything.
    let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    number(9) & EXITING != 0 && number(52) & SIGNAL != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_process_is_told_from_one_that_ended_or_lives() {
        let stat = |flags: u64, code: u64| {
            let mut fields: Vec<String> = (1..=52).map(|_| "0".to_owned()).collect();
            (fields[1], fields[8], fields[51]) = ("(a ) b)".to_owned(), flags.to_string(), code.to_string());
            fields.join(" ")
        };
        assert!(killed(&stat(0x400 | EXITING, 9)));
        assert!(!killed(&stat(0x400 | EXITING, 256)));
        assert!(!killed(&stat(0x400, 9)));
        assert!(!was_killed(std::process::id()));
        assert_eq!(process_of(std::process::id()), std::process::id());
    }

    #[test]
    fn how_a_process_ended_is_known_after_it_is_gone() {
        for (script, by_signal) in [("read x; exit 3", false), ("read x; kill -9 $$", true)] {
            let mut child = std::process::Command::new("sh").args(["-c", script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
            let opener = Opener::of(child.id());
            assert!(opener.is(child.id()) && !opener.was_killed());
            drop(child.stdin.take());
            child.wait().unwrap();
            assert_eq!(opener.was_killed(), by_signal, "{script}");
        }
    }
}
