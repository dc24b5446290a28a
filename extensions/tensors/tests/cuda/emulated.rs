//! Builds the driver whose GPU is the CPU, and runs all cases with it.
use std::path::{Path, PathBuf};
use std::process::Command;

const KERNELS: [&str; 11] = ["binary", "cast", "move", "multiply", "norm", "order", "reduce", "rows", "train", "unary", "window"];

/// The driver, built once for these sources: some minutes of g++.
fn driver() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (kernels, emulator) = (here.join("src/cuda/kernels"), here.join("../../tests/gpu/emulator"));
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let emulator_text = [read(emulator.join("emulate.h")), read(emulator.join("driver.cpp"))].concat();
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulated-cuda");
    std::fs::create_dir_all(&built).expect("a directory");
    let compile = |source: &Path, name: &str, kernel: bool| {
        let object = built.join(format!("{name}.o"));
        let headers = ["common.cuh", "element.cuh", "operations.cuh"].map(|name| read(kernels.join(name)));
        let text = [read(source.to_owned()), headers.concat(), emulator_text.clone()].concat();
        let stamp = built.join(format!("{name}.txt"));
        if std::fs::read_to_string(&stamp).is_ok_and(|old| old == text) && object.exists() {
            return object;
        }
        let mut command = Command::new("g++");
        command.args(["-std=c++17", "-O1", "-fPIC", "-ffp-contract=off", "-w", "-I"]).arg(&emulator);
        command.args(if kernel { ["-DEMULATED", "-x", "c++"].as_slice() } else { &[] });
        let status = command.arg("-c").arg(source).arg("-o").arg(&object).status().expect("g++ starts");
        assert!(status.success(), "g++ cannot compile {}", source.display());
        std::fs::write(stamp, text).expect("writable");
        object
    };
    let mut objects: Vec<PathBuf> = KERNELS.iter().map(|name| compile(&kernels.join(format!("{name}.cu")), name, true)).collect();
    objects.push(compile(&emulator.join("driver.cpp"), "driver", false));
    let library = built.join("libcuda.so.1");
    let status = Command::new("g++").args(["-shared", "-Wl,-soname,libcuda.so.1", "-o"]).arg(&library).args(&objects).status().expect("g++ starts");
    assert!(status.success(), "g++ cannot link the driver");
    library
}

/// A directory with an NVRTC for that driver: the host's compiler.
fn nvrtc(driver: &Path) -> PathBuf {
    let directory = driver.parent().expect("a directory").to_owned();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/gpu/emulator/nvrtc.cpp");
    let empty = directory.join("empty.cpp");
    std::fs::write(&empty, "").expect("writable");
    for (source, name) in [(&source, "libnvrtc.so.13"), (&empty, "libnvrtc-builtins.so.13")] {
        let mut command = Command::new("g++");
        command.args(["-std=c++17", "-O1", "-fPIC", "-shared", &format!("-Wl,-soname,{name}"), "-o"]).arg(directory.join(name)).arg(source);
        assert!(command.status().expect("g++ starts").success(), "g++ cannot compile {}", source.display());
    }
    directory
}

/// The cases in a process that finds the driver.
fn cases(driver: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "the_gpu_gives_what_the_cpu_gives", "--nocapture"]);
    command.env("OCHRE_CUDA_DRIVER", driver).env("OCHRE_CUDA_DRIVER_ONLY", "1").envs(variables.iter().copied());
    let output = command.output().expect("this test starts again");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("on the CPU as a GPU"), "{text}");
    println!("{text}");
    text
}

/// The sources of the kernels, thread by thread: what differs on a GPU is the compiler and the hardware, not the program.
pub fn run() {
    cases(&driver(), &[]);
}

/// The same where element-wise operations become one kernel: compiled, found on disk, and where the compiler refuses.
pub fn run_fused() {
    let driver = driver();
    let (directory, headers) = (nvrtc(&driver), Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/gpu/emulator"));
    let cache = directory.join("cache");
    let _ = std::fs::remove_dir_all(&cache);
    let path = |path: &Path| path.display().to_string();
    let (directory, headers, cache) = (path(&directory), path(&headers), path(&cache));
    // Little memory: a test fills it.
    let base = [("OCHRE_EMULATED_MEMORY", "268435456"), ("OCHRE_CUDA_DRIVER_ONLY", "nvrtc"), ("OCHRE_CUDA_LIBRARIES", &directory), ("OCHRE_EMULATED_HEADERS", &headers)];
    let with = |more: &[(&str, &str)]| cases(&driver, &[&base, more].concat());
    let first = with(&[("OCHRE_CACHE", &cache)]);
    assert!(first.contains("kernels were compiled") && !first.contains("0 kernels were compiled"), "{first}");
    let chains = ("OCHRE_CUDA_CASE", "fusion: random chains");
    let again = with(&[("OCHRE_CACHE", &cache), chains]);
    assert!(again.contains("\n0 kernels were compiled"), "what is on disk is not compiled again: {again}");
    let refused = with(&[("OCHRE_EMULATED_NVRTC", "refuses"), ("OCHRE_CACHE", "/proc/none"), ("OCHRE_CUDA_CASE", "fusion")]);
    assert!(refused.contains("\n0 kernels were compiled"), "{refused}");
}
