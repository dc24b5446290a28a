//! The service `storage`: cells ask here for what lets them into a store, and what a URL means.
use crate::Storage;
use crate::failures::of_blob;
use ochre_api::{Failure, Service, async_trait};
use ochre_blobs::{Location, STORAGE, StorageRequest};
use std::sync::Arc;

/// Answers cells.
pub(crate) struct Grantor(pub(crate) Arc<Storage>);

#[async_trait]
impl Service for Grantor {
    fn topic(&self) -> &'static str {
        STORAGE
    }

    async fn answer(&self, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        match StorageRequest::from_wire(payload).map_err(of_blob)? {
            StorageRequest::Grant { url, refresh } => {
                let location = self.0.locate(&url).await?;
                Ok(self.0.accounts().grant(&location, refresh).await?.to_wire())
            }
            StorageRequest::Resolve { url } => Ok(self.0.locate(&url).await?.to_string().into_bytes()),
            _ => Err(Failure::bug("a request to the storage service that is not known")),
        }
    }
}

impl Storage {
    /// What a URL of a store means: `azureml://` resolved, the account filled in.
    pub(crate) async fn locate(&self, url: &str) -> Result<Location, Failure> {
        if url.starts_with("azureml://") {
            return self.resolve(url).await;
        }
        self.accounts().complete(Location::parse(url).map_err(of_blob)?).map_err(of_blob)
    }
}
