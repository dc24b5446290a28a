//! How a worker ended, and how that is said.
use ochre_api::target::How;
use ochre_link::Frame;

/// What a dying worker said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    pub signal: i32,
    /// A fragment such as `stack overflow` or `segmentation fault at address 0x10`.
    pub reason: String,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// The end of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub how: How,
    pub crash: Option<Crash>,
    /// The system's memory killer struck while the worker lived.
    pub out_of_memory: bool,
    /// What it wrote to stderr before it spoke on the link, such as a loader's error; mostly empty.
    pub complaint: String,
}

impl Ended {
    /// One line for the user: what happened. A fragment, lower case, no full stop.
    pub fn words(&self) -> String {
        if let Some(crash) = &self.crash {
            return format!("{} ({})", crash.reason, signal_name(crash.signal));
        }
        match &self.how {
            How::Exited(code) => format!("the process ended itself with exit code {code} (`std::process::exit`, or a library that calls it)"),
            How::Signalled(SIGKILL) if self.out_of_memory => "out of memory: the system killed the process (SIGKILL)".to_owned(),
            How::Signalled(SIGKILL) => "the process was killed from outside (SIGKILL); the system does that when memory runs out".to_owned(),
            How::Signalled(signal) => format!("the process was ended by {} ({})", signal_name(*signal), signal_meaning(*signal)),
            How::Killed => "the process was ended on request".to_owned(),
            How::Cut(reason) => format!("the connection broke: {reason}"),
        }
    }
}

/// Linux' number, the same on all its architectures and on macOS.
const SIGKILL: i32 = 9;

/// The signals that a program may meet, with Linux' numbers.
const SIGNALS: &[(i32, &str, &str)] = &[
    (1, "SIGHUP", "the terminal closed"),
    (2, "SIGINT", "interrupted from outside"),
    (3, "SIGQUIT", "quit from outside"),
    (4, "SIGILL", "illegal instruction"),
    (5, "SIGTRAP", "a debugger's trap"),
    (6, "SIGABRT", "abort"),
    (7, "SIGBUS", "bus error"),
    (8, "SIGFPE", "arithmetic fault"),
    (SIGKILL, "SIGKILL", "killed"),
    (10, "SIGUSR1", "user signal 1"),
    (11, "SIGSEGV", "segmentation fault"),
    (12, "SIGUSR2", "user signal 2"),
    (13, "SIGPIPE", "wrote to a closed pipe"),
    (14, "SIGALRM", "timer"),
    (15, "SIGTERM", "asked to end from outside"),
    (24, "SIGXCPU", "the limit of processor time is used up"),
    (25, "SIGXFSZ", "the limit of file size is reached"),
    (31, "SIGSYS", "a forbidden system call"),
];

/// `SIGSEGV` for 11.
pub fn signal_name(signal: i32) -> String {
    SIGNALS.iter().find(|(n, ..)| *n == signal).map_or_else(|| format!("signal {signal}"), |(_, name, _)| (*name).to_owned())
}

fn signal_meaning(signal: i32) -> &'static str {
    SIGNALS.iter().find(|(n, ..)| *n == signal).map_or("no fault of the cell's code that we know", |(.., meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(how: How, out_of_memory: bool) -> String {
        Ended { how, crash: None, out_of_memory, complaint: String::new() }.words()
    }

    #[test]
    fn every_end_has_words() {
        assert!(words(How::Exited(3), false).contains("exit code 3"));
        assert!(words(How::Signalled(9), true).starts_with("out of memory"));
        assert!(words(How::Signalled(9), false).contains("SIGKILL"));
        assert!(words(How::Signalled(15), false).contains("SIGTERM"));
        assert!(words(How::Signalled(60), false).contains("signal 60"));
        assert!(words(How::Cut("reset by peer".into()), false).contains("reset by peer"));
    }

    #[test]
    fn a_crash_report_speaks_first() {
        let crash = Crash { signal: 11, reason: "stack overflow".into(), frames: vec![] };
        let ended = Ended { how: How::Signalled(11), crash: Some(crash), out_of_memory: false, complaint: String::new() };
        assert_eq!(ended.words(), "stack overflow (SIGSEGV)");
    }
}
