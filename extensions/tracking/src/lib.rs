//! Where runs are kept: MLflow's SQLite schema in a file, or an MLflow server, Azure ML or Databricks over REST.
//!
//! Called by `ochre-runs` (magics, delivery from spools, live view). Kernel side only. It knows no cell, no magic and no spool, reads no vault and
//! asks the user nothing: credentials come through [`Access`].
//!
//! ```text
//! open(uri, access) -> dyn Tracking
//!                        |- Embedded   mlflow.db as MLflow 3.17 makes it, artifacts in folders beside it
//!                        `- Remote     MLflow REST --bearer/basic--> server | Azure ML | Databricks, artifacts as each keeps them
//! ```
//! **Everything may be done twice**: a batch that was sent again changes nothing, because a metric's identity is MLflow's primary key.
#![forbid(unsafe_code)]

mod access;
mod address;
mod batch;
mod embedded;
mod error;
mod filter;
mod remote;
mod tracking;
mod types;

pub use access::{Access, Credential, FromEnvironment, Host};
pub use address::{Address, open};
pub use batch::{Batch, Item, LIMITS, Limits, Outcome, Problem};
pub use error::{Fault, TrackingError};
pub use tracking::{Source, Tracking};
pub use types::{
    ArtifactInfo, DatasetInput, Experiment, Features, Kind, Lifecycle, Metric, Model, ModelVersion, NewModel, NewRun, Page, Query, Run, Status, View, tag,
};

/// What goes wrong here.
pub type Result<T, E = TrackingError> = std::result::Result<T, E>;
