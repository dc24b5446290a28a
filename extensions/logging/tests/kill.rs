//! A program that logs is killed with SIGKILL at random moments: each metric whose call had returned is there, once.
mod support;

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use support::{metrics, program, random};

/// Seeds of the default run.
const SEEDS: u64 = 30;
/// Seeds of the slow run.
const ALL_SEEDS: u64 = 200;
/// Lines after which the program is killed, at most: in the first segment, in later ones, and beyond several.
const MOST_LINES: [u64; 4] = [3, 300, 3_000, 60_000];

/// Runs the program until it has told a random number of steps, kills it, and gives the last step that each thread told.
fn killed(how: &str, seed: u64, place: &std::path::Path) -> BTreeMap<u64, i64> {
    let mut command = program();
    command.args([how, &seed.to_string()]).env("OCHRE_SPOOL", place.join("spools")).env("KEPT", place.join("kept"));
    if how == "loop" {
        command.env("MLFLOW_RUN_ID", "killed");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let lines = 1 + random(seed) % MOST_LINES[(seed % 4) as usize];
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut told = BTreeMap::new();
    let mut line = String::new();
    for n in 0u64.. {
        if n == lines {
            // It runs on until the signal reaches it; what it tells until then was acknowledged too.
            child.kill().expect("it runs");
        }
        line.clear();
        if reader.read_line(&mut line).expect("text") == 0 {
            break;
        }
        // The last line may be cut off: the call of it had returned all the same, but its number is not told.
        if let Some((thread, step)) = line.strip_suffix('\n').and_then(|l| l.split_once(' ')) {
            told.insert(thread.parse().expect("a number"), step.parse().expect("a number"));
        }
    }
    child.wait().expect("it has ended");
    told
}

/// Each step up to the last that was told is there exactly once, with its value, and nothing is there that was not logged.
fn complete(told: &BTreeMap<u64, i64>, found: &[(String, i64, u64)], seed: u64) {
    assert!(!told.is_empty(), "seed {seed}: nothing was told");
    let mut steps: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (key, step, bits) in found {
        assert_eq!(*bits, (*step as f64 / 3.0).to_bits(), "seed {seed}, {key}, step {step}");
        steps.entry(key.clone()).or_default().push(*step);
    }
    for (thread, last) in told {
        let mut got = steps.remove(&format!("thread {thread}")).unwrap_or_default();
        got.sort_unstable();
        let expected = 0..got.len() as i64;
        assert!(got.iter().copied().eq(expected), "seed {seed}, thread {thread}: a step is missing or there twice among {} up to {:?}", got.len(), got.last());
        assert!(got.last() >= Some(last), "seed {seed}, thread {thread}: told {last}, found {:?}", got.last());
    }
}

fn alone(seed: u64) {
    let place = tempfile::tempdir().expect("a folder");
    let told = killed("loop", seed, place.path());
    let found: Vec<_> = metrics(&place.path().join("spools")).into_iter().map(|m| (m.key, m.step, m.value.to_bits())).collect();
    complete(&told, &found, seed);
}

/// With delivery: what was kept and what is left in the spool make up everything. A batch whose acknowledgement was cut off by the
/// kill is in both, which a metric's identity (MLflow's primary key) makes one.
fn delivered(seed: u64) {
    let place = tempfile::tempdir().expect("a folder");
    let told = killed("pumped", seed, place.path());
    let kept = std::fs::read_to_string(place.path().join("kept")).expect("what was kept");
    let mut all: HashSet<(String, i64, i64, u64)> = HashSet::new();
    let mut lines = 0;
    // A write that the kill cut off was not acknowledged: what it holds is in the spool.
    for line in kept.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')) {
        let mut words = line.rsplitn(4, ' ');
        let mut number = || words.next().expect("a word");
        let (bits, time, step) = (number().parse().expect("bits"), number().parse().expect("time"), number().parse().expect("a step"));
        all.insert((number().to_owned(), step, time, bits));
        lines += 1;
    }
    assert_eq!(lines, all.len(), "seed {seed}: a process that lives delivers once");
    all.extend(metrics(&place.path().join("spools")).into_iter().map(|m| (m.key, m.step, m.timestamp_ms, m.value.to_bits())));
    let found: Vec<_> = all.into_iter().map(|(key, step, _, bits)| (key, step, bits)).collect();
    complete(&told, &found, seed);
}

/// "What a log call has returned from is there once, even when the process that logged it is killed at that moment."
#[test]
fn what_was_acknowledged_is_there_once() {
    (0..SEEDS / 2).for_each(alone);
    (0..SEEDS / 2).for_each(delivered);
}

#[test]
#[ignore = "slow: 200 kills"]
fn what_was_acknowledged_is_there_once_200_times() {
    (0..ALL_SEEDS / 2).for_each(alone);
    (0..ALL_SEEDS / 2).for_each(delivered);
}
