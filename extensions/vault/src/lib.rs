//! Where secrets are kept, and `%secret`. Called by magics that take `secret:SCOPE/KEY`, by cells through the topic `secret`, and by users.
//!
//! ```text
//! Vault::get("SCOPE/KEY") --> session, environment, files, keyring, file: the first that has it      --> Redactor knows it
//!            "keyvault:NAME/KEY", "databricks:SCOPE/KEY" --> that service (ochre-azure)               --> Redactor knows it
//! ```
//! **Invariant:** every value that this crate hands out, reads or is given is known to the session's redactor before anybody else has it.
#![forbid(unsafe_code)]

mod backend;
mod environment;
mod error;
mod files;
mod keyring;
mod magic;
mod name;
mod remote;
mod sealed;
mod service;
mod session;
mod vault;

pub use error::VaultError;
pub use keyring::Keyring;
pub use name::Name;
pub use vault::{Setup, Vault};
