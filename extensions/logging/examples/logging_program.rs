//! The program of this crate's tests and measurements: it logs as a user's would, and is killed, forked, or timed while it does.
//!
//! ```text
//! logging_program loop SEED      logs for ever from two threads; writes `thread step` to stdout after each call has returned
//! logging_program pumped SEED    the same, with a kernel of its own that keeps what it acknowledges in the file $KEPT
//! logging_program calls FOLDER  the calls of the test `calls.rs`, on files in a folder
//! logging_program continued      a call in a run whose metric `loss` has got to step 41
//! logging_program fork           a parent and its forked child log
//! logging_program stuck          logs more than may wait while the backend is away, which comes back later
//! logging_program time           nanoseconds of log_metric in a hot loop, without and with delivery; slowdown of a loop that computes
//! ```
use ochre_logging::run;
use ochre_runtime::Mime;
use ochre_runtime::host::{AskFailure, Host, RequestFailure, install};
use ochre_spool::Record;
use ochre_spool::wire::{Active, Appended, Request, answer};
use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A kernel that keeps metrics as lines of a file: what a write has taken outlives this process.
struct Kernel {
    kept: Mutex<Option<File>>,
    spools: PathBuf,
    /// How long it thinks about each batch.
    pause: Duration,
    /// The last steps of the run that is active.
    steps: &'static [(&'static str, i64)],
}

impl Host for Kernel {
    fn display(&self, _mime: Mime, _id: Option<&str>, _update: bool) {}
    fn clear_output(&self, _wait: bool) {}
    fn ask(&self, _prompt: &str, _password: bool) -> Result<String, AskFailure> {
        Err(AskFailure::NotAllowed)
    }
    fn event(&self, _topic: &str, _payload: &[u8]) {}
    fn comm(&self, _id: &str, _action: &str, _data: &str, _metadata: &str, _buffers: &[Vec<u8>]) {}

    fn request(&self, _topic: &str, payload: &[u8]) -> Result<Vec<u8>, RequestFailure> {
        Ok(match Request::parse(payload).expect("our own requests parse") {
            Request::Active { .. } => {
                let steps = self.steps.iter().map(|(key, step)| ((*key).to_owned(), *step)).collect();
                answer(&Some(Active { run_id: "pumped".into(), spool_directory: Some(self.spools.clone()), steps, ..Active::default() }))
            }
            Request::Append { batch, .. } if AWAY.load(Ordering::SeqCst) => answer(&Appended { upto: batch.from, wait_ms: 10 }),
            Request::Append { batch, .. } => {
                std::thread::sleep(self.pause);
                if let Some(file) = self.kept.lock().expect("no panic").as_mut() {
                    let mut lines = String::new();
                    for record in batch.records() {
                        if let Record::Metric(m) = record {
                            lines.push_str(&format!("{} {} {} {}\n", m.key, m.step, m.timestamp_ms, m.value.to_bits()));
                        }
                    }
                    file.write_all(lines.as_bytes()).expect("the file takes it");
                } else {
                    black_box(batch.records());
                }
                answer(&Appended { upto: batch.end, wait_ms: 0 })
            }
            other => panic!("not asked for here: {other:?}"),
        })
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let spools = PathBuf::from(std::env::var_os("OCHRE_SPOOL").expect("OCHRE_SPOOL names a folder"));
    let kept = std::env::var_os("KEPT").map(|path| File::options().append(true).create(true).open(path).expect("a file for what is kept"));
    match arguments.get(1).map(String::as_str) {
        Some("loop") => forever(),
        Some("pumped") => {
            install(Box::new(Kernel { kept: Mutex::new(kept), spools, pause: Duration::from_millis(2), steps: &[] }));
            forever();
        }
        Some("calls") => calls(PathBuf::from(arguments.get(2).expect("a folder"))),
        Some("continued") => {
            install(Box::new(Kernel { kept: Mutex::new(kept), spools, pause: Duration::ZERO, steps: &[("loss", 41)] }));
            run::log_metric("loss", 1);
            assert!(run::flush(), "a minute is enough");
        }
        Some("stuck") => stuck(spools),
        Some("fork") => fork(),
        Some("time") => time(spools),
        other => panic!("what is {other:?}?"),
    }
}

/// Logs from two threads and tells of each call that has returned.
fn forever() {
    std::thread::scope(|scope| {
        for thread in 0..2 {
            scope.spawn(move || {
                let key = format!("thread {thread}");
                let mut out = std::io::stdout();
                for step in 0i64.. {
                    run::log_metric(&key, step as f64 / 3.0);
                    // One write of a few bytes: it is in the pipe whole or not at all.
                    out.write_all(format!("{thread} {step}\n").as_bytes()).and_then(|()| out.flush()).expect("the test reads");
                }
            });
        }
    });
}

/// What a user may do, right and wrong.
fn calls(folder: PathBuf) {
    // Steps.
    (0..3).for_each(|n| run::log_metric("steps", n));
    run::log_metric_at("steps", 9, 100u64);
    run::log_metric(String::from("steps"), 10.5f32);
    // Values.
    run::log_metrics(&[("values", f64::NAN), ("values", f64::INFINITY), ("values", -0.0)]);
    run::log_metric("values", None::<f64>);
    run::log_metric("values", true);
    run::log_metric("values", usize::MAX);
    // Names.
    (0..2).for_each(|_| run::log_metric("loss % of /all/../x", 1));
    ["a/b", "a//b", "/a/b", "a//b"].into_iter().for_each(|name| run::log_metric(name, 1));
    run::log_metric("", 2);
    run::log_metric("k".repeat(300), 3);
    // Params and tags.
    run::log_param("depth", 3);
    run::log_param("depth", 3);
    run::log_param("depth", 4);
    run::log_params(&[("rate", &0.1 as &dyn std::fmt::Display), ("kind", &"forest")]);
    run::log_param("long", "p".repeat(7_000));
    run::log_tag("tag", "first");
    run::log_tag("tag", "t".repeat(9_000));
    run::set_note("**best** so far");
    // Texts and files.
    run::log_text("a/short.txt", "short");
    run::log_text("../long.txt", "l".repeat(400_000));
    run::log_dict("config.json", &serde_json::json!({"a": [1, 2]}));
    let model = folder.join("model.bin");
    std::fs::write(&model, "as it was").expect("a file");
    run::log_artifact(&model).expect("it is there");
    std::fs::write(&model, "changed").expect("a file");
    std::fs::create_dir_all(folder.join("data/deep")).expect("a folder");
    std::fs::write(folder.join("data/deep/x"), "x").expect("a file");
    run::log_artifact_to(folder.join("data"), "in").expect("it is there");
    run::log_artifacts(folder.join("data")).expect("it is there");
    if let Err(missing) = run::log_artifact(folder.join("missing")) {
        println!("missing: {missing}");
    }
    println!("current: {}", run::current().is_some_and(|r| r.id == "from the environment"));
}

/// Whether the backend is away.
static AWAY: AtomicBool = AtomicBool::new(false);

fn stuck(spools: PathBuf) {
    AWAY.store(true, Ordering::SeqCst);
    install(Box::new(Kernel { kept: Mutex::new(None), spools, pause: Duration::ZERO, steps: &[] }));
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    let text = "x".repeat(200_000);
    const CALLS: usize = 1_600;
    let logs = std::thread::spawn(move || {
        for n in 0..CALLS {
            run::log_text(n.to_string(), &text);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    // Waits until no call has returned for a while.
    let mut before = usize::MAX;
    while before != done.load(Ordering::SeqCst) {
        before = done.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(500));
    }
    println!("waits after {before} calls: {}", (1_100..CALLS).contains(&before));
    AWAY.store(false, Ordering::SeqCst);
    logs.join().expect("no panic");
    println!("all delivered: {}", run::flush());
}

fn fork() {
    (0..3).for_each(|n| run::log_metric("loss", n));
    // SAFETY: this process has one thread.
    let child = unsafe { libc::fork() };
    (0..2).for_each(|n| run::log_metric("loss", n));
    if child != 0 {
        // SAFETY: the child that was just made.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    }
}

/// Calls that are timed.
const CALLS: usize = 300_000;

fn time(spools: PathBuf) {
    let mut nanoseconds = vec![0u32; CALLS];
    report("Instant::now() twice", &mut nanoseconds, |_| {});
    report("log_metric, nobody delivers", &mut nanoseconds, |n| run::log_metric("loss", n as f64));
    install(Box::new(Kernel { kept: Mutex::new(None), spools, pause: Duration::from_millis(20), steps: &[] }));
    // A kernel is there now; a new execution asks it.
    std::thread::spawn(move || {
        ochre_runtime::__rt::run(|_| {}, 1, 1);
        report("log_metric, delivered meanwhile", &mut nanoseconds, |n| run::log_metric("loss", n as f64));
        report("log_metric, a call each 20 us", &mut nanoseconds[..CALLS / 6], |n| {
            run::log_metric("loss", n as f64);
        });
        let four = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || (0..CALLS).for_each(|n| run::log_metric(format!("t{thread}"), n as f64)));
            }
        });
        println!("4 threads: {:.1} million calls/s", (4 * CALLS) as f64 / four.elapsed().as_secs_f64() / 1e6);
        let flushed = Instant::now();
        assert!(run::flush(), "a minute is enough");
        println!("flush after that: {:.0} ms", flushed.elapsed().as_secs_f64() * 1e3);
        slowdown();
    })
    .join()
    .expect("no panic");
}

fn report(name: &str, nanoseconds: &mut [u32], call: impl Fn(usize)) {
    let slow = name.contains("20 us");
    let begin = Instant::now();
    for n in 0..nanoseconds.len() {
        if slow {
            let next = Instant::now();
            while next.elapsed() < Duration::from_micros(20) {
                std::hint::spin_loop();
            }
        }
        let start = Instant::now();
        call(n);
        nanoseconds[n] = start.elapsed().as_nanos() as u32;
    }
    let per = begin.elapsed().as_nanos() as usize / nanoseconds.len();
    nanoseconds.sort_unstable();
    let at = |share: f64| nanoseconds[((nanoseconds.len() - 1) as f64 * share) as usize];
    println!("{name}: p50 {} ns, p99 {} ns, p99.9 {} ns, max {} ns, mean {per} ns", at(0.5), at(0.99), at(0.999), at(1.0));
}

/// A loop that computes for some milliseconds per step; every second step logs two metrics. Medians, so that a busy machine says little.
fn slowdown() {
    const STEPS: usize = 1_500;
    let work = || black_box((0..400_000u64).fold(1.0f64, |sum, n| (sum + black_box(n) as f64).sqrt()));
    let (mut plain, mut logged) = (Vec::new(), Vec::new());
    for step in 0..STEPS {
        let start = Instant::now();
        let value = work();
        if step % 2 == 0 {
            plain.push(start.elapsed().as_nanos());
        } else {
            run::log_metric("loss", value);
            run::log_metric("step", step as f64);
            logged.push(start.elapsed().as_nanos());
        }
    }
    let median = |all: &mut Vec<u128>| {
        all.sort_unstable();
        all[all.len() / 2] as f64
    };
    let (plain, logged) = (median(&mut plain), median(&mut logged));
    println!("a loop of {:.2} ms per step: {:+.2} % with two metrics per step", plain / 1e6, (logged / plain - 1.0) * 100.0);
}
