//! AutoML: tries models and settings under cross-validation within a time, weighs the best together, and gives a model that can be deployed.
mod candidates;
mod ensemble;
mod evaluate;
mod importance;
mod run;
mod saved;

pub use importance::Importance;
pub use run::{Entry, Outcome, Progress, Settings, run};
pub use saved::{FORMAT, Member, Predictions, Trained};
