//! The stores that this session uses, by their addresses: opened once, and left alone for a while after they did not answer.
use crate::access::Keys;
use ochre_tracking::{Access, Tracking, TrackingError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// First pause after a store did not answer; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// A failure that passes by within this time is not worth a line.
const SILENT: Duration = Duration::from_secs(2);

/// All stores.
pub(crate) struct Stores {
    keys: Arc<Keys>,
    by_address: Mutex<HashMap<String, Arc<Store>>>,
}

/// One store.
pub(crate) struct Store {
    pub(crate) address: String,
    keys: Arc<Keys>,
    open: tokio::sync::Mutex<Option<Arc<dyn Tracking>>>,
    away: Mutex<Option<Away>>,
}

/// It did not answer.
struct Away {
    since: Instant,
    failures: u32,
    next: Instant,
    said: bool,
}

/// What changed with a store, in words.
pub(crate) enum Weather {
    Same,
    /// It has not answered for a while.
    Gone,
    Back,
}

impl Stores {
    pub(crate) fn new(keys: Arc<Keys>) -> Self {
        Self { keys, by_address: Mutex::default() }
    }

    /// The store of an address, opened or not.
    pub(crate) fn at(&self, address: &str) -> Arc<Store> {
        let mut stores = lock(&self.by_address);
        let make = || Arc::new(Store { address: address.to_owned(), keys: self.keys.clone(), open: tokio::sync::Mutex::default(), away: Mutex::default() });
        stores.entry(address.to_owned()).or_insert_with(make).clone()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Another credential counts: all are opened anew when they are next needed.
    pub(crate) fn forget(&self) {
        lock(&self.by_address).clear();
    }
}

impl Store {
    /// The store, opened when it was not.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Tracking>, TrackingError> {
        let mut open = self.open.lock().await;
        if let Some(store) = &*open {
            return Ok(store.clone());
        }
        let keys: Arc<dyn Access> = self.keys.clone();
        let store = ochre_tracking::open(&self.address, keys).await?;
        *open = Some(store.clone());
        Ok(store)
    }

    /// Keeps everybody from the store, opened or not, while what this gives is held.
    #[cfg(test)]
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, Option<Arc<dyn Tracking>>> {
        self.open.lock().await
    }

    /// How long it is to be left alone.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let away = lock(&self.away);
        away.as_ref().map(|away| away.next.saturating_duration_since(Instant::now())).filter(|pause| !pause.is_zero())
    }

    /// It did not answer; gives the pause and whether that is news.
    pub(crate) fn failed(&self) -> (Duration, Weather) {
        let mut away = lock(&self.away);
        let now = Instant::now();
        let away = away.get_or_insert(Away { since: now, failures: 0, next: now, said: false });
        let pause = FIRST_PAUSE.saturating_mul(1 << away.failures.min(10)).min(LAST_PAUSE);
        away.failures += 1;
        away.next = now + pause;
        let news = !away.said && now.duration_since(away.since) + pause > SILENT;
        away.said |= news;
        (pause, if news { Weather::Gone } else { Weather::Same })
    }

    /// It answered.
    pub(crate) fn answered(&self) -> Weather {
        match lock(&self.away).take() {
            Some(away) if away.said => Weather::Back,
            _ => Weather::Same,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::NoSecrets;

    #[test]
    fn pauses_grow_and_an_outage_is_news_once() {
        let stores = Stores::new(Arc::new(Keys::new(&Default::default(), Arc::new(NoSecrets), None)));
        let store = stores.at("http://127.0.0.1:9");
        assert!(store.pause().is_none());
        let (mut news, mut pauses) = (0, Vec::new());
        for _ in 0..12 {
            let (pause, weather) = store.failed();
            pauses.push(pause);
            news += u32::from(matches!(weather, Weather::Gone));
        }
        assert_eq!((pauses[0], pauses[1], pauses[11], news), (FIRST_PAUSE, 2 * FIRST_PAUSE, LAST_PAUSE, 1));
        assert!(store.pause().is_some_and(|p| p > LAST_PAUSE / 2));
        assert!(matches!(store.answered(), Weather::Back));
        assert!(store.pause().is_none() && matches!(store.answered(), Weather::Same));
    }
}
