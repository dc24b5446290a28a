//! Blob storage by code, in cells: `ochre::store(url)`, and polars on URLs. The prelude links this crate, so a cell
//! calls compiled code and instantiates nothing of it. It holds no credential of its own: the kernel is asked for one
//! (topic `storage`) when one is needed, and nothing is put into the environment.
//!
//! ```text
//! cell --Store--> wait --shared runtime--> ochre_blobs::Container --grants--> kernel (topic `storage`)
//! cell --LazyFrame::scan_parquet(url)--> cloud: URL rewritten, credential provider filled in --> polars
//! ```
//! Every call blocks as the cell's other code does, can be interrupted, and may be made from async code too.
#![forbid(unsafe_code)]

pub mod cloud;
mod error;
mod grants;
mod listing;
mod local;
mod places;
mod reader;
mod secret;
mod store;
mod wait;
mod writer;

pub use cloud::{FrameWrites, LazyScans, LazySinks, ReaderScans, cloud_options};
pub use error::{Fault, StoreError};
pub use listing::{Blob, Listing, listing};
pub use ochre_secrets::Secret;
pub use reader::BlobReader;
pub use secret::secret;
pub use store::{Store, store};
pub use writer::BlobWriter;

/// Marker of this crate's implementations of [`ochre_runtime::Show`].
pub struct Stores;
