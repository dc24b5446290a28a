//! What a cell or a mount process asks the kernel under the topic [`STORAGE`]. One JSON object per request, read and written here alone.

use serde_json::{Value, json};

use crate::{BlobError, Result};

/// The topic of the storage service.
pub const STORAGE: &str = "storage";

/// A request to the storage service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageRequest {
    /// A grant for the URL; answered with [`crate::Grant::to_wire`].
    Grant { url: String, refresh: bool },
    /// The canonical URL of what was typed (`azureml://…` resolved, default account filled in); answered with the URL as UTF-8.
    Resolve { url: String },
}

impl StorageRequest {
    /// The bytes for the link.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        match self {
            Self::Grant { url, refresh } => json!({"grant": url, "refresh": refresh}),
            Self::Resolve { url } => json!({"resolve": url}),
        }
        .to_string()
        .into_bytes()
    }

    /// Reads what [`StorageRequest::to_wire`] wrote.
    ///
    /// # Errors
    /// [`BlobError::Internal`] for anything else.
    pub fn from_wire(bytes: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        if let Some(url) = text("grant") {
            return Ok(Self::Grant { url, refresh: value.get("refresh").and_then(Value::as_bool).unwrap_or(false) });
        }
        if let Some(url) = text("resolve") {
            return Ok(Self::Resolve { url });
        }
        Err(BlobError::Internal { doing: "reading a request", at: "to the storage service".to_owned(), detail: "it has another form".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_cross_the_link() {
        for request in [
            StorageRequest::Grant { url: "az://c@a/x".into(), refresh: true },
            StorageRequest::Grant { url: "az://c@a/x".into(), refresh: false },
            StorageRequest::Resolve { url: "azureml://datastores/d/paths/p".into() },
        ] {
            assert_eq!(StorageRequest::from_wire(&request.to_wire()).expect("reads back"), request);
        }
        assert!(StorageRequest::from_wire(b"{}").is_err());
        assert!(StorageRequest::from_wire(b"nonsense").is_err());
    }
}
