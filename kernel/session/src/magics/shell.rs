//! `!command` and `%%bash`: programs of this machine, streamed while they run.
//!
//! A command runs beside the kernel (not in the worker), in the session's directory and environment, in a
//! process group of its own, so that an interrupt reaches all that it started.
use ochre_api::{Failure, Fault, SessionAccess};
use ochre_link::Stream;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Bytes read at once: what a pipe holds.
const READ_BYTES: usize = 64 << 10;
/// Pieces of output that wait for the front end before the command has to wait.
const MAX_PIECES: usize = 16;
/// How long an interrupted command may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// How long output is still read after the command has ended, for what it left behind in the background.
const DRAIN: Duration = Duration::from_millis(200);

/// Runs a line with `sh` (bash where there is one); a failure when it exits with another status than 0.
pub(crate) async fn run(line: &str, session: &mut dyn SessionAccess) -> Result<(), Failure> {
    if line.trim().is_empty() {
        return Err(Failure::usage("there is no command behind the !").hint("write a command of the shell, such as `!ls`"));
    }
    script(line, shell(), &[], session).await
}

/// Runs a text with an interpreter.
pub(crate) async fn script(text: &str, interpreter: &str, options: &[&str], session: &mut dyn SessionAccess) -> Result<(), Failure> {
    let mut words = session.command_wrapper();
    words.push(interpreter.to_owned());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(options).arg("-c").arg(text).current_dir(session.directory());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    ochre_secrets::environment::withhold(command.as_std_mut());
    for (name, value) in session.environment() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let child = command.spawn().map_err(|e| Failure::io(format!("cannot start {interpreter}"), e).hint("is it installed, and does the directory (`%cd`) still exist?"))?;
    let status = follow(child, session).await?;
    if status.success() {
        return Ok(());
    }
    let failure = Failure::new(Fault::YourCode, "command failed", ending(status));
    Err(match status.code() {
        Some(127) => failure.hint("the shell found no program of that name"),
        Some(126) => failure.hint("the file is not executable: `!chmod +x FILE`"),
        _ => failure.hint("its own messages are above"),
    })
}

/// Passes the output on until the command has ended.
async fn follow(mut child: Child, session: &mut dyn SessionAccess) -> Result<ExitStatus, Failure> {
    let (sender, mut pieces) = mpsc::channel(MAX_PIECES);
    let group = child.id().and_then(|id| Pid::from_raw(id as i32));
    if let Some(out) = child.stdout.take() {
        tokio::spawn(read(out, Stream::Stdout, sender.clone()));
    }
    if let Some(err) = child.stderr.take() {
        tokio::spawn(read(err, Stream::Stderr, sender.clone()));
    }
    drop(sender);
    let status = loop {
        tokio::select! {
            Some((stream, text)) = pieces.recv() => session.write(stream, &text).await,
            status = child.wait() => break status.map_err(|e| Failure::io("cannot wait for the command", e))?,
            () = session.interrupted() => {
                stop(&mut child, group).await;
                drain(&mut pieces, session).await;
                return Err(Failure::interrupted().hint("the command was stopped"));
            }
        }
    };
    drain(&mut pieces, session).await;
    Ok(status)
}

/// Reads a stream to its end; bytes that are no text become replacement marks, characters stay whole.
async fn read(mut from: impl AsyncRead + Unpin, stream: Stream, to: mpsc::Sender<(Stream, String)>) {
    let mut buffer = vec![0; READ_BYTES];
    let mut kept = Vec::new();
    while let Ok(n) = from.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..n]);
        let whole = if n == 0 { kept.len() } else { whole_characters(&kept) };
        let text = String::from_utf8_lossy(&kept[..whole]).into_owned();
        kept.drain(..whole);
        if !text.is_empty() && to.send((stream, text)).await.is_err() {
            return;
        }
        if n == 0 {
            return;
        }
    }
}

/// How many bytes there are up to the end of the last whole character.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        // `error_len` is `None` only when the text ends inside a character.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => {
            let start = bytes.len().saturating_sub(3);
            let partial = (start..bytes.len()).find(|at| bytes[*at] >= 0xC0 && std::str::from_utf8(&bytes[*at..]).is_err_and(|e| e.error_len().is_none()));
            partial.unwrap_or(bytes.len())
        }
    }
}

/// What is there already, and what comes within a moment (a background process may hold the pipe for ever).
async fn drain(pieces: &mut mpsc::Receiver<(Stream, String)>, session: &mut dyn SessionAccess) {
    while let Ok(Some((stream, text))) = tokio::time::timeout(DRAIN, pieces.recv()).await {
        session.write(stream, &text).await;
    }
}

/// Ends the whole group: asked first, killed after the grace.
async fn stop(child: &mut Child, group: Option<Pid>) {
    let Some(group) = group else { return };
    // The group may have ended already; then there is nothing to stop.
    kill_process_group(group, Signal::INT).ok();
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        kill_process_group(group, Signal::KILL).ok();
        child.wait().await.ok();
    }
}

fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command ended with exit status {code}"),
        (None, Some(signal)) => format!("the command was ended by signal {signal}"),
        (None, None) => "the command ended without a status".to_owned(),
    }
}

/// The user's expectations are bash's; `sh` where there is none.
pub(crate) fn shell() -> &'static str {
    if std::path::Path::new("/bin/bash").exists() || std::path::Path::new("/usr/bin/bash").exists() { "bash" } else { "sh" }
}

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn characters_are_not_torn() {
        let text = "aé€𝄞".as_bytes();
        for end in 0..=text.len() {
            let whole = whole_characters(&text[..end]);
            assert!(std::str::from_utf8(&text[..whole]).is_ok() && end - whole < 4, "{end} -> {whole}");
        }
        assert_eq!(whole_characters(b"\xff\xff"), 2, "what is no text is passed on");
        assert_eq!(whole_characters(b"\xffa\xe2\x82"), 2);
    }
}
