//! Which rustc is there: its full text goes into the manifest, its short name into paths.
use crate::Error;
use std::path::PathBuf;
use std::process::Command;

/// The compiler that cells and the prelude must share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// The whole output of `rustc -vV`, trimmed.
    pub text: String,
    /// Version and commit, such as `1.95.0-59807616e`: names a directory.
    pub id: String,
    /// Target triple of this machine.
    pub host: String,
    /// Where its libraries are.
    pub sysroot: PathBuf,
}

impl Compiler {
    /// Asks `$RUSTC`, or `rustc` on the PATH.
    pub fn find() -> Result<Self, Error> {
        let program = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
        let text = run(&program, &["-vV"])?;
        let sysroot = run(&program, &["--print", "sysroot"])?;
        Self::parse(&text, PathBuf::from(sysroot))
    }

    /// Reads the output of `rustc -vV`.
    pub fn parse(text: &str, sysroot: PathBuf) -> Result<Self, Error> {
        let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim().to_string());
        let odd = || Error::OddCompiler { text: text.to_string() };
        let release = field("release:").ok_or_else(odd)?;
        let host = field("host:").ok_or_else(odd)?;
        // Distributions' own builds say `unknown`: then the version alone has to tell them apart.
        let commit: String = field("commit-hash:").unwrap_or_default().chars().take(9).collect();
        Ok(Self { text: text.trim().to_string(), id: format!("{release}-{commit}"), host, sysroot })
    }

    /// The standard library's shared object, which dynamic cells need at run time.
    pub fn std_library(&self) -> Result<PathBuf, Error> {
        let dir = self.sysroot.join("lib/rustlib").join(&self.host).join("lib");
        let entries = std::fs::read_dir(&dir).map_err(Error::file("read", &dir))?;
        entries
            .filter_map(|e| e.ok().map(|e| e.path()))
            .find(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("libstd-") && !n.ends_with(".rlib")))
            .ok_or_else(|| Error::MissingArtifact { what: format!("the toolchain in {}", dir.display()), missing: "libstd".into() })
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|source| Error::NoToolchain { program: program.to_string(), source })?;
    if !output.status.success() {
        return Err(Error::OddCompiler { text: String::from_utf8_lossy(&output.stderr).trim().to_string() });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\ncommit-hash: 59807616e1fa2540724bfbac14d7976d7e4a3860\ncommit-date: 2026-04-14\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2\n";

    #[test]
    fn reads_version_commit_and_host() {
        let compiler = Compiler::parse(TEXT, "/s".into()).unwrap();
        assert_eq!((compiler.id.as_str(), compiler.host.as_str()), ("1.95.0-59807616e", "x86_64-unknown-linux-gnu"));
    }

    #[test]
    fn a_text_without_release_is_refused_with_the_text() {
        let error = Compiler::parse("hello", "/s".into()).unwrap_err();
        assert!(error.to_string().contains("hello"), "{error}");
    }
}
