//! `cargo xtask ptx` compiles the kernels, `cargo xtask gpu` packs what runs on a host with a GPU and without Rust or a network.
use crate::build;
use crate::host::{program, run};
use crate::peers::Ptx;
use anyhow::{Context, ensure};
use ochre_build::{Cache, Cargo, Compiler, Kind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Where kernels lie in the checkout.
const KERNELS: &str = "extensions/tensors/src/cuda/kernels";
/// Package with the programs that compare and measure.
const SUITE: &str = "ochre-tensors-suite";
/// Bytes that the packed folder may have: what is carried to a GPU's host.
const LARGEST: u64 = 60 << 20;

/// Compiles the kernels into the checkout with NVRTC from PyPI: two minutes.
pub fn ptx() -> anyhow::Result<ExitCode> {
    script("build")?;
    Ok(ExitCode::SUCCESS)
}

/// Assembles the kernels for each generation with ptxas from PyPI.
pub fn assemble() -> anyhow::Result<()> {
    script("assemble")
}

fn script(what: &str) -> anyhow::Result<()> {
    let (source, cache) = (build::source(), Cache::find()?);
    let ptx = Ptx::install(&source, &cache)?;
    run(Command::new(&ptx.python).arg(source.join("tests/gpu/ptx.py")).arg(what).arg(source.join(KERNELS)))
}

/// Packs the folder, and runs it where there is a GPU.
pub fn gpu(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let (source, cache, compiler) = (build::source(), Cache::find()?, Compiler::find()?);
    let folder = source.join("target/gpu/ochre-gpu");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let suite = build::kernel_command(&source, &cache, &compiler, &[SUITE.to_owned()]).build()?;
    for name in [SUITE, "ochre-gpu-rows"] {
        copy(&crate::bench::program(&suite, name)?, &folder.join(name))?;
    }
    copy(&device_cases(&source, &cache, &compiler)?, &folder.join("device-cases"))?;
    for name in ["rows.py", "run.sh"] {
        copy(&source.join("tests/gpu").join(name), &folder.join(name))?;
    }
    let packed = folder.with_extension("tar.gz");
    run(Command::new("tar").arg("-C").arg(source.join("target/gpu")).arg("-czf").arg(&packed).arg("ochre-gpu"))?;
    let size = std::fs::metadata(&packed)?.len();
    ensure!(size < LARGEST, "{} has {} MB, more than {} MB", packed.display(), size >> 20, LARGEST >> 20);
    println!("{}: {:.1} MB packed as {}", folder.display(), size as f64 / 1e6, packed.display());
    if program("nvidia-smi").is_none() || arguments.iter().any(|a| a == "--pack") {
        println!("copy it to a host with an NVIDIA driver and PyTorch, and run ./ochre-gpu/run.sh [PYTHON] there");
        return Ok(ExitCode::SUCCESS);
    }
    let status = Command::new(folder.join("run.sh")).stdin(Stdio::null()).status().context("cannot start run.sh")?;
    println!("the table is {}", folder.join("table.md").display());
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// The test program of `extensions/tensors/tests/cuda`.
fn device_cases(source: &Path, cache: &Cache, compiler: &Compiler) -> anyhow::Result<PathBuf> {
    let cargo = build::kernel_command(source, cache, compiler, &["ochre-tensors".to_owned()]);
    let cargo = Cargo { arguments: vec!["--test".into(), "cuda".into()], what: "the device's cases".into(), ..cargo };
    let built = cargo.build_tests()?.into_iter().find(|artifact| artifact.kind == Kind::Test && artifact.crate_name == "cuda");
    built.and_then(|artifact| artifact.files.into_iter().next()).context("cargo built no test `cuda`")
}
