//! Secrets that are kept in this kernel's memory alone, and are gone with it.
use crate::VaultError;
use crate::backend::{Backend, Place};
use async_trait::async_trait;
use ochre_secrets::Secret;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By scope and key.
#[derive(Default)]
pub(crate) struct Session(Mutex<BTreeMap<(String, String), Secret>>);

impl Session {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), Secret>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Session {
    fn name(&self) -> &'static str {
        "session"
    }
    async fn place(&self) -> Place {
        Place { text: "this kernel's memory, until it ends".into(), writable: true }
    }
    async fn get(&self, scope: &str, key: &str) -> Result<Option<Secret>, VaultError> {
        Ok(self.lock().get(&(scope.into(), key.into())).cloned())
    }
    async fn set(&self, scope: &str, key: &str, value: &Secret) -> Result<(), VaultError> {
        self.lock().insert((scope.into(), key.into()), value.clone());
        Ok(())
    }
    async fn delete(&self, scope: &str, key: &str) -> Result<bool, VaultError> {
        Ok(self.lock().remove(&(scope.into(), key.into())).is_some())
    }
    async fn list(&self) -> Result<Vec<(String, String)>, VaultError> {
        Ok(self.lock().keys().cloned().collect())
    }
}
