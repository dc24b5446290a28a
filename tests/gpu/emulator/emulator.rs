//! Builds the driver and the NVRTC whose GPU is the CPU, from the kernels' own sources: some minutes of g++ at first, nothing afterwards.
//!
//! Included by the tests that need it (`extensions/tensors/tests/cuda`, `tests/tensors/tests/gpu.rs`); it is no crate of its own.
use std::path::{Path, PathBuf};
use std::process::Command;

const KERNELS: [&str; 11] = ["binary", "cast", "move", "multiply", "norm", "order", "reduce", "rows", "train", "unary", "window"];

/// What was built, and what a process needs to find it.
pub struct Emulator {
    driver: PathBuf,
    directory: PathBuf,
    headers: PathBuf,
}

impl Emulator {
    /// `repository` is the checkout; what is built lies in `target`.
    pub fn build(repository: &Path, target: &Path) -> Self {
        let (kernels, headers) = (repository.join("extensions/tensors/src/cuda/kernels"), repository.join("tests/gpu/emulator"));
        let directory = target.join("emulated-cuda");
        std::fs::create_dir_all(&directory).expect("a directory");
        // Tests run side by side, in one process and in several.
        let alone = std::fs::File::create(directory.join("lock")).expect("writable");
        alone.lock().expect("a lock");
        let texts = |folder: &Path, names: &[&str]| names.iter().map(|name| read(&folder.join(name))).collect::<String>();
        let common = texts(&kernels, &["common.cuh", "element.cuh", "operations.cuh"]) + &texts(&headers, &["emulate.h", "driver.cpp"]);
        let object = |source: &Path, name: &str, kernel: bool| {
            let kind: &[&str] = if kernel { &["-DEMULATED", "-x", "c++", "-c"] } else { &["-c"] };
            built(&directory.join(format!("{name}.o")), &[source], &[kind, &["-I", text(&headers)]].concat(), &common)
        };
        let mut objects: Vec<PathBuf> = KERNELS.iter().map(|name| object(&kernels.join(format!("{name}.cu")), name, true)).collect();
        objects.push(object(&headers.join("driver.cpp"), "driver", false));
        let sources: Vec<&Path> = objects.iter().map(PathBuf::as_path).collect();
        let driver = shared(&directory, "libcuda.so.1", &sources, &common);
        let empty = directory.join("empty.cpp");
        if !empty.exists() {
            std::fs::write(&empty, "").expect("writable");
        }
        shared(&directory, "libnvrtc-builtins.so.13", &[&empty], "");
        shared(&directory, "libnvrtc.so.13", &[&headers.join("nvrtc.cpp")], "");
        Self { driver, directory, headers }
    }

    /// For a process that uses the driver alone.
    pub fn alone(&self) -> Vec<(&'static str, String)> {
        vec![("OCHRE_CUDA_DRIVER", text(&self.driver).to_owned()), ("OCHRE_CUDA_DRIVER_ONLY", "1".to_owned())]
    }

    /// For a process that has NVRTC as well; what it compiles is kept in `cache`.
    pub fn with_nvrtc(&self, cache: &Path) -> Vec<(&'static str, String)> {
        let more = [("OCHRE_CUDA_LIBRARIES", &*self.directory), ("OCHRE_EMULATED_HEADERS", &*self.headers), ("OCHRE_CACHE", cache)];
        let driver = [("OCHRE_CUDA_DRIVER", text(&self.driver).to_owned()), ("OCHRE_CUDA_DRIVER_ONLY", "nvrtc".to_owned())];
        driver.into_iter().chain(more.map(|(name, path)| (name, text(path).to_owned()))).collect()
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shared(directory: &Path, name: &str, sources: &[&Path], common: &str) -> PathBuf {
    built(&directory.join(name), sources, &["-shared", &format!("-Wl,-soname,{name}")], common)
}

/// A file that g++ makes, unless it is there for these sources and flags.
fn built(file: &Path, sources: &[&Path], flags: &[&str], common: &str) -> PathBuf {
    let own: String = sources.iter().map(|source| std::fs::read(source).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()).collect();
    let (stamp, wanted) = (PathBuf::from(format!("{}.txt", file.display())), format!("{flags:?}{common}{own}"));
    if std::fs::read_to_string(&stamp).is_ok_and(|old| old == wanted) && file.exists() {
        return file.to_owned();
    }
    let mut command = Command::new("g++");
    command.args(["-std=c++17", "-O1", "-fPIC", "-ffp-contract=off", "-w"]).args(flags).args(sources).arg("-o").arg(file);
    assert!(command.status().expect("g++ starts").success(), "g++ cannot make {}", file.display());
    std::fs::write(stamp, wanted).expect("writable");
    file.to_owned()
}
