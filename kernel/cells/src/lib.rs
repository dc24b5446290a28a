//! Cell text -> plan -> shared library, and what rustc says about it -> what the user reads.
#![forbid(unsafe_code)]

pub mod complete;
pub mod dependencies;
pub mod diagnostics;
pub mod habits;
pub mod cache;
pub mod mir;
pub mod model;
pub mod notebook;
pub mod parse;
pub mod prelude;
pub mod rustc;
pub mod tokens;
pub mod types;

mod clouds;
mod generate;
mod lex;
mod moves;
mod names;
mod plan;
mod scope;
mod ticks;
mod visible;
mod writer;

pub use cache::Cache;
pub use notebook::{Bound, Compiled, Library, Notebook, OptLevel, Refused};
pub use prelude::Prelude;
pub use rustc::Compiler;
