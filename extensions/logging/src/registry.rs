//! Which recorder a call goes to: settled once per execution of a cell, and remembered by each thread.
//!
//! ```text
//! thread: (execution, forks) as remembered? --yes--> its recorder
//!                    \--no--> registry: known for this execution? --no--> active::find --> a recorder, or none (said)
//! ```
//! A forked child has a registry of its own: locks of the parent's may be held for ever there, and the parent's spool is the parent's.
use crate::active::{self, Delivery};
use crate::recorder::Recorder;
use crate::{LogError, pump};
use ochre_runtime::__rt::execution;
use ochre_runtime::host::RequestFailure;
use ochre_spool::forks;
use ochre_spool::wire::Active;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Forks of forks that have a registry of their own; deeper ones share the last.
const DEPTHS: usize = 16;
/// Executions whose run is remembered: detached cells log on beside the running one.
const REMEMBERED: usize = 8;

/// The recorders of this process.
#[derive(Debug, Default)]
pub struct Registry {
    /// Held while the kernel is asked, so that threads that begin together ask once.
    asking: Mutex<()>,
    executions: Mutex<BTreeMap<u64, Option<Arc<Recorder>>>>,
    pub pump: pump::Pump,
}

/// What a thread remembers.
#[derive(Default)]
struct Mine {
    execution: u64,
    forks: u32,
    known: bool,
    recorder: Option<Arc<Recorder>>,
    /// Trials that this thread is in, innermost last; they win.
    inside: Vec<Arc<Recorder>>,
}

thread_local! {
    static MINE: RefCell<Mine> = RefCell::default();
}

/// The registry of this process.
pub fn registry() -> &'static Registry {
    static ALL: [OnceLock<Registry>; DEPTHS] = [const { OnceLock::new() }; DEPTHS];
    ALL[(forks() as usize).min(DEPTHS - 1)].get_or_init(Registry::default)
}

/// The recorder of the run that this thread logs to now; `None` where there is none, which was said.
#[inline]
pub fn recorder() -> Option<Arc<Recorder>> {
    let (execution, forks) = (execution(), forks());
    let remembered = MINE.try_with(|mine| {
        let mine = mine.borrow();
        if mine.forks != forks {
            return None;
        }
        if let Some(inner) = mine.inside.last() {
            return Some(Some(Arc::clone(inner)));
        }
        (mine.known && mine.execution == execution).then(|| mine.recorder.clone())
    });
    match remembered {
        Ok(Some(recorder)) => recorder,
        _ => settle(execution, forks),
    }
}

#[cold]
fn settle(execution: u64, forks: u32) -> Option<Arc<Recorder>> {
    let parents = MINE.try_with(|mine| leave_parent(&mut mine.borrow_mut(), forks)).ok().flatten();
    let found = match parents {
        Some(parents) => in_child(execution, &parents),
        None => registry().settle(execution),
    };
    let _ = MINE.try_with(|mine| {
        let mut mine = mine.borrow_mut();
        mine.execution = execution;
        mine.known = true;
        mine.recorder = found.clone();
    });
    found
}

/// In a fork: forgets what the parent's thread remembered, without dropping it; gives the run that it logged to.
fn leave_parent(mine: &mut Mine, forks: u32) -> Option<Arc<Recorder>> {
    if mine.forks == forks {
        return None;
    }
    let before = std::mem::replace(mine, Mine { forks, ..Mine::default() });
    // A new thread of a child was in nobody's trial and has nothing to forget.
    let last = before.inside.last().or(before.recorder.as_ref()).map(Arc::clone);
    std::mem::forget(before);
    last
}

fn in_child(execution: u64, parents: &Arc<Recorder>) -> Option<Arc<Recorder>> {
    let opened = parents.in_child();
    // Not dropped: the spool is the parent's.
    std::mem::forget(Arc::clone(parents));
    let registry = registry();
    match opened {
        Ok(child) => {
            let child = Arc::new(child);
            registry.remember(execution, Some(Arc::clone(&child)));
            Some(child)
        }
        Err(error) => {
            eprintln!("ochre: what this child process logs is not kept: {error}");
            registry.remember(execution, None);
            None
        }
    }
}

impl Registry {
    fn executions(&self) -> MutexGuard<'_, BTreeMap<u64, Option<Arc<Recorder>>>> {
        self.executions.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn settle(&'static self, execution: u64) -> Option<Arc<Recorder>> {
        let _asking = self.asking.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(known) = self.executions().get(&execution) {
            return known.clone();
        }
        let found = match active::find(true) {
            Ok(Some((active, delivery))) => self.open(active, delivery).inspect_err(|error| say_lost(&error.to_string())).ok(),
            Ok(None) => {
                say_lost("there is no kernel, and MLFLOW_RUN_ID does not name a run");
                None
            }
            Err(RequestFailure::Interrupted) => return None,
            Err(failure) => {
                say_lost(&failure.to_string());
                None
            }
        };
        self.remember(execution, found.clone());
        found
    }

    /// The recorder of a run: the one that is there, or a new one.
    pub fn open(&'static self, active: Active, delivery: Delivery) -> Result<Arc<Recorder>, LogError> {
        let known = self.executions().values().flatten().find(|r| r.active.run_id == active.run_id).cloned();
        if let Some(known) = known.or_else(|| self.pump.find(&active.run_id)) {
            return Ok(known);
        }
        let recorder = Arc::new(Recorder::open(active, delivery)?);
        if delivery == Delivery::Kernel {
            self.pump.add(Arc::clone(&recorder));
        }
        Ok(recorder)
    }

    fn remember(&self, execution: u64, recorder: Option<Arc<Recorder>>) {
        let mut executions = self.executions();
        executions.insert(execution, recorder);
        while executions.len() > REMEMBERED {
            executions.pop_first();
        }
    }

    /// Whether somebody else has to fetch what this execution logs.
    pub fn is_fetched(&self) -> bool {
        self.executions().get(&execution()).is_some_and(|r| r.as_ref().is_some_and(|r| r.delivery == Delivery::Fetched))
    }

    /// Whether a run may still be logged to without asking again.
    pub fn holds(&self, run_id: &str) -> bool {
        self.executions().values().flatten().any(|r| r.active.run_id == run_id)
    }
}

/// Runs `work` with all log calls of this thread going to another run.
pub fn within<T>(recorder: &Arc<Recorder>, work: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = MINE.try_with(|mine| drop(mine.borrow_mut().inside.pop()));
        }
    }
    let entered = MINE.try_with(|mine| {
        let mut mine = mine.borrow_mut();
        leave_parent(&mut mine, forks());
        mine.inside.push(Arc::clone(recorder));
    });
    let _leave = entered.ok().map(|()| Leave);
    work()
}

#[cold]
fn say_lost(why: &str) {
    eprintln!("ochre: nothing is logged: {why}");
}
