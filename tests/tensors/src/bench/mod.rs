//! Tensors beside PyTorch: the same work, the same number of threads, one after the other in turn, medians.
//!
//! Called by `cargo xtask bench tensors` through `ochre-tensors-suite bench`. A row is measured in rounds: ours, PyTorch's, ours, … so that a
//! machine that slows down slows both. Each measurement repeats the work for about `BUDGET`.
mod network;
mod peer;
mod rows;

use crate::torch;
use anyhow::Context;
use ochre_tensors::Device;
use peer::Peer;
use rows::Row;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long the work of one measurement is repeated.
const BUDGET: Duration = Duration::from_millis(150);
/// Measurements of each row and side, unless `--rounds` says otherwise.
const ROUNDS: usize = 9;
/// The peer's threads go on looking for work for a moment; ours begin when they sleep, and the other way round.
const PAUSE: Duration = Duration::from_millis(15);

/// A load of more than this for each core is somebody else's work.
const BUSY: f64 = 0.4;

/// What is asked for.
struct Wish {
    device: Device,
    rounds: usize,
    threads: usize,
    only: Option<String>,
    out: Option<String>,
}

/// `[cpu|cuda|cuda:N] [--rounds N] [--threads N] [--only PART] [--out FILE]`
pub fn run(arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let wish = Wish::read(arguments)?;
    // Before the first operation, which would start as many threads as there are cores.
    rayon::ThreadPoolBuilder::new().num_threads(wish.threads).build_global().context("the threads are running already")?;
    let mut peer = Peer::start(&torch::python()?, wish.device, wish.threads)?;
    let mut table = format!("# Tensors beside PyTorch {} on the same machine, in turn\n\n{}\n\n{HEAD}", peer.version, machine(&wish));
    let (mut slower, mut geometric, mut count) = (Vec::new(), 0.0, 0);
    print!("{table}");
    for row in rows::all(wish.device).iter().filter(|row| wish.only.as_ref().is_none_or(|only| row.name.contains(only.as_str()))) {
        let measured = measure(row, &mut peer, &wish)?;
        let line = measured.line(row);
        print!("{line}");
        table.push_str(&line);
        (geometric, count) = (geometric + measured.ratio().ln(), count + 1);
        if measured.ratio() > row.limit {
            slower.push(row.name);
        }
    }
    let mean = (geometric / f64::from(count.max(1))).exp();
    let end = format!("\nGeometric mean of the ratios: {mean:.2}. {}\n", if slower.is_empty() { "Every row is within its limit.".to_owned() } else { format!("Over their limits: {}.", slower.join(", ")) });
    print!("{end}");
    table.push_str(&end);
    if let Some(out) = &wish.out {
        std::fs::write(out, &table).with_context(|| format!("cannot write {out}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

const HEAD: &str = "| what | ours | PyTorch | ratio | limit | |\n|---|--:|--:|--:|--:|---|\n";

impl Wish {
    fn read(arguments: &[&str]) -> anyhow::Result<Self> {
        let after = |flag: &str| arguments.iter().position(|a| *a == flag).map(|at| arguments.get(at + 1).map(|v| (*v).to_owned()).with_context(|| format!("{flag} wants a value"))).transpose();
        let number = |flag: &str| after(flag)?.map(|v| v.parse::<usize>().with_context(|| format!("{flag} takes a number"))).transpose();
        let device = match arguments.first().copied().unwrap_or("cpu") {
            name if name.starts_with("cuda") => Device::cuda(name.split_once(':').map_or(Ok(0), |(_, n)| n.parse())?),
            _ => Device::Cpu,
        };
        let threads = number("--threads")?.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        Ok(Self { device, rounds: number("--rounds")?.unwrap_or(ROUNDS), threads, only: after("--only")?, out: after("--out")? })
    }
}

/// Seconds for one piece of work, each side's median and how far its quartiles are apart.
struct Measured {
    ours: Vec<f64>,
    torch: Vec<f64>,
}

fn measure(row: &Row, peer: &mut Peer, wish: &Wish) -> anyhow::Result<Measured> {
    let mut work = (row.ours)(wish.device);
    peer.prepare(row)?;
    // Warm: pages, caches, threads; and how often it fits into the budget.
    let repeats = |seconds: f64| ((BUDGET.as_secs_f64() / seconds.max(1e-9)) as usize).clamp(1, 1_000_000);
    timed(&mut work, 1, wish.device);
    let ours = repeats(timed(&mut work, 2, wish.device));
    peer.time(1)?;
    let torch = repeats(peer.time(2)?);
    let mut measured = Measured { ours: Vec::new(), torch: Vec::new() };
    for _ in 0..wish.rounds {
        std::thread::sleep(PAUSE);
        measured.ours.push(timed(&mut work, ours, wish.device));
        std::thread::sleep(PAUSE);
        measured.torch.push(peer.time(torch)?);
    }
    Ok(measured)
}

/// Seconds of one repetition.
fn timed(work: &mut dyn FnMut(), repeats: usize, device: Device) -> f64 {
    let wait = || drop(ochre_tensors::backend(device).map(|b| b.synchronize()));
    wait();
    let start = Instant::now();
    (0..repeats).for_each(|_| work());
    wait();
    start.elapsed().as_secs_f64() / repeats as f64
}

impl Measured {
    fn ratio(&self) -> f64 {
        median(&self.ours) / median(&self.torch)
    }

    fn line(&self, row: &Row) -> String {
        let (ours, torch, ratio) = (median(&self.ours), median(&self.torch), self.ratio());
        let spread = (quartiles(&self.ours), quartiles(&self.torch));
        let note = row.rate(ours).map(|rate| format!("{rate}, PyTorch {}; ", row.rate(torch).unwrap_or_default())).unwrap_or_default();
        let noise = format!("quartiles ±{:.0}% and ±{:.0}%", spread.0 * 50.0, spread.1 * 50.0);
        format!("| {} | {} | {} | {ratio:.2} | {:.2} | {note}{noise} |\n", row.name, time(ours), time(torch), row.limit)
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> f64 {
    sorted(values)[values.len() / 2]
}

/// From the lower to the upper quartile, as a share of the median.
fn quartiles(values: &[f64]) -> f64 {
    let values = sorted(values);
    (values[values.len() * 3 / 4] - values[values.len() / 4]) / values[values.len() / 2]
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-5 => format!("{:.2} µs", s * 1e6),
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}

/// Without which no number says anything.
fn machine(wish: &Wish) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo").lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned())).unwrap_or_default();
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let busy = load.parse::<f64>().is_ok_and(|load| load > BUSY * cores);
    let warning = if busy { " **The machine was not idle: threads that wait for each other wait for others' work, and these figures say little.**" } else { "" };
    format!("{} on {model}, {} threads on each side, {} rounds in turn, load {load} at the beginning.{warning} f32 where nothing else is said; the limit is of ours divided by PyTorch's.", wish.device, wish.threads, wish.rounds)
}
