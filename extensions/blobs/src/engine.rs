//! How many parts are in flight: grows while that makes the whole faster, shrinks when the service asks for fewer requests. One engine per direction
//! of an open container; small requests do not pass through it.
//!
//! A generation is as many finished parts as may be in flight. After a saturated generation the limit is doubled; if the next one is not a fifth
//! faster it goes back and holds for some generations. Then half of it is tried, which stays if nothing is lost: parts that bring nothing cost memory
//! and the service's patience. Then more again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::steady::Pressure;

/// In flight at first. One stream of Azure gives about 60 MB/s, so this is near 2 GB/s; a file of some hundred megabytes is read before more could be tried.
const FIRST: usize = 32;
/// What a reduction may cost to stay: a generation measures no better than this.
const NO_LOSS: f64 = 0.93;
/// Reductions that are tried go no lower: one slow part would be felt.
const TRIED_LEAST: usize = 8;
/// Never fewer, whatever the service says: one would lose the overlap of waiting and receiving.
const LEAST: usize = 2;
/// Never more: services count connections, and 64 streams of 60 MB/s are beyond 25 GbE.
const MOST: usize = 64;
/// What a growth must bring to stay. Parts that began together end together: one generation is off by a sixth.
const WORTH: f64 = 1.2;
/// Saturated generations between two tries to grow.
const HOLD: u32 = 6;
/// A shorter generation measures the noise of timers.
const SHORTEST: Duration = Duration::from_millis(40);

pub(crate) struct Engine {
    room: Arc<Semaphore>,
    state: Mutex<State>,
    pressure: Arc<Pressure>,
}

struct State {
    limit: usize,
    /// Permits to be withheld when they come back.
    debt: usize,
    /// Parts that were begun under another limit and do not count.
    skip: usize,
    parts: usize,
    bytes: u64,
    began: Instant,
    /// There was room at some moment of this generation: the consumer is the limit, not the number of parts.
    idle: bool,
    /// The limit and rate before the change that is being tried.
    trial: Option<(usize, f64)>,
    /// The next try is one of fewer.
    fewer: bool,
    hold: u32,
    throttled: u64,
}

/// The right to have one part in flight.
pub(crate) struct Ticket {
    engine: Arc<Engine>,
}

impl Engine {
    pub(crate) fn new(pressure: Arc<Pressure>) -> Arc<Self> {
        let state =
            State { limit: FIRST, debt: 0, skip: 0, parts: 0, bytes: 0, began: Instant::now(), idle: false, trial: None, fewer: false, hold: 0, throttled: 0 };
        Arc::new(Self { room: Arc::new(Semaphore::new(FIRST)), state: Mutex::new(state), pressure })
    }

    /// How many parts may be in flight now.
    pub(crate) fn limit(&self) -> usize {
        self.state().limit
    }

    /// Waits for a place.
    pub(crate) async fn enter(self: &Arc<Self>) -> Ticket {
        let permit = self.room.acquire().await.expect("the semaphore is never closed");
        permit.forget();
        Ticket { engine: Arc::clone(self) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: &mut State, limit: usize) {
        let limit = limit.clamp(LEAST, MOST);
        // As many are in flight now; if they counted, a smaller limit would be credited with the rate of the one before.
        state.skip = state.limit;
        if limit > state.limit {
            let more = limit - state.limit;
            let paid = more.min(state.debt);
            state.debt -= paid;
            self.room.add_permits(more - paid);
        } else {
            let fewer = state.limit - limit;
            state.debt += fewer - self.room.forget_permits(fewer);
        }
        state.limit = limit;
    }

    /// A part of `bytes` arrived.
    fn done(&self, bytes: u64, now: Instant) {
        let mut state = self.state();
        let state = &mut *state;
        let throttled = self.pressure.throttled.load(Ordering::Relaxed);
        if throttled > state.throttled {
            state.throttled = throttled;
            let half = state.limit / 2;
            self.set(state, half);
            (state.trial, state.hold) = (None, HOLD);
            return restart(state, now);
        }
        if state.skip > 0 {
            state.skip -= 1;
            if state.skip == 0 {
                restart(state, now);
            }
            return;
        }
        state.parts += 1;
        state.bytes += bytes;
        state.idle |= self.room.available_permits() > 0;
        let took = now.saturating_duration_since(state.began);
        if state.parts < state.limit || took < SHORTEST {
            return;
        }
        if !state.idle {
            self.decide(state, state.bytes as f64 / took.as_secs_f64());
        }
        restart(state, now);
    }

    /// A saturated generation had this rate.
    fn decide(&self, state: &mut State, rate: f64) {
        if let Some((before, rate_before)) = state.trial.take() {
            let stays = rate >= rate_before * if before < state.limit { WORTH } else { NO_LOSS };
            let grew = before < state.limit;
            if !stays || !grew {
                // A growth that helped goes on at once; everything else is looked at again after a while, the other way round.
                (state.hold, state.fewer) = (HOLD, grew == !stays);
                if !stays {
                    self.set(state, before);
                }
                return;
            }
        } else if state.hold > 0 {
            state.hold -= 1;
            return;
        }
        let next = if state.fewer { state.limit / 2 } else { state.limit * 2 };
        if (TRIED_LEAST..=MOST).contains(&next) {
            state.trial = Some((state.limit, rate));
            self.set(state, next);
        } else {
            (state.fewer, state.hold) = (!state.fewer, HOLD);
        }
    }
}

fn restart(state: &mut State, now: Instant) {
    (state.parts, state.bytes, state.idle, state.began) = (0, 0, false, now);
}

impl Ticket {
    /// The part arrived.
    pub(crate) fn done(self, bytes: u64) {
        self.engine.done(bytes, Instant::now());
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.engine.state();
        if state.debt > 0 {
            state.debt -= 1;
        } else {
            self.engine.room.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of 8 MiB for `seconds` of computed time, over a link that gives each stream up to `each` bytes a second and all together up to `all`.
    fn run(engine: &Arc<Engine>, seconds: f64, each: f64, all: f64) {
        let (size, step) = (8.0 * 1024.0 * 1024.0, 0.001);
        // Parts that begin together do not end together: a server is not so regular.
        let jitter = |now: f64, flying: usize| 1.0 + 0.2 * ((now * 977.0 + flying as f64 * 0.37).sin());
        let begun = Instant::now();
        engine.state().began = begun;
        let mut flying: Vec<(f64, Ticket)> = Vec::new();
        let mut now = 0.0;
        while now < seconds {
            while let Ok(permit) = engine.room.try_acquire() {
                permit.forget();
                let jitter = jitter(now, flying.len());
                flying.push((size * jitter, Ticket { engine: Arc::clone(engine) }));
            }
            now += step;
            let rate = each.min(all / flying.len() as f64);
            flying.iter_mut().for_each(|(left, _)| *left -= rate * step);
            let mut i = 0;
            while i < flying.len() {
                if flying[i].0 <= 0.0 {
                    let (_, ticket) = flying.swap_remove(i);
                    drop(ticket);
                    // A consumer that keeps up has the next part begun before this one counts.
                    if let Ok(permit) = engine.room.try_acquire() {
                        permit.forget();
                        let jitter = jitter(now, flying.len());
                        flying.push((size * jitter, Ticket { engine: Arc::clone(engine) }));
                    }
                    engine.done(size as u64, begun + Duration::from_secs_f64(now));
                } else {
                    i += 1;
                }
            }
        }
    }

    #[test]
    fn it_grows_until_the_rate_stops_rising() {
        for (streams, expected) in [(4.0, 8..=16), (14.0, 16..=32), (30.0, 32..=64), (100.0, 64..=64)] {
            let engine = Engine::new(Arc::default());
            run(&engine, 60.0, 60e6, 60e6 * streams);
            // Whatever is being tried at the end is not yet what it settled on.
            let limit = engine.limit();
            let settled = engine.state().trial.map_or(limit, |(before, _)| before);
            assert!(expected.contains(&settled), "{streams} streams fill the link: {settled}");
        }
    }

    #[tokio::test]
    async fn it_shrinks_when_the_service_asks_for_less() {
        let pressure = Arc::<Pressure>::default();
        let engine = Engine::new(Arc::clone(&pressure));
        for _ in 0..8 {
            pressure.throttled.fetch_add(1, Ordering::Relaxed);
            engine.enter().await.done(1);
        }
        assert_eq!(engine.limit(), LEAST);
        assert_eq!(engine.room.available_permits(), LEAST, "no place is lost or left over");
    }
}
