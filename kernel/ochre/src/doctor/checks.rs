//! The checks of `ochre doctor`, in the order in which problems should be solved.
use super::{Finding, gpu};
use crate::lab::find_on_path;
use crate::places::{self, Destination};
use ochre_build::{Compiler, FORMAT, Manifest, print_chain};
use std::path::{Path, PathBuf};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Name and check.
pub const ALL: [(&str, fn() -> Finding); 13] = [
    ("toolchain", toolchain),
    ("linker", linker),
    ("prelude", prelude),
    ("worker", worker),
    ("kernel", kernel),
    ("home", home),
    ("kernelspec", kernelspec),
    ("jupyter", jupyter),
    ("fuse", fuse),
    ("gpu", gpu::driver),
    ("cublas", gpu::blas),
    ("cudnn", gpu::dnn),
    ("nvrtc", gpu::nvrtc),
];

/// A kernel answers within milliseconds; a machine that is busy with a build takes longer to start a process.
const KERNEL_BOUND: Duration = Duration::from_secs(20);

/// Oldest compiler that builds the workspace: `rust-version` of the workspace.
const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

fn toolchain() -> Finding {
    match Compiler::find() {
        Err(error) => Finding::Bad(print_chain(&error)),
        Ok(compiler) if older(&compiler.id, RUST_VERSION) => {
            Finding::Bad(format!("rustc {} is older than {RUST_VERSION}: run `rustup update stable`", compiler.id))
        }
        Ok(compiler) => Finding::Ok(format!("rustc {} in {}", compiler.id, compiler.sysroot.display())),
    }
}

/// Whether version `a` comes before `b`, by major and minor number.
fn older(a: &str, b: &str) -> bool {
    let numbers = |v: &str| -> (u32, u32) {
        let mut parts = v.split(['.', '-']).map(|p| p.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    };
    numbers(a) < numbers(b)
}

fn linker() -> Finding {
    match find_on_path("cc") {
        Some(cc) => match Command::new(&cc).arg("--version").output() {
            Ok(output) if output.status.success() => Finding::Ok(first_line(&output.stdout)),
            _ => Finding::Bad(format!("{} does not run: reinstall the C compiler (on Debian: apt install gcc)", cc.display())),
        },
        None => Finding::Bad("no C linker `cc` on the PATH, and rustc links with it: install one (on Debian: apt install gcc)".into()),
    }
}

fn prelude() -> Finding {
    let Some(directory) = places::find_prelude() else {
        return Finding::Bad("none is built: run `ochre install`".into());
    };
    let manifest = match Manifest::read(&directory) {
        Ok(manifest) => manifest,
        Err(error) => return Finding::Bad(format!("{}; run `ochre install`", print_chain(&error))),
    };
    match Compiler::find() {
        Ok(compiler) => judge_prelude(&manifest, &compiler, &directory),
        Err(_) => Finding::Bad("cannot be checked without a toolchain".into()),
    }
}

fn judge_prelude(manifest: &Manifest, compiler: &Compiler, directory: &Path) -> Finding {
    if manifest.format != FORMAT {
        return Finding::Bad("it was made by another version of Ochre: run `ochre install`".into());
    }
    if manifest.rustc != compiler.text {
        let theirs = manifest.rustc.lines().next().unwrap_or_default();
        return Finding::Bad(format!(
            "it was built by {theirs}, and the compiler is now {}: run `ochre install` to build it anew, or go back to that compiler",
            compiler.id
        ));
    }
    let gone = manifest.crates.iter().find(|c| !directory.join(&c.file).exists());
    match gone {
        Some(gone) => Finding::Bad(format!("{} is missing from it: run `ochre install`", gone.file)),
        None => Finding::Ok(format!("{} crates in {}", manifest.crates.len(), directory.display())),
    }
}

fn worker() -> Finding {
    let Some((directory, manifest)) = places::find_prelude().and_then(|d| Some((d.clone(), Manifest::read(&d).ok()?))) else {
        return Finding::Bad("comes with the prelude".into());
    };
    let program = directory.join(&manifest.worker);
    let missing = missing_libraries(&program, &directory);
    match missing.as_slice() {
        [] if program.is_file() => Finding::Ok(program.display().to_string()),
        [] => Finding::Bad(format!("{} is missing: run `ochre install`", program.display())),
        missing => Finding::Bad(format!("the loader does not find {}: install the package that has it", missing.join(", "))),
    }
}

/// Libraries that the loader does not find for a program.
fn missing_libraries(program: &Path, libraries: &Path) -> Vec<String> {
    let Ok(output) = Command::new("ldd").arg(program).env("LD_LIBRARY_PATH", libraries).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|l| l.contains("not found")).filter_map(|l| l.split_whitespace().next().map(String::from)).collect()
}

/// Starts a kernel as a front end does and waits for its answer.
fn kernel() -> Finding {
    match ask_kernel() {
        Ok(took) => Finding::Ok(format!("started and answered in {} ms", took.as_millis())),
        Err(error) => Finding::Bad(format!("a kernel that was started does not answer: {error:#}; please report this with the lines above")),
    }
}

fn ask_kernel() -> anyhow::Result<Duration> {
    // Free now; that another program takes one before the kernel does is a matter of a second try.
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(TcpListener::bind(("127.0.0.1", 0))?);
    }
    let mut ports = held.iter().map(|l| l.local_addr().map(|a| a.port()));
    let mut next = || ports.next().transpose().map(Option::unwrap_or_default);
    let description = serde_json::json!({
        "transport": "tcp", "ip": "127.0.0.1", "signature_scheme": "hmac-sha256", "key": format!("doctor-{}", std::process::id()),
        "shell_port": next()?, "iopub_port": next()?, "stdin_port": next()?, "control_port": next()?, "hb_port": next()?,
    });
    drop(held);
    let path = std::env::temp_dir().join(format!("ochre-doctor-{}.json", std::process::id()));
    std::fs::write(&path, description.to_string())?;
    let mut child = Command::new(std::env::current_exe()?).arg("kernel").arg("-f").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let file = ochre_jupyter::ConnectionFile::read(&path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(ochre_jupyter::probe(&file, KERNEL_BOUND));
    // It was asked to end; one that does not answer will not.
    if answer.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    let _ = std::fs::remove_file(&path);
    Ok(answer?)
}

fn home() -> Finding {
    let mut places = vec![std::env::temp_dir()];
    places.extend(ochre_build::Cache::find().ok().map(|c| c.root().to_path_buf()));
    places.extend(Destination::user().ok().map(|d| d.home));
    match places.iter().find(|p| !takes_files(p)) {
        Some(bad) => Finding::Bad(format!(
            "{} cannot be written: set OCHRE_CACHE (and XDG_DATA_HOME) to a directory that can, or free some space",
            bad.display()
        )),
        None => Finding::Ok("cache, data and temporary directories can be written".into()),
    }
}

/// Whether a file can be made in a directory or in the nearest one above that exists.
fn takes_files(directory: &Path) -> bool {
    let Some(there) = directory.ancestors().find(|p| p.is_dir()) else { return false };
    let probe = there.join(format!(".ochre-doctor.{}", std::process::id()));
    let written = std::fs::write(&probe, []).is_ok();
    let _ = std::fs::remove_file(&probe);
    written
}

fn kernelspec() -> Finding {
    let Ok(place) = Destination::user() else {
        return Finding::Optional("there is no home directory; install with `ochre install --prefix DIR`".into());
    };
    let file = place.kernelspec().join("kernel.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        return Finding::Optional("not installed for this user: run `ochre install`".into());
    };
    let spec: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match spec["argv"][0].as_str().map(PathBuf::from) {
        Some(program) if program.is_file() => Finding::Ok(file.display().to_string()),
        _ => Finding::Bad(format!("{} names a program that is not there: run `ochre install`", file.display())),
    }
}

fn jupyter() -> Finding {
    let names = ["jupyter-lab", "jupyter-notebook", "jupyter"];
    match names.iter().find_map(|n| find_on_path(n)) {
        Some(program) => Finding::Ok(program.display().to_string()),
        None => Finding::Optional("none on the PATH; `ochre lab` makes a private one, VS Code needs none".into()),
    }
}

fn fuse() -> Finding {
    match (Path::new("/dev/fuse").exists(), find_on_path("fusermount3").or_else(|| find_on_path("fusermount"))) {
        (true, Some(program)) => Finding::Ok(program.display().to_string()),
        (true, None) => Finding::Optional("/dev/fuse is there but fusermount is not: apt install fuse3".into()),
        (false, _) => Finding::Optional("no /dev/fuse on this machine: blob storage is read by path and URL instead of mounted".into()),
    }
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn compiler(version: &str) -> Compiler {
        let text = format!("rustc {version} (x)\nrelease: {version}\nhost: h\ncommit-hash: 0123456789ab");
        Compiler::parse(&text, "/s".into()).unwrap()
    }

    fn manifest(compiler: &Compiler) -> Manifest {
        let empty = String::new;
        Manifest {
            format: FORMAT,
            hash: "h".into(),
            rustc: compiler.text.clone(),
            host: "h".into(),
            runtime: empty(),
            prelude: empty(),
            worker: empty(),
            std: empty(),
            crates: Vec::new(),
            features: BTreeMap::new(),
        }
    }

    #[test]
    fn a_prelude_of_another_compiler_is_bad_and_says_both_versions() {
        let (old, new) = (compiler("1.95.0"), compiler("1.96.1"));
        assert!(matches!(judge_prelude(&manifest(&old), &old, Path::new("/p")), Finding::Ok(_)));
        let Finding::Bad(text) = judge_prelude(&manifest(&old), &new, Path::new("/p")) else { panic!("it was accepted") };
        assert!(text.contains("1.95.0") && text.contains("1.96.1") && text.contains("ochre install"), "{text}");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(older("1.94.2-abc", "1.95") && older("1.9.0", "1.10"));
        assert!(!older("1.95.0", "1.95") && !older("1.100.0-x", "1.95"));
    }

    #[test]
    fn a_place_below_a_file_takes_no_files() {
        let root = tempfile::tempdir().unwrap();
        assert!(takes_files(&root.path().join("new/deep")));
        let file = root.path().join("file");
        std::fs::write(&file, []).unwrap();
        assert!(!takes_files(Path::new("/proc/ochre")));
    }
}
