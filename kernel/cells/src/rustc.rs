//! One run of rustc: command line, diagnostics, and an end that can be forced.
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::watch;

/// What is to be compiled.
#[derive(Clone, Debug)]
pub struct Job {
    pub crate_name: String,
    /// The whole generated text.
    pub text: String,
    /// `0`…`3`.
    pub opt_level: u8,
    /// Appended to the library's file name.
    pub extra_filename: String,
    /// `--extern name=path`.
    pub externs: Vec<(String, PathBuf)>,
    /// `-L dependency=…`.
    pub search: Vec<PathBuf>,
    /// The MIR is wanted (cells with variables).
    pub mir: bool,
    /// Nothing is generated, only checked.
    pub check_only: bool,
    pub overflow_checks: bool,
}

/// How it went.
#[derive(Debug)]
pub struct Ran {
    pub success: bool,
    /// rustc's JSON messages, one a line.
    pub messages: String,
    /// The library, when one was made.
    pub library: PathBuf,
    pub mir: String,
}

/// Why rustc could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RustcError {
    #[error("cannot start the Rust compiler {}", path.display())]
    Start { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read what the Rust compiler wrote")]
    Read(#[source] std::io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// Where a compiler is.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// The toolchain's own `bin/rustc`, not the rustup shim (which costs 100 ms).
    pub path: PathBuf,
}

impl Job {
    /// The flags as text: they decide the result, so the cache keys on them.
    pub fn flags(&self) -> Vec<String> {
        let mut flags: Vec<String> = ["--edition=2024", "--crate-type=dylib", "-Cprefer-dynamic", "-Ccodegen-units=1", "-Cmetadata=ochre", "-Cdebug-assertions=off", "--error-format=json", "-Cstrip=debuginfo"]
            .map(String::from)
            .to_vec();
        flags.push(format!("-Copt-level={}", self.opt_level));
        flags.push(format!("-Coverflow-checks={}", if self.overflow_checks { "on" } else { "off" }));
        let emit = if self.check_only { "metadata" } else if self.mir { "link,mir" } else { "link" };
        flags.push(format!("--emit={emit}"));
        flags.push(format!("--crate-name={}", self.crate_name));
        flags.push(format!("-Cextra-filename={}", self.extra_filename));
        flags
    }

    /// File name of the library.
    pub fn library_name(&self) -> String {
        format!("lib{}{}.so", self.crate_name, self.extra_filename)
    }
}

impl Compiler {
    /// Compiles into `dir`, which must exist; ends early when `stop` becomes true.
    pub async fn run(&self, job: &Job, dir: &Path, stop: &mut watch::Receiver<bool>) -> Result<Ran, RustcError> {
        let source = format!("{}.rs", job.crate_name);
        let path = dir.join(&source);
        std::fs::write(&path, &job.text).map_err(|e| RustcError::Write { path, source: e })?;
        let mut command = Command::new(&self.path);
        // Macros run in it.
        ochre_secrets::environment::withhold(command.as_std_mut());
        command.current_dir(dir).args(job.flags()).arg(&source).arg("--out-dir=.");
        for (name, path) in &job.externs {
            command.arg("--extern").arg(format!("{name}={}", path.display()));
        }
        for path in &job.search {
            command.arg("-L").arg(format!("dependency={}", path.display()));
        }
        // A group of its own: an interrupt ends the linker too.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| RustcError::Start { path: self.path.clone(), source: e })?;
        let mut stderr = child.stderr.take().ok_or_else(|| RustcError::Read(std::io::ErrorKind::BrokenPipe.into()))?;
        let mut bytes = Vec::new();
        tokio::select! {
            read = stderr.read_to_end(&mut bytes) => { read.map_err(RustcError::Read)?; }
            () = wanted(stop) => {
                end_group(&mut child).await;
                return Err(RustcError::Interrupted);
            }
        }
        let status = child.wait().await.map_err(RustcError::Read)?;
        let mir = if job.mir && status.success() {
            std::fs::read_to_string(dir.join(format!("{}{}.mir", job.crate_name, job.extra_filename))).map_err(RustcError::Read)?
        } else {
            String::new()
        };
        let messages = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ran { success: status.success(), messages, library: dir.join(job.library_name()), mir })
    }
}

/// Returns when the interrupt is wanted; never, when nobody can want it any more.
pub(crate) async fn wanted(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|s| *s).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Kills a process and all that it started (it leads a group of its own), and waits for its end.
pub(crate) async fn end_group(child: &mut tokio::process::Child) {
    if let Some(pid) = child.id().and_then(|p| rustix::process::Pid::from_raw(p as i32)) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.wait().await;
}
