//! The measurements, and the rounds in which all contenders take their turns.
use crate::contender::{ALL, Contender};
use crate::mounted::{Mounted, cpu};
use crate::plan::{MIB, Plan, SPEEDS, Speed};
use crate::server::{READERS, Server};
use crate::store::Store;
use crate::{files, raw};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Threads that read small files, and that read at random places in the measurement with several.
pub const TOGETHER: usize = 16;
/// Reads of 4 KiB, and of 1 MiB, at random places.
const SMALL_READS: usize = 1000;
const LARGE_READS: usize = 128;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    Sequential,
    Readers,
    /// Bytes of one read, and how many at once.
    Random(u64, usize),
    SmallFiles,
    Names,
    Upload,
}

pub const TASKS: [Task; 9] = [
    Task::Sequential,
    Task::Readers,
    Task::Random(4096, 1),
    Task::Random(4096, TOGETHER),
    Task::Random(MIB, 1),
    Task::Random(MIB, TOGETHER),
    Task::SmallFiles,
    Task::Names,
    Task::Upload,
];

/// How a result is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    MegabytesPerSecond,
    ReadsPerSecond,
    Seconds,
}

impl Task {
    pub fn name(self, plan: &Plan) -> String {
        match self {
            Self::Sequential => format!("sequential, 1 reader, {} MiB", plan.large / MIB),
            Self::Readers => format!("sequential, {READERS} readers, {READERS} × {} MiB", plan.large / READERS / MIB),
            Self::Random(length, threads) => format!("random {}, {threads} at once", if length == MIB { "1 MiB" } else { "4 KiB" }),
            Self::SmallFiles => format!("{} files of 4 KiB, {TOGETHER} at once", plan.small),
            Self::Names => format!("{} names", plan.names),
            Self::Upload => format!("upload, {} MiB", plan.upload / MIB),
        }
    }

    pub fn unit(self) -> Unit {
        match self {
            Self::Sequential | Self::Readers | Self::Upload => Unit::MegabytesPerSecond,
            Self::Random(length, _) if length == MIB => Unit::MegabytesPerSecond,
            Self::Random(..) => Unit::ReadsPerSecond,
            Self::SmallFiles | Self::Names => Unit::Seconds,
        }
    }

    /// A result from the seconds that it took.
    fn value(self, plan: &Plan, seconds: f64) -> f64 {
        let megabytes = |bytes: u64| bytes as f64 / 1e6 / seconds;
        match self {
            Self::Sequential => megabytes(plan.large),
            Self::Readers => megabytes(plan.large / READERS * READERS),
            Self::Upload => megabytes(plan.upload / MIB * MIB),
            Self::Random(length, _) if length == MIB => megabytes(MIB * LARGE_READS as u64),
            Self::Random(..) => SMALL_READS as f64 / seconds,
            Self::SmallFiles | Self::Names => seconds,
        }
    }

    /// The speeds at which it says something: latency is for random reads and small files alone.
    fn at(self, speed: Speed) -> bool {
        match self {
            Self::Random(..) | Self::SmallFiles => true,
            Self::Names => speed.rate.is_none(),
            Self::Sequential | Self::Readers | Self::Upload => speed.latency.is_zero(),
        }
    }

    /// Who can do it: plain sockets list nothing and read no small files.
    fn by(self, contender: Contender) -> bool {
        contender != Contender::Raw || !matches!(self, Self::SmallFiles | Self::Names)
    }
}

/// All results of one task by one contender at one speed.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    pub values: Vec<f64>,
    /// Most memory of the mount process, over the rounds.
    pub peak: Option<u64>,
    pub budget: Option<u64>,
    /// Why there is no result, or not one for every round.
    pub trouble: Option<String>,
    /// Processor seconds of reader and mount process together, for each round.
    pub cpu: Vec<f64>,
    /// Connections that were best for plain sockets.
    pub connections: Vec<usize>,
}

impl Samples {
    pub fn median(&self) -> Option<f64> {
        median(&self.values)
    }

    /// Processor seconds, the median.
    pub fn cpu(&self) -> Option<f64> {
        median(&self.cpu)
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Results by task, contender and the number of the speed.
#[derive(Debug, Default)]
pub struct Results {
    pub samples: BTreeMap<(Task, usize, Contender), Samples>,
    /// The machine's load before and after.
    pub load: (String, String),
    pub seconds: f64,
}

/// Runs all rounds.
pub fn run(plan: &Plan) -> anyhow::Result<Results> {
    std::fs::create_dir_all(&plan.scratch).with_context(|| format!("cannot create {}", plan.scratch.display()))?;
    let started = Instant::now();
    let mut results = Results { load: (load(), String::new()), ..Results::default() };
    for round in 0..plan.rounds {
        for (index, speed) in SPEEDS.into_iter().enumerate() {
            let server = std::sync::Arc::new(Server::start(plan, speed)?);
            for task in TASKS.into_iter().filter(|t| t.at(speed) && plan.wants(&t.name(plan))) {
                for contender in turn(round).into_iter().filter(|c| task.by(*c)) {
                    let samples = results.samples.entry((task, index, contender)).or_default();
                    // What was too slow or failed once is not waited for again.
                    if samples.trouble.is_none() {
                        one(plan, &server, task, contender, samples);
                        eprintln!("round {} · {} · {} · {}: {}", round + 1, speed.name, task.name(plan), contender.name(), last(samples));
                    }
                }
            }
        }
    }
    results.load.1 = load();
    results.seconds = started.elapsed().as_secs_f64();
    Ok(results)
}

/// The contenders, each round beginning with another, so that none is always behind the same one.
fn turn(round: usize) -> Vec<Contender> {
    let mut turn = ALL.to_vec();
    turn.rotate_left(round % ALL.len());
    turn
}

fn last(samples: &Samples) -> String {
    samples.trouble.clone().unwrap_or_else(|| samples.values.last().map_or_else(String::new, |v| format!("{v:.1}")))
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// One measurement with its limit. What runs over it is left behind: its mount goes, so its reads fail.
fn one(plan: &Plan, server: &std::sync::Arc<Server>, task: Task, contender: Contender, samples: &mut Samples) {
    let mounted = match contender.mounts().then(|| Mounted::start(plan, server, contender)).transpose() {
        Ok(mounted) => mounted,
        Err(error) => {
            samples.trouble = Some(format!("no mount: {error:#}"));
            return;
        }
    };
    let there = || std::fs::metadata(plan.scratch.join("upload")).is_ok_and(|file| file.len() == plan.upload);
    if task == Task::Upload && contender == Contender::Store && !there() {
        // Here, so that its writing is no part of the measurement.
        if let Err(error) = std::fs::write(plan.scratch.join("upload"), vec![7; plan.upload as usize]) {
            samples.trouble = Some(format!("no file to upload: {error}"));
            return;
        }
    }
    let (sender, done) = mpsc::channel();
    let busy = || Some(cpu("self")? + mounted.as_ref().map_or(Some(0.0), Mounted::cpu)?);
    let before = busy();
    let job = Job { directory: mounted.as_ref().map(|m| m.directory.clone()), file: plan.scratch.join("upload"), sizes: Sizes::of(plan), server: server.clone(), task, contender };
    std::thread::spawn(move || sender.send(job.run()));
    match done.recv_timeout(plan.limit) {
        Ok(Ok((seconds, connections))) => {
            samples.values.push(task.value(plan, seconds));
            samples.connections.extend(connections);
            // Plain sockets try several numbers of connections in one measurement.
            let parts = if contender == Contender::Raw && matches!(task, Task::Sequential | Task::Readers) { raw::CONNECTIONS.len() as f64 } else { 1.0 };
            samples.cpu.extend(before.and_then(|b| Some((busy()? - b) / parts)));
        }
        Ok(Err(error)) => samples.trouble = Some(format!("failed: {error:#}")),
        Err(_) => samples.trouble = Some(format!("not done after {} s", plan.limit.as_secs())),
    }
    if let Some(mounted) = mounted {
        samples.peak = samples.peak.max(mounted.peak());
        samples.budget = mounted.budget;
    }
}

/// Numbers of the plan that a thread may keep.
#[derive(Clone, Copy)]
struct Sizes {
    large: u64,
    huge: u64,
    upload: u64,
    small: usize,
    names: usize,
}

impl Sizes {
    fn of(plan: &Plan) -> Self {
        Self { large: plan.large, huge: plan.huge, upload: plan.upload / MIB * MIB, small: plan.small, names: plan.names }
    }
}

struct Job {
    directory: Option<PathBuf>,
    /// A file to upload, which is there.
    file: PathBuf,
    sizes: Sizes,
    server: std::sync::Arc<Server>,
    task: Task,
    contender: Contender,
}

impl Job {
    /// Seconds, and the best number of connections for plain sockets.
    fn run(&self) -> anyhow::Result<(f64, Option<usize>)> {
        match (self.contender, &self.directory) {
            (Contender::Raw, _) => self.raw(),
            (Contender::Store, _) => self.store().map(|s| (s, None)),
            (_, Some(directory)) => self.mounted(directory).map(|s| (s, None)),
            (_, None) => bail!("there is no mount"),
        }
    }

    fn raw(&self) -> anyhow::Result<(f64, Option<usize>)> {
        let server = &self.server;
        let split = self.sizes.large / READERS;
        match self.task {
            Task::Sequential => raw::best(server, "large/one", self.sizes.large).map(|(s, c)| (s, Some(c))),
            Task::Readers => raw::best(server, "large/one", split * READERS).map(|(s, c)| (s, Some(c))),
            Task::Random(length, threads) => raw::at(server, "huge/one", &places(self.sizes.huge, length), length, threads).map(|s| (s, None)),
            Task::Upload => raw::puts(server, self.sizes.upload, 16).map(|s| (s, Some(16))),
            Task::SmallFiles | Task::Names => bail!("plain sockets do not do that"),
        }
    }

    fn store(&self) -> anyhow::Result<f64> {
        let store = Store::open(&self.server)?;
        let sizes = self.sizes;
        match self.task {
            Task::Sequential => store.read_through("large/one", sizes.large),
            Task::Readers => {
                let started = Instant::now();
                std::thread::scope(|scope| {
                    let readers: Vec<_> = (0..READERS).map(|n| (n, &store)).map(|(n, s)| scope.spawn(move || s.read_through(&format!("parts/{n}"), sizes.large / READERS))).collect();
                    readers.into_iter().try_for_each(|r| r.join().unwrap_or_else(|_| bail!("a reader panicked")).map(drop))
                })?;
                Ok(started.elapsed().as_secs_f64())
            }
            Task::Random(length, together) => store.read_at("huge/one", &places(sizes.huge, length), length, together),
            Task::SmallFiles => store.read_all("small/", sizes.small, TOGETHER),
            Task::Names => store.list("names/", sizes.names),
            Task::Upload => store.upload(&self.file, "upload/store"),
        }
    }

    fn mounted(&self, directory: &std::path::Path) -> anyhow::Result<f64> {
        let sizes = self.sizes;
        match self.task {
            Task::Sequential => files::through(&[directory.join("large/one")], sizes.large),
            Task::Readers => {
                let parts: Vec<_> = (0..READERS).map(|n| directory.join(format!("parts/{n}"))).collect();
                files::through(&parts, sizes.large / READERS)
            }
            Task::Random(length, threads) => files::at(&directory.join("huge/one"), &places(sizes.huge, length), length, threads),
            Task::SmallFiles => files::small(&directory.join("small"), sizes.small, TOGETHER),
            Task::Names => files::names(&directory.join("names"), sizes.names),
            Task::Upload => self.written(&directory.join("upload").join(self.contender.short())),
        }
    }

    /// A write counts when the server has the bytes: some peers return before that.
    fn written(&self, path: &std::path::Path) -> anyhow::Result<f64> {
        let started = Instant::now();
        files::write(path, self.sizes.upload)?;
        let blob = format!("upload/{}", self.contender.short());
        while raw::size(&self.server, &blob)? != Some(self.sizes.upload) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let seconds = started.elapsed().as_secs_f64();
        raw::remove(&self.server, &blob)?;
        Ok(seconds)
    }
}

/// The same places for everybody, aligned to the length of a read, none twice.
fn places(size: u64, length: u64) -> Vec<u64> {
    let count = if length == MIB { LARGE_READS } else { SMALL_READS };
    let slots = size / length;
    let (mut state, mut seen) = (0x2545_f491_4f6c_dd1d_u64, std::collections::BTreeSet::new());
    let next = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % slots
    });
    next.filter(|slot| seen.insert(*slot)).take(count.min(slots as usize)).map(|slot| slot * length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_inside_and_apart() {
        let places = places(64 * MIB, 4096);
        assert_eq!(places.len(), SMALL_READS);
        assert!(places.iter().all(|p| p % 4096 == 0 && p + 4096 <= 64 * MIB));
        assert_eq!(places.iter().collect::<std::collections::BTreeSet<_>>().len(), places.len());
    }

    #[test]
    fn medians_are_of_what_there_is() {
        let of = |values: &[f64]| Samples { values: values.to_vec(), ..Samples::default() }.median();
        assert_eq!((of(&[]), of(&[2.0]), of(&[9.0, 1.0, 5.0])), (None, Some(2.0), Some(5.0)));
    }
}
