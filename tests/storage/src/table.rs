//! The results as a page that can be read a year later: tables, the machine, what the targets were and whether they are met, and the arithmetic.
use crate::contender::{ALL, Contender};
use crate::measure::{Results, Samples, TASKS, Task, Unit};
use crate::plan::{MIB, Plan, SPEEDS};
use std::fmt::Write;

/// blobfuse2's own figure for random reads with one thread (its project's page of measurements, 2026-01, v2.5, block cache), in MiB/s.
const BLOBFUSE_RANDOM: f64 = 13.5;

/// The page.
pub fn markdown(plan: &Plan, results: &Results) -> String {
    let mut page = String::from("# Storage, measured\n\n`cargo xtask bench storage` wrote this page; `--save` keeps it.\n\n");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let _ = writeln!(
        page,
        "One machine with {cores} cores for server and client together, over loopback; load (1, 5, 15 min) {} before and {} after. Medians of {} rounds in which all \
         take turns, with the lowest and highest in brackets. The server is ours (`tests/servers`): contents are computed, each connection is capped where the \
         head says so, and an answer waits where it says so. Every measurement of a mount begins with a fresh mount, so nothing is cached. MB is 10^6 bytes. The run took {:.0} min.\n",
        results.load.0, results.load.1, plan.rounds, results.seconds / 60.0
    );
    for (index, speed) in SPEEDS.iter().enumerate() {
        let tasks: Vec<Task> = TASKS.into_iter().filter(|t| ALL.iter().any(|c| results.samples.contains_key(&(*t, index, *c)))).collect();
        if tasks.is_empty() {
            continue;
        }
        let _ = writeln!(page, "## {}\n", title(index, speed.name));
        let _ = writeln!(page, "| | {} |", ALL.map(Contender::name).join(" | "));
        let _ = writeln!(page, "|---|{}", "---:|".repeat(ALL.len()));
        for task in tasks {
            let cells: Vec<String> = ALL.iter().map(|c| results.samples.get(&(task, index, *c)).map_or_else(|| "–".into(), |s| cell(task, s))).collect();
            let _ = writeln!(page, "| {}, {} | {} |", task.name(plan), unit(task), cells.join(" | "));
        }
        page.push('\n');
    }
    processor(&mut page, plan, results);
    memory(&mut page, plan, results);
    targets(&mut page, results);
    troubles(&mut page, plan, results);
    page
}

fn title(index: usize, name: &str) -> String {
    match index {
        0 => "Loopback without a cap".into(),
        1 => "60 MB/s for each connection (about one blob stream of Azure's)".into(),
        _ => format!("{name} before each answer (a store in the same region)"),
    }
}

fn unit(task: Task) -> &'static str {
    match task.unit() {
        Unit::MegabytesPerSecond => "MB/s",
        Unit::ReadsPerSecond => "reads/s",
        Unit::Seconds => "s",
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn cell(task: Task, samples: &Samples) -> String {
    let Some(median) = samples.median() else { return samples.trouble.as_deref().map_or("–", |t| if t.starts_with("not done") { "too slow" } else { "failed" }).into() };
    let (low, high) = samples.values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let connections = match samples.connections.iter().max() {
        Some(_) if matches!(task, Task::Sequential | Task::Readers) => format!(", {} conn.", samples.connections.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")),
        _ => String::new(),
    };
    if samples.values.len() > 1 { format!("**{}** ({}–{}{connections})", number(median), number(low), number(high)) } else { format!("**{}**", number(median)) }
}

/// What the bytes cost in processor time: on a machine whose cores serve both ends, that is the limit where there is no cap.
fn processor(page: &mut String, plan: &Plan, results: &Results) {
    page.push_str("## Processor time\n\nSeconds of all cores for one GB (10^9 bytes), reader and mount process together, without the server's.\n\n");
    let _ = writeln!(page, "| | {} |\n|---|{}", ALL.map(Contender::name).join(" | "), "---:|".repeat(ALL.len()));
    for task in [Task::Sequential, Task::Readers, Task::Upload] {
        for (index, speed) in SPEEDS.iter().enumerate().take(2) {
            let bytes = if task == Task::Upload { plan.upload } else { plan.large };
            let cost = |contender: Contender| Some(results.samples.get(&(task, index, contender))?.cpu()? / (bytes as f64 / 1e9));
            if ALL.into_iter().all(|c| cost(c).is_none()) {
                continue;
            }
            let cells: Vec<String> = ALL.iter().map(|c| cost(*c).map_or_else(|| "–".into(), |s| format!("{s:.2}"))).collect();
            let _ = writeln!(page, "| {}, {} | {} |", task.name(plan), speed.name, cells.join(" | "));
        }
    }
    page.push('\n');
}

/// The mount processes' memory.
fn memory(page: &mut String, plan: &Plan, results: &Results) {
    page.push_str("## Memory of the mount processes\n\nThe most that each had (`VmHWM`), over all rounds and speeds, in MiB. Ours has a budget for what is read ahead and not yet written; the rest is code, the\nruntime, connections' buffers, and the table of names.\n\n");
    let mounts: Vec<Contender> = ALL.into_iter().filter(|c| c.mounts()).collect();
    let _ = writeln!(page, "| | {} |\n|---|{}", mounts.iter().map(|c| c.name()).collect::<Vec<_>>().join(" | "), "---:|".repeat(mounts.len()));
    for task in TASKS {
        let peak = |contender: Contender| (0..SPEEDS.len()).filter_map(|s| results.samples.get(&(task, s, contender))?.peak).max();
        if mounts.iter().all(|c| peak(*c).is_none()) {
            continue;
        }
        let cells: Vec<String> = mounts.iter().map(|c| peak(*c).map_or_else(|| "–".into(), |p| (p / MIB).to_string())).collect();
        let _ = writeln!(page, "| {} | {} |", task.name(plan), cells.join(" | "));
    }
    if let Some(budget) = results.samples.values().find_map(|s| s.budget) {
        let _ = writeln!(page, "\nThe budget of `ochre mount` was {} MiB.", budget / MIB);
    }
    page.push('\n');
}

fn median(results: &Results, task: Task, speed: usize, contender: Contender) -> Option<f64> {
    results.samples.get(&(task, speed, contender))?.median()
}

/// Whether the targets are met, and why not.
fn targets(page: &mut String, results: &Results) {
    page.push_str("## Targets\n\n");
    let mut line = |what: &str, value: Option<f64>, target: f64| {
        if let Some(value) = value {
            let _ = writeln!(page, "- {what}: {value:.2}, target {target}: {}.", if value >= target { "met" } else { "**missed**" });
        }
    };
    let share = |task, speed, contender| Some(median(results, task, speed, contender)? / median(results, task, speed, Contender::Raw)?);
    for (speed, name) in [(0, "no cap"), (1, "60 MB/s")] {
        line(&format!("`ochre::store` sequentially, part of the raw limit, {name}"), share(Task::Sequential, speed, Contender::Store), 0.9);
        line(&format!("mounted sequentially with 1 reader, part of the raw limit, {name}"), share(Task::Sequential, speed, Contender::Mount), 0.9);
        line(&format!("mounted sequentially with 4 readers, part of the raw limit, {name}"), share(Task::Readers, speed, Contender::Mount), 0.9);
    }
    let ratio = Some(()).and_then(|()| Some(median(results, Task::Sequential, 1, Contender::Mount)? / median(results, Task::Sequential, 1, Contender::Rclone)?));
    line("mounted sequentially under the cap, times rclone's default", ratio, 5.0);
    arithmetic(page, results);
}

/// What latency allows for random reads.
fn arithmetic(page: &mut String, results: &Results) {
    let target = 20.0 * BLOBFUSE_RANDOM;
    let _ = writeln!(
        page,
        "- random reads, target 20 times blobfuse2's published {BLOBFUSE_RANDOM} MiB/s (one thread) = {target:.0} MiB/s = {:.0} MB/s, where latency allows. The arithmetic: a reader that waits for each \
         read gets `length / (latency + length / rate)`.",
        target * MIB as f64 / 1e6
    );
    for (index, speed) in SPEEDS.iter().enumerate() {
        for (length, name) in [(4096, "4 KiB"), (MIB, "1 MiB")] {
            for threads in [1, crate::measure::TOGETHER] {
                let task = Task::Random(length, threads);
                let (Some(ours), Some(raw)) = (median(results, task, index, Contender::Mount), median(results, task, index, Contender::Raw)) else { continue };
                let megabytes = |value: f64| if task.unit() == Unit::ReadsPerSecond { value * length as f64 / 1e6 } else { value };
                let allowed = speed.rate.map(|rate| {
                    let seconds = speed.latency.as_secs_f64() + length as f64 / (rate as f64 * 1e6);
                    threads as f64 * length as f64 / 1e6 / seconds
                });
                let bound = allowed.map_or_else(|| "no bound but the machine".into(), |a| format!("one connection for each reader allows {a:.1} MB/s"));
                let ratio = megabytes(ours) * 1e6 / MIB as f64 / BLOBFUSE_RANDOM;
                let _ = writeln!(page, "  - {}, {name}, {threads} at once: {bound}; plain sockets {:.1} MB/s, mounted {:.1} MB/s = {ratio:.1} times blobfuse2's figure.", speed.name, megabytes(raw), megabytes(ours));
            }
        }
    }
    page.push('\n');
}

/// What has no result, in full.
fn troubles(page: &mut String, plan: &Plan, results: &Results) {
    let troubles: Vec<String> = results
        .samples
        .iter()
        .filter_map(|((task, speed, contender), s)| Some(format!("- {}, {}, {}: {}", contender.name(), task.name(plan), SPEEDS[*speed].name, s.trouble.as_ref()?)))
        .collect();
    if !troubles.is_empty() {
        let _ = writeln!(page, "## Not measured, or not in every round\n\nA measurement that fails or takes longer than {} s is not repeated in later rounds.\n\n{}\n", plan.limit.as_secs(), troubles.join("\n"));
    }
}
