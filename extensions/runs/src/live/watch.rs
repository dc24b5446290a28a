//! A view that stays up to date: one display, updated in place while the run goes on, with a picture beside the chart for front ends that do not draw
//! vega-lite and for the saved notebook.
use super::{Seen, Wanted, board};
use crate::begin::now_ms;
use crate::runs::Runs;
use ochre_api::Screen;
use ochre_charts::draw::canvas::SCALE;
use ochre_link::{Bundle, Data};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Shortest time between two updates.
const PACE: Duration = Duration::from_millis(500);
/// Drawing may take this share of one core at most: what it took is waited that many times.
const SHARE: u32 = 15;
/// How often the picture is drawn anew while the run goes on; the chart is updated more often.
const PICTURE_PACE: Duration = Duration::from_secs(3);
/// How often the elapsed time is updated when nothing else changes.
const CLOCK: Duration = Duration::from_secs(5);
/// What was logged last may still arrive this long after the end.
const LINGER: Duration = Duration::from_secs(4);

/// What is to be seen.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Runs { ids: Vec<String>, compared: bool },
    /// The next run that begins in the running cell: `begun` runs had begun before it, and `ended` cells had ended.
    Next { begun: usize, ended: u64 },
    /// The cell has ended, and no run began in it.
    Nothing,
}

/// The picture of a board.
#[derive(Default)]
pub(crate) struct Picture {
    png: Vec<u8>,
    size: (u32, u32),
    drawn: Option<Instant>,
}

/// A view.
pub(crate) struct Watching {
    pub(crate) runs: Weak<Runs>,
    pub(crate) target: Target,
    pub(crate) wanted: Wanted,
    pub(crate) screen: Option<Arc<dyn Screen>>,
    pub(crate) id: String,
    pub(crate) picture: Picture,
}

impl Watching {
    /// The run that begins next in this cell.
    pub(crate) fn next(runs: &Arc<Runs>) -> Target {
        Target::Next { begun: runs.state().begun.len(), ended: runs.live.cells_ended() }
    }

    /// What is shown now; with `picture`, the picture is drawn anew.
    pub(crate) async fn bundle(&mut self, runs: &Runs, picture: bool) -> Bundle {
        let seen: Vec<Seen> = match &self.target {
            Target::Runs { ids, .. } => ids.iter().filter_map(|id| runs.live.seen(id)).collect(),
            Target::Next { .. } | Target::Nothing => Vec::new(),
        };
        let waiting = if matches!(self.target, Target::Nothing) { "no run began in this cell" } else { "waiting for a run" };
        let compared = matches!(self.target, Target::Runs { compared: true, .. });
        let (wanted, mut kept) = (self.wanted.clone(), std::mem::take(&mut self.picture));
        let drawing = tokio::task::spawn_blocking(move || {
            let board = match &seen[..] {
                [] => ochre_charts::Board { title: waiting.into(), lines: vec!["a run begins with %start_run, or by itself when the cell logs something".into()], ..Default::default() },
                [one] if !compared => board::single(one, &wanted, now_ms()),
                several => board::compared(several, &wanted, now_ms()),
            };
            if picture {
                // A picture that cannot be drawn is missed; the chart is there.
                if let Some((png, size)) = board.draw().ok().and_then(|p| Some((ochre_charts::encode(&p).ok()?, (p.width() / SCALE, p.height() / SCALE)))) {
                    (kept.png, kept.size) = (png, size);
                }
                kept.drawn = Some(Instant::now());
            }
            (board.spec().to_string(), board::plain(&board, &seen), kept)
        });
        let Ok((spec, plain, kept)) = drawing.await else { return Bundle::plain("the view could not be drawn") };
        self.picture = kept;
        let mut bundle = Bundle { data: vec![("application/vnd.vegalite.v5+json".into(), Data::Json(spec))], metadata: None };
        if !self.picture.png.is_empty() {
            bundle = bundle.with("image/png", Data::Bytes(self.picture.png.clone()));
            bundle.metadata = Some(format!("{{\"image/png\":{{\"width\":{},\"height\":{}}}}}", self.picture.size.0, self.picture.size.1));
        }
        bundle.with("text/plain", Data::Text(plain))
    }

    /// How often what is shown has changed, and whether nothing more is expected.
    fn glance(&self, runs: &Runs) -> (u64, bool) {
        match &self.target {
            Target::Runs { ids, .. } => ids.iter().filter_map(|id| runs.live.glance(id)).fold((0, true), |(sum, over), (version, status)| (sum + version, over && status.is_over())),
            Target::Next { .. } => (0, false),
            Target::Nothing => (1, false),
        }
    }

    /// Binds to the run that has begun; false when none will.
    fn bind(&mut self, runs: &Runs) -> bool {
        let Target::Next { begun, ended } = self.target else { return true };
        // The count first: a run that began before its cell ended is then seen.
        let over = runs.live.cells_ended() != ended;
        // Later runs, and those of later cells, are not meant: a short cell may be over before this is asked.
        let next = runs.state().begun.get(begun).filter(|(_, at)| *at == ended).map(|(id, _)| id.clone());
        if let Some(id) = next {
            self.target = Target::Runs { ids: vec![id], compared: false };
            return true;
        }
        if over {
            self.target = Target::Nothing;
        }
        !over
    }

    /// Keeps it up to date until its runs are over, another session takes the store, or the kernel ends.
    pub(crate) fn start(self, runs: &Arc<Runs>) {
        if self.screen.is_some() {
            runs.live.keep(tokio::spawn(self.follow()));
        }
    }

    async fn follow(mut self) {
        let Some(screen) = self.screen.clone() else { return };
        let (mut changed, mut closing) = match self.runs.upgrade() {
            Some(runs) => (runs.live.changed.subscribe(), runs.live.closing.subscribe()),
            None => return,
        };
        let (mut shown, mut shown_at, mut over_since): (Option<u64>, Instant, Option<Instant>) = (None, Instant::now(), None);
        let (mut last_picture_of, mut changed_at) = (None, Instant::now());
        loop {
            let Some(runs) = self.runs.upgrade() else { return };
            let bound = self.bind(&runs);
            let (version, over) = self.glance(&runs);
            let end = *closing.borrow() || !bound || over_since.is_some_and(|since| since.elapsed() > LINGER);
            if over && over_since.is_none() {
                over_since = Some(Instant::now());
            } else if !over {
                over_since = None;
            }
            let is_new = shown != Some(version);
            // A run in which nothing happens for long is looked at less and less.
            let clock = !over && shown_at.elapsed() > CLOCK.max(changed_at.elapsed() / 10);
            let started = Instant::now();
            if is_new {
                changed_at = Instant::now();
            }
            if is_new || clock || (end && last_picture_of != Some(version)) {
                let due = self.picture.drawn.is_none_or(|drawn| drawn.elapsed() > PICTURE_PACE);
                // What is shown last has its own picture, and so has a run that has just ended.
                let picture = due || end || over;
                let bundle = self.bundle(&runs, picture).await;
                screen.display(bundle, Some(&self.id), true).await;
                (shown, shown_at) = (Some(version), Instant::now());
                if picture {
                    last_picture_of = Some(version);
                }
            }
            drop(runs);
            if end {
                return;
            }
            // The picture is behind: it is drawn when it may be again.
            let behind = last_picture_of != shown;
            let rest = (started.elapsed() * SHARE).max(PACE);
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                _ = closing.wait_for(|closing| *closing) => continue,
            }
            if shown.is_some() && behind {
                let wait = PICTURE_PACE.saturating_sub(self.picture.drawn.map_or(PICTURE_PACE, |drawn| drawn.elapsed()));
                if tokio::time::timeout(wait.max(Duration::from_millis(1)), changed.changed()).await.is_err() {
                    shown = None;
                }
            } else {
                let wait = if over_since.is_some() { LINGER } else { CLOCK };
                tokio::time::timeout(wait, async {
                    tokio::select! {
                        _ = changed.changed() => {}
                        _ = closing.wait_for(|closing| *closing) => {}
                    }
                }).await.ok();
            }
        }
    }
}
