//! Builds the driver whose GPU is the CPU, and runs the cases in processes that find it.
#[path = "../../../../tests/gpu/emulator/emulator.rs"]
mod emulator;

use emulator::Emulator;
use std::path::{Path, PathBuf};
use std::process::Command;

fn emulator() -> Emulator {
    Emulator::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// The cases in a process with these variables; what it wrote.
fn cases(variables: &[(&str, String)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "the_gpu_gives_what_the_cpu_gives", "--nocapture"]).envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().expect("this test starts again");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("on the CPU as a GPU"), "{text}");
    println!("{text}");
    text
}

/// The sources of the kernels, thread by thread: what differs on a GPU is the compiler and the hardware, not the program.
pub fn run() {
    let emulator = emulator();
    cases(&emulator.alone());
    // Kernels that do nothing, for the host's part: its time, and its memory in ten thousand steps.
    for variables in [emulator.alone(), emulator.with_nvrtc(&emulator.directory().join("idle"))] {
        let with = |case: &str| {
            let more = [("OCHRE_EMULATED_IDLE", "1"), ("OCHRE_CUDA_CASE", case)].map(|(name, value)| (name, value.to_owned()));
            cases(&variables.iter().cloned().chain(more).collect::<Vec<_>>())
        };
        with("costs the host");
        assert!(with("memory comes back").contains("10000 steps"));
    }
}

/// The same where element-wise operations become one kernel: compiled, found on disk, and where the compiler refuses.
pub fn run_fused() {
    let emulator = emulator();
    let cache = emulator.directory().join("cache");
    let _ = std::fs::remove_dir_all(&cache);
    let with = |cache: &Path, more: &[(&'static str, &str)]| {
        // Little memory: a test fills it.
        let more = [("OCHRE_EMULATED_MEMORY", "268435456")].iter().chain(more).map(|(name, value)| (*name, (*value).to_owned()));
        cases(&emulator.with_nvrtc(cache).into_iter().chain(more).collect::<Vec<_>>())
    };
    let first = with(&cache, &[]);
    assert!(first.contains("kernels were compiled") && !first.contains("\n0 kernels were compiled"), "{first}");
    let again = with(&cache, &[("OCHRE_CUDA_CASE", "fusion: random chains")]);
    assert!(again.contains("\n0 kernels were compiled"), "what is on disk is not compiled again: {again}");
    // A cache that cannot be written, and a compiler that refuses everything.
    let refused = with(Path::new("/proc/none"), &[("OCHRE_EMULATED_NVRTC", "refuses"), ("OCHRE_CUDA_CASE", "fusion")]);
    assert!(refused.contains("\n0 kernels were compiled"), "{refused}");
    // The real compiler takes the same texts; its machine code is not for the emulated GPU, which falls back to separate kernels.
    if let Some(libraries) = real_nvrtc() {
        let libraries = libraries.to_str().expect("a path in UTF-8");
        let chains = ("OCHRE_CUDA_CASE", "fusion: random chains");
        let real = with(Path::new("/proc/none"), &[("OCHRE_CUDA_LIBRARIES", libraries), ("OCHRE_FUSION_CHAINS", "12"), chains]);
        let count = real.lines().find_map(|line| line.strip_suffix(" kernels were compiled")?.parse().ok());
        assert!(count.is_some_and(|count: u64| count > 5), "{real}");
    }
}

/// NVRTC of the package that `cargo xtask test ptx` installs, where it was.
fn real_nvrtc() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || set("OCHRE_CACHE").or_else(|| set("XDG_CACHE_HOME").map(|d| d.join("ochre"))).or_else(|| set("HOME").map(|d| d.join(".cache/ochre")));
    let library = set("OCHRE_PEERS").or_else(|| Some(cache()?.join("peers")))?.join("python-ptx/lib");
    let pythons = std::fs::read_dir(library).ok()?.flatten().map(|python| python.path().join("site-packages/nvidia/cuda_nvrtc/lib"));
    pythons.into_iter().find(|directory| directory.is_dir())
}
