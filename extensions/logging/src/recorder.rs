//! One run as this process logs to it: names and steps are settled here, records go into the spool.
use crate::LogError;
use crate::active::Delivery;
use crate::pump;
use crate::said::Said;
use ochre_spool::wire::Active;
use ochre_spool::{Header, Kept, LARGEST_RECORD, LIMIT, Record, Spool, SpoolError, limits, now_ms, spool_directory};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// How long a call that found the spool full waits before it looks again.
const WAIT_FOR_ROOM: Duration = Duration::from_millis(20);
/// Bytes of a text beside its path in a record.
const TEXT_FRAME: usize = 4;

/// A run that is logged to.
#[derive(Debug)]
pub struct Recorder {
    pub active: Active,
    pub delivery: Delivery,
    pub spool: Spool,
    keys: Mutex<HashMap<Box<str>, Key>>,
    params: Mutex<HashMap<String, String>>,
    /// Artifacts that MLflow's page shall show as tables.
    #[cfg(feature = "frames")]
    tables: Mutex<Vec<String>>,
    pub said: Said,
    lost: AtomicU64,
}

/// What is known of a metric's name as the user writes it.
#[derive(Clone, Debug, Default)]
struct Key {
    /// The name that it is logged under, where that is another.
    kept: Option<Box<str>>,
    /// The step of the next call without one.
    next: i64,
}

impl Key {
    /// The step that is asked for, or the next one; the count goes on from there.
    fn step(&mut self, asked: Option<i64>) -> i64 {
        let step = asked.unwrap_or(self.next);
        self.next = step.saturating_add(1);
        step
    }
}

impl Recorder {
    /// Makes the spool of a run.
    pub fn open(active: Active, delivery: Delivery) -> Result<Self, SpoolError> {
        let directory = active.spool_directory.clone().unwrap_or_else(spool_directory);
        let header = Header::new(&active.run_id, &active.experiment, &active.tracking_uri);
        // Where nobody delivers meanwhile, the spool is the only place and the disk the only bound.
        let limit = if delivery == Delivery::Kernel { LIMIT } else { u64::MAX };
        let spool = Spool::create(&directory, &header, limit)?;
        let known = active.steps.iter().map(|(key, last)| (key.as_str().into(), Key { kept: None, next: last.saturating_add(1) }));
        Ok(Self {
            keys: Mutex::new(known.collect()),
            params: Mutex::default(),
            #[cfg(feature = "frames")]
            tables: Mutex::default(),
            said: Said::default(),
            lost: AtomicU64::new(0),
            active,
            delivery,
            spool,
        })
    }

    /// The same run in a forked child: its own spool, and steps that go on.
    pub fn in_child(&self) -> Result<Self, SpoolError> {
        let child = Self::open(self.active.clone(), Delivery::Fetched)?;
        // A thread of the parent's may have held the lock when it forked: that one is held for ever here.
        if let Ok(keys) = self.keys.try_lock() {
            *lock(&child.keys) = keys.clone();
        }
        Ok(child)
    }

    /// Logs a point; without a step it gets the one after the last of this name.
    #[inline]
    pub fn metric(&self, name: &str, value: f64, step: Option<i64>, time: i64) {
        let (kept, step) = self.settle(name, step);
        let kept = kept.as_deref().unwrap_or(name);
        match self.spool.metric(kept, value, time, step) {
            Ok(Kept::OnDisk) => pump::note(self),
            other => self.slow(other, &|| self.spool.metric(kept, value, time, step)),
        }
    }

    /// Name and step of a point.
    #[inline]
    fn settle(&self, name: &str, step: Option<i64>) -> (Option<Box<str>>, i64) {
        let mut keys = lock(&self.keys);
        match keys.get_mut(name) {
            Some(key) if key.kept.is_none() => (None, key.step(step)),
            _ => self.settle_slowly(&mut keys, name, step),
        }
    }

    /// A name that is new, or one that is logged under another, with which it shares the steps.
    #[cold]
    fn settle_slowly(&self, keys: &mut HashMap<Box<str>, Key>, name: &str, step: Option<i64>) -> (Option<Box<str>>, i64) {
        let known = keys.get(name).and_then(|key| key.kept.clone());
        let kept = known.or_else(|| match self.name("metric", name) {
            Cow::Owned(kept) => Some(kept.into_boxed_str()),
            Cow::Borrowed(_) => None,
        });
        if let Some(kept) = &kept {
            keys.insert(name.into(), Key { kept: Some(kept.clone()), next: 0 });
        }
        let step = keys.entry(kept.as_deref().unwrap_or(name).into()).or_default().step(step);
        (kept, step)
    }

    /// The name that MLflow takes, and the user told if it is another.
    fn name<'a>(&self, what: &str, name: &'a str) -> Cow<'a, str> {
        let kept = limits::key(name);
        if let Cow::Owned(kept) = &kept {
            self.said.once(&format!("{what} {name}"), || {
                let (shown, more) = limits::cut(name, 60);
                let shown = shown.escape_debug();
                let dots = if more { "…" } else { "" };
                format!(
                    "the {what} `{shown}{dots}` is logged as `{kept}`: names may have letters, digits, `_-. :/` and at most {} characters, and no empty, `.` or `..` part",
                    limits::KEY
                )
            });
        }
        kept
    }

    /// Logs a parameter; its first value stays.
    pub fn param(&self, name: &str, value: &str) {
        let key = self.name("param", name).into_owned();
        let value = self.cut("param", &key, value, limits::PARAM).to_owned();
        {
            let mut params = lock(&self.params);
            match params.get(&key) {
                Some(first) if *first == value => return,
                Some(first) => {
                    let (shown, _) = limits::cut(first, 60);
                    return self.said.once(&format!("param again {key}"), || {
                        format!("the param `{key}` stays `{shown}`: a param of a run is set once; log what changes as a metric or a tag, or start another run")
                    });
                }
                None => drop(params.insert(key.clone(), value.clone())),
            }
        }
        self.record(&Record::Param { key, value });
    }

    /// Logs a tag; its last value wins.
    pub fn tag(&self, name: &str, value: &str) {
        let key = self.name("tag", name).into_owned();
        let value = self.cut("tag", &key, value, limits::TAG).to_owned();
        self.record(&Record::Tag { key, value });
    }

    fn cut<'a>(&self, what: &str, key: &str, value: &'a str, limit: usize) -> &'a str {
        let (kept, more) = limits::cut(value, limit);
        if more {
            self.said.once(&format!("{what} long {key}"), || {
                format!("the value of the {what} `{key}` is cut to its first {limit} characters, as MLflow does; log the whole of it with `ochre::run::log_text`")
            });
        }
        kept
    }

    /// Logs a text as an artifact; a long one goes by a file of the spool's.
    pub fn text(&self, path: &str, text: &str) -> Result<(), LogError> {
        let path = limits::artifact_path(path);
        if TEXT_FRAME + path.len() + text.len() <= LARGEST_RECORD {
            self.record(&Record::Text { path, text: text.to_owned() });
            return Ok(());
        }
        let file = self.spool.place_for_copy(path.rsplit('/').next().unwrap_or_default())?;
        std::fs::write(&file, text).map_err(LogError::file(&file))?;
        self.record(&Record::Artifact { path, file, owned: true });
        Ok(())
    }

    /// One more table; gives MLflow's list of them.
    #[cfg(feature = "frames")]
    pub fn add_table(&self, path: &str) -> String {
        let mut tables = lock(&self.tables);
        if !tables.iter().any(|t| t == path) {
            tables.push(path.to_owned());
        }
        let list: Vec<serde_json::Value> = tables.iter().map(|path| serde_json::json!({"path": path, "type": "table"})).collect();
        serde_json::Value::from(list).to_string()
    }

    /// Appends a record, waiting for room where the spool is full.
    pub fn record(&self, record: &Record) {
        match self.spool.append(record) {
            Ok(Kept::OnDisk) => pump::note(self),
            other => self.slow(other, &|| self.spool.append(record)),
        }
    }

    /// What is not the rule: no room on the disk, or too much that waits.
    #[cold]
    fn slow(&self, mut outcome: Result<Kept, SpoolError>, again: &dyn Fn() -> Result<Kept, SpoolError>) {
        loop {
            match outcome {
                Ok(Kept::OnDisk) => return pump::note(self),
                Ok(Kept::InMemory) => {
                    pump::note(self);
                    return self.said.once("memory", || {
                        let place = self.spool.path().parent().unwrap_or(self.spool.path()).display();
                        format!("there is no room on the disk at {place}: what is logged now is kept in memory until it is delivered, and is lost if this process dies before; free some room, or set OCHRE_SPOOL to another folder")
                    });
                }
                Err(SpoolError::Full { bytes, .. }) => {
                    self.said.once("full", || {
                        pump::wake();
                        let mib = bytes >> 20;
                        format!("{mib} MiB of what was logged wait to be delivered to where runs are kept, which is as much as may wait: log calls wait too until it answers. An interrupt ends the waiting; `%tracking` tells what is wrong")
                    });
                    std::thread::sleep(WAIT_FOR_ROOM);
                    ochre_runtime::__rt::check();
                    if ochre_runtime::interrupted() {
                        return self.lose("the cell was interrupted while it waited for room");
                    }
                    outcome = again();
                }
                Err(error) => return self.lose(&error.to_string()),
            }
        }
    }

    /// A record that could not be kept anywhere: said, with a count that grows by tens.
    fn lose(&self, why: &str) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if lost.ilog10() != (lost - 1).checked_ilog10().unwrap_or(u32::MAX) {
            self.said.once(&format!("lost {lost}"), || format!("{lost} of what was logged so far could not be kept: {why}"));
        }
    }
}

/// Logs several points of one moment.
pub fn metrics<'a>(recorder: &Recorder, metrics: impl Iterator<Item = (&'a str, f64)>, step: Option<i64>) {
    let time = now_ms();
    metrics.for_each(|(name, value)| recorder.metric(name, value, step, time));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
