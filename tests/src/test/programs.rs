//! Runs programs of Rust's test harness, several at a time, and reads their lines.
use super::{Context, Tally, lanes};
use anyhow::Context as _;
use ochre_build::{Artifact, Cargo};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Lines of a failed program's log that are repeated on the terminal.
const LOG_TAIL: usize = 150;

/// Runs the programs of a suite; their output comes into the suite's log, one whole program after the other.
pub fn run(context: &Context, suite: &str, cargo: &Cargo, programs: &[Artifact]) -> anyhow::Result<Tally> {
    let path = context.logs.join(format!("{suite}.log"));
    let log = Mutex::new(std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?);
    let one = |program: &Artifact| -> anyhow::Result<Tally> {
        let (begun, name) = (Instant::now(), format!("{} {}", program.package, program.crate_name));
        let running = context.logs.join(format!("{suite} {name}.log"));
        let (text, good) = output_of(&mut command(context, cargo, program)?, &running)?;
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(log, "     Running {name}\n{text}     Ended {name} after {:.1} s", begun.elapsed().as_secs_f64())?;
        std::fs::remove_file(running)?;
        Ok(judged(suite, &name, &text, good))
    };
    lanes::run(programs, |program| one(program).unwrap_or_else(|error| Tally::failure(&program.crate_name, format!("{error:#}"))))
}

/// Runs one command that prints as the harness does, such as `cargo test`.
pub fn alone(context: &Context, suite: &str, mut command: Command) -> anyhow::Result<Tally> {
    command.arg("--");
    choose(context, &mut command);
    let (text, good) = output_of(&mut command, &context.logs.join(format!("{suite}.log")))?;
    Ok(judged(suite, suite, &text, good))
}

/// What cargo would start for a program.
fn command(context: &Context, cargo: &Cargo, program: &Artifact) -> anyhow::Result<Command> {
    let file = program.files.first().with_context(|| format!("cargo named no file of {}", program.crate_name))?;
    let mut command = Command::new(file);
    ochre_build::clean(&mut command);
    // Programs that link dynamically look for our libraries beside themselves, and for the toolchain's.
    let libraries = [file.parent().unwrap_or(file).to_owned(), context.built.compiler.std_library()?.parent().unwrap_or(file).to_owned()];
    let before = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let paths = libraries.into_iter().chain(std::env::split_paths(&before).filter(|path| !path.as_os_str().is_empty()));
    command.current_dir(&program.directory).env("LD_LIBRARY_PATH", std::env::join_paths(paths)?).envs(&cargo.environment);
    command.env("OCHRE_PRELUDE", &context.built.prelude).env("OCHRE_PEERS", context.built.cache.peers()).env("OCHRE_CHECKOUT", &context.built.source);
    choose(context, &mut command);
    Ok(command)
}

/// The harness's arguments: which tests.
fn choose(context: &Context, command: &mut Command) {
    if context.full {
        command.arg("--include-ignored");
    }
    command.args(context.name_filter.iter());
}

/// Runs a command; gives what it printed, by way of a file, and whether it succeeded.
fn output_of(command: &mut Command, log: &Path) -> anyhow::Result<(String, bool)> {
    let file = std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status().with_context(|| format!("cannot start {command:?}"))?;
    Ok((String::from_utf8_lossy(&std::fs::read(log)?).into_owned(), status.success()))
}

/// The tally of one program; of one that failed, the end of its log is shown.
fn judged(suite: &str, program: &str, text: &str, good: bool) -> Tally {
    let mut tally = read(suite, text);
    if !good {
        let lines: Vec<&str> = text.lines().collect();
        println!("--- {program}\n{}\n---", lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n"));
        if tally.failed() == 0 {
            tally.failures.push((format!("{suite}: {program}"), "it ended with an error, and no test of it failed".into()));
        }
    }
    tally
}

/// Reads the lines of Rust's test harness: `test NAME ... ok`, `… FAILED`, `… ignored, REASON`.
fn read(suite: &str, text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter_map(|l| l.strip_prefix("test ")) {
        let Some((name, result)) = line.rsplit_once(" ... ") else { continue };
        let name = format!("{suite}: {name}");
        match result.trim() {
            "ok" => tally.passed += 1,
            "FAILED" => tally.failures.push((name, "see above".into())),
            other if other.starts_with("ignored") => {
                let reason = other.trim_start_matches("ignored").trim_start_matches(", ");
                tally.skipped.push((name, if reason.is_empty() { "no reason given".into() } else { reason.into() }));
            }
            // A test that printed around the harness; the totals below count it.
            _ => {}
        }
    }
    // What tests print can tear their line: the totals are right.
    let totals: usize = text.lines().filter_map(|l| l.strip_prefix("test result: ")).filter_map(passed).sum();
    tally.passed = tally.passed.max(totals);
    tally
}

/// `ok. 5 passed; 0 failed; …` to 5.
fn passed(line: &str) -> Option<usize> {
    line.split(['.', ';']).find_map(|part| part.trim().strip_suffix(" passed")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_lines_are_counted() {
        let text = "running 4 tests\ntest a::b ... ok\ntest c ... FAILED\ntest d ... ignored, slow: 2 minutes\nnoise test e ... ok\n\ntest result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.0s\n";
        let tally = read("s", text);
        assert_eq!((tally.passed, tally.failed()), (2, 1));
        assert_eq!(tally.skipped, [("s: d".to_string(), "slow: 2 minutes".to_string())]);
    }
}
