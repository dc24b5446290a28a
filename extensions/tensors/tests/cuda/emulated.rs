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
        let text = [read(source.to_owned()), read(kernels.join("common.cuh")), read(kernels.join("element.cuh")), emulator_text.clone()].concat();
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

/// The sources of the kernels, thread by thread: what differs on a GPU is the compiler and the hardware, not the program.
pub fn run() {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "the_gpu_gives_what_the_cpu_gives", "--nocapture"])
        .env("OCHRE_CUDA_DRIVER", driver())
        .env("OCHRE_CUDA_DRIVER_ONLY", "1")
        .output()
        .expect("this test starts again");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("on the CPU as a GPU"), "{text}");
    println!("{text}");
}
