//! The kernel's side against a real worker: cells are compiled by hand with rustc, so nothing of the
//! cell compiler is needed. Each test starts a worker of its own.
mod ends;
mod interrupt;
mod line;
mod output;
mod requests;
mod support;
mod variables;
