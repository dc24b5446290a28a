//! The suite as a program, for machines without Rust: `ochre-tensors-suite check [DEVICE [PART]]` compares every case with PyTorch's and with
//! differences (or those whose names have PART; with `small` all but the large ones, with PyTorch's alone), `ochre-tensors-suite bench CONFIG`
//! measures beside PyTorch. DEVICE is `cpu` (unless given) or `cuda`, `cuda:1` …; Python is `OCHRE_TORCH_PYTHON`.
#![forbid(unsafe_code)]

use anyhow::{Context, bail};
use ochre_tensors::Device;
use ochre_tensors_suite::case::Case;
use ochre_tensors_suite::{Kind, bench, cases, check, finite, torch};
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check"] => compare(&Device::Cpu, ""),
        ["check", name] => compare(&device(name)?, ""),
        ["check", name, part] => compare(&device(name)?, part),
        ["bench", rest @ ..] => bench::run(rest),
        _ => bail!("usage: ochre-tensors-suite check [cpu|cuda|cuda:N [PART]] | bench [cpu|cuda|cuda:N] [--rounds N] [--out FILE] [--only PART]"),
    }
}

/// A device by its name.
fn device(name: &str) -> anyhow::Result<Device> {
    match name.split_once(':') {
        None if name == "cpu" => Ok(Device::Cpu),
        None if name == "cuda" => Ok(Device::cuda(0)),
        Some(("cuda", number)) => Ok(Device::cuda(number.parse().context("the number of a GPU")?)),
        _ => bail!("there is no device `{name}`"),
    }
}

fn compare(device: &Device, part: &str) -> anyhow::Result<ExitCode> {
    let chosen = |case: &Case| if part == "small" { case.kind != Kind::Large } else { case.name.contains(part) };
    let report = check::against_torch(device, &torch::python()?, chosen)?;
    let smooth: Vec<_> = cases::all().into_iter().filter(|case| case.kind == Kind::Smooth && part != "small" && chosen(case)).collect();
    let differences: Vec<String> = smooth.iter().flat_map(|case| finite::check(case, device)).collect();
    for failure in report.failures.iter().chain(&differences) {
        println!("FAILED: {failure}");
    }
    println!("{device}: {} tensors compared with PyTorch {} (computed in f64 on the CPU), {} differ", report.compared, report.version, report.failures.len());
    println!("{device}: {} cases compared with finite differences, {} gradients differ", smooth.len(), differences.len());
    anyhow::ensure!(report.compared > 0, "no case is called `{part}`");
    Ok(if report.failures.is_empty() && differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
