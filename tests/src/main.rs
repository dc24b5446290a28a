//! `cargo xtask`: builds, shows, tests and measures Ochre from a checkout. Few dependencies, so that it compiles in seconds.
//!
//! What it builds lies in the cache (`ochre_build::Cache`), what it shows and logs in `target/xtask`.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod demo;
mod gpu;
mod host;
mod peers;
mod test;

use anyhow::bail;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  build                    the kernel and its prelude, into the cache
  demo                     builds, installs for this user, runs notebooks/01-first-cells.ipynb and shows the result
  test [--full] [FILTER]   installs every test peer it can and runs all tests; --full adds the slow ones;
                           FILTER is the name of a suite (see `test --list`) or part of a Rust test's name
  peers                    installs what the tests talk to or measure against, as `test` does, and says where it lies
  bench [NAME]             measures; without a name it lists what can be measured
  gpu [--pack]             packs the checks and the benchmark of tensors for a host with a GPU, and runs them if this is one
  ptx                      compiles the GPU's kernels (extensions/tensors/src/cuda/kernels) with NVRTC from PyPI";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("build") => build::build().map(|built| {
            println!("{}\n{}", built.ochre.display(), built.prelude.display());
            ExitCode::SUCCESS
        }),
        Some("demo") => demo::demo(),
        Some("test") => test::test(rest),
        Some("peers") => {
            peers::Runs::install(&build::source(), &ochre_build::Cache::find()?)?;
            peers::Torch::install(&build::source(), &ochre_build::Cache::find()?)?;
            peers::Onnx::install(&build::source(), &ochre_build::Cache::find()?)?;
            println!("{}", peers::Storage::install(&build::source(), &ochre_build::Cache::find()?)?.directory.display());
            Ok(ExitCode::SUCCESS)
        }
        Some("bench") => bench::bench(rest),
        Some("gpu") => gpu::gpu(rest),
        Some("ptx") => gpu::ptx(),
        Some("help" | "--help" | "-h") | None => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => bail!("there is no command `{other}`\n\n{USAGE}"),
    }
}
