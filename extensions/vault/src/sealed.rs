//! Secrets in one encrypted file (age): opened by a passphrase, which is asked for once per session, or by a key file.
//!
//! The file is written whole, beside its place, and renamed; a lock file keeps two kernels from losing each other's changes. Which of the two ways
//! opens it stands in the file itself.
use crate::VaultError;
use crate::backend::{Backend, Place};
use age::secrecy::{ExposeSecret, SecretString};
use async_trait::async_trait;
use ochre_secrets::Secret;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// How much work (as a power of two) a passphrase may cost: 2^22 is some ten seconds, and a file that asks for more was not made here.
const MOST_WORK: u8 = 22;

/// The file and what opens it.
#[derive(Clone)]
pub(crate) struct Sealed {
    place: Arc<Paths>,
    state: Arc<Mutex<State>>,
}

struct Paths {
    file: PathBuf,
    key: PathBuf,
}

#[derive(Default)]
struct State {
    passphrase: Option<Secret>,
    /// What was read last, and of which version of the file: opening takes a second.
    read: Option<(Stamp, Values)>,
}

type Stamp = (SystemTime, u64);
type Values = BTreeMap<String, Secret>;

/// What a person must give before the file can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// There is no file yet.
    NewPassphrase,
    Passphrase,
}

impl Sealed {
    pub(crate) fn new(file: PathBuf, key: PathBuf) -> Self {
        Self { place: Arc::new(Paths { file, key }), state: Arc::default() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.place.file
    }

    pub(crate) fn key_path(&self) -> &Path {
        &self.place.key
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn needs(&self) -> Needs {
        let open = self.lock().passphrase.is_some();
        match std::fs::read(self.path()) {
            Ok(bytes) if is_scrypt(&bytes) => if open { Needs::Nothing } else { Needs::Passphrase },
            Ok(_) => Needs::Nothing,
            Err(_) if open || self.key_path().exists() => Needs::Nothing,
            Err(_) => Needs::NewPassphrase,
        }
    }

    /// Takes the passphrase, if it opens the file (or there is none yet).
    pub(crate) async fn unlock(&self, passphrase: Secret) -> Result<(), VaultError> {
        let of = self.clone();
        off_the_runtime(move || {
            let before = of.lock().passphrase.replace(passphrase);
            of.lock().read = None;
            of.read().map(drop).inspect_err(|_| of.lock().passphrase = before)
        })
        .await
    }

    /// Makes a key file, so that the file of secrets opens without a passphrase.
    pub(crate) fn make_key(&self) -> Result<(), VaultError> {
        let path = self.key_path();
        make_directory(path)?;
        let key = age::x25519::Identity::generate();
        let failed = |source| VaultError::File { doing: "write", path: path.to_owned(), source };
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        writeln!(file, "# opens {}; whoever has this file can read them\n{}", self.path().display(), key.to_string().expose_secret()).map_err(failed)?;
        file.sync_all().map_err(failed)
    }

    fn identity(&self) -> Result<age::x25519::Identity, VaultError> {
        let path = self.key_path();
        let text = std::fs::read_to_string(path).map_err(|source| VaultError::File { doing: "read", path: path.to_owned(), source })?;
        let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode() & 0o777);
        if mode & 0o077 != 0 {
            return Err(VaultError::OpenToOthers { path: path.to_owned(), mode });
        }
        let line = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap_or_default();
        line.trim().parse().map_err(|_| VaultError::Broken { path: path.to_owned(), why: "it holds no AGE-SECRET-KEY".into() })
    }

    fn stamp(&self) -> Option<Stamp> {
        let meta = std::fs::metadata(self.path()).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    }

    /// All values; none when there is no file.
    fn read(&self) -> Result<Values, VaultError> {
        let path = self.path();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Values::new()),
            Err(source) => return Err(VaultError::File { doing: "read", path: path.to_owned(), source }),
        };
        let stamp = self.stamp();
        if let (Some(now), Some((then, values))) = (stamp, &self.lock().read)
            && now == *then
        {
            return Ok(values.clone());
        }
        let plain = Secret::from(String::from_utf8(self.open(&bytes)?).map_err(|_| self.broken("its content is no text"))?);
        let values: BTreeMap<String, String> = serde_json::from_str(plain.expose()).map_err(|_| self.broken("its content is not what Ochre writes"))?;
        let values: Values = values.into_iter().map(|(name, value)| (name.clone(), Secret::named(&name, value))).collect();
        self.lock().read = stamp.map(|stamp| (stamp, values.clone()));
        Ok(values)
    }

    fn open(&self, bytes: &[u8]) -> Result<Vec<u8>, VaultError> {
        let wrong = |error: age::DecryptError, wrong: VaultError| match error {
            age::DecryptError::DecryptionFailed | age::DecryptError::NoMatchingKeys | age::DecryptError::KeyDecryptionFailed | age::DecryptError::InvalidMac => wrong,
            other => self.broken(&other.to_string()),
        };
        if is_scrypt(bytes) {
            let passphrase = self.lock().passphrase.clone().ok_or_else(|| VaultError::Locked { path: self.path().to_owned() })?;
            let mut identity = age::scrypt::Identity::new(passphrase_of(&passphrase));
            identity.set_max_work_factor(MOST_WORK);
            age::decrypt(&identity, bytes).map_err(|e| wrong(e, VaultError::WrongPassphrase { path: self.path().to_owned() }))
        } else {
            let key = self.key_path().to_owned();
            age::decrypt(&self.identity()?, bytes).map_err(|e| wrong(e, VaultError::WrongKey { path: self.path().to_owned(), key }))
        }
    }

    /// Reads, changes and writes, alone among all kernels.
    fn change<T>(&self, change: impl FnOnce(&mut Values) -> T) -> Result<T, VaultError> {
        let path = self.path();
        make_directory(path)?;
        let failed = |source| VaultError::File { doing: "write", path: path.to_owned(), source };
        let lock = std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut values = self.read()?;
        let out = change(&mut values);
        let plain: BTreeMap<&str, &str> = values.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        let plain = Secret::from(serde_json::to_string(&plain).map_err(|e| self.broken(&e.to_string()))?);
        write_whole(path, &self.seal(plain.expose().as_bytes())?).map_err(failed)?;
        self.lock().read = self.stamp().map(|stamp| (stamp, values));
        Ok(out)
    }

    /// With the passphrase, if one was given, else for the key.
    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let passphrase = self.lock().passphrase.clone();
        let by_key = std::fs::read(self.path()).is_ok_and(|bytes| !is_scrypt(&bytes));
        let sealed = match passphrase {
            Some(passphrase) if !by_key => age::encrypt(&age::scrypt::Recipient::new(passphrase_of(&passphrase)), plain),
            _ if by_key || self.key_path().exists() => age::encrypt(&self.identity()?.to_public(), plain),
            _ => return Err(VaultError::Locked { path: self.path().to_owned() }),
        };
        sealed.map_err(|e| self.broken(&e.to_string()))
    }

    fn broken(&self, why: &str) -> VaultError {
        VaultError::Broken { path: self.path().to_owned(), why: why.trim().to_owned() }
    }
}

/// Whether a passphrase opens it: the header names the kind of its recipient.
fn is_scrypt(bytes: &[u8]) -> bool {
    bytes.windows(10).take(64).any(|window| window == b"\n-> scrypt")
}

fn passphrase_of(secret: &Secret) -> SecretString {
    SecretString::from(secret.expose().to_owned())
}

fn make_directory(file: &Path) -> Result<(), VaultError> {
    let Some(directory) = file.parent() else { return Ok(()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|source| VaultError::File { doing: "make", path: directory.to_owned(), source })
}

/// Nobody ever finds half of the file: it is written beside its place and renamed.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        // The name is on the disk, too; some file systems cannot sync a directory, and are as safe as they are.
        path.parent().map(std::fs::File::open).transpose()?.map(|directory| directory.sync_all().ok());
        Ok(())
    })();
    if written.is_err() {
        std::fs::remove_file(&beside).ok();
    }
    written
}

/// Opening and sealing take a second of one core.
async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> Result<T, VaultError> + Send + 'static) -> Result<T, VaultError> {
    let lost = |_| VaultError::Broken { path: PathBuf::new(), why: "the task that reads it ended".into() };
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

fn path_of(scope: &str, key: &str) -> String {
    format!("{scope}/{key}")
}

#[async_trait]
impl Backend for Sealed {
    fn name(&self) -> &'static str {
        "file"
    }
    async fn place(&self) -> Place {
        let text = self.path().display();
        match self.needs() {
            Needs::Nothing => Place { text: format!("{text} (encrypted, open)"), writable: true },
            Needs::NewPassphrase => Place { text: format!("{text} (encrypted; not made yet)"), writable: true },
            Needs::Passphrase => Place { text: format!("{text} (encrypted, locked: `%secret unlock`)"), writable: true },
        }
    }
    async fn get(&self, scope: &str, key: &str) -> Result<Option<Secret>, VaultError> {
        let (of, name) = (self.clone(), path_of(scope, key));
        off_the_runtime(move || Ok(of.read()?.get(&name).cloned())).await
    }
    async fn set(&self, scope: &str, key: &str, value: &Secret) -> Result<(), VaultError> {
        let (of, name, value) = (self.clone(), path_of(scope, key), value.clone());
        off_the_runtime(move || of.change(|values| drop(values.insert(name, value)))).await
    }
    async fn delete(&self, scope: &str, key: &str) -> Result<bool, VaultError> {
        let (of, name) = (self.clone(), path_of(scope, key));
        if of.get(scope, key).await?.is_none() {
            return Ok(false);
        }
        off_the_runtime(move || of.change(|values| values.remove(&name).is_some())).await
    }
    async fn list(&self) -> Result<Vec<(String, String)>, VaultError> {
        let of = self.clone();
        let names = off_the_runtime(move || Ok(of.read()?.into_keys().collect::<Vec<_>>())).await?;
        Ok(names.iter().filter_map(|name| name.split_once('/')).map(|(scope, key)| (scope.to_owned(), key.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests;
