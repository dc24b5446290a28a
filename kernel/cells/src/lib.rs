//! Cell text -> plan -> shared library, and what rustc says about it -> what the user reads.
#![forbid(unsafe_code)]

pub mod complete;
pub mod diagnostics;
pub mod habits;
mod lex;
