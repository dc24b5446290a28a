//! A progress bar around an iterator.
//!
//! The iterator only counts; one thread of the worker (the ticker) looks at all bars ten times a second
//! and shows those that are old enough. So a hot loop pays a store and a load per item, and a bar moves
//! on while a single item takes long.
use crate::{Mime, display, host, interrupt, shown::escape};
use std::cell::RefCell;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Time between two looks at the bars: smooth to the eye, and light for the front end.
const TICK: Duration = Duration::from_millis(100);
/// Age at which a running bar is first shown; a quicker loop shows its end only.
const PATIENCE: Duration = Duration::from_millis(200);
/// Seconds over which the rate is averaged: short enough to follow, long enough that the time left does not jump.
const RATE_SECONDS: f64 = 3.0;
/// Characters of the bar in plain text.
const TEXT_WIDTH: usize = 24;

/// An iterator that shows how far it is. Made by [`progress`].
pub struct Progress<I> {
    inner: I,
    label: String,
    total: Option<u64>,
    count: u64,
    bar: Option<Arc<Bar>>,
}

/// Wraps an iterator or a collection in a progress bar: `for x in ochre::progress(0..100) { … }`.
pub fn progress<I: IntoIterator>(iter: I) -> Progress<I::IntoIter> {
    let inner = iter.into_iter();
    let total = match inner.size_hint() {
        (low, Some(high)) if low == high => Some(low as u64),
        _ => None,
    };
    Progress { inner, label: String::new(), total, count: 0, bar: None }
}

impl<I> Progress<I> {
    /// Text in front of the bar.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// How many items there are, where the iterator does not know.
    pub fn total(mut self, items: usize) -> Self {
        self.total = Some(items as u64);
        self
    }

    /// Shows the bar now, before the first item and however quick it is: what the loop shows stands below it.
    pub fn at_once(mut self) -> Self {
        self.begin();
        if let Some(bar) = self.bar.as_ref().filter(|bar| bar.outer.is_none()) {
            bar.paint(&mut bar.face());
        }
        self
    }

    #[cold]
    fn begin(&mut self) {
        self.bar = Some(Bar::begin(std::mem::take(&mut self.label), self.total));
    }

    #[cold]
    fn finish(&mut self) {
        if let Some(bar) = &self.bar {
            bar.end(Stage::Done);
        }
    }
}

impl<I: Iterator> Iterator for Progress<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        interrupt::check();
        match &self.bar {
            Some(bar) => bar.count.store(self.count, Ordering::Relaxed),
            None => self.begin(),
        }
        let item = self.inner.next();
        match item {
            Some(_) => self.count += 1,
            None => self.finish(),
        }
        item
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<I> Drop for Progress<I> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.end(Stage::Stopped { interrupted: interrupt::interrupted() });
        }
    }
}

/// Where a bar is.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Running,
    Done,
    Stopped { interrupted: bool },
}

/// A bar that has begun; shared by its iterator and the ticker.
struct Bar {
    label: String,
    total: Option<u64>,
    count: AtomicU64,
    started: Instant,
    /// The bar in whose loop this one runs; all bars of that loop are shown in one place, one after another.
    outer: Option<Arc<Bar>>,
    /// Whether a bar of this one's loop has been shown.
    inner_shown: AtomicBool,
    id: String,
    face: Mutex<Face>,
}

/// What was shown last. Its lock is held while showing, so that an old state never follows a newer one.
struct Face {
    stage: Stage,
    shown: bool,
    rate: f64,
    seen: (u64, Instant),
}

thread_local! {
    /// The bars whose loops this thread is in, outermost first.
    static OPEN: RefCell<Vec<Weak<Bar>>> = const { RefCell::new(Vec::new()) };
}

impl Bar {
    fn begin(label: String, total: Option<u64>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let own = format!("ochre-progress-{}-{number}", std::process::id());
        let outer = OPEN.with_borrow_mut(|open| {
            open.retain(|bar| bar.strong_count() > 0);
            open.last().and_then(Weak::upgrade)
        });
        let started = Instant::now();
        let bar = Arc::new(Self {
            label,
            total,
            count: AtomicU64::new(0),
            started,
            id: outer.as_ref().map_or(own, |bar| format!("{}-inner", bar.id)),
            outer,
            inner_shown: AtomicBool::new(false),
            face: Mutex::new(Face { stage: Stage::Running, shown: false, rate: 0.0, seen: (0, started) }),
        });
        OPEN.with_borrow_mut(|open| open.push(Arc::downgrade(&bar)));
        TICKER.watch(&bar);
        bar
    }

    fn face(&self) -> MutexGuard<'_, Face> {
        self.face.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the last state; only the first end counts.
    fn end(&self, stage: Stage) {
        let mut face = self.face();
        if face.stage != Stage::Running {
            return;
        }
        face.stage = stage;
        // The thread-local may be gone when a thread ends; then nothing is nested any more.
        let _ = OPEN.try_with(|open| open.borrow_mut().retain(|bar| bar.upgrade().is_some_and(|bar| !std::ptr::eq(&*bar, self))));
        // A quick loop inside another bar would only flicker.
        if face.shown || self.outer.is_none() {
            self.paint(&mut face);
        }
    }

    /// One look of the ticker.
    fn tick(&self, now: Instant) {
        let mut face = self.face();
        if face.stage != Stage::Running || now.saturating_duration_since(self.started) < PATIENCE {
            return;
        }
        let count = self.count.load(Ordering::Relaxed);
        let (before, when) = face.seen;
        if count > before {
            let seconds = now.saturating_duration_since(when).as_secs_f64().max(1e-3);
            let newest = (count - before) as f64 / seconds;
            let weight = 1.0 - (-seconds / RATE_SECONDS).exp();
            face.rate = if before == 0 { average(count, now - self.started) } else { face.rate + weight * (newest - face.rate) };
            face.seen = (count, now);
        }
        self.paint(&mut face);
    }

    fn paint(&self, face: &mut Face) {
        let view = View {
            label: &self.label,
            total: self.total,
            count: self.count.load(Ordering::Relaxed),
            elapsed: self.started.elapsed(),
            rate: if face.stage == Stage::Running { face.rate } else { average(self.count.load(Ordering::Relaxed), self.started.elapsed()) },
            stage: face.stage,
        };
        if host::get().is_some() {
            let update = match &self.outer {
                Some(outer) => outer.inner_shown.swap(true, Ordering::Relaxed),
                None => face.shown,
            };
            let mime = Mime::new().with_text("text/html", view.html()).with_text("text/plain", view.plain());
            display::emit(mime, Some(&self.id), update);
        } else {
            let end = if face.stage == Stage::Running { "" } else { "\n" };
            let _ = write!(std::io::stderr(), "\r{}{end}", view.plain());
        }
        face.shown = true;
    }
}

fn average(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(1e-9)
}

/// The thread that looks at all bars; it sleeps while there is none.
struct Ticker {
    bars: Mutex<(Vec<Weak<Bar>>, bool)>,
    more: Condvar,
}

static TICKER: Ticker = Ticker { bars: Mutex::new((Vec::new(), false)), more: Condvar::new() };

impl Ticker {
    fn watch(&'static self, bar: &Arc<Bar>) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        bars.0.push(Arc::downgrade(bar));
        if !bars.1 {
            // Without a thread the bars show their end only.
            bars.1 = std::thread::Builder::new().name("ochre-progress".into()).spawn(|| self.work()).is_ok();
        }
        self.more.notify_one();
    }

    fn work(&self) {
        loop {
            let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
            bars.0.retain(|bar| bar.strong_count() > 0);
            while bars.0.is_empty() {
                bars = self.more.wait(bars).unwrap_or_else(PoisonError::into_inner);
            }
            let live: Vec<Arc<Bar>> = bars.0.iter().filter_map(Weak::upgrade).collect();
            drop(bars);
            let now = Instant::now();
            live.iter().for_each(|bar| bar.tick(now));
            drop(live);
            std::thread::sleep(TICK);
        }
    }
}

/// All that a bar shows at one moment.
struct View<'a> {
    label: &'a str,
    total: Option<u64>,
    count: u64,
    elapsed: Duration,
    rate: f64,
    stage: Stage,
}

impl View<'_> {
    /// Between 0 and 1, where the total is known.
    fn share(&self) -> Option<f64> {
        match self.total {
            Some(0) => Some(1.0),
            Some(total) => Some((self.count as f64 / total as f64).min(1.0)),
            None => None,
        }
    }

    fn counts(&self) -> String {
        match self.total {
            Some(total) => format!("{}/{}", grouped(self.count), grouped(total)),
            None => grouped(self.count),
        }
    }

    fn times(&self) -> String {
        let elapsed = clock(self.elapsed);
        let rate = rate_text(self.rate);
        match (self.stage, self.total) {
            (Stage::Running, Some(total)) if self.rate > 0.0 && self.count <= total => {
                let left = Duration::try_from_secs_f64((total - self.count) as f64 / self.rate).unwrap_or(Duration::MAX);
                format!("{elapsed} · {} left · {rate}", clock(left))
            }
            (Stage::Stopped { interrupted: true }, _) => format!("{elapsed} · {rate} · interrupted"),
            (Stage::Stopped { interrupted: false }, _) => format!("{elapsed} · {rate} · stopped"),
            _ => format!("{elapsed} · {rate}"),
        }
    }

    fn plain(&self) -> String {
        let label = if self.label.is_empty() { String::new() } else { format!("{}: ", self.label) };
        let Some(share) = self.share() else { return format!("{label}{} · {}", self.counts(), self.times()) };
        let eighths = (share * (TEXT_WIDTH * 8) as f64) as usize;
        let mut bar = "█".repeat(eighths / 8);
        if eighths % 8 > 0 {
            bar.push(['▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8 - 1]);
        }
        format!("{label}{:3.0}% ▕{bar:<TEXT_WIDTH$}▏ {} · {}", (share * 100.0).floor(), self.counts(), self.times())
    }

    fn html(&self) -> String {
        let colour = match self.stage {
            Stage::Running => "var(--jp-brand-color1, var(--vscode-progressBar-background, #1976d2))",
            Stage::Done => "var(--jp-success-color1, var(--vscode-charts-green, #2e9e4f))",
            Stage::Stopped { .. } => "var(--jp-warn-color1, var(--vscode-charts-orange, #d98212))",
        };
        let mut html = String::from("<div style=\"display:flex;align-items:center;gap:10px;font-size:13px;font-variant-numeric:tabular-nums;margin:2px 0\">");
        if !self.label.is_empty() {
            html.push_str(&format!("<span>{}</span>", escape(self.label)));
        }
        if let Some(share) = self.share() {
            let percent = (share * 100.0).floor();
            html.push_str(&format!(
                "<span style=\"display:inline-block;flex:0 1 260px;min-width:80px;height:8px;border-radius:4px;overflow:hidden;background:rgba(128,128,128,.25)\">\
                 <span style=\"display:block;height:8px;width:{:.1}%;background:{colour}\"></span></span><b style=\"font-weight:600\">{percent:.0}%</b>",
                share * 100.0
            ));
        }
        html.push_str(&format!("<span>{}</span><span style=\"opacity:.7\">{}</span></div>", self.counts(), self.times()));
        html
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `0.4 s`, `1:05`, `2:03:04`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3600..360_000 => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        _ => "days".to_owned(),
    }
}

/// Items a second, or seconds an item where that reads better.
fn rate_text(rate: f64) -> String {
    match rate {
        r if r <= 0.0 || !r.is_finite() => "–/s".to_owned(),
        r if r < 0.5 => format!("{:.1} s each", 1.0 / r),
        r if r < 10.0 => format!("{r:.1}/s"),
        r => format!("{}/s", grouped(r.round() as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(total: Option<u64>, count: u64, stage: Stage) -> View<'static> {
        View { label: "rows", total, count, elapsed: Duration::from_millis(12_300), rate: 100.0, stage }
    }

    #[test]
    fn a_bar_in_text() {
        assert_eq!(view(Some(2000), 500, Stage::Running).plain(), "rows:  25% ▕██████                  ▏ 500/2,000 · 0:12 · 0:15 left · 100/s");
        assert_eq!(view(None, 5_000_000, Stage::Running).plain(), "rows: 5,000,000 · 0:12 · 100/s");
        assert_eq!(view(Some(4), 1, Stage::Stopped { interrupted: true }).plain(), "rows:  25% ▕██████                  ▏ 1/4 · 0:12 · 100/s · interrupted");
        assert!(view(Some(0), 0, Stage::Done).plain().contains("100%"));
    }

    #[test]
    fn labels_are_escaped() {
        let html = View { label: "<b>", ..view(Some(1), 1, Stage::Done) }.html();
        assert!(html.contains("&lt;b&gt;") && html.contains("width:100.0%"), "{html}");
    }

    #[test]
    fn the_total_comes_from_the_iterator() {
        assert_eq!(progress(0..10).total, Some(10));
        assert_eq!(progress((0..10).filter(|n| n % 2 == 0)).total, None);
        assert_eq!(progress((0..10).filter(|n| n % 2 == 0)).total(5).total, Some(5));
        assert_eq!(progress(vec![1, 2, 3]).sum::<i32>(), 6);
    }

    #[test]
    fn an_interrupt_ends_the_loop() {
        use crate::__rt::{CellEnd, Cx, request_interrupt, run};
        static RUNS: AtomicBool = AtomicBool::new(false);
        fn cell(cx: &mut Cx) {
            cx.body(|_| progress(0u64..).for_each(|_| RUNS.store(true, Ordering::SeqCst)));
        }
        let (ended, end) = std::sync::mpsc::channel();
        std::thread::spawn(move || ended.send(matches!(run(cell, 1, 1).0, CellEnd::Interrupted)));
        while !RUNS.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        request_interrupt();
        assert_eq!(end.recv_timeout(Duration::from_secs(30)), Ok(true));
    }

    #[test]
    fn numbers_and_times() {
        assert_eq!((grouped(999), grouped(1000), grouped(1_234_567)), ("999".into(), "1,000".into(), "1,234,567".into()));
        assert_eq!(clock(Duration::from_secs(65)), "1:05");
        assert_eq!(clock(Duration::from_secs(7384)), "2:03:04");
        assert_eq!((rate_text(0.25), rate_text(3.21), rate_text(12_345.6)), ("4.0 s each".into(), "3.2/s".into(), "12,346/s".into()));
    }
}
