//! Jupyter messages over ZeroMQ, protocol 5.5: the only crate that names a socket or a Jupyter field.
//!
//! The binary reads a [`ConnectionFile`], binds a [`Server`] and serves a [`Kernel`] with it:
//!
//! ```text
//! shell   --> lane "main" (one request after the other) --+
//!         --> lane per subshell --------------------------+--> Kernel
//! control --> answered at once, also while cells run -----+
//! stdin   <-> questions of the running cell
//! iopub   <-- busy, outputs (joined, paced), idle
//! hb      <-> echo
//! ```
//!
//! It knows nothing of Rust cells: that is `ochre-session`.
#![forbid(unsafe_code)]

mod client;
mod connection;
mod control;
mod execute;
mod fields;
mod iopub;
mod kernel;
mod lane;
mod log;
mod messages;
mod outputs;
mod pace;
mod request;
mod server;
mod stdin;
mod wire;
mod zmtp;

pub use client::{ProbeError, probe};
pub use connection::{ConnectionError, ConnectionFile};
pub use kernel::{About, Kernel};
pub use server::{BindError, Ended, Server};

/// Locks, also after a panic elsewhere: what these locks guard is whole after each statement.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
