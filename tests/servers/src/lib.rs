//! Servers for the tests of storage, secrets and runs: real emulators as child processes, and servers of our own for what no emulator does
//! (speed, faults, identities, requests recorded over TLS). A development dependency; nothing that ships links it.
//!
//! Every handle binds a free port of 127.0.0.1, owns a scratch directory where it needs one, and ends its server when it is dropped, also when
//! the test panics. Handles are started with blocking calls and work from plain and from async tests.
#![forbid(unsafe_code)]

mod blob;
mod child;
mod disk;
mod emulators;
mod http;
mod identity;
mod mlflow;
mod peers;
mod stub;
mod tls;

pub use blob::{BlobOptions, BlobServer, Fault, Faults, contents};
pub use child::{Child, StartError};
pub use disk::SmallDisk;
pub use emulators::{Azurite, AzuriteOptions, Gcs, Moto};
pub use identity::{Identity, IdentityOptions};
pub use mlflow::{ADMIN, Mlflow};
pub use peers::{azureml_python, node_program, peers, python, python_script, runs_program, runs_python, storage_program};
pub use http::{Answering, Body, Ending, Exchange, HttpServer, Pace, Reply, Request};
pub use stub::Stub;
pub use tls::Certificate;
