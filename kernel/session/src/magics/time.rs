//! `%time`: what one run of a statement or a cell takes.
use crate::names::SessionNames;
use crate::parts::{self, Part};
use ochre_api::*;
use ochre_link::Stream;
use std::time::{Duration, Instant};

/// The magic.
pub(crate) struct Time;

const SPEC: Spec = Spec {
    name: "time",
    aliases: &[],
    area: "session",
    form: Form::Both,
    arguments: &[Argument::rest("code", Value::Code, "Rust; it may go on over lines while a bracket is open").required()],
    summary: "runs code once and says how long compiling and running took",
    help: "Variables that the code defines stay, and its value is shown as always. For a measurement of something short use %timeit.",
    examples: &[
        Example { text: "%time let big: Vec<u64> = (0..10_000_000).collect();", does: "times one statement" },
        Example { text: "%time !make", does: "times a command" },
        Example { text: "%%time\nlet a = 1;\nlet b = a + 1;", does: "times a whole cell" },
    ],
};

#[async_trait]
impl Magic for Time {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let started = Instant::now();
        let (value, text) = if only_rust(call.code(), session) {
            (session.run_rust(call.code(), call.place).await?, spent_text(session.spent()))
        } else {
            let lines = "\n".repeat(call.place.line.saturating_sub(1) as usize);
            (session.run_cell(&(lines + call.code())).await?, format!("took {}", duration(started.elapsed())))
        };
        session.write(Stream::Stderr, &format!("{text}\n")).await;
        Ok(MagicOutcome { value })
    }
}

/// Whether there is no magic and no command in it.
fn only_rust(code: &str, session: &dyn SessionAccess) -> bool {
    let (magics, variables) = (session.magics(), session.variables());
    parts::cut(code, &SessionNames::new(&magics, &variables, &[])).iter().all(|part| matches!(part, Part::Rust(_)))
}

/// `run 1.2 ms, compile 310 ms`.
pub(crate) fn spent_text(spent: Spent) -> String {
    let compile = if spent.cached { "compiled before".to_owned() } else { format!("compile {}", duration(spent.compile)) };
    format!("run {}, {compile}", duration(spent.run))
}

/// A time with three digits and its unit.
pub(crate) fn duration(time: Duration) -> String {
    seconds(time.as_secs_f64())
}

/// As [`duration`], for fractions of a nanosecond too.
pub(crate) fn seconds(time: f64) -> String {
    let (value, unit) = match time {
        t if t >= 60.0 => return format!("{} min {:.0} s", (t / 60.0).floor(), t % 60.0),
        t if t >= 1.0 => (t, "s"),
        t if t >= 1e-3 => (t * 1e3, "ms"),
        t if t >= 1e-6 => (t * 1e6, "µs"),
        t => (t * 1e9, "ns"),
    };
    let digits = if value >= 100.0 { 0 } else if value >= 10.0 { 1 } else { 2 };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        for (time, text) in [(0.0, "0.00 ns"), (3.2e-10, "0.32 ns"), (1.5e-6, "1.50 µs"), (0.0312, "31.2 ms"), (0.5, "500 ms"), (2.0, "2.00 s"), (125.0, "2 min 5 s")] {
            assert_eq!(seconds(time), text);
        }
    }
}
