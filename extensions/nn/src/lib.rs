//! What tensors are trained with: layers, optimisers, data, `fit`, and files of other programs.
//!
//! It stands on `ochre-tensors` alone; with the feature `cells` its values are shown in notebooks, metrics go to runs, and data come from the web.
//!
//! ```text
//! data::Loader --batches--> nn::Module::forward --loss--> Tensor::backward --> optim::Optimizer::step      (all of it: fit)
//! safetensors, npy, onnx: tensors and models from and to files
//! ```
#![forbid(unsafe_code)]

mod bridge;
#[cfg(feature = "cells")]
mod cells;
pub mod data;
mod error;
mod files;
mod fit;
mod layers;
mod module;
mod python;
mod random;
mod report;
mod slot;
mod summary;

pub mod onnx;
pub mod optim;

pub use error::NnError;
pub use files::{npy, safetensors};
pub use fit::{End, Epoch, Evaluation, Fit, History, Loss, evaluate, evaluate_with, fit, predict};
pub use summary::{Summary, summary, summary_with};

/// `ochre::nn`: layers and losses.
pub mod nn {
    pub use crate::layers::*;
    pub use crate::module::{Module, State, tree};
    pub use crate::slot::Slot;
    pub use ochre_tensors::functional::*;
}

/// Marker of this crate's implementations of other crates' traits.
#[cfg(feature = "cells")]
pub struct Nn;
