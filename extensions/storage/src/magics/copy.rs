//! `%cp`: files between this machine, stores and the web.
use super::{ends, urls};
use crate::copy::{Copied, Wish, copy};
use crate::progress::{Gauge, watched};
use crate::spot::Spot;
use crate::{Storage, size};
use ochre_api::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The magic.
pub(crate) struct Cp(pub(crate) Arc<Storage>);

const SPEC: Spec = Spec {
    name: "cp",
    aliases: &["copy"],
    area: "storage",
    form: Form::Line,
    arguments: &[
        Argument::positional("from", Value::Path, "a file, a store's URL, or an https:// address").required(),
        Argument::positional("to", Value::Path, "a file or directory, or a store's URL").required(),
        Argument::flag("create", "makes the container or bucket where it is missing"),
        Argument::flag("overwrite", "replaces what is there"),
        Argument::flag("recursive", "all of a directory or folder: its content goes into TO").short('r'),
    ],
    summary: "copies files between this machine, stores and the web",
    help: "Large files go in parts in parallel; a connection that is cut is taken up where it ended, and a copy to this machine that was interrupted \
           goes on when the cell is run again. Nothing is visible under its name before it is whole, and lengths and checksums are compared.\n\n\
           What is there already with the same length, and no older, is left as it is: running the cell twice is harmless. Anything else in the way \
           is an error without `--overwrite`, before anything is copied. A TO that ends with `/` is a folder.",
    examples: &[
        Example { text: "%cp https://example.org/pictures.zip az://pictures@myaccount/ --create", does: "from the web straight into a container" },
        Example { text: "%cp az://pictures@myaccount/cats.zip .", does: "to the session's directory" },
        Example { text: "%cp results az://results@myaccount/run7 --recursive", does: "a directory into a container" },
        Example { text: "%cp s3://bucket/table az://tables@myaccount/table --recursive", does: "between stores" },
    ],
};

#[async_trait]
impl Magic for Cp {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        if matches!(argument.name, "from" | "to") { urls(&self.0, prefix) } else { Vec::new() }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        let (from, to) = ends(&self.0, arguments, &session.directory()).await?;
        let wish = Wish { create: arguments.has("create"), overwrite: arguments.has("overwrite"), recursive: arguments.has("recursive") };
        let name = Some(from.name()).filter(|n| !n.is_empty()).unwrap_or_else(|| from.shown());
        let gauge = Gauge::new(format!("copying {name}"));
        let began = Instant::now();
        let stopped = "what was copied whole is kept; run the cell again to go on";
        let copied = watched(session, &gauge, stopped, copy(self.0.clone(), from, to.clone(), wish, gauge.clone())).await?;
        Ok(MagicOutcome::text(last_line(&copied, &to, began.elapsed())))
    }
}

/// Bytes, seconds, rate, and what was verified.
fn last_line(copied: &Copied, to: &Spot, took: Duration) -> String {
    let present = match (copied.present, copied.files) {
        (0, _) => String::new(),
        (1, 0) => return format!("it is there already with the same length; nothing was copied to {}", to.shown()),
        (n, 0) => return format!("{} are there already with the same lengths; nothing was copied to {}", size::count(n, "file"), to.shown()),
        (n, _) => format!("; {} already there with the same length", if n == 1 { "1 was".to_owned() } else { format!("{} were", size::grouped(n)) }),
    };
    let files = if copied.files == 1 { String::new() } else { format!("{}, ", size::count(copied.files, "file")) };
    let resumed = if copied.resumed > 0 { format!(", {} of it by an earlier run", size::text(copied.resumed)) } else { String::new() };
    let rate = size::rate(copied.bytes.saturating_sub(copied.resumed), took);
    format!("copied {files}{} to {} in {} ({rate}){resumed}; {}{present}", size::text(copied.bytes), to.shown(), size::clock(took), copied.checks.text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::Checks;

    #[test]
    fn the_last_line_says_what_was_done() {
        let to = Spot::Local { path: "/d".into(), directory: true };
        let line = |copied: Copied| last_line(&copied, &to, Duration::from_secs(2));
        let one = Copied { files: 1, bytes: 170_000_000, checks: Checks::LengthAndChecksum, ..Copied::default() };
        assert_eq!(line(one.clone()), "copied 170 MB to /d in 2.0 s (85.0 MB/s); length and checksum verified");
        assert_eq!(line(Copied { files: 3, present: 2, resumed: 85_000_000, ..one }), "copied 3 files, 170 MB to /d in 2.0 s (42.5 MB/s), 85.0 MB of it by an earlier run; length and checksum verified; 2 were already there with the same length");
        assert_eq!(line(Copied { present: 4, ..Copied::default() }), "4 files are there already with the same lengths; nothing was copied to /d");
        assert_eq!(line(Copied { present: 1, ..Copied::default() }), "it is there already with the same length; nothing was copied to /d");
    }
}
