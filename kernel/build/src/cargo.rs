//! Runs cargo, shows how far it is and gives back what it made.
use crate::{Artifact, Error, mirror, progress::Progress};
use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How often the progress looks at the clock while cargo is silent.
const TICK: Duration = Duration::from_secs(1);

/// One cargo invocation in a checkout.
#[derive(Clone, Debug)]
pub struct Cargo {
    /// The checkout.
    pub source: PathBuf,
    /// Where the copy of it lies that is built.
    pub copy: PathBuf,
    pub target_dir: PathBuf,
    pub packages: Vec<String>,
    /// Arguments after the subcommand, such as `--target`.
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// What is built, for people: `the prelude`.
    pub what: String,
}

enum Event {
    Artifact(Box<Artifact>),
    Note(String),
}

impl Cargo {
    /// `cargo build --release` of the packages; gives the artifacts of everything below them.
    pub fn build(&self) -> Result<Vec<Artifact>, Error> {
        self.make("build", &[])
    }

    /// Builds the packages' tests, without those in their documentation; those of the kind [`crate::Kind::Test`] are the programs.
    pub fn build_tests(&self) -> Result<Vec<Artifact>, Error> {
        self.make("test", &["--no-run"])
    }

    fn make(&self, subcommand: &str, arguments: &[&str]) -> Result<Vec<Artifact>, Error> {
        // On a terminal cargo draws its own bar, which needs stderr to be that terminal.
        let terminal = std::io::stderr().is_terminal();
        let mut command = self.command(subcommand)?;
        command.args(arguments).arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
        if !terminal {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|source| Error::NoToolchain { program: "cargo".into(), source })?;
        let (send, events) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            let send = send.clone();
            std::thread::spawn(move || read_notes(stderr, &send));
        }
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Some(artifact) = Artifact::parse(&line) {
                        let _ = send.send(Event::Artifact(Box::new(artifact)));
                    }
                }
            });
        }
        let artifacts = self.follow(&events, terminal);
        let status = child.wait().map_err(|source| Error::NoToolchain { program: "cargo".into(), source })?;
        mirror::bring_back(&self.source, &self.copy)?;
        if status.success() { Ok(artifacts) } else { Err(Error::CargoFailed { what: self.what.clone(), status: status.to_string() }) }
    }

    /// A cargo command with this one's packages, directory and environment. The working directory is the checkout's, for the sake of cargo's
    /// settings (`.cargo/config.toml`) there and above.
    pub fn command(&self, subcommand: &str) -> Result<Command, Error> {
        let copy = mirror::hold(&self.source, &self.copy)?;
        let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        command.current_dir(&self.source).arg(subcommand).arg("--manifest-path").arg(copy.join("Cargo.toml")).arg("--release").args(&self.arguments);
        command.env("CARGO_TARGET_DIR", &self.target_dir);
        clean(&mut command);
        for package in &self.packages {
            command.arg("-p").arg(package);
        }
        command.envs(&self.environment);
        Ok(command)
    }

    fn follow(&self, events: &mpsc::Receiver<Event>, terminal: bool) -> Vec<Artifact> {
        let mut progress = Progress::new(&self.what, if terminal { 0 } else { self.count_packages() });
        let (mut artifacts, mut seen, mut current) = (Vec::new(), HashSet::new(), String::new());
        loop {
            match events.recv_timeout(TICK) {
                Ok(Event::Artifact(artifact)) => {
                    if artifact.kind != crate::Kind::Other && seen.insert(artifact.id.clone()) {
                        progress.finished(artifact.fresh);
                    }
                    artifacts.push(*artifact);
                }
                Ok(Event::Note(line)) => match line.trim().strip_prefix("Compiling ") {
                    Some(crate_name) => current = format!("last begun: {}", crate_name.split(" (").next().unwrap_or_default()),
                    None if is_news(&line) => eprintln!("{line}"),
                    None => {}
                },
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if !terminal && let Some(line) = progress.due(&current) {
                eprintln!("{line}");
            }
        }
        if let Some(line) = progress.end() {
            eprintln!("{line}");
        }
        artifacts
    }

    /// `cargo tree` over some packages, one `name vVERSION` a line.
    pub(crate) fn tree(&self, packages: &[String]) -> Command {
        let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        command.current_dir(&self.source).args(["tree", "--prefix", "none", "--format", "{p}"]);
        for package in packages {
            command.arg("-p").arg(package);
        }
        command
    }

    /// How many packages the build has, or 0 when cargo does not say: a figure for the progress line only.
    fn count_packages(&self) -> usize {
        let Ok(output) = self.tree(&self.packages).args(["-e", "normal,build"]).stderr(Stdio::null()).output() else { return 0 };
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(|l| l.trim_end_matches(" (*)")).filter(|l| !l.is_empty()).collect::<HashSet<_>>().len()
    }
}

/// Takes out of a command's environment what cargo put into ours (`cargo xtask`), and what would make builds differ.
pub fn clean(command: &mut Command) {
    // Build scripts such as ring's watch these, and one more or one less rebuilds all of polars.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    // rust-analyzer's crates look at it when they are compiled: CI and a shell would take turns in rebuilding them.
    command.env_remove("CI").env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
}

fn read_notes(stderr: ChildStderr, send: &mpsc::Sender<Event>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if send.send(Event::Note(line)).is_err() {
            return;
        }
    }
}

/// Whether a line of cargo's stderr is worth repeating: errors and warnings, not the list of downloads.
fn is_news(line: &str) -> bool {
    let first = line.trim_start().split(' ').next().unwrap_or_default();
    !matches!(first, "Blocking" | "Compiling" | "Downloading" | "Downloaded" | "Fresh" | "Finished" | "Updating" | "Checking" | "Running" | "Locking" | "Adding")
}

/// The `release` directory below a target directory, with or without `--target`.
pub(crate) fn release_dir(target_dir: &Path, triple: Option<&str>) -> PathBuf {
    match triple {
        Some(triple) => target_dir.join(triple).join("release"),
        None => target_dir.join("release"),
    }
}
