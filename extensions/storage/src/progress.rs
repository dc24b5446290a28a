//! Long work in a cell: a bar that is updated in place, and an end at once when the user interrupts.
//!
//! ```text
//! work (tasks) --adds--> Gauge <--looks, 4 times a second-- watched() --display--> the cell
//! ```
use crate::size;
use ochre_api::{Failure, SessionAccess};
use ochre_link::{Bundle, Data};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Time between two looks: smooth enough, and light for the front end.
const TICK: Duration = Duration::from_millis(250);
/// Age at which a bar is first shown; quicker work shows its last line only.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Seconds over which the rate is averaged: short enough to follow, long enough that the time left does not jump.
const RATE_SECONDS: f64 = 4.0;
/// Characters of the bar in plain text.
const TEXT_WIDTH: usize = 24;
/// A total that is not known yet.
const UNKNOWN: u64 = u64::MAX;

/// How far a work is. Shared by the tasks that do it and the one that shows it.
#[derive(Debug)]
pub(crate) struct Gauge {
    label: String,
    /// Bytes in all.
    total: AtomicU64,
    done: AtomicU64,
    files: AtomicU64,
    files_total: AtomicU64,
}

impl Gauge {
    pub(crate) fn new(label: impl Into<String>) -> Arc<Self> {
        let unknown = || AtomicU64::new(UNKNOWN);
        Arc::new(Self { label: label.into(), total: unknown(), done: AtomicU64::new(0), files: AtomicU64::new(0), files_total: unknown() })
    }
    /// How many bytes there are, once that is known.
    pub(crate) fn set_total(&self, bytes: u64) {
        self.total.store(bytes, Relaxed);
    }
    /// How many files there are, once that is known.
    pub(crate) fn set_files(&self, files: u64) {
        self.files_total.store(files, Relaxed);
    }
    /// Bytes that are done now.
    pub(crate) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }
    /// Bytes that must be done again.
    pub(crate) fn take_back(&self, bytes: u64) {
        self.done.fetch_sub(bytes.min(self.done.load(Relaxed)), Relaxed);
    }
    /// One file is done.
    pub(crate) fn add_file(&self) {
        self.files.fetch_add(1, Relaxed);
    }
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// For a transfer of `ochre-blobs`, which says how much of its own file is done: first what an earlier run had done (kept beside it), then more.
    pub(crate) fn progress(self: &Arc<Self>) -> (ochre_blobs::Progress, Arc<AtomicU64>) {
        let (gauge, before, first) = (self.clone(), AtomicU64::new(0), Arc::new(AtomicU64::new(UNKNOWN)));
        let resumed = first.clone();
        let progress = ochre_blobs::Progress::new(move |done, _| {
            // Only the first call finds it unknown.
            let _ = first.compare_exchange(UNKNOWN, done, Relaxed, Relaxed);
            let before = before.swap(done, Relaxed);
            if done >= before { gauge.add(done - before) } else { gauge.take_back(before - done) }
        });
        (progress, resumed)
    }
}

/// Waits for `work`, shows how far `gauge` is, and drops the work when the user interrupts; `stopped` then says what was left.
pub(crate) async fn watched<T>(session: &mut dyn SessionAccess, gauge: &Arc<Gauge>, stopped: &str, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut bar = Bar::new(gauge.clone());
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let end = loop {
        tokio::select! {
            biased;
            end = &mut work => break end,
            () = session.interrupted() => break Err(Failure::interrupted().hint(stopped)),
            _ = ticks.tick() => bar.tick(session).await,
        }
    };
    bar.end(session, end.is_ok()).await;
    end
}

/// What is shown of a gauge.
struct Bar {
    gauge: Arc<Gauge>,
    started: Instant,
    shown: bool,
    id: String,
    rate: f64,
    seen: (u64, Instant),
}

impl Bar {
    fn new(gauge: Arc<Gauge>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = format!("ochre-storage-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let now = Instant::now();
        Self { gauge, started: now, shown: false, id, rate: 0.0, seen: (0, now) }
    }

    async fn tick(&mut self, session: &mut dyn SessionAccess) {
        let now = Instant::now();
        let done = self.gauge.done();
        let seconds = now.duration_since(self.seen.1).as_secs_f64();
        if seconds > 0.0 {
            let newest = done.saturating_sub(self.seen.0) as f64 / seconds;
            let weight = 1.0 - (-seconds / RATE_SECONDS).exp();
            // Before the average has filled, the rate since the beginning is nearer.
            let so_far = done as f64 / now.duration_since(self.started).as_secs_f64().max(1e-3);
            self.rate = if now.duration_since(self.started).as_secs_f64() < RATE_SECONDS { so_far } else { self.rate + weight * (newest - self.rate) };
            self.seen = (done, now);
        }
        if now.duration_since(self.started) >= PATIENCE {
            self.paint(session, Stage::Running).await;
        }
    }

    async fn end(&mut self, session: &mut dyn SessionAccess, good: bool) {
        if self.shown {
            self.rate = self.gauge.done() as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
            self.paint(session, if good { Stage::Done } else { Stage::Stopped }).await;
        }
    }

    async fn paint(&mut self, session: &mut dyn SessionAccess, stage: Stage) {
        let view = View::of(&self.gauge, self.started.elapsed(), self.rate, stage);
        let bundle = Bundle::plain(view.plain()).with("text/html", Data::Text(view.html()));
        session.display(bundle, Some(&self.id), self.shown).await;
        self.shown = true;
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Running,
    Done,
    Stopped,
}

/// All that a bar shows at one moment.
#[derive(Debug)]
struct View<'a> {
    label: &'a str,
    done: u64,
    total: Option<u64>,
    files: u64,
    files_total: Option<u64>,
    elapsed: Duration,
    rate: f64,
    stage: Stage,
}

impl<'a> View<'a> {
    fn of(gauge: &'a Gauge, elapsed: Duration, rate: f64, stage: Stage) -> Self {
        let known = |value: &AtomicU64| Some(value.load(Relaxed)).filter(|v| *v != UNKNOWN);
        let (total, files_total) = (known(&gauge.total), known(&gauge.files_total));
        Self { label: &gauge.label, done: gauge.done(), total, files: gauge.files.load(Relaxed), files_total, elapsed, rate, stage }
    }

    /// Between 0 and 1: by bytes, or by files where there are no bytes.
    fn share(&self) -> Option<f64> {
        let part = |done: u64, total: u64| (done as f64 / total as f64).min(1.0);
        match (self.total, self.files_total) {
            (Some(total), _) if total > 0 => Some(part(self.done, total)),
            (_, Some(files)) if files > 0 => Some(part(self.files, files)),
            _ => None,
        }
    }

    fn amounts(&self) -> String {
        let mut parts = Vec::new();
        if self.total.is_some() || self.done > 0 {
            parts.push(self.total.map_or_else(|| size::text(self.done), |total| format!("{} of {}", size::text(self.done.min(total)), size::text(total))));
        }
        match self.files_total {
            Some(total) if total > 1 => parts.push(format!("{} of {}", size::grouped(self.files), size::count(total, "file"))),
            None if self.files > 0 => parts.push(size::count(self.files, "file")),
            _ => {}
        }
        parts.join(" · ")
    }

    fn times(&self) -> String {
        let elapsed = size::clock(self.elapsed);
        let rate = if self.rate >= 1.0 { format!(" · {}/s", size::text(self.rate as u64)) } else { String::new() };
        let left = match self.total {
            Some(total) if self.stage == Stage::Running && self.rate >= 1.0 => {
                let left = Duration::try_from_secs_f64(total.saturating_sub(self.done) as f64 / self.rate).unwrap_or(Duration::MAX);
                format!(" · {} left", size::clock(left))
            }
            _ => String::new(),
        };
        let stopped = if self.stage == Stage::Stopped { " · stopped" } else { "" };
        format!("{elapsed}{rate}{left}{stopped}")
    }

    fn plain(&self) -> String {
        let bar = self.share().map(|share| {
            let full = (share * TEXT_WIDTH as f64) as usize;
            format!("{:3.0}% ▕{:<TEXT_WIDTH$}▏ ", (share * 100.0).floor(), "█".repeat(full))
        });
        let amounts = Some(self.amounts()).filter(|a| !a.is_empty()).map(|a| a + " · ");
        format!("{}: {}{}{}", self.label, bar.unwrap_or_default(), amounts.unwrap_or_default(), self.times())
    }

    fn html(&self) -> String {
        let colour = match self.stage {
            Stage::Running => "var(--jp-brand-color1, var(--vscode-progressBar-background, #1976d2))",
            Stage::Done => "var(--jp-success-color1, var(--vscode-charts-green, #2e9e4f))",
            Stage::Stopped => "var(--jp-warn-color1, var(--vscode-charts-orange, #d98212))",
        };
        let mut html = String::from("<div style=\"display:flex;align-items:center;gap:10px;font-size:13px;font-variant-numeric:tabular-nums;margin:2px 0\">");
        html.push_str(&format!("<span>{}</span>", escape(self.label)));
        if let Some(share) = self.share() {
            html.push_str(&format!(
                "<span style=\"display:inline-block;flex:0 1 260px;min-width:80px;height:8px;border-radius:4px;overflow:hidden;background:rgba(128,128,128,.25)\">\
                 <span style=\"display:block;height:8px;width:{:.1}%;background:{colour}\"></span></span><b style=\"font-weight:600\">{:.0}%</b>",
                share * 100.0,
                (share * 100.0).floor()
            ));
        }
        html.push_str(&format!("<span>{}</span><span style=\"opacity:.7\">{}</span></div>", self.amounts(), self.times()));
        html
    }
}

/// Text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_in_text() {
        let gauge = Gauge::new("copying a.zip");
        let plain = |stage| View::of(&gauge, Duration::from_millis(12_300), 25e6, stage).plain();
        assert_eq!(plain(Stage::Running), "copying a.zip: 12 s · 25.0 MB/s");
        gauge.add(250_000_000);
        assert_eq!(plain(Stage::Running), "copying a.zip: 250 MB · 12 s · 25.0 MB/s");
        gauge.set_total(1_000_000_000);
        gauge.set_files(1200);
        gauge.add_file();
        assert_eq!(plain(Stage::Running), "copying a.zip:  25% ▕██████                  ▏ 250 MB of 1.0 GB · 1 of 1,200 files · 12 s · 25.0 MB/s · 30 s left");
        assert!(plain(Stage::Stopped).ends_with("25.0 MB/s · stopped"));
    }

    #[test]
    fn what_is_done_again_is_taken_back_and_labels_are_escaped() {
        let gauge = Gauge::new("<b>");
        gauge.add(10);
        gauge.take_back(25);
        assert_eq!(gauge.done(), 0);
        assert!(View::of(&gauge, Duration::ZERO, 0.0, Stage::Done).html().contains("&lt;b&gt;"));
    }
}
