//! Builds what cells link against and lays it out as the *prelude directory* that the engine reads.
//!
//! Called by `ochre install` and by `cargo xtask`; a crate of its own so that xtask compiles in seconds.
//! It does not run cells and knows nothing of Jupyter.
//!
//! ```text
//! checkout --cargo--> <cache>/build/<compiler>/prelude --stage--> <root>/<hash>/{manifest.json, deps/, …}
//! ```
#![forbid(unsafe_code)]

mod artifacts;
mod cache;
mod cargo;
mod compiler;
mod error;
mod manifest;
mod mirror;
mod progress;
mod source;
mod stage;

pub use artifacts::{Artifact, Kind};
pub use cache::Cache;
pub use cargo::{Cargo, clean};
pub use compiler::Compiler;
pub use error::{Error, print_chain};
pub use manifest::{Crate, FORMAT, Manifest};
pub use mirror::hold;
pub use source::{SOURCE_VARIABLE, find as find_source, is_source};
pub use stage::{CURRENT, PRELUDE_PACKAGES, build_prelude, prelude_command, stage, worker_command};
