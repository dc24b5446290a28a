//! One run of cargo for a layer.
use super::wrapper::{FINAL_VARIABLE, LAYER_PREFIX, NOTES_VARIABLE, SEARCH_VARIABLE, SHARED_VARIABLE};
use super::{DependencyError, Layer, Progress, Shared, Workshop};
use crate::cache::Key;
use crate::prelude::Prelude;
use crate::rustc::{end_group, wanted};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};

/// Lines of cargo's own words that are shown when it fails; the reason is at the end.
const ERROR_LINES: usize = 40;

/// What one layer is built from.
pub(super) struct Build<'a> {
    pub workshop: &'a Workshop,
    pub prelude: &'a Prelude,
    pub layers: &'a [Layer],
    pub line: &'a str,
    /// As in code and in Cargo.toml.
    pub name: &'a str,
    /// As the registry knows it.
    pub package: &'a str,
    pub key: &'a Key,
    pub dir: PathBuf,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    target: Option<Target>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Build<'_> {
    pub(super) async fn run(&self, progress: mpsc::Sender<Progress>, stop: &mut watch::Receiver<bool>) -> Result<Layer, DependencyError> {
        self.write_project()?;
        let total = self.count_crates(stop).await?;
        let mut child = self.cargo("build", &["--release", "--message-format=json-render-diagnostics", "--target", &self.host()])?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(self.broken("cargo has no output"));
        };
        let complaints = tokio::spawn(tail(stderr));
        let mut lines = BufReader::new(stdout).lines();
        let mut made: Vec<Message> = Vec::new();
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line,
                () = wanted(stop) => {
                    end_group(&mut child).await;
                    return Err(DependencyError::Interrupted);
                }
            };
            let Ok(Some(line)) = line else { break };
            let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
            if message.reason == "compiler-artifact" {
                let text = message.target.as_ref().map(|t| t.name.clone()).unwrap_or_default();
                made.push(message);
                let _ = progress.send(Progress { done: made.len(), total: total.max(made.len()), text }).await;
            }
        }
        let status = child.wait().await.map_err(|source| self.no_cargo(source))?;
        let output = complaints.await.unwrap_or_default();
        if !status.success() {
            return Err(DependencyError::Build { output });
        }
        self.collect(&made)
    }

    /// Whether a version is the one that the layer depends on: others of the package may come along with it.
    fn is_ours(&self, package: &str, version: &str) -> bool {
        let lock = std::fs::read_to_string(self.dir.join("Cargo.lock")).unwrap_or_default();
        let own = lock.split("[[package]]").find(|p| p.contains(&format!("name = \"{}\"", self.crate_name())));
        // The lock names the version only where there is more than one.
        own.is_none_or(|own| !own.contains(&format!("\"{package} ")) || own.contains(&format!("\"{package} {version}")))
    }

    fn crate_name(&self) -> String {
        format!("{LAYER_PREFIX}{}", &self.key.0[..12])
    }

    fn host(&self) -> String {
        let field = self.prelude.rustc_version.lines().find_map(|l| l.strip_prefix("host: "));
        field.unwrap_or("x86_64-unknown-linux-gnu").trim().to_owned()
    }

    /// Cargo.toml, the lock of the prelude, lib.rs, and the list of what is there already.
    fn write_project(&self) -> Result<(), DependencyError> {
        let at = |path: &Path| { let path = path.to_owned(); move |source| DependencyError::Write { path, source } };
        let source = self.dir.join("src");
        std::fs::create_dir_all(&source).map_err(at(&source))?;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"dylib\"]\n\n[dependencies]\n{line}\n\n[workspace]\n",
            name = self.crate_name(), line = self.line,
        );
        let write = |name: &str, text: &str| std::fs::write(self.dir.join(name), text).map_err(at(&self.dir.join(name)));
        write("Cargo.toml", &manifest)?;
        let krate = self.name.replace('-', "_");
        let below: String = self.layers.iter().map(|l| format!("extern crate {} as _;\n", l.crate_name)).collect();
        write("src/lib.rs", &format!("{below}#[cfg(ochre_heavy)]\nextern crate ochre_prelude as _;\npub use ::{krate};\n"))?;
        // The prelude's versions, where a crate is in both; cargo leaves out the rest.
        let lock = self.prelude.dir.join("Cargo.lock");
        if let Ok(text) = std::fs::read_to_string(&lock) {
            write("Cargo.lock", &text)?;
        }
        let shared = serde_json::to_string(&self.shared()).unwrap_or_default();
        write("shared.json", &shared)
    }

    /// All that need not be built: the prelude's crates and those of the layers below.
    fn shared(&self) -> Vec<Shared> {
        let of_prelude = self.prelude.crates.values().flatten().map(|c| Shared {
            name: c.name.clone(),
            package: c.package.clone(),
            version: c.version.clone(),
            features: self.prelude.features.get(&format!("{} {}", c.package, c.version)).cloned().unwrap_or_default(),
            file: self.prelude.file(c),
            proc_macro: c.proc_macro,
            direct: false,
        });
        of_prelude.chain(self.layers.iter().flat_map(|l| l.shared.iter().cloned())).collect()
    }

    fn cargo(&self, subcommand: &str, arguments: &[&str]) -> Result<Child, DependencyError> {
        let mut search = vec![self.prelude.dir.clone(), self.prelude.dependencies()];
        search.extend(self.layers.iter().flat_map(|l| l.search.iter().cloned()));
        let mut last = vec!["-Cprefer-dynamic".to_owned(), "--extern".into(), format!("ochre_prelude={}", self.prelude.prelude.display())];
        for layer in self.layers {
            last.extend(["--extern".to_owned(), format!("{}={}", layer.crate_name, layer.library.display())]);
        }
        let joined = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join("\n");
        let mut command = Command::new(&self.workshop.cargo);
        // Build scripts of strangers run in it.
        ochre_secrets::environment::withhold(command.as_std_mut());
        command.current_dir(&self.dir).arg(subcommand).args(arguments);
        command.env("CARGO_TARGET_DIR", self.dir.join("target")).env("RUSTC_WRAPPER", &self.workshop.wrapper);
        command.env(SHARED_VARIABLE, self.dir.join("shared.json")).env(NOTES_VARIABLE, self.dir.join("notes"));
        command.env(SEARCH_VARIABLE, joined(&search)).env(FINAL_VARIABLE, last.join("\n"));
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
        // The toolchain that built the prelude, whatever a directory override says.
        if let Some(bin) = self.workshop.cargo.parent() {
            command.env("RUSTC", bin.join("rustc"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        command.spawn().map_err(|source| self.no_cargo(source))
    }

    fn no_cargo(&self, source: std::io::Error) -> DependencyError {
        DependencyError::Cargo { path: self.workshop.cargo.clone(), source }
    }

    fn broken(&self, what: &str) -> DependencyError {
        DependencyError::Broken { what: what.to_owned(), dir: self.dir.clone() }
    }

    /// How many crates cargo is going to build, for the progress; it also resolves and downloads.
    async fn count_crates(&self, stop: &mut watch::Receiver<bool>) -> Result<usize, DependencyError> {
        let mut child = self.cargo("tree", &["--prefix", "none", "-e", "normal,build", "--target", &self.host()])?;
        let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(self.broken("cargo has no output"));
        };
        let complaints = tokio::spawn(tail(stderr));
        let mut text = String::new();
        tokio::select! {
            _ = stdout.read_to_string(&mut text) => {}
            () = wanted(stop) => {
                end_group(&mut child).await;
                return Err(DependencyError::Interrupted);
            }
        }
        let status = child.wait().await.map_err(|source| self.no_cargo(source))?;
        if !status.success() {
            return Err(DependencyError::Build { output: complaints.await.unwrap_or_default() });
        }
        let mut crates: Vec<&str> = text.lines().map(|l| l.trim_end_matches(" (*)")).collect();
        crates.sort_unstable();
        crates.dedup();
        Ok(crates.len())
    }

    /// The layer from what cargo made.
    fn collect(&self, made: &[Message]) -> Result<Layer, DependencyError> {
        let crate_name = self.crate_name();
        let mut library = None;
        let (mut shared, mut copies) = (Vec::new(), Vec::new());
        let known: BTreeMap<String, ()> = self.shared().into_iter().map(|s| (s.package, ())).collect();
        let notes = self.dir.join("notes");
        for message in made {
            let Some(target) = &message.target else { continue };
            let name = target.name.replace('-', "_");
            let proc_macro = target.kind.iter().any(|k| k == "proc-macro");
            let file = message.filenames.iter().find(|f| f.extension().is_some_and(|e| e == "rmeta" || e == "so"));
            let Some(file) = file else { continue };
            if name == crate_name {
                library = Some(file.clone());
                continue;
            }
            let of_target = file.components().any(|c| c.as_os_str() == self.host().as_str());
            let (package, version) = package_and_version(&message.package_id);
            let direct = package == self.package && self.is_ours(&package, &version);
            // A renamed one goes by the name that the user gave it.
            let name = if direct { self.name.replace('-', "_") } else { name };
            let substitute = file.file_stem().and_then(|stem| std::fs::read_to_string(notes.join(stem)).ok());
            if let Some(real) = substitute {
                // It was there, but cells could not name it until now.
                if direct {
                    shared.push(Shared { name, package, version, features: message.features.clone(), file: real.into(), proc_macro, direct });
                }
                continue;
            }
            if target.kind.iter().any(|k| k == "custom-build") || !(of_target || proc_macro) {
                continue;
            }
            if known.contains_key(&package) && !proc_macro {
                copies.push(format!("{package} {version}"));
            }
            shared.push(Shared { name, package, version, features: message.features.clone(), file: file.clone(), proc_macro, direct });
        }
        let library = library.ok_or_else(|| self.broken("cargo made no library"))?;
        // cargo's file in `release/` has no hash; the one in `deps/` beside the metadata is the same.
        let deps = library.parent().map(|p| if p.ends_with("deps") { p.to_owned() } else { p.join("deps") }).unwrap_or_default();
        let host_deps = self.dir.join("target/release/deps");
        let heavy = std::fs::read_dir(&notes).is_ok_and(|mut n| n.next().is_some());
        let layer = Layer { crate_name, library, search: vec![deps, host_deps], heavy, shared, private_copies: copies };
        layer.write(&self.dir).map_err(|source| DependencyError::Write { path: self.dir.clone(), source })?;
        Ok(layer)
    }
}

/// `registry+…#name@1.2.3`, `registry+…#1.2.3` (path ends in the name) or `path+file:///…/name#1.2.3`.
fn package_and_version(id: &str) -> (String, String) {
    let (path, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, version)) => (name.to_owned(), version.to_owned()),
        None => (path.rsplit('/').next().unwrap_or_default().to_owned(), fragment.to_owned()),
    }
}

/// The last lines of what a process wrote.
async fn tail(stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(stream).lines();
    let mut kept = std::collections::VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if kept.len() == ERROR_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
    Vec::from(kept).join("\n")
}
