//! What can go wrong with a store, in one type that a cell can `?` on.
use ochre_blobs::BlobError;
pub use ochre_blobs::Fault;
use polars::prelude::PolarsError;
use std::fmt;
use std::io;

/// An operation on a store that failed. `Display` says what happened, and on a line of its own what to do next;
/// [`StoreError::fault`] tells whose doing it is.
#[derive(Clone)]
pub struct StoreError {
    cause: Cause,
}

#[derive(Clone, Debug)]
enum Cause {
    Blob(BlobError),
    /// The kernel could not give a credential or resolve a URL.
    Refused { fault: Fault, message: String, hint: Option<String> },
    Interrupted,
    /// The runtime's threads are gone, or a task of ours panicked.
    Lost,
}

impl StoreError {
    pub(crate) const INTERRUPTED: Self = Self { cause: Cause::Interrupted };
    pub(crate) const LOST: Self = Self { cause: Cause::Lost };

    pub(crate) fn refused(fault: Fault, message: String, hint: Option<String>) -> Self {
        Self { cause: Cause::Refused { fault, message, hint } }
    }

    /// Whose doing it is.
    pub fn fault(&self) -> Fault {
        match &self.cause {
            Cause::Blob(error) => error.fault(),
            Cause::Refused { fault, .. } => *fault,
            Cause::Interrupted => Fault::YourCode,
            Cause::Lost => Fault::Bug,
        }
    }

    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<&str> {
        match &self.cause {
            Cause::Blob(error) => error.hint(),
            Cause::Refused { hint, .. } => hint.as_deref(),
            Cause::Interrupted => None,
            Cause::Lost => Some("please report it with this cell: it is not your code"),
        }
    }

    /// Whether there is nothing of that name.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.cause, Cause::Blob(BlobError::NotFound { .. }))
    }

    /// Whether the name is taken already.
    pub fn is_exists(&self) -> bool {
        matches!(&self.cause, Cause::Blob(BlobError::Exists { .. }))
    }

    /// Whether the credential was refused, or there is none.
    pub fn is_denied(&self) -> bool {
        match &self.cause {
            Cause::Blob(error) => matches!(error, BlobError::Denied { .. } | BlobError::BadCredential { .. }),
            Cause::Refused { fault, .. } => *fault == Fault::YourConfiguration,
            Cause::Interrupted | Cause::Lost => false,
        }
    }

    /// What happened, without the hint.
    pub(crate) fn what(&self) -> String {
        match &self.cause {
            Cause::Blob(error) => error.to_string(),
            Cause::Refused { message, .. } => message.clone(),
            Cause::Interrupted => "interrupted".to_owned(),
            Cause::Lost => "a task of the store's threads was lost".to_owned(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        match self.hint() {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// As `Display`: what a failed cell shows.
impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StoreError {}

impl From<BlobError> for StoreError {
    fn from(error: BlobError) -> Self {
        Self { cause: Cause::Blob(error) }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error.cause {
            Cause::Blob(BlobError::NotFound { .. }) => io::ErrorKind::NotFound,
            Cause::Blob(BlobError::Exists { .. }) => io::ErrorKind::AlreadyExists,
            Cause::Blob(BlobError::Denied { .. } | BlobError::BadCredential { .. }) | Cause::Refused { .. } => io::ErrorKind::PermissionDenied,
            Cause::Blob(BlobError::TimedOut { .. }) => io::ErrorKind::TimedOut,
            Cause::Blob(BlobError::Local { kind, .. }) => *kind,
            // Not `Interrupted`, which std's loops take for "try again".
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

impl From<StoreError> for PolarsError {
    fn from(error: StoreError) -> Self {
        PolarsError::IO { error: std::sync::Arc::new(error.into()), msg: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_and_what_to_do() {
        let error = StoreError::from(BlobError::NotFound { doing: "reading", at: "az://c@a/x".into(), detail: String::new() });
        assert!(error.to_string().starts_with("reading az://c@a/x: it does not exist\nhint: "), "{error}");
        assert_eq!((error.fault(), error.is_not_found()), (Fault::YourCode, true));
        assert_eq!(io::Error::from(error.clone()).kind(), io::ErrorKind::NotFound);
        assert!(PolarsError::from(error).to_string().contains("it does not exist"));
        let refused = StoreError::refused(Fault::YourConfiguration, "no credential for `a`".into(), Some("`%credential`".into()));
        assert_eq!(refused.to_string(), "no credential for `a`\nhint: `%credential`");
        assert!(refused.is_denied());
    }
}
