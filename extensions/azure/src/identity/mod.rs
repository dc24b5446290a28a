//! The ways to be somebody in Azure, each a [`crate::TokenSource`]; the chain that finds one, and the cache in front of it.
mod cache;
mod chain;
mod cli;
mod device_code;
mod entra;
mod imds;
mod managed;
mod principal;

pub use cache::Cached;
pub use chain::{Chain, Finder};
pub use cli::Cli;
pub use device_code::{DeviceCode, Prompt};
pub use imds::Imds;
pub use managed::ManagedIdentity;
pub use principal::{ClientSecret, WorkloadIdentity};

/// Names of the identities, as errors and `%credential` say them.
pub(crate) const ENVIRONMENT: &str = "environment";
pub(crate) const PRINCIPAL: &str = "service principal";
pub(crate) const WORKLOAD: &str = "workload identity";
pub(crate) const MANAGED: &str = "managed identity";
pub(crate) const CLI: &str = "Azure CLI";
pub(crate) const DEVICE: &str = "device code";
