//! What the kernel and a worker say to each other: data only, versioned, length-limited.
//!
//! The kernel side is `ochre-session`; the other side is `ochre-worker` (cells) or `ochre-evcxr` (the
//! portable engine). Both hold nothing but a byte stream: no shared files, no signals, no shared memory
//! are assumed, so that a worker may run on another machine.
//!
//! ```text
//! kernel  --- ToWorker, framed --->  worker
//! kernel  <-- FromWorker, framed --  worker
//! ```
#![forbid(unsafe_code)]

pub mod evcxr;
pub mod frame;
pub mod message;
pub mod mime;
mod raw;

pub use frame::{FrameError, MAX_FRAME_BYTES};
pub use message::*;
pub use mime::{Bundle, Data};

/// Version of the protocol. A change of any type in [`message`] or [`mime`] needs a new number; a test
/// compares the encoding of samples with the recorded one and fails when that was forgotten.
pub const VERSION: u32 = 2;
