//! Secrets in memory: a type that cannot be printed, and the redactor for all that leaves the kernel. Used on both sides of the link; knows no
//! backend and does no IO.
//!
//! - [`Secret`]: a value that nothing prints.
//! - [`Redactor`]: what is known to be secret, and texts without it; [`Stream`]: the same for a text that comes in pieces.
//! - [`literals`]: keys that are written into a cell.
//! - [`environment`]: which variables hold credentials.
#![forbid(unsafe_code)]

pub mod environment;
mod forms;
mod literals;
mod patterns;
mod redactor;
mod secret;
mod stream;
mod view;

pub use forms::SHORTEST;
pub use literals::{Finding, literals};
pub use redactor::{REDACTED, Redactor, is_looked_for};
pub use secret::Secret;
pub use stream::Stream;
