//! What can go wrong with secrets, and what to do then. No text holds a value.
use ochre_api::{Failure, Fault};
use ochre_azure::AzureError;
use std::path::PathBuf;

/// A secret could not be read, kept or deleted.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("`{name}` is no name of a secret")]
    BadName { name: String },
    #[error("there is no backend `{name}`")]
    NoBackend { name: String },
    #[error("there is no secret `{name}`{}", in_places(.looked))]
    NotFound { name: String, looked: Vec<&'static str> },
    #[error("the backend `{backend}` can only be read")]
    ReadOnly { backend: &'static str },
    #[error("the encrypted file {} is locked", path.display())]
    Locked { path: PathBuf },
    #[error("the passphrase does not open {}", path.display())]
    WrongPassphrase { path: PathBuf },
    #[error("the key {} does not open {}", key.display(), path.display())]
    WrongKey { path: PathBuf, key: PathBuf },
    #[error("{} may be read by others (mode {mode:o})", path.display())]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("{} is no file of secrets: {why}", path.display())]
    Broken { path: PathBuf, why: String },
    #[error("cannot {doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the system keyring cannot be used: {why}")]
    Keyring { why: String },
    #[error(transparent)]
    Remote(#[from] AzureError),
}

fn in_places(places: &[&str]) -> String {
    if places.is_empty() { String::new() } else { format!(" (looked in: {})", places.join(", ")) }
}

impl VaultError {
    fn hint(&self) -> String {
        match self {
            Self::BadName { .. } => "names are SCOPE/KEY of letters, digits, `.`, `_` and `-`, such as `storage/key`; also keyvault:NAME/KEY and databricks:SCOPE/KEY".into(),
            Self::NoBackend { .. } => "`%secret list` shows the backends".into(),
            Self::NotFound { name, .. } => format!("keep it with `%secret set {name}`, which asks for its value"),
            Self::ReadOnly { backend: "environment" } => "set the variable where the kernel is started, or keep the secret with `--backend file`".into(),
            Self::ReadOnly { .. } => "whoever mounts the files changes them; or keep the secret with `--backend file`".into(),
            Self::Locked { .. } => "run `%secret unlock`, which asks for its passphrase once per session".into(),
            Self::WrongPassphrase { .. } => "try again with `%secret unlock`; without the passphrase nobody can read the file: delete it to begin anew".into(),
            Self::WrongKey { .. } => "OCHRE_SECRETS_KEY names the key file; the one that made the file of secrets is needed".into(),
            Self::OpenToOthers { path, .. } => format!("`!chmod 600 {}`", path.display()),
            Self::Broken { .. } => "delete or move the file to begin anew".into(),
            Self::File { .. } => "check the path, its permissions and the space on its disk".into(),
            Self::Keyring { .. } => "use `--backend file`, which needs no desktop".into(),
            Self::Remote(error) => error.hint(),
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::BadName { .. } | Self::NoBackend { .. } | Self::ReadOnly { .. } => Fault::YourCode,
            Self::Remote(error) if error.is_remote() => Fault::Remote,
            _ => Fault::YourConfiguration,
        }
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let hint = error.hint();
        let failure = Failure::new(error.fault(), "secret", error.to_string()).hint(hint);
        match error {
            VaultError::File { source, .. } => failure.because(source),
            _ => failure,
        }
    }
}
