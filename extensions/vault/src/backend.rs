//! What every place for secrets can do.
use crate::VaultError;
use async_trait::async_trait;
use ochre_secrets::Secret;

/// A place where secrets are kept. `name` is that of the backend as users type it.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    fn name(&self) -> &'static str;
    /// Where it is and whether it can be used, for `%secret list`.
    async fn place(&self) -> Place;
    /// The value; `None` when it is not there.
    async fn get(&self, scope: &str, key: &str) -> Result<Option<Secret>, VaultError>;
    /// Keeps a value, in place of the one before.
    async fn set(&self, _scope: &str, _key: &str, _value: &Secret) -> Result<(), VaultError> {
        Err(VaultError::ReadOnly { backend: self.name() })
    }
    /// Forgets a value; `false` when there was none.
    async fn delete(&self, _scope: &str, _key: &str) -> Result<bool, VaultError> {
        Err(VaultError::ReadOnly { backend: self.name() })
    }
    /// Scope and key of all that is there.
    async fn list(&self) -> Result<Vec<(String, String)>, VaultError>;
}

/// A backend's state, in words.
pub(crate) struct Place {
    /// Where: a path, a service.
    pub(crate) text: String,
    /// It takes new secrets.
    pub(crate) writable: bool,
}
