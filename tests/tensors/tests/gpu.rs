//! What `cargo xtask gpu` packs first runs on a rented GPU: here it runs dry, on the GPU that is the CPU, so that it does not fail for a typo.
#[path = "../../gpu/emulator/emulator.rs"]
#[allow(dead_code)] // Another test uses the rest of it.
mod emulator;

use emulator::Emulator;
use ochre_tensors_suite::torch;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder without the programs that have tests of their own: `device-cases` is `extensions/tensors/tests/cuda`.
fn folder() -> PathBuf {
    let (scripts, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("../gpu"), Path::new(env!("CARGO_TARGET_TMPDIR")).join("gpu-dry"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let programs = [("ochre-tensors-suite", env!("CARGO_BIN_EXE_ochre-tensors-suite")), ("ochre-gpu-rows", env!("CARGO_BIN_EXE_ochre-gpu-rows"))];
    for (name, program) in programs {
        std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
    }
    for name in ["run.sh", "rows.py"] {
        std::fs::copy(scripts.join(name), folder.join(name)).unwrap();
    }
    folder
}

fn emulator() -> Emulator {
    Emulator::build(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// Values and gradients of all cases but the large ones, each by the GPU's own kernels.
#[test]
fn every_operation_on_the_emulated_gpu_is_pytorchs() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ochre-tensors-suite"));
    let output = command.args(["check", "cuda", "small"]).env("OCHRE_TORCH_PYTHON", torch::python().unwrap()).envs(emulator().alone()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    assert!(output.status.success() && text.contains(" 0 differ") && text.contains(" 0 gradients differ"), "{text}");
}

#[test]
fn the_folder_for_gpus_runs_dry() {
    let (folder, python) = (folder(), torch::python().unwrap());
    let mut command = Command::new(folder.join("run.sh"));
    let output = command.arg("--dry").arg(python).envs(emulator().with_nvrtc(&folder.join("cache"))).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // The two parts of `device-cases`, which is not here.
    assert!(output.status.code() == Some(2) && text.contains("2 of 4 parts failed"), "{text}");
    assert!(text.contains("tensors compared with PyTorch") && text.contains(" 0 differ") && text.contains(" 0 gradients differ"), "{text}");
    let table = std::fs::read_to_string(folder.join("table.md")).unwrap();
    assert!(table.contains("A dry run") && !table.contains("FAILED"), "{table}");
    let rows: Vec<&str> = table.lines().filter(|line| line.ends_with("| dry |")).collect();
    assert_eq!(rows.len(), 19, "{table}");
    println!("{text}");
}
