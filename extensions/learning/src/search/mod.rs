//! Searching for good settings: what may vary ([`Space`]), who proposes the next trial, and when one is given up.
//!
//! [`Study`] is told how trials went and proposes others; who runs them, and on how many threads, is the caller's business.
mod prune;
mod sampler;
mod space;
mod study;

pub use space::{Parameter, Params, Setting, Space, Strategy};
pub use study::{End, Study, Trial};
