//! The kernel's side of a worker: start it, greet it, speak with it, and know how it ended.
//!
//! ```text
//! Target::start --> stream + Process --> Connection --send--> worker
//!                                              \<--recv-- Message | Closed(Ended)
//! ```
//! Called by the engine. A [`Target`] is the only thing that knows where a worker runs: [`LocalWorker`]
//! starts a process here, [`proxy::Faulty`] puts a bad line before any target, remote targets come later.
//! What a cell did to its worker is an [`Ended`], never an error.
mod connection;
mod ended;
mod local;
mod memory;
pub mod proxy;

pub use connection::{Connection, Event, Gone, Handle};
pub use ended::{Crash, Ended, signal_name};
pub use local::LocalWorker;
pub use ochre_api::target::{How, Process, StartError, Started, Target};
