//! What an extension may see of Ochre: magics, targets and observers, and how their failures are said.
//!
//! Every extension (compute, storage, runs, models) and the session's own magics implement these traits;
//! `ochre-session` is handed them as trait objects and never names an extension. No sockets, no rustc, no
//! Jupyter field names here.
//!
//! ```text
//! typed line --parse--> Call --Magic::run(.., &mut dyn SessionAccess)--> MagicOutcome | Failure
//! ```
#![forbid(unsafe_code)]

pub mod failure;
pub mod help;
pub mod magic;
pub mod observer;
pub mod parse;
pub mod registry;
pub mod screen;
pub mod service;
pub mod session;
pub mod spec;
pub mod suggest;
pub mod target;
pub mod words;

pub use async_trait::async_trait;
pub use failure::{Fault, Failure};
pub use magic::{Call, Magic, MagicOutcome, Place};
pub use observer::{CellFinished, CellStarted, Ending, Observer, Settling};
pub use parse::Arguments;
pub use registry::{Registry, RegistryError};
pub use screen::Screen;
pub use service::Service;
pub use session::{Answer, CellEnd, PastCell, SessionAccess, Spent, Trap};
pub use spec::{Argument, Example, Form, Kind, Spec, Value};
pub use target::Target;
