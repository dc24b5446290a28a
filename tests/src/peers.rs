//! The programs that tests talk to: Python clients in a private environment, Debian's Chromium, a driver for it.
//! Each is installed once into the cache; one that cannot be had is a failure of the tests that need it.
use crate::build::Built;
use crate::host::{program_or_install, run};
use anyhow::{Context, bail};
use ochre_build::Cache;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Written last into a finished installation; holds what was asked for, so that a changed list installs anew.
const STAMP: &str = ".ochre-installed";

/// A Python environment with Jupyter's clients and servers.
pub struct Python {
    pub directory: PathBuf,
}

impl Python {
    /// Makes or finds it.
    pub fn install(built: &Built) -> anyhow::Result<Self> {
        let requirements = built.source.join("tests/clients/requirements.txt");
        let directory = built.cache.peers().join("python");
        environment(&directory, &requirements)?;
        Ok(Self { directory })
    }

    /// A program of the environment.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }
}

/// evcxr_jupyter: the kernel that Ochre is measured against.
pub struct Evcxr {
    pub program: PathBuf,
}

impl Evcxr {
    pub const VERSION: &str = "0.22.0";

    /// Makes or finds it; a first build takes about 15 CPU-minutes.
    pub fn install(built: &Built) -> anyhow::Result<Self> {
        let root = built.cache.peers().join("evcxr");
        let target = built.cache.peers().join("evcxr-target");
        once(&root, &built.source.join("tests/bench/peers.txt"), || {
            eprintln!("building evcxr_jupyter {} into {}: about 15 CPU-minutes, once", Self::VERSION, root.display());
            let mut command = Command::new(env!("CARGO"));
            command.args(["install", "evcxr_jupyter", "--locked", "--version", Self::VERSION, "--root"]).arg(&root);
            run(command.env("CARGO_TARGET_DIR", &target))?;
            // Half a gigabyte that nobody needs again.
            std::fs::remove_dir_all(&target).with_context(|| format!("cannot remove {}", target.display()))
        })?;
        Ok(Self { program: root.join("bin/evcxr_jupyter") })
    }
}

/// Chromium and the module that drives it.
pub struct Browser {
    pub chromium: PathBuf,
    pub node: PathBuf,
    /// Directory whose `node_modules` has playwright-core.
    pub modules: PathBuf,
}

impl Browser {
    /// Makes or finds both.
    pub fn install(built: &Built) -> anyhow::Result<Self> {
        let chromium = program_or_install("chromium", "chromium")?;
        let node = program_or_install("node", "nodejs")?;
        let directory = built.cache.peers().join("node");
        modules(&directory, &built.source.join("tests/browser/package.json"))?;
        Ok(Self { chromium, node, modules: directory })
    }
}

/// What the storage tests talk to. The tests find it below `directory` by themselves (`ochre_servers::peers`).
pub struct Storage {
    pub directory: PathBuf,
}

/// Programs of the machine and their Debian packages: FUSE and a peer that uses it, a container without FUSE, a keyring.
const STORAGE_PROGRAMS: [(&str, &str); 11] = [
    ("fusermount3", "fuse3"),
    ("s3fs", "s3fs"),
    ("podman", "podman"),
    ("runc", "runc"),
    ("conmon", "conmon"),
    ("newuidmap", "uidmap"),
    ("slirp4netns", "slirp4netns"),
    ("setpriv", "util-linux"),
    ("dbus-run-session", "dbus"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("secret-tool", "libsecret-tools"),
];

impl Storage {
    /// Makes or finds all of it: Debian's programs, Python's emulators and clients, Azurite.
    pub fn install(source: &Path, cache: &Cache) -> anyhow::Result<Self> {
        for (name, package) in STORAGE_PROGRAMS {
            program_or_install(name, package)?;
        }
        let (lists, directory) = (source.join("tests/servers/peers"), cache.peers());
        environment(&directory.join("python-storage"), &lists.join("requirements.txt"))?;
        program_or_install("node", "nodejs")?;
        modules(&directory.join("azurite"), &lists.join("package.json"))?;
        Ok(Self { directory })
    }
}

/// What the tests of runs talk to, found by them below the peers' directory. Two environments, because azureml-mlflow wants an older MLflow.
pub struct Runs;

impl Runs {
    /// Makes or finds MLflow with its server, and Microsoft's plugin for Azure ML.
    pub fn install(source: &Path, cache: &Cache) -> anyhow::Result<()> {
        let lists = source.join("tests/servers/peers");
        // MLflow's pages are looked at.
        program_or_install("chromium", "chromium")?;
        environment(&cache.peers().join("python-runs"), &lists.join("runs.txt"))?;
        environment(&cache.peers().join("python-azureml"), &lists.join("azureml.txt"))
    }
}

/// PyTorch, the measure of tensors' values and times: on the CPU alone.
pub struct Torch {
    pub python: PathBuf,
}

impl Torch {
    /// Makes or finds it: half a minute and 1.4 GB on disk, of which 540 MB are fetched.
    pub fn install(source: &Path, cache: &Cache) -> anyhow::Result<Self> {
        let lists = source.join("tests/servers/peers");
        let directory = cache.peers().join("python-torch");
        let python = directory.join("bin/python");
        once(&directory, &lists.join("torch.txt"), || {
            eprintln!("installing PyTorch into {}: 1.4 GB", directory.display());
            virtual_environment(&directory)?;
            let install = ["install", "--quiet", "--no-cache-dir", "--no-deps", "--requirement"];
            run(Command::new(directory.join("bin/pip")).args(install).arg(lists.join("torch.txt")))?;
            run(Command::new(&python).arg(lists.join("torch_without_cuda.py")))?;
            run(Command::new(&python).args(["-c", "import torch; assert (torch.ones(2, 2) @ torch.ones(2, 2)).sum() == 8"]))
        })?;
        Ok(Self { python })
    }
}

/// What exports and checks ONNX models, and Microsoft's engine, for the tests of `ochre-nn`; they run it beside PyTorch.
pub struct Onnx;

impl Onnx {
    /// Makes or finds it: some 60 MB are fetched.
    pub fn install(source: &Path, cache: &Cache) -> anyhow::Result<()> {
        environment(&cache.peers().join("python-onnx"), &source.join("tests/servers/peers/onnx.txt"))
    }
}

/// NVIDIA's compiler for the GPU's kernels and its assembler: neither a GPU nor a driver nor a toolkit is needed.
pub struct Ptx {
    pub python: PathBuf,
}

impl Ptx {
    /// Makes or finds it: some 60 MB are fetched.
    pub fn install(source: &Path, cache: &Cache) -> anyhow::Result<Self> {
        let directory = cache.peers().join("python-ptx");
        environment(&directory, &source.join("tests/gpu/ptx.txt"))?;
        Ok(Self { python: directory.join("bin/python") })
    }
}

/// A Python environment with what a list names.
fn environment(directory: &Path, requirements: &Path) -> anyhow::Result<()> {
    once(directory, requirements, || {
        eprintln!("installing the Python test peers into {}", directory.display());
        virtual_environment(directory)?;
        run(Command::new(directory.join("bin/pip")).args(["install", "--quiet", "--requirement"]).arg(requirements))
    })
}

/// An empty Python environment with pip.
fn virtual_environment(directory: &Path) -> anyhow::Result<()> {
    let python = program_or_install("python3", "python3")?;
    let venv = || run(Command::new(&python).args(["-m", "venv"]).arg(directory));
    if venv().is_err() {
        // Debian's python3 comes without ensurepip.
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        run(Command::new("apt-get").args(["install", "-y", "-qq", "python3-venv"]))?;
        venv()?;
    }
    Ok(())
}

/// A directory whose `node_modules` has what a package.json names.
fn modules(directory: &Path, package: &Path) -> anyhow::Result<()> {
    once(directory, package, || {
        eprintln!("installing node modules into {}", directory.display());
        let npm = program_or_install("npm", "npm")?;
        std::fs::create_dir_all(directory)?;
        std::fs::copy(package, directory.join("package.json"))?;
        run(Command::new(npm)
            .args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"])
            .current_dir(directory)
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))
    })
}

/// Runs `install` unless it finished before for the same list.
fn once(directory: &Path, list: &Path, install: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let wanted = std::fs::read(list).with_context(|| format!("cannot read {}", list.display()))?;
    let stamp = directory.join(STAMP);
    if std::fs::read(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    // Half of an installation is worse than none.
    if directory.exists() && std::fs::remove_dir_all(directory).is_err() {
        bail!("{} is half installed and cannot be removed; remove it by hand", directory.display());
    }
    if let Some(parent) = directory.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    install()?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}
