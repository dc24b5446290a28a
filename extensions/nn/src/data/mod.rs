//! `ochre::data`: data sets over tensors, loaders that make batches of them, and readers of real data sets' formats.
//!
//! ```text
//! cifar10(…) | digits(…) | pictures(…) | Dataset::new(x, y)  -->  Dataset  --Loader (order, batch, changes, a thread)-->  (inputs, targets)
//! ```
//!
//! A data set is two tensors, so what is trained on has to fit into memory (pictures as bytes, so 60,000 of CIFAR-10 take 184 MB); what does not is read
//! in parts, with a loop of one's own or one `fit` for each part.
pub(crate) mod archive;
mod cifar;
mod dataset;
mod digits;
mod fetch;
mod folder;
mod loader;
mod transform;
#[cfg(feature = "web")]
mod web;

pub use cifar::{CIFAR10_CLASSES, Cifar10, cifar10};
pub use dataset::Dataset;
pub use digits::digits;
pub use fetch::{local, set_fetch};
pub use folder::pictures;
#[cfg(feature = "pictures")]
pub use folder::{from_image, picture, to_image};
pub use loader::{Batches, Loader, Source};
pub use transform::{Map, Transform};
