//! Runs that other sessions wrote: read from the store into [`super::Live`], and again as long as they run.
use super::series::Point;
use super::{Facts, Seen};
use crate::failures::of_tracking;
use crate::runs::Runs;
use futures::{StreamExt, TryStreamExt};
use ochre_api::Failure;
use ochre_tracking::{Metric, Run, Status, Tracking, TrackingError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Metrics whose history is read at a time.
const TOGETHER: usize = 8;
/// How often a run of another process is looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Makes a run known to the live views; one of this session is already.
pub(crate) async fn load(runs: &Arc<Runs>, run: &Run) -> Result<(), Failure> {
    if runs.live.has(&run.id) {
        return Ok(());
    }
    let tracking = runs.tracking().await?;
    let experiments = tracking.experiments().await.map_err(of_tracking)?;
    let experiment = experiments.into_iter().find(|e| e.id == run.experiment_id).map_or_else(|| run.experiment_id.clone(), |e| e.name);
    let facts = Facts { id: run.id.clone(), name: run.name.clone(), experiment, start_ms: run.start_ms, page: tracking.page(run), params: run.params.clone() };
    let mut seen = Seen { facts: facts.clone(), ..Seen::default() };
    let mut known = BTreeMap::new();
    update(&*tracking, run, &mut seen, &mut known).await.map_err(of_tracking)?;
    runs.live.begin(facts);
    runs.live.change(&run.id, |kept| {
        let version = kept.version;
        *kept = Seen { version, ..seen };
    });
    if !run.status.is_over() {
        runs.live.keep(tokio::spawn(follow(Arc::downgrade(runs), tracking, run.id.clone(), known)));
    }
    Ok(())
}

/// The last value of a metric that was read.
type Known = BTreeMap<String, (i64, i64)>;

/// Reads what is new.
async fn update(tracking: &dyn Tracking, run: &Run, seen: &mut Seen, known: &mut Known) -> Result<(), TrackingError> {
    let changed: Vec<(String, Option<(i64, i64)>)> = run
        .metrics
        .iter()
        .filter(|(key, latest)| known.get(*key) != Some(&(latest.step, latest.timestamp_ms)))
        .map(|(key, _)| (key.clone(), known.get(key).copied()))
        .collect();
    let histories = futures::stream::iter(changed).map(|(key, last)| async move {
        let history = tracking.history(&run.id, &key, last.map(|(step, _)| step)).await?;
        Ok::<_, TrackingError>((key, last, history))
    });
    let histories: Vec<(String, Option<(i64, i64)>, Vec<Metric>)> = histories.buffered(TOGETHER).try_collect().await?;
    for (key, last, history) in histories {
        for m in history.iter().filter(|m| last.is_none_or(|last| (m.step, m.timestamp_ms) > last)) {
            seen.metric(&key, Point { step: m.step, at_ms: m.timestamp_ms, value: m.value });
            let newest = known.entry(key.clone()).or_insert((m.step, m.timestamp_ms));
            *newest = (*newest).max((m.step, m.timestamp_ms));
        }
    }
    (seen.status, seen.end_ms) = (run.status, run.end_ms);
    seen.facts.params.clone_from(&run.params);
    Ok(())
}

async fn follow(runs: std::sync::Weak<Runs>, tracking: Arc<dyn Tracking>, id: String, mut known: Known) {
    loop {
        {
            let Some(runs) = runs.upgrade() else { return };
            let mut closing = runs.live.closing.subscribe();
            drop(runs);
            if tokio::time::timeout(EVERY, closing.wait_for(|closing| *closing)).await.is_ok() {
                return;
            }
        }
        let Some(runs) = runs.upgrade() else { return };
        let Some(mut seen) = runs.live.seen(&id) else { return };
        // A store that is away for a moment is asked again.
        let Ok(run) = tracking.run(&id).await else { continue };
        if update(&*tracking, &run, &mut seen, &mut known).await.is_err() {
            continue;
        }
        let over = seen.status.is_over();
        let before = runs.live.seen(&id).map(|s| (s.values, s.status));
        if before != Some((seen.values, seen.status)) {
            runs.live.change(&id, |kept| {
                let version = kept.version;
                *kept = Seen { version, ..seen };
            });
        }
        if over && run.status != Status::Running {
            return;
        }
    }
}
