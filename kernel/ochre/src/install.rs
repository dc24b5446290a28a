//! `ochre install` and `ochre uninstall`: the program, its prelude and the kernelspec, in and out.
use crate::places::{self, Destination, EVCXR_PROGRAM, PRELUDE_VARIABLE};
use anyhow::Context;
use ochre_build::{Cache, Compiler, Manifest};
use ochre_nvidia::PYTHON_VARIABLE;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The kernelspec as it lies in the repository; paths are filled in.
const TEMPLATE: &str = include_str!("../../../kernelspec/kernel.json");
/// What lies beside it, by file name.
const LOGOS: [(&str, &[u8]); 3] = [
    ("logo-32x32.png", include_bytes!("../../../kernelspec/logo-32x32.png")),
    ("logo-64x64.png", include_bytes!("../../../kernelspec/logo-64x64.png")),
    ("logo-svg.svg", include_bytes!("../../../kernelspec/logo-svg.svg")),
];

/// Builds or finds the prelude, copies the program beside it and writes the kernelspec.
pub fn install(to: &Destination) -> anyhow::Result<()> {
    for directory in [to.home.clone(), to.kernelspec()] {
        writable(&directory)?;
    }
    let prelude = build_or_find(&to.preludes())?;
    let here = std::env::current_exe().context("this program cannot find its own file")?;
    let program = copy_program(&here, &to.program())?;
    let evcxr = here.with_file_name(EVCXR_PROGRAM);
    let evcxr = evcxr.is_file().then(|| copy_program(&evcxr, &program.with_file_name(EVCXR_PROGRAM))).transpose()?;
    let python = places::python_prefix(to);
    write_kernelspec(&to.kernelspec(), &program, &prelude, python.as_deref())?;
    println!("kernelspec  {}", to.kernelspec().display());
    println!("program     {}", program.display());
    println!("prelude     {}", prelude.display());
    match evcxr {
        Some(evcxr) => println!("evcxr       {}", evcxr.display()),
        None => println!("evcxr       not built, so `%engine evcxr` is not there: `cargo xtask build` builds it"),
    }
    println!("Start it with `ochre lab`, or choose \"Rust (Ochre)\" in any Jupyter front end.");
    Ok(())
}

/// Takes both away, and leaves the history of cells. What is not there is no error.
pub fn uninstall(from: &Destination) -> anyhow::Result<()> {
    let program = from.program();
    let programs = program.parent().unwrap_or(&program).to_path_buf();
    let mut found = false;
    for directory in [from.kernelspec(), programs, from.preludes()] {
        match std::fs::remove_dir_all(&directory) {
            Ok(()) => {
                found = true;
                println!("removed {}", directory.display());
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot remove {}", directory.display())),
        }
    }
    // Only when nothing else is in it.
    let _ = std::fs::remove_dir(&from.home);
    if !found {
        println!("nothing is installed in {}", from.home.display());
    }
    Ok(())
}

/// `ochre prelude`: builds into the cache and prints the directory, for xtask and for targets.
pub fn stage_in_cache() -> anyhow::Result<()> {
    let cache = Cache::find()?;
    let prelude = build_or_find(&cache.staged())?;
    println!("{}", prelude.display());
    Ok(())
}

/// From the sources where there are some; else one that is there already and fits the compiler.
fn build_or_find(root: &Path) -> anyhow::Result<PathBuf> {
    let compiler = Compiler::find()?;
    std::fs::create_dir_all(root).with_context(|| cannot_write(root))?;
    let source = match places::find_source() {
        Ok(source) => source,
        Err(no_source) => {
            let found = places::find_prelude().filter(|d| Manifest::read(d).is_ok_and(|m| m.rustc == compiler.text));
            return found.ok_or(no_source.into());
        }
    };
    eprintln!("building the prelude (polars and what is in scope in cells); a first build takes 20 to 30 minutes on two cores");
    Ok(ochre_build::build_prelude(&source, &Cache::find()?, &compiler, root)?)
}

/// Copies a program, unless it is the installed one. Written aside and renamed: the old one may be running.
fn copy_program(from: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    if from.canonicalize().ok() == to.canonicalize().ok() {
        return Ok(to.to_path_buf());
    }
    let directory = to.parent().context("the program's place has no directory")?;
    std::fs::create_dir_all(directory).with_context(|| cannot_write(directory))?;
    let partial = directory.join(format!(".ochre.{}", std::process::id()));
    std::fs::copy(from, &partial).with_context(|| cannot_write(directory))?;
    std::fs::rename(&partial, to).with_context(|| cannot_write(directory))?;
    Ok(to.to_path_buf())
}

fn write_kernelspec(directory: &Path, program: &Path, prelude: &Path, python: Option<&Path>) -> anyhow::Result<()> {
    let spec = kernelspec(program, prelude, python)?;
    let text = serde_json::to_string_pretty(&spec)? + "\n";
    std::fs::write(directory.join("kernel.json"), text).with_context(|| cannot_write(directory))?;
    for (name, bytes) in LOGOS {
        std::fs::write(directory.join(name), bytes).with_context(|| cannot_write(directory))?;
    }
    Ok(())
}

/// The template with this installation's paths, and the Python whose packages bring CUDA's libraries.
fn kernelspec(program: &Path, prelude: &Path, python: Option<&Path>) -> anyhow::Result<Value> {
    let mut spec: Value = serde_json::from_str(TEMPLATE).context("the kernelspec template is not JSON: a bug of Ochre's")?;
    spec["argv"][0] = json!(program);
    spec["env"][PRELUDE_VARIABLE] = json!(prelude);
    if let Some(python) = python {
        spec["env"][PYTHON_VARIABLE] = json!(python);
    }
    Ok(spec)
}

/// Creates a directory and checks that it takes files, before minutes are spent on a build.
fn writable(directory: &Path) -> anyhow::Result<()> {
    let probe = directory.join(format!(".probe.{}", std::process::id()));
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&probe, []))
        .and_then(|()| std::fs::remove_file(&probe))
        .with_context(|| cannot_write(directory))
}

fn cannot_write(path: &Path) -> String {
    format!("{} cannot be written; use `ochre install --prefix DIR` with a directory that can, and add DIR/share/jupyter to JUPYTER_PATH", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernelspec_names_the_program_and_the_prelude_and_asks_for_interrupts_by_message() {
        let spec = kernelspec(Path::new("/p/ochre"), Path::new("/p/prelude/1"), None).unwrap();
        assert_eq!(spec["argv"], json!(["/p/ochre", "kernel", "-f", "{connection_file}"]));
        assert_eq!(spec["env"][PRELUDE_VARIABLE], "/p/prelude/1");
        assert_eq!((&spec["interrupt_mode"], &spec["language"]), (&json!("message"), &json!("rust")));
        assert!(spec["env"].get(PYTHON_VARIABLE).is_none());
    }

    #[test]
    fn the_kernelspec_names_the_python_whose_packages_bring_cuda() {
        let spec = kernelspec(Path::new("/p/ochre"), Path::new("/p/prelude/1"), Some(Path::new("/opt/env"))).unwrap();
        assert_eq!(spec["env"][PYTHON_VARIABLE], "/opt/env");
    }

    #[test]
    fn a_read_only_place_is_refused_with_the_way_out() {
        // A file where a directory is needed fails for root too, unlike permissions.
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, []).unwrap();
        let error = writable(&file.join("kernels")).unwrap_err();
        assert!(format!("{error:#}").contains("--prefix DIR"), "{error:#}");
    }

    #[test]
    fn uninstall_takes_everything_away_and_may_be_repeated() {
        let root = tempfile::tempdir().unwrap();
        let place = Destination::prefix(root.path());
        std::fs::create_dir_all(place.kernelspec()).unwrap();
        std::fs::create_dir_all(place.preludes()).unwrap();
        uninstall(&place).unwrap();
        assert!(!place.home.exists() && !place.kernelspec().exists());
        uninstall(&place).unwrap();
        // The history of cells lies in the same directory and is the user's.
        std::fs::create_dir_all(place.preludes()).unwrap();
        std::fs::write(place.home.join("history.sqlite"), []).unwrap();
        uninstall(&place).unwrap();
        assert!(!place.preludes().exists() && place.home.join("history.sqlite").exists());
    }
}
