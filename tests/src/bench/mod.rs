//! `cargo xtask bench NAME`: each measurement is a file of this directory and an entry of the table.
mod cells;
mod runs;
mod storage;
mod tensors;

use anyhow::bail;
pub use storage::program;
use std::process::ExitCode;

/// One measurement.
struct Bench {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<ExitCode>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "cells",
        about: "latency of cells, time to ready, hot loops, memory: bare rustc, Ochre, evcxr_jupyter; [--rounds N] [--no-evcxr] [--evcxr-polars] [--save]",
        run: cells::run,
    },
    Bench {
        name: "runs",
        about: "logging and stores of runs: mlflow.db and an MLflow server, beside MLflow's Python client; [--save]",
        run: runs::run,
    },
    Bench {
        name: "storage",
        about: "blobs: plain sockets, ochre::store, %mount, rclone mount, s3fs; [--rounds N] [--only NAME,…] [--large_mib N] [--limit S] [--save]",
        run: storage::run,
    },
    Bench {
        name: "tensors",
        about: "tensors on the CPU beside PyTorch, with as many threads, in turn; [--rounds N] [--threads N] [--only PART] [--save]",
        run: tensors::run,
    },
];

/// Runs the named measurement, or lists them.
pub fn bench(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let Some(name) = arguments.first() else {
        for bench in BENCHES {
            println!("{:<10} {}", bench.name, bench.about);
        }
        return Ok(ExitCode::SUCCESS);
    };
    match BENCHES.iter().find(|b| b.name == name) {
        Some(bench) => (bench.run)(&arguments[1..]),
        None => bail!("there is no measurement `{name}`; `cargo xtask bench` lists them"),
    }
}
