//! `%timeit` and `%%timeit`: how long a statement takes, measured over many runs.
//!
//! The whole measurement is one generated cell, compiled once: it finds the number of loops itself and gives
//! the times back as text. The user's code stands in it once and at its own line and column.
use super::time::seconds;
use ochre_api::*;

/// The magic.
pub(crate) struct TimeIt;

/// Runs whose mean and deviation are shown, as in IPython.
const REPEATS: u64 = 7;
/// A run is long enough for the clock and for interruptions to even out.
const RUN_NANOSECONDS: u64 = 100_000_000;
/// Loops beyond which nothing is gained: an empty statement would go on for ever.
const MAX_LOOPS: u64 = 1_000_000_000;

const SPEC: Spec = Spec {
    name: "timeit",
    aliases: &[],
    area: "session",
    form: Form::Both,
    arguments: &[
        Argument::option("loops", Value::Number, "runs of the code per measurement; found by itself otherwise").short('n'),
        Argument::option("repeat", Value::Number, "measurements (7)").short('r'),
        Argument::rest("code", Value::Code, "Rust; with %%timeit it is prepared once and not timed, and the cell below it is timed").required(),
    ],
    summary: "measures how long code takes: mean and deviation over many runs",
    help: "The value is kept from being optimised away (`std::hint::black_box`). The code runs many times: it cannot consume a variable, \
           and what it defines is gone afterwards.",
    examples: &[
        Example { text: "%timeit (0..1000u64).sum::<u64>()", does: "an expression" },
        Example { text: "%timeit -n 10 -r 3 df.clone().lazy().collect()?", does: "3 measurements of 10 runs" },
        Example { text: "%%timeit let v: Vec<u64> = (0..1000).collect();\nv.iter().sum::<u64>()", does: "the first line is not timed" },
    ],
};

#[async_trait]
impl Magic for TimeIt {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let loops = call.arguments.parsed::<u64>("loops")?.map(|n| n.max(1));
        let repeats = call.arguments.parsed::<u64>("repeat")?.unwrap_or(REPEATS).max(1);
        let setup = if call.body.is_some() { call.arguments.rest() } else { "" };
        let code = call.code();
        let place = Place { line: 1, column: 1 };
        let measured = session.run_rust(&generated(setup, code, call.place, loops, repeats), place).await;
        let value = match measured {
            Ok(value) => value,
            Err(failure) => return Err(clearer(failure, code, call.place, session).await),
        };
        let text = value.as_ref().and_then(|v| v.text()).unwrap_or("");
        let times = Times::read(text).ok_or_else(|| Failure::bug(format!("%timeit could not read its own result: {text}")))?;
        Ok(MagicOutcome::text(times.sentence()))
    }
}

/// The cell: everything before the code stands on the lines before it, or where there is none, on its own.
fn generated(setup: &str, code: &str, place: Place, loops: Option<u64>, repeats: u64) -> String {
    let (start, calibrated) = (loops.unwrap_or(1), loops.is_some());
    // A comment at the end of the setup must not swallow what follows.
    let gap = if setup.contains("//") { "\n" } else { " " };
    let before = format!(
        "{{ {setup}{gap}let (mut __ochre_loops, mut __ochre_calibrated, mut __ochre_times) = ({start}u64, {calibrated}, ::std::vec::Vec::<u128>::new()); \
         while (__ochre_times.len() as u64) < {repeats} {{ let __ochre_start = ::std::time::Instant::now(); \
         for _ in 0..__ochre_loops {{ ::std::hint::black_box({{"
    );
    let before = match (place.line as usize).checked_sub(before.matches('\n').count() + 2) {
        // As many lines as there are before the code, then its column.
        Some(lines) => format!("{}{before}\n{}", "\n".repeat(lines), " ".repeat(place.column as usize - 1)),
        None => before,
    };
    let after = format!(
        "\n}}); }} let __ochre_took = __ochre_start.elapsed().as_nanos(); \
         if !__ochre_calibrated {{ if __ochre_took < {RUN_NANOSECONDS} && __ochre_loops < {MAX_LOOPS} {{ \
         let __ochre_more = if __ochre_took * 20 < {RUN_NANOSECONDS} {{ 10 }} else {{ 2 }}; __ochre_loops *= __ochre_more; continue; }} \
         __ochre_calibrated = true; }} __ochre_times.push(__ochre_took); }} \
         let mut __ochre_text = ::std::format!(\"{{__ochre_loops}}\"); \
         for __ochre_time in &__ochre_times {{ __ochre_text.push(' '); __ochre_text.push_str(&::std::string::ToString::to_string(__ochre_time)); }} __ochre_text }}"
    );
    before + code + &after
}

/// A compiler's error without the generated code around it: the user's code is checked alone, and never run.
async fn clearer(failure: Failure, code: &str, place: Place, session: &mut dyn SessionAccess) -> Failure {
    if failure.fault == Fault::Interrupted || matches!(failure.name.as_str(), "panic" | "error" | "worker died") {
        return failure;
    }
    // Not longer than `%timeit `, so that the columns stay.
    const NEVER: &str = "if 0>1{";
    let column = place.column.saturating_sub(NEVER.len() as u32).max(1);
    let alone = session.run_rust(&format!("{NEVER}{code}\n;}}"), Place { line: place.line, column }).await;
    match alone {
        Err(alone) => alone,
        // It compiles once, but not in a loop.
        Ok(_) => failure.hint("the code runs many times, so it cannot consume a variable: use a reference, or `.clone()`"),
    }
}

/// What was measured: loops per run, and nanoseconds of each run.
struct Times {
    loops: u64,
    runs: Vec<u64>,
}

impl Times {
    /// `1000 123 456`, with or without quotes around.
    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|w| !w.is_empty()).map(|w| w.parse::<u64>().ok());
        let loops = numbers.next()??;
        let runs: Vec<u64> = numbers.collect::<Option<_>>()?;
        (!runs.is_empty() && loops > 0).then_some(Self { loops, runs })
    }

    fn sentence(&self) -> String {
        let times: Vec<f64> = self.runs.iter().map(|ns| *ns as f64 / 1e9 / self.loops as f64).collect();
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let deviation = (times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / count).sqrt();
        let best = times.iter().copied().fold(f64::INFINITY, f64::min);
        format!(
            "{} ± {} per loop (mean ± sd of {} runs, {} loop{} each; best {})",
            seconds(mean),
            seconds(deviation),
            times.len(),
            grouped(self.loops),
            if self.loops == 1 { "" } else { "s" },
            seconds(best)
        )
    }
}

/// `1,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_mean_deviation_and_loops() {
        let times = Times::read("\"1000 2000000 4000000\"").expect("reads");
        assert_eq!(times.sentence(), "3.00 µs ± 1.00 µs per loop (mean ± sd of 2 runs, 1,000 loops each; best 2.00 µs)");
        assert!(Times::read("nonsense").is_none());
        assert!(Times::read("5").is_none());
    }

    #[test]
    fn the_code_keeps_its_line() {
        for (line, column) in [(2, 1), (3, 9), (9, 1)] {
            let text = generated("let a = 1;", "CODE", Place { line, column }, None, 7);
            let (at, found) = text.lines().enumerate().find(|(_, l)| l.contains("CODE")).expect("it is there");
            assert_eq!(at + 1, line as usize, "{text}");
            assert_eq!(found.find("CODE"), Some(column as usize - 1), "{text}");
        }
    }
}
