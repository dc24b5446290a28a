//! Experiments and runs for people: the magics, the delivery of what cells log, live views, system metrics and provenance.
//!
//! Kernel side. The session is handed [`extension`] and knows nothing of it. Where runs are kept is `ochre-tracking`'s affair, how a log call survives
//! its process `ochre-spool`'s, how charts look `ochre-charts`'; what is here decides which run is meant, and sees to it that everything arrives.
//!
//! ```text
//! cell --log--> spool --append--> Desk --> Deliverer --> Store (mlflow.db | server)
//!                 `--left by the dead--> Sweeper --^        Live --> board --> Screen of the cell
//! %start_run %log %end_run --> Runs (which run is active) --^
//! ```
#![forbid(unsafe_code)]

mod access;
mod active;
mod automl;
mod begin;
mod cells;
mod children;
mod delivery;
mod desk;
mod end;
mod failures;
mod journal;
mod live;
mod magics;
mod names;
mod observer;
mod outbox;
mod provenance;
mod runs;
mod setup;
mod stores;
mod sweep;
mod system;
mod table;
#[cfg(test)]
mod double;

pub use setup::{Secrets, Setup};

use ochre_api::{Magic, Observer, Service};
use runs::Runs;
use std::sync::Arc;

/// What a session is handed.
pub struct Extension {
    pub magics: Vec<Arc<dyn Magic>>,
    pub observers: Vec<Arc<dyn Observer>>,
    pub services: Vec<Arc<dyn Service>>,
}

/// The runs of one session. Call it once for each session, on a tokio runtime; what earlier kernels left undelivered is delivered from now on.
pub fn extension(setup: Setup) -> Extension {
    let runs = Runs::new(setup);
    sweep::start(&runs);
    Extension { magics: magics::all(&runs), observers: vec![Arc::new(observer::Watcher(runs.clone()))], services: vec![Arc::new(desk::Desk(runs))] }
}
