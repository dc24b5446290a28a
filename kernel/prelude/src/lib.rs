//! The dylib that cells link as `ochre`: the runtime, polars and the cell-side parts of the extensions.
//!
//! It is compiled once per machine; cells link to it dynamically, so what stands here costs a cell
//! nothing but the reading of metadata. Cells that use none of it link `ochre-runtime` under the same name.
//! What is generic is instantiated in the cell: offer plain functions where a user's cell would call one.
#![forbid(unsafe_code)]

mod begin;
mod block_on;

pub use ochre_runtime::*;

pub use ochre_frames::{FrameTensorError, FrameTensors, Nulls, columns, rows};
pub use ochre_logging::run;
pub use ochre_ml::{Score, Setting, Space, Sweep, Trial, TrialEnd, TrialOutcome, ml, sweep};
pub use ochre_nn::{
    End, Epoch, Evaluation, Fit, History, Loss, NnError, Summary, data, evaluate, evaluate_with, fit, nn, npy, onnx, optim, predict, safetensors, summary, summary_with,
};
pub use ochre_stores::{Blob, BlobReader, BlobWriter, Listing, Secret, Store, StoreError, cloud_options, secret, store};
pub use ochre_tensors::{
    Buffer, ConvOptions, DType, Device, Element, Layout, Number, Operand, Padding, PoolOptions, Raw, Scalar, Scaling, Size, Sizes, Slice, Tensor, TensorError,
    clip_grad_norm, clip_grad_value, cuda, enable_grad, functional, manual_seed, no_grad, s,
};
pub use ochre_plots::{Chart, Charts, ImagesGrid, Picture, PlotError, ToPicture, charts, image, images, plot};

// The crates under their own names. `ochre::image` is both a function (above) and the crate.
pub use {anyhow, base64, chrono, futures, ::image, itertools, polars, rand, rayon, regex, serde, serde_json, thiserror, tokio};

#[doc(hidden)]
pub use begin::__begin;
#[doc(hidden)]
pub use block_on::__block_on;

/// What generated text leads polars' calls with paths to, and what `%ls` runs.
#[doc(hidden)]
pub mod __stores {
    pub use ochre_stores::cloud::{LazyScans, ReaderScans, sink_arguments, sink_destination};
    pub use ochre_stores::listing;
}

/// What `%runs` runs.
#[doc(hidden)]
pub mod __frames {
    pub use ochre_frames::asked;
}

/// What is in scope without a `use` in cells that use polars or tensors.
#[doc(hidden)]
pub mod __prelude {
    pub use ochre_frames::FrameTensors as _;
    pub use ochre_ml::ml::Logs as _;
    pub use ochre_nn::nn::Module as _;
    pub use ochre_nn::optim::Optimizer as _;
    pub use ochre_stores::{FrameWrites as _, LazySinks as _};
    pub use ochre_tensors::{DType, Device, Tensor};
    pub use polars::prelude::*;
}
