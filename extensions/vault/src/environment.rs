//! `OCHRE_SECRET_SCOPE_KEY`: secrets that whoever starts the kernel puts into its environment. They are not handed to cells and commands.
use crate::VaultError;
use crate::backend::{Backend, Place};
use async_trait::async_trait;
use ochre_secrets::Secret;
use std::collections::BTreeMap;

/// What the names of the variables begin with.
pub(crate) const PREFIX: &str = "OCHRE_SECRET_";

/// The variables as they were at the start, by what follows the prefix.
pub(crate) struct Environment(pub(crate) BTreeMap<String, Secret>);

impl Environment {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let variable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.to_str()?.strip_prefix(PREFIX)?.to_owned(), value.into_string().ok()?.into()));
        Self(std::env::vars_os().filter_map(variable).collect())
    }
}

/// `shop/db-key` is `SHOP_DB_KEY`.
fn variable(scope: &str, key: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{scope}_{key}").chars().map(upper).collect()
}

#[async_trait]
impl Backend for Environment {
    fn name(&self) -> &'static str {
        "environment"
    }
    async fn place(&self) -> Place {
        Place { text: format!("variables {PREFIX}SCOPE_KEY of the kernel"), writable: false }
    }
    async fn get(&self, scope: &str, key: &str) -> Result<Option<Secret>, VaultError> {
        Ok(self.0.get(&variable(scope, key)).cloned())
    }
    /// Where the scope ends cannot be told from a variable: its first part is taken for it.
    async fn list(&self) -> Result<Vec<(String, String)>, VaultError> {
        let split = |name: &String| name.to_ascii_lowercase().split_once('_').map(|(scope, key)| (scope.to_owned(), key.to_owned()));
        Ok(self.0.keys().filter_map(split).collect())
    }
}
