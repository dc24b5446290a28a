//! Secrets in memory: a type that cannot be printed, and the redactor for all that leaves the kernel. Used on both sides of the link; knows no
//! backend and does no IO.
//!
//! - [`Secret`]: a value that nothing prints.
//! - [`Redactor`]: what is known to be secret, and texts without it.
#![forbid(unsafe_code)]

mod redactor;
mod secret;

pub use redactor::Redactor;
pub use secret::Secret;
