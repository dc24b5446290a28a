//! The relay: between evcxr and its runtime, so that any output of a cell arrives whole and at once.
//!
//! ```text
//! evcxr --stdin (lines)--> relay --> runtime
//! evcxr <--stdout: evcxr's own lines only-- relay <--stdout-- runtime
//! evcxr <--stderr: tagged lines----------- relay <--stderr-- runtime
//! ```
//! evcxr waits for a marker on a line of its own and takes lines of UTF-8 only: a `print!` without a newline
//! hangs it, a byte that is no UTF-8 shifts all later results. What cells print goes the other way here
//! ([`tagged`](crate::tagged)), in order; how a run ended, which evcxr does not tell, goes as a value of a media
//! type of our own.
use crate::splitter::{Piece, Splitter};
use crate::tagged::Line;
use anyhow::Context;
use ochre_link::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{BufRead, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// The environment variable with the token of tagged lines.
pub const TOKEN_VARIABLE: &str = "OCHRE_EVCXR_TOKEN";
/// The media type under which evcxr hands on how a run ended: its number and `completed`, `panicked` or `failed`.
pub const RUN_MEDIA_TYPE: &str = "application/x-ochre-run";
/// What evcxr says to its runtime to run code.
const RUN_COMMAND: &str = "LOAD_AND_RUN ";
/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// Runs until the runtime has ended; ends as it did.
pub fn run() -> anyhow::Result<u8> {
    let token = std::env::var(TOKEN_VARIABLE).context("the relay is started by ochre-evcxr only")?;
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.args(std::env::args().skip(2)).env_remove(TOKEN_VARIABLE);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("evcxr's runtime does not start")?;
    let (stdin, stdout, stderr) = streams(&mut child).context("evcxr's runtime has no streams")?;
    let sending = token.clone();
    std::thread::spawn(move || hand_commands(stdin, &sending));
    let mut relay = Relay { token, stdout, stderr, splitter: Splitter::default(), run: 0, end: "completed" };
    relay.follow()?;
    let status = child.wait()?;
    relay.say(Line::Gone)?;
    Ok(end_like(status))
}

fn streams(child: &mut Child) -> Option<(ChildStdin, ChildStdout, ChildStderr)> {
    Some((child.stdin.take()?, child.stdout.take()?, child.stderr.take()?))
}

/// Passes evcxr's lines on; the runtime ends with them.
fn hand_commands(mut to: ChildStdin, token: &str) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if line.starts_with(RUN_COMMAND) && send(std::io::stderr(), &Line::Begun.encode(token)).is_err() {
            return;
        }
        if writeln!(to, "{line}").and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}

struct Relay {
    token: String,
    stdout: ChildStdout,
    stderr: ChildStderr,
    splitter: Splitter,
    /// Number of the run that has ended last.
    run: u64,
    /// How the present run ends, as far as is known.
    end: &'static str,
}

impl Relay {
    fn follow(&mut self) -> anyhow::Result<()> {
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            let (out, err) = self.ready(out_open, err_open, None)?;
            if err {
                err_open = self.read_stderr()?;
            }
            if out {
                out_open = self.read_stdout()?;
            }
        }
        if let Some(rest) = self.splitter.finish() {
            self.say(Line::Printed(Stream::Stdout, rest))?;
        }
        Ok(())
    }

    /// Which streams can be read, within the time or without limit. A closed one is not asked: it would always answer.
    fn ready(&self, out: bool, err: bool, timeout: Option<&Timespec>) -> anyhow::Result<(bool, bool)> {
        let mut fds = Vec::new();
        if out {
            fds.push(PollFd::new(&self.stdout, PollFlags::IN));
        }
        if err {
            fds.push(PollFd::new(&self.stderr, PollFlags::IN));
        }
        loop {
            match poll(&mut fds, timeout) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut answers = fds.iter().map(|fd| !fd.revents().is_empty());
        Ok((out && answers.next() == Some(true), err && answers.next() == Some(true)))
    }

    fn read_stderr(&mut self) -> anyhow::Result<bool> {
        let mut chunk = [0; CHUNK];
        let n = self.stderr.read(&mut chunk)?;
        if n > 0 {
            self.say(Line::Printed(Stream::Stderr, chunk[..n].to_vec()))?;
        }
        Ok(n > 0)
    }

    fn read_stdout(&mut self) -> anyhow::Result<bool> {
        let mut chunk = [0; CHUNK];
        let n = self.stdout.read(&mut chunk)?;
        for piece in self.splitter.push(&chunk[..n]) {
            self.pass(piece)?;
        }
        Ok(n > 0)
    }

    fn pass(&mut self, piece: Piece) -> anyhow::Result<()> {
        match piece {
            Piece::Text(bytes) => self.say(Line::Printed(Stream::Stdout, bytes)),
            Piece::Protocol(line) => tell(&line),
            Piece::Panicked => {
                self.end = "panicked";
                tell("EVCXR_PANIC_NOTIFICATION")
            }
            Piece::Failed => {
                self.end = "failed";
                tell("EVCXR_ERROR_OCCURRED")
            }
            Piece::Complete => self.complete(),
        }
    }

    /// What the run wrote to stderr goes before the news of its end.
    fn complete(&mut self) -> anyhow::Result<()> {
        while self.ready(false, true, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?.1 && self.read_stderr()? {}
        self.run += 1;
        self.say(Line::Ended(self.run))?;
        let end = std::mem::replace(&mut self.end, "completed");
        tell(&format!("EVCXR_BEGIN_CONTENT {RUN_MEDIA_TYPE}\n{} {end}\nEVCXR_END_CONTENT\nEVCXR_EXECUTION_COMPLETE", self.run))
    }

    fn say(&self, line: Line) -> anyhow::Result<()> {
        send(std::io::stderr(), &line.encode(&self.token))
    }
}

/// A line (or some) for evcxr.
fn tell(lines: &str) -> anyhow::Result<()> {
    send(std::io::stdout(), format!("{lines}\n").as_bytes())
}

/// One write, so that lines of two threads do not mix.
fn send(mut to: impl Write, bytes: &[u8]) -> anyhow::Result<()> {
    to.write_all(bytes).and_then(|()| to.flush()).context("evcxr has gone")
}

/// The exit code of the runtime; its signal ends the relay, too.
fn end_like(status: ExitStatus) -> u8 {
    if let Some(signal) = status.signal().and_then(rustix::process::Signal::from_named_raw) {
        // Twice: std's own handler for stack overflows catches the first segmentation fault.
        for _ in 0..2 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
        }
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
