//! What is asked of the machine: programs on the PATH, root, Debian packages, child processes that end with us.
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program of the PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Debian keeps some programs (runc) where only root's PATH looks.
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).map(|d| d.join(name)).find(|p| p.is_file())
}

/// A program, from a Debian package when it is missing and we may install one.
pub fn program_or_install(name: &str, package: &str) -> anyhow::Result<PathBuf> {
    if let Some(found) = program(name) {
        return Ok(found);
    }
    if !is_root() || program("apt-get").is_none() {
        bail!("`{name}` is missing: install it (on Debian: apt install {package}) and run this again");
    }
    eprintln!("`{name}` is missing; installing Debian's {package}");
    let apt = |arguments: &[&str]| run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()));
    apt(&["update", "-qq"])?;
    apt(&["install", "-y", "-qq", "--no-install-recommends", package])?;
    program(name).with_context(|| format!("apt installed {package}, but there is still no `{name}`"))
}

/// Whether this process may install packages.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|l| l.strip_prefix("Uid:")).and_then(|l| l.split_whitespace().nth(1));
    uid == Some("0")
}

/// Runs a command to its end; an error names it.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}

/// A directory of this checkout's target for logs and what is shown.
pub fn scratch(source: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let directory = source.join("target/xtask").join(name);
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}

/// A server that is killed, by its own pid, when this goes away.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill and nothing to say.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
