//! Says how far a build is: nothing on a terminal (cargo's own bar is better), a line every half minute elsewhere.
use std::time::{Duration, Instant};

/// Between two lines; CI logs should show life but stay readable.
const INTERVAL: Duration = Duration::from_secs(30);

/// Counts finished crates of one build.
pub(crate) struct Progress {
    what: String,
    total: usize,
    done: usize,
    built: usize,
    started: Instant,
    printed: Instant,
}

impl Progress {
    pub(crate) fn new(what: &str, total: usize) -> Self {
        let now = Instant::now();
        Self { what: what.to_string(), total, done: 0, built: 0, started: now, printed: now }
    }

    /// One crate more.
    pub(crate) fn finished(&mut self, fresh: bool) {
        self.done += 1;
        self.built += usize::from(!fresh);
    }

    /// A line, when one is due.
    pub(crate) fn due(&mut self, current: &str) -> Option<String> {
        if self.printed.elapsed() < INTERVAL {
            return None;
        }
        self.printed = Instant::now();
        let total = self.total.max(self.done).max(1);
        let percent = self.done * 100 / total;
        let now = if current.is_empty() { String::new() } else { format!("; {current}") };
        Some(format!("{}: {} of {total} crates ({percent} %) after {}{now}", self.what, self.done, duration(self.started.elapsed())))
    }

    /// The closing line; none when nothing had to be built.
    pub(crate) fn end(&self) -> Option<String> {
        (self.built > 0).then(|| format!("{}: {} crates built in {}", self.what, self.built, duration(self.started.elapsed())))
    }
}

/// `45 s`, `3 min 05 s`.
fn duration(d: Duration) -> String {
    let seconds = d.as_secs();
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_secs(45)), "45 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn a_build_of_nothing_says_nothing() {
        let mut progress = Progress::new("kernel", 2);
        progress.finished(true);
        assert_eq!(progress.end(), None);
        progress.finished(false);
        assert!(progress.end().unwrap().starts_with("kernel: 1 crates built"));
    }
}
