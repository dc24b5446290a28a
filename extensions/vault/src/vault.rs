//! The vault: backends in their order, and the promise that whatever it touches is known to the redactor.
use crate::backend::{Backend, Place};
use crate::environment::Environment;
use crate::files::{Files, RUN_SECRETS};
use crate::magic::SecretMagic;
use crate::remote::{REMOTES, Remotes};
use crate::sealed::{Needs, Sealed};
use crate::service::SecretService;
use crate::session::Session;
use crate::{Keyring, Name, VaultError};
use ochre_api::{Failure, Magic, Service};
use ochre_secrets::{Redactor, Secret};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a vault looks. [`Setup::of_process`] is what users have; tests have their own.
pub struct Setup {
    pub redactor: Redactor,
    /// For key vaults and Databricks.
    pub azure: ochre_azure::Environment,
    /// `SCOPE_KEY` and value of the variables `OCHRE_SECRET_SCOPE_KEY`.
    pub variables: Vec<(String, Secret)>,
    /// Directories of mounted files.
    pub directories: Vec<PathBuf>,
    /// The encrypted file, and the key that may open it.
    pub file: PathBuf,
    pub key: PathBuf,
    pub keyring: Keyring,
}

impl Setup {
    /// `$XDG_DATA_HOME/ochre/secrets.age`, `$XDG_CONFIG_HOME/ochre/secrets.key` (`OCHRE_SECRETS_KEY`), `OCHRE_SECRETS_DIR` and `/run/secrets`.
    #[must_use]
    pub fn of_process(redactor: Redactor) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let base = |name: &str, below: &str| set(name).or_else(|| set("HOME").map(|home| home.join(below))).unwrap_or_else(std::env::temp_dir);
        Self {
            redactor,
            azure: ochre_azure::Environment::of_process(),
            variables: Environment::of_process().0.into_iter().collect(),
            directories: set("OCHRE_SECRETS_DIR").into_iter().chain([PathBuf::from(RUN_SECRETS)]).collect(),
            file: base("XDG_DATA_HOME", ".local/share").join("ochre/secrets.age"),
            key: set("OCHRE_SECRETS_KEY").unwrap_or_else(|| base("XDG_CONFIG_HOME", ".config").join("ochre/secrets.key")),
            keyring: Keyring::default(),
        }
    }
}

/// Where secrets are kept. Clones share it.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    redactor: Redactor,
    session: Session,
    environment: Environment,
    files: Files,
    keyring: Keyring,
    sealed: Sealed,
    remotes: Remotes,
}

/// A secret's name and the backend that has it.
pub(crate) type Listed = (Name, &'static str);

impl Vault {
    /// Nothing is read or asked before it is needed, but for the environment, whose values are known from the start.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        for (_, secret) in &setup.variables {
            setup.redactor.know(secret);
        }
        Self(Arc::new(Inner {
            redactor: setup.redactor,
            session: Session::default(),
            environment: Environment(setup.variables.into_iter().collect()),
            files: Files(setup.directories),
            keyring: setup.keyring,
            sealed: Sealed::new(setup.file, setup.key),
            remotes: Remotes::new(setup.azure),
        }))
    }

    /// The value of `SCOPE/KEY` (`secret:` may stand before it), from the first backend that has it, or from the one that is named.
    /// A keyring that cannot be reached is passed over; a locked file is an error, because the secret may be in it.
    pub async fn get(&self, name: &str) -> Result<Secret, Failure> {
        Ok(self.find(&Name::parse(name)?).await?)
    }

    async fn find(&self, name: &Name) -> Result<Secret, VaultError> {
        let (scope, key) = (&name.scope, &name.key);
        if let Some(remote) = self.remote(name)? {
            let found = self.0.remotes.get(remote, scope, key).await?;
            return found.map(|secret| self.known(name, secret)).ok_or_else(|| VaultError::NotFound { name: name.to_string(), looked: vec![remote] });
        }
        let mut looked = Vec::new();
        for backend in self.local(name.backend.as_deref())? {
            looked.push(backend.name());
            match backend.get(scope, key).await {
                Ok(Some(secret)) => return Ok(self.known(name, secret)),
                Ok(None) => {}
                Err(VaultError::Keyring { .. }) if name.backend.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Err(VaultError::NotFound { name: name.to_string(), looked })
    }

    /// Keeps a value under a name; gives the backend that has it now. Into the encrypted file only when that is open.
    pub async fn keep(&self, name: &str, value: &Secret) -> Result<&'static str, Failure> {
        Ok(self.set(&Name::parse(name)?, value).await?)
    }

    /// Deletes a secret wherever it can be deleted; gives where it was.
    pub async fn forget(&self, name: &str) -> Result<Vec<&'static str>, Failure> {
        Ok(self.delete(&Name::parse(name)?).await?)
    }

    pub(crate) async fn set(&self, name: &Name, value: &Secret) -> Result<&'static str, VaultError> {
        self.0.redactor.know(value);
        if let Some(remote) = self.remote(name)? {
            self.0.remotes.set(remote, &name.scope, &name.key, value).await?;
            return Ok(remote);
        }
        let backend = match name.backend.as_deref() {
            Some(named) => self.local(Some(named))?[0],
            None => self.default_backend().await,
        };
        backend.set(&name.scope, &name.key, value).await?;
        Ok(backend.name())
    }

    pub(crate) async fn delete(&self, name: &Name) -> Result<Vec<&'static str>, VaultError> {
        if let Some(remote) = self.remote(name)? {
            let there = self.0.remotes.delete(remote, &name.scope, &name.key).await?;
            return Ok(there.then_some(remote).into_iter().collect());
        }
        let mut from = Vec::new();
        for backend in self.local(name.backend.as_deref())? {
            match backend.delete(&name.scope, &name.key).await {
                Ok(true) => from.push(backend.name()),
                Ok(false) => {}
                Err(VaultError::Keyring { .. } | VaultError::ReadOnly { .. }) if name.backend.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(from)
    }

    /// All names that this machine's backends have; one that cannot be read now has none.
    pub(crate) async fn list(&self) -> Vec<Listed> {
        let mut all = Vec::new();
        for backend in self.backends() {
            let names = backend.list().await.unwrap_or_default();
            all.extend(names.into_iter().map(|(scope, key)| (Name { backend: None, scope, key }, backend.name())));
        }
        all.sort();
        all
    }

    /// Names in a key vault or in Databricks.
    pub(crate) async fn list_remote(&self, backend: &str, scope: &str) -> Result<Vec<Listed>, VaultError> {
        let remote = REMOTES.iter().copied().find(|name| *name == backend).ok_or_else(|| VaultError::NoBackend { name: backend.into() })?;
        let names = self.0.remotes.list(remote, scope).await?;
        Ok(names.into_iter().map(|(scope, key)| (Name { backend: Some(remote.into()), scope, key }, remote)).collect())
    }

    /// Name and state of the backends of this machine, in their order.
    pub(crate) async fn places(&self) -> Vec<(&'static str, Place)> {
        let mut all = Vec::new();
        for backend in self.backends() {
            all.push((backend.name(), backend.place().await));
        }
        all
    }

    /// Where a new secret goes: the keyring where there is one, else the encrypted file.
    pub(crate) async fn default_backend(&self) -> &dyn Backend {
        if self.0.keyring.place().await.writable { &self.0.keyring } else { &self.0.sealed }
    }

    pub(crate) fn needs(&self) -> Needs {
        self.0.sealed.needs()
    }

    pub(crate) fn sealed(&self) -> &Sealed {
        &self.0.sealed
    }

    pub(crate) async fn unlock(&self, passphrase: Secret) -> Result<(), VaultError> {
        self.0.redactor.know(&passphrase);
        self.0.sealed.unlock(passphrase).await
    }

    /// `%secret`.
    #[must_use]
    pub fn magics(&self) -> Vec<Arc<dyn Magic>> {
        vec![Arc::new(SecretMagic(self.clone()))]
    }

    /// What answers `ochre::secret` in cells.
    #[must_use]
    pub fn service(&self) -> Arc<dyn Service> {
        Arc::new(SecretService(self.clone()))
    }

    /// In the order in which they are looked through.
    fn backends(&self) -> [&dyn Backend; 5] {
        let inner = &self.0;
        [&inner.session, &inner.environment, &inner.files, &inner.keyring, &inner.sealed]
    }

    fn local(&self, named: Option<&str>) -> Result<Vec<&dyn Backend>, VaultError> {
        let found: Vec<_> = self.backends().into_iter().filter(|backend| named.is_none_or(|name| name == backend.name())).collect();
        if found.is_empty() { Err(VaultError::NoBackend { name: named.unwrap_or_default().into() }) } else { Ok(found) }
    }

    fn remote(&self, name: &Name) -> Result<Option<&'static str>, VaultError> {
        Ok(REMOTES.iter().copied().find(|remote| name.backend.as_deref() == Some(*remote)))
    }

    fn known(&self, name: &Name, secret: Secret) -> Secret {
        self.0.redactor.know(&secret);
        Secret::named(&name.to_string(), secret.expose())
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Vault")
    }
}
