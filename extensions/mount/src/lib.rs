//! A container as a directory: FUSE, seccomp user notification, or a synced folder. This crate is the mount process (`ochre mount`): the kernel starts
//! one per mount, writes its [`MountConfig`] to its stdin and ends it by closing that pipe. Knows no magic, no cell and no identity: credentials are
//! asked from the kernel over the same pipe ([`wire`]).
//!
//! ```text
//! kernel --stdin: config, grants--> serve --picks--> Way (fuse | seccomp | synced) --> Tree --> ochre_blobs::Container
//!        <-stdout: ready, asks----
//! ```
#![deny(unsafe_code)]

pub mod config;
pub mod error;
pub mod fuse;
pub mod mounts;
pub mod names;
mod pipe;
pub mod process;
pub mod seccomp;
pub mod synced;
pub mod tree;
pub mod way;
pub mod wire;

pub use config::{MountConfig, WayName};
pub use error::MountError;
pub use process::serve;
pub use way::{Attached, Way, probe};
pub use wire::{FromMount, ToMount};
