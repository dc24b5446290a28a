//! What a log call costs, for `cargo xtask bench runs`: lines of its table. The program that is measured is `examples/logging_program.rs`, against a
//! kernel in the same process that keeps what it is sent. Nothing here fails on a busy machine.
mod support;

use support::Ran;

#[test]
#[ignore = "slow: a measurement, which has no bound to fail at on a busy machine"]
fn measured_what_a_call_costs() {
    let ran = Ran::of(&["time"], Some("timed"));
    let lines: Vec<(&str, &str)> = ran.out.lines().filter_map(|line| line.split_once(": ")).collect();
    assert!(lines.iter().any(|(_, figures)| figures.contains("p99")), "{}\n{}", ran.out, ran.said);
    for (what, figures) in lines {
        println!("| {what} | Ochre {figures} | | |");
    }
}
