//! Training a model on data, judging it, using it: `fit`, `evaluate`, `predict`.
mod evaluate;
mod history;
mod loss;
mod meter;
mod options;
mod train;

pub use evaluate::{Evaluation, evaluate, evaluate_with, predict};
pub use history::{End, Epoch, History};
pub use loss::Loss;
pub use options::Fit;
pub use train::fit;
