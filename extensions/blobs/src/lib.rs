//! Blob stores for both sides of the link: where something lies ([`Location`]), what lets one in ([`Grant`]), and how bytes get there and back
//! ([`Container`], [`Reader`], [`Writer`], the disk [`Cache`]). Used by the kernel's magics, the mount process and `ochre::store` in cells.
//! Knows no magic, no cell, no file system and no identity: whoever has an identity hands in [`Grants`].
//!
//! ```text
//! Container ── Reader, read, download ──┐
//!           ── Writer, write, upload  ──┼── Steady (time bounds, retries, fresh grants) ── object_store ── Wire (checksums) ── HTTP
//!           ── stat, list, delete, copy ┘
//! ```
#![forbid(unsafe_code)]

mod ahead;
mod budget;
mod cache;
mod container;
mod detect;
mod download;
mod engine;
mod error;
mod faulty;
mod grant;
mod http;
mod journal;
mod location;
mod make;
mod memory;
mod open;
mod parts;
mod reader;
mod renewal;
mod steady;
mod upload;
mod wire;
mod writer;

pub use budget::{Budget, DEFAULT_BUDGET};
pub use cache::Cache;
pub use container::{Container, Meta, Mode, Progress};
pub use detect::{ConnectionString, credential_of};
pub use error::{BlobError, Fault, Result};
pub use faulty::{Faulty, Faults};
pub use grant::{Credential, FixedGrant, Grant, Grants};
pub use location::{Location, Scheme};
pub use reader::{ReadOptions, Reader};
pub use renewal::FromGrant;
pub use steady::Patience;
pub use wire::{STORAGE, StorageRequest};
pub use writer::{WriteOptions, Writer};

/// The store beneath, for who needs it as such.
pub use object_store;
