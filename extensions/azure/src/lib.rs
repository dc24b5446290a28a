//! Azure over its REST interfaces: Entra identities, Azure Resource Manager, Key Vault; and Databricks' secret scopes, which the same people use.
//!
//! Called by `ochre-storage` (grants for blobs, `%workspace`) and `ochre-vault` (secrets). Kernel side only: no cell links it. It moves no blobs
//! (`ochre-blobs` does), keeps no secrets on disk and asks the user nothing: what a person must read is handed to the caller.
//!
//! ```text
//! Environment --Finder--> Chain of identities --Cached--> TokenSource --bearer--> Arm | KeyVault
//! ```
//! Every request has a bound in time and in the size of its answer, and no error names a secret.
#![forbid(unsafe_code)]

pub mod arm;
pub mod cloud;
pub mod databricks;
pub mod environment;
pub mod error;
pub mod http;
pub mod identity;
pub mod keyvault;
pub mod token;

pub use arm::{Arm, Datastore, DatastoreCredential, DatastorePath, Workspace, WorkspaceId};
pub use cloud::Cloud;
pub use databricks::Databricks;
pub use environment::Environment;
pub use error::{AzureError, Tried};
pub use http::Http;
pub use identity::{Cached, Chain, Finder};
pub use keyvault::{KeyVault, VaultItem};
pub use token::{Token, TokenSource};
