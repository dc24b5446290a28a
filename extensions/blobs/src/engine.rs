//! How many parts are in flight: grows while that makes the whole faster, shrinks when the service asks for fewer requests. One engine per direction
//! of an open container; small requests do not pass through it.
//!
//! A generation is as many finished parts as may be in flight. After each saturated generation the rate is compared with that of the one before the
//! last growth: a tenth more and the limit doubles again, else it goes back and holds for some generations.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::steady::Pressure;

/// In flight at first. One stream of Azure gives about 60 MB/s, so this is near 1 GB/s.
const FIRST: usize = 16;
/// Never fewer, whatever the service says: one would lose the overlap of waiting and receiving.
const LEAST: usize = 2;
/// Never more: services count connections, and 64 streams of 60 MB/s are beyond 25 GbE.
const MOST: usize = 64;
/// What a growth must bring to stay.
const WORTH: f64 = 1.1;
/// Saturated generations between two tries to grow.
const HOLD: u32 = 16;
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
    /// The limit and rate before the growth that is being tried.
    trial: Option<(usize, f64)>,
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
            State { limit: FIRST, debt: 0, skip: 0, parts: 0, bytes: 0, began: Instant::now(), idle: false, trial: None, hold: 0, throttled: 0 };
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
        state.skip = state.limit.min(limit);
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
    fn done(&self, bytes: u64) {
        let mut state = self.state();
        let state = &mut *state;
        let throttled = self.pressure.throttled.load(Ordering::Relaxed);
        if throttled > state.throttled {
            state.throttled = throttled;
            let half = state.limit / 2;
            self.set(state, half);
            (state.trial, state.hold) = (None, HOLD);
            return restart(state);
        }
        if state.skip > 0 {
            state.skip -= 1;
            if state.skip == 0 {
                restart(state);
            }
            return;
        }
        state.parts += 1;
        state.bytes += bytes;
        state.idle |= self.room.available_permits() > 0;
        let took = state.began.elapsed();
        if state.parts < state.limit || took < SHORTEST {
            return;
        }
        if !state.idle {
            self.decide(state, state.bytes as f64 / took.as_secs_f64());
        }
        restart(state);
    }

    /// A saturated generation had this rate.
    fn decide(&self, state: &mut State, rate: f64) {
        if let Some((before, rate_before)) = state.trial.take() {
            if rate < rate_before * WORTH {
                state.hold = HOLD;
                return self.set(state, before);
            }
        } else if state.hold > 0 {
            state.hold -= 1;
            return;
        }
        if state.limit < MOST {
            state.trial = Some((state.limit, rate));
            let double = state.limit * 2;
            self.set(state, double);
        }
    }
}

fn restart(state: &mut State) {
    (state.parts, state.bytes, state.idle, state.began) = (0, 0, false, Instant::now());
}

impl Ticket {
    /// The part arrived.
    pub(crate) fn done(self, bytes: u64) {
        self.engine.done(bytes);
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

    /// Runs `parts` parts through an engine over a link that gives each stream `each` bytes per tick up to `all` together.
    async fn run(engine: &Arc<Engine>, parts: usize, each: f64, all: f64) {
        let size = 8.0 * 1024.0 * 1024.0;
        let mut tasks = tokio::task::JoinSet::new();
        let flying = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for _ in 0..parts {
            let (engine, flying) = (Arc::clone(engine), Arc::clone(&flying));
            tasks.spawn(async move {
                let ticket = engine.enter().await;
                flying.fetch_add(1, Ordering::SeqCst);
                let mut left = size;
                while left > 0.0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    let rate = each.min(all / flying.load(Ordering::SeqCst) as f64);
                    left -= rate * 0.01;
                }
                flying.fetch_sub(1, Ordering::SeqCst);
                ticket.done(size as u64);
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    #[tokio::test]
    async fn it_grows_until_the_rate_stops_rising() {
        let engine = Engine::new(Arc::default());
        run(&engine, 400, 400e6, 12e9).await;
        assert!((32..=64).contains(&engine.limit()), "30 streams fill the link: {}", engine.limit());
        let engine = Engine::new(Arc::default());
        run(&engine, 200, 400e6, 2e9).await;
        assert_eq!(engine.limit(), 16, "5 streams fill it: more is of no use");
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
