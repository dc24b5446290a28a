//! One notebook's state machine: queue, counts, history, interrupt, magics. No sockets, no rustc.
//!
//! Used by `ochre-jupyter`, `ochre run` and the tests through [`Session`]; what runs the Rust is an
//! [`engine::Engine`] that the composition root hands in.
//!
//! ```text
//! front end --Execute--> Session --Event--> session task --lends--> runner --> parts: Rust   -> Engine
//!     ^                                                               |             magics -> Registry
//!     |<----------------------- Output <------ pump (limits) <--------|
//! ```
#![forbid(unsafe_code)]

mod access;
mod complete;
mod desk;
pub mod engine;
pub mod evcxr_engine;
mod exchange;
pub mod front;
mod gate;
pub mod gpu;
mod habits;
pub mod history;
mod inspect;
mod keys;
mod known;
pub mod limits;
pub mod magics;
mod names;
pub mod ochre_engine;
mod parts;
mod pump;
mod report;
mod runner;
mod screen;
mod session;
mod state;
mod switchboard;
mod usage;
pub mod worker;

pub use exchange::Exchange;
pub use session::{EngineFactory, Session, SessionParts};
