//! The session on a scripted engine: state machine, magics, completion; no compiler and no worker.
mod assist;
mod extensions;
mod magics;
mod scripted;
mod state;
