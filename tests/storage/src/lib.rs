//! `cargo xtask bench storage`: how fast blobs are read and written, by the plainest client there can be, by Ochre, and by the tools that people use.
//! Started by xtask with a JSON file; the interoperability tests of this crate share its way of running other programs.
//!
//! ```text
//! plan  -> rounds: for each speed of the server, every measurement of every contender once, in turn -> table
//! server (ochre-serve, a process of its own) <- raw · store · mount (ochre mount) · rclone · s3fs
//! ```
#![forbid(unsafe_code)]

pub mod contender;
pub mod files;
pub mod measure;
pub mod mounted;
pub mod plan;
pub mod raw;
pub mod server;
pub mod store;
pub mod table;
