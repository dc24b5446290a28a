//! What can go wrong with a store of runs: one variant for each thing that a user does differently about. No text holds a credential.
use std::path::PathBuf;

/// Whose doing an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was typed: a name, a filter, an address.
    YourCode,
    /// A credential, a permission, a file, a full disk.
    YourConfiguration,
    /// The service, or the way to it.
    Remote,
    /// A bug of ours.
    Bug,
}

/// An operation on a store that failed. `doing` names the operation, `at` the store or what of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackingError {
    #[error("{uri:?} is no tracking address: {why}")]
    Address { uri: String, why: String },
    #[error("{what} does not exist")]
    NotFound { what: String },
    #[error("{what} is refused: {why}")]
    Invalid { what: String, why: String },
    #[error("{what} has been deleted")]
    Deleted { what: String },
    #[error("the filter {filter:?} cannot be read: {why}")]
    Filter { filter: String, why: String },
    #[error("{} was made by another version of MLflow (schema {found}; this is written for {ours}, MLflow {mlflow})", path.display())]
    Schema { path: PathBuf, found: String, ours: &'static str, mlflow: &'static str, older: bool },
    #[error("{} is a database, but none of MLflow's: it has the table {table:?} and no schema version", path.display())]
    NotMlflow { path: PathBuf, table: String },
    #[error("{doing} {}", path.display())]
    Database { doing: &'static str, path: PathBuf, #[source] source: rusqlite::Error },
    #[error("{doing} {}", path.display())]
    File { doing: &'static str, path: PathBuf, #[source] source: std::io::Error },
    #[error("{doing}: {at} refused the credential (status {status}{})", Tail(detail))]
    Denied { doing: &'static str, at: String, status: u16, detail: String },
    #[error("no credential for {at}: {why}")]
    NoCredential { at: String, why: String },
    #[error("{doing}: {at} cannot be reached")]
    Unreachable { doing: &'static str, at: String, #[source] source: reqwest::Error },
    #[error("{doing}: {at} did not answer within {seconds} s")]
    TimedOut { doing: &'static str, at: String, seconds: u64 },
    #[error("{doing}: {at} is busy or broken (status {status}{})", Tail(detail))]
    Busy { doing: &'static str, at: String, status: u16, detail: String },
    #[error("{doing}: {at} refused it (status {status}{})", Tail(detail))]
    Refused { doing: &'static str, at: String, status: u16, code: String, detail: String },
    #[error("{doing}: {at} answered what was not expected: {found}")]
    BadAnswer { doing: &'static str, at: String, found: String },
    #[error("{what} is not supported by {at}")]
    Unsupported { what: &'static str, at: String },
    #[error("the certificates to trust cannot be read")]
    Setup(#[source] reqwest::Error),
    #[error("{0}")]
    Internal(String),
}

struct Tail<'a>(&'a str);

impl std::fmt::Display for Tail<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(out, ": {}", self.0) }
    }
}

impl TrackingError {
    /// Whose doing it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Address { .. } | Self::NotFound { .. } | Self::Invalid { .. } | Self::Deleted { .. } | Self::Filter { .. } | Self::Unsupported { .. } => Fault::YourCode,
            Self::Schema { .. }
            | Self::NotMlflow { .. }
            | Self::Database { .. }
            | Self::File { .. }
            | Self::Denied { .. }
            | Self::NoCredential { .. }
            | Self::Setup(_) => Fault::YourConfiguration,
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Busy { .. } | Self::Refused { .. } | Self::BadAnswer { .. } => Fault::Remote,
            Self::Internal(_) => Fault::Bug,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Address { .. } => "an address is sqlite:///FILE, http(s)://HOST:PORT, azureml://… (`%workspace` finds it) or databricks[://PROFILE]".into(),
            Self::Deleted { .. } => "choose another name, or restore it: `mlflow experiments restore --experiment-id ID`".into(),
            Self::Filter { .. } => "for example: metrics.loss < 0.1 and params.model = 'tree' and tags.`my tag` LIKE 'a%'".into(),
            Self::Schema { older: true, path, .. } => format!("take a copy of it, then: mlflow db upgrade sqlite:///{}", path.display()),
            Self::Schema { path, .. } => format!("serve it by that MLflow (`mlflow server --backend-store-uri sqlite:///{}`) and use `%tracking http://…`", path.display()),
            Self::NotMlflow { .. } => "name another file: %tracking sqlite:///runs.db".into(),
            Self::Database { source, .. } => return database_hint(source),
            Self::File { source, .. } if is_full(source) => FULL.into(),
            Self::Denied { .. } | Self::NoCredential { .. } => "MLflow's servers take MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; \
                 Azure ML an Entra identity (`az login`); Databricks DATABRICKS_TOKEN or a profile of ~/.databrickscfg"
                .into(),
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Busy { .. } => "what was logged waits on this disk and is sent when it answers again".into(),
            Self::Setup(_) => "MLFLOW_TRACKING_SERVER_CERT_PATH must name a file of PEM certificates".into(),
            _ => return None,
        })
    }

    /// Whether the same may succeed later without anybody changing anything: the store is away, busy or locked.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Busy { .. } => true,
            // Full disks are emptied, tokens expire and come back.
            Self::File { .. } | Self::Denied { .. } | Self::NoCredential { .. } => true,
            Self::Database { source, .. } => {
                use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
                matches!(source.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure | CannotOpen))
            }
            _ => false,
        }
    }
}

const FULL: &str = "the disk is full; what was logged is written when there is room";

fn is_full(source: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn database_hint(source: &rusqlite::Error) -> Option<String> {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied, ReadOnly, SystemIoFailure};
    Some(match source.sqlite_error_code()? {
        DatabaseBusy | DatabaseLocked => "another program holds it for long; what was logged waits on this disk and is written afterwards".into(),
        DiskFull => FULL.into(),
        // SQLite's name for a quota and for a limit on files' sizes, too.
        SystemIoFailure => "is the disk full, or gone? What was logged is written when there is room and it answers".into(),
        ReadOnly | PermissionDenied => "the file or its folder cannot be written; name another: %tracking sqlite:////DIRECTORY/mlflow.db".into(),
        NotADatabase | DatabaseCorrupt => "it is no SQLite database, or a damaged one; name another file: %tracking sqlite:///runs.db".into(),
        _ => return None,
    })
}
