//! In rustc's place while cargo builds a layer: a crate that is there already is not compiled again.
//!
//! cargo calls `ochre /path/to/rustc ARGS…`. For a crate of the prelude or of an earlier layer (same package and
//! version, no feature missing, standing on shared crates only) empty outputs are left for cargo, and a note
//! says which artifact is meant; `--extern` arguments of later crates are led there.
use super::Shared;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the file with the shared crates (JSON); its presence makes a program the wrapper.
pub const SHARED_VARIABLE: &str = "OCHRE_LAYER_SHARED";
/// Directory for notes: one file per substituted artifact, holding the real path.
pub const NOTES_VARIABLE: &str = "OCHRE_LAYER_NOTES";
/// Arguments for the layer's own crate, one a line.
pub const FINAL_VARIABLE: &str = "OCHRE_LAYER_FINAL";
/// Directories with metadata, one a line.
pub const SEARCH_VARIABLE: &str = "OCHRE_LAYER_SEARCH";
/// What crate names of layers begin with.
pub const LAYER_PREFIX: &str = "ochre_layer_";

/// Is this process asked to be the wrapper, it becomes rustc (or answers itself) and never returns.
pub fn run_if_asked() {
    let Some(shared) = std::env::var_os(SHARED_VARIABLE) else { return };
    let mut arguments = std::env::args_os().skip(1);
    let Some(rustc) = arguments.next() else { return };
    let arguments: Vec<OsString> = arguments.collect();
    std::process::exit(act(Path::new(&rustc), arguments, Path::new(&shared)));
}

fn act(rustc: &Path, arguments: Vec<OsString>, shared: &Path) -> i32 {
    let text: Vec<String> = arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let call = Call::read(&text);
    let notes = PathBuf::from(std::env::var_os(NOTES_VARIABLE).unwrap_or_default());
    if let Some(call) = &call {
        let known: Vec<Shared> = std::fs::read(shared).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        if let Some(found) = call.find(&known, &notes) {
            return match call.substitute(found, &notes) {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("error: cannot use the prelude's `{}`: {error}", found.name);
                    1
                }
            };
        }
    }
    let mut command = Command::new(rustc);
    command.args(text.iter().map(|a| redirect(a, &notes)));
    if let Some(call) = &call {
        for dir in lines(SEARCH_VARIABLE) {
            command.arg("-L").arg(format!("dependency={dir}"));
        }
        if call.name.starts_with(LAYER_PREFIX) {
            command.args(lines(FINAL_VARIABLE));
            if std::fs::read_dir(&notes).is_ok_and(|mut n| n.next().is_some()) {
                command.arg("--cfg").arg("ochre_heavy");
            }
        }
    }
    match command.status() {
        Ok(status) => status.code().unwrap_or(1),
        Err(error) => {
            eprintln!("error: cannot start {}: {error}", rustc.display());
            1
        }
    }
}

fn lines(variable: &str) -> Vec<String> {
    std::env::var(variable).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A compilation that cargo asks for.
struct Call<'a> {
    name: &'a str,
    proc_macro: bool,
    for_target: bool,
    features: BTreeSet<&'a str>,
    externs: Vec<&'a str>,
    out_dir: &'a str,
    extra: &'a str,
}

impl<'a> Call<'a> {
    /// `None` for questions to rustc and for build scripts.
    fn read(arguments: &'a [String]) -> Option<Self> {
        let value = |flag: &str| arguments.iter().position(|a| a == flag).and_then(|i| arguments.get(i + 1)).map(String::as_str);
        let all = |flag: &'static str| arguments.windows(2).filter(move |w| w[0] == flag).map(|w| w[1].as_str());
        let name = value("--crate-name").filter(|n| !n.starts_with("build_script"))?;
        let codegen = |key: &str| all("-C").find_map(|c| c.strip_prefix(key));
        Some(Self {
            name,
            proc_macro: value("--crate-type") == Some("proc-macro"),
            for_target: arguments.iter().any(|a| a == "--target"),
            features: all("--cfg").filter_map(|c| c.strip_prefix("feature=\"")?.strip_suffix('"')).collect(),
            externs: all("--extern").filter_map(|e| e.split_once('=').map(|(_, path)| path)).collect(),
            out_dir: value("--out-dir")?,
            extra: codegen("extra-filename=").unwrap_or_default(),
        })
    }

    /// The shared crate that this call would build again.
    fn find<'s>(&self, known: &'s [Shared], notes: &Path) -> Option<&'s Shared> {
        let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
        let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
        if !self.for_target && !self.proc_macro {
            return None;
        }
        let found = known.iter().find(|s| {
            s.name == self.name && s.package == package && s.version == version && s.proc_macro == self.proc_macro
                && self.features.iter().all(|f| s.features.iter().any(|g| g == f))
        })?;
        // On a private copy below it, it would be another crate: its types would not be the shared one's.
        let stands_on_shared = self.proc_macro || self.externs.iter().all(|path| !path.contains(self.out_dir) || real(path, notes).is_some());
        stands_on_shared.then_some(found)
    }

    /// Leaves what cargo looks for, and the note that leads to the artifact.
    fn substitute(&self, found: &Shared, notes: &Path) -> std::io::Result<()> {
        let stem = format!("lib{}{}", self.name, self.extra);
        let out = Path::new(self.out_dir);
        let endings: &[&str] = if self.proc_macro { &["so"] } else { &["rmeta", "rlib"] };
        for ending in endings {
            std::fs::write(out.join(format!("{stem}.{ending}")), b"")?;
        }
        std::fs::write(out.join(format!("{}{}.d", self.name, self.extra)), format!("{}:\n", out.join(format!("{stem}.rmeta")).display()))?;
        std::fs::create_dir_all(notes)?;
        std::fs::write(notes.join(stem), found.file.as_os_str().as_encoded_bytes())
    }
}

/// The artifact behind a placeholder of cargo's.
fn real(path: &str, notes: &Path) -> Option<String> {
    let stem = Path::new(path).file_stem()?;
    std::fs::read_to_string(notes.join(stem)).ok()
}

/// An argument, or if it names a placeholder, the one that names the artifact.
fn redirect(argument: &str, notes: &Path) -> String {
    let Some((name, path)) = argument.split_once('=') else { return argument.to_owned() };
    match real(path, notes) {
        Some(real) if path.ends_with(".rmeta") || path.ends_with(".rlib") || path.ends_with(".so") => format!("{name}={real}"),
        _ => argument.to_owned(),
    }
}
