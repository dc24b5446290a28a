//! What can go wrong with blobs: one variant for each thing that a user does differently about. The texts name the operation and the location, and
//! never a credential: what a service answered is cut down to its code and first sentence.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

/// What operations on blobs return.
pub type Result<T, E = BlobError> = std::result::Result<T, E>;

/// Whose doing an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was typed: a path, a URL.
    YourCode,
    /// A credential, a permission, a setting, a full disk.
    YourConfiguration,
    /// The service, or the way to it.
    Remote,
    /// A bug of ours.
    Bug,
}

/// An operation on blobs that failed. `doing` is the operation (`reading`), `at` the location, `detail` what was heard from the other side.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    #[error("{doing} {at}: it does not exist{}", Tail(detail))]
    NotFound { doing: &'static str, at: String, detail: String },
    #[error("{doing} {at}: access is denied{}", Tail(detail))]
    Denied { doing: &'static str, at: String, detail: String },
    #[error("{doing} {at}: it exists already")]
    Exists { doing: &'static str, at: String },
    /// The object is not the version any more that was opened (its ETag).
    #[error("{doing} {at}: it was changed by someone else since it was opened (version {etag})")]
    Changed { doing: &'static str, at: String, etag: String },
    #[error("{doing} {at}: the service cannot be reached{}", Tail(detail))]
    Unreachable { doing: &'static str, at: String, detail: String },
    #[error("{doing} {at}: no answer in time{}", Tail(detail))]
    TimedOut { doing: &'static str, at: String, detail: String },
    #[error("{doing} {at}: the service asks for fewer requests, also after waiting{}", Tail(detail))]
    Throttled { doing: &'static str, at: String, detail: String },
    /// Bytes came, but not those that the service announced.
    #[error("{doing} {at}: what arrived is not what was stored{}", Tail(detail))]
    Corrupt { doing: &'static str, at: String, detail: String },
    #[error("`{url}` is not a location of blobs: {why}")]
    BadLocation { url: String, why: String, hint: Option<&'static str> },
    #[error("the credential for {at} cannot be used: {why}")]
    BadCredential { at: String, why: String },
    #[error("{doing} {at}: {what}")]
    Unsupported { doing: &'static str, at: String, what: String },
    /// A file on this machine.
    #[error("{doing} {path}: {detail}")]
    Local { doing: &'static str, path: String, detail: String, kind: std::io::ErrorKind },
    #[error("{doing} {at}: the service answered with an error{}", Tail(detail))]
    Remote { doing: &'static str, at: String, detail: String },
    #[error("{doing} {at}: {detail}")]
    Internal { doing: &'static str, at: String, detail: String },
}

/// `: detail`, or nothing.
struct Tail<'a>(&'a str);

impl std::fmt::Display for Tail<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(out, " ({})", self.0) }
    }
}

impl BlobError {
    /// Whose doing it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::NotFound { .. } | Self::Exists { .. } | Self::BadLocation { .. } | Self::Unsupported { .. } => Fault::YourCode,
            Self::Denied { .. } | Self::BadCredential { .. } | Self::Local { .. } => Fault::YourConfiguration,
            Self::Changed { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Throttled { .. }
            | Self::Corrupt { .. }
            | Self::Remote { .. } => Fault::Remote,
            Self::Internal { .. } => Fault::Bug,
        }
    }

    /// What to do next, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => Some("`%ls` of the folder above shows what is there; containers and buckets are made with `%cp … --create`"),
            Self::Denied { .. } => Some("`%credential` lists what is used for which account; `%credential URL secret:SCOPE/KEY` chooses another"),
            Self::Exists { .. } => Some("choose another name, or allow overwriting"),
            Self::Changed { .. } => Some("open it again to read the new version"),
            Self::Unreachable { .. } => Some("check the account's name, the network and any proxy (`HTTPS_PROXY`)"),
            Self::TimedOut { .. } | Self::Throttled { .. } | Self::Remote { .. } => Some("it was tried several times; try again later"),
            Self::Corrupt { .. } => Some("it was fetched again and still differed; something between here and the service changes bytes"),
            Self::BadLocation { hint, .. } => *hint,
            Self::BadCredential { .. } => Some("`%credential URL secret:SCOPE/KEY` chooses another"),
            Self::Unsupported { .. } | Self::Local { .. } | Self::Internal { .. } => None,
        }
    }

    /// Short class for front ends and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not-found",
            Self::Denied { .. } => "denied",
            Self::Exists { .. } => "exists",
            Self::Changed { .. } => "changed",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Throttled { .. } => "throttled",
            Self::Corrupt { .. } => "corrupt",
            Self::BadLocation { .. } => "bad-location",
            Self::BadCredential { .. } => "bad-credential",
            Self::Unsupported { .. } => "unsupported",
            Self::Local { .. } => "io",
            Self::Remote { .. } => "remote",
            Self::Internal { .. } => "internal",
        }
    }

    /// The nearest kind of [`std::io::Error`], for file systems.
    #[must_use]
    pub fn io_kind(&self) -> std::io::ErrorKind {
        use std::io::ErrorKind as Kind;
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Denied { .. } | Self::BadCredential { .. } => Kind::PermissionDenied,
            Self::Exists { .. } => Kind::AlreadyExists,
            Self::Changed { .. } => Kind::StaleNetworkFileHandle,
            Self::Unreachable { .. } => Kind::HostUnreachable,
            Self::TimedOut { .. } => Kind::TimedOut,
            Self::Throttled { .. } => Kind::ResourceBusy,
            Self::Corrupt { .. } => Kind::InvalidData,
            Self::BadLocation { .. } => Kind::InvalidInput,
            Self::Unsupported { .. } => Kind::Unsupported,
            Self::Local { kind, .. } => *kind,
            Self::Remote { .. } | Self::Internal { .. } => Kind::Other,
        }
    }

    /// A file on this machine could not be used.
    pub(crate) fn local(doing: &'static str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Local { doing, path: path.display().to_string(), detail: error.to_string(), kind: error.kind() }
    }

    /// What object_store reported while `doing` something `at` a location.
    pub(crate) fn of_store(doing: &'static str, at: String, error: &object_store::Error) -> Self {
        if let Some(own) = own_error(error) {
            return own;
        }
        let detail = said(error);
        match verdict(error) {
            Verdict::NotFound => Self::NotFound { doing, at, detail },
            Verdict::Denied => Self::Denied { doing, at, detail },
            Verdict::Exists => Self::Exists { doing, at },
            Verdict::Precondition => Self::Changed { doing, at, etag: "another".to_owned() },
            Verdict::Unreachable => Self::Unreachable { doing, at, detail },
            Verdict::TimedOut => Self::TimedOut { doing, at, detail },
            Verdict::Throttled => Self::Throttled { doing, at, detail },
            Verdict::Truncated | Verdict::Corrupt => Self::Corrupt { doing, at, detail },
            Verdict::Unsupported => Self::Unsupported { doing, at, what: detail },
            Verdict::Invalid => Self::BadLocation { url: at, why: detail, hint: None },
            Verdict::Broken | Verdict::OutOfRange | Verdict::Other => Self::Remote { doing, at, detail },
        }
    }
}

/// What an error of a store means, and so whether it is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    NotFound,
    Denied,
    Exists,
    Precondition,
    /// No connection.
    Unreachable,
    /// Connected, and then silence.
    TimedOut,
    /// 429, 503 and S3's SlowDown.
    Throttled,
    /// The connection broke, or a 5xx.
    Broken,
    /// A body ended before its length.
    Truncated,
    /// Bytes that contradict a checksum.
    Corrupt,
    /// 416.
    OutOfRange,
    Unsupported,
    Invalid,
    Other,
}

impl Verdict {
    /// Another try may succeed.
    pub(crate) fn passing(self) -> bool {
        matches!(self, Self::Unreachable | Self::TimedOut | Self::Throttled | Self::Broken | Self::Truncated | Self::Corrupt)
    }

    /// The request may have been carried out although it failed.
    pub(crate) fn ambiguous(self) -> bool {
        matches!(self, Self::TimedOut | Self::Broken)
    }
}

/// Errors that we put into object_store's own type ourselves.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Ours {
    #[error("nothing was heard for {0} s")]
    Silent(u64),
    #[error("the body ended {0} bytes early")]
    Truncated(u64),
    #[error("{0}")]
    Corrupt(String),
    /// What a [`crate::Grants`] said.
    #[error("{0}")]
    Grant(Box<BlobError>),
    /// Made up by [`crate::Faulty`]: an HTTP status.
    #[error("Server returned non-2xx status code: {0}")]
    Status(u16),
}

impl Ours {
    pub(crate) fn into_store(self) -> object_store::Error {
        object_store::Error::Generic { store: "ochre", source: Box::new(self) }
    }
}

/// The error of a [`crate::Grants`] that came through object_store.
fn own_error(error: &object_store::Error) -> Option<BlobError> {
    let mut at: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = at {
        if let Some(Ours::Grant(own)) = error.downcast_ref::<Ours>() {
            return Some((**own).clone());
        }
        at = error.source();
    }
    None
}

/// What `error` means.
pub(crate) fn verdict(error: &object_store::Error) -> Verdict {
    use object_store::Error as E;
    match error {
        E::NotFound { .. } => Verdict::NotFound,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => Verdict::Denied,
        E::AlreadyExists { .. } => Verdict::Exists,
        E::Precondition { .. } | E::NotModified { .. } => Verdict::Precondition,
        E::NotSupported { .. } | E::NotImplemented { .. } => Verdict::Unsupported,
        E::InvalidPath { .. } => Verdict::Invalid,
        E::Generic { source, .. } => verdict_of_chain(source.as_ref()),
        _ => Verdict::Other,
    }
}

fn verdict_of_chain(top: &(dyn Error + 'static)) -> Verdict {
    let mut at = Some(top);
    while let Some(error) = at {
        if let Some(ours) = error.downcast_ref::<Ours>() {
            return match ours {
                Ours::Silent(_) => Verdict::TimedOut,
                Ours::Truncated(_) => Verdict::Truncated,
                Ours::Corrupt(_) => Verdict::Corrupt,
                Ours::Grant(_) => Verdict::Other,
                Ours::Status(status) => verdict_of_status(*status),
            };
        }
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return match http.kind() {
                HttpErrorKind::Connect => Verdict::Unreachable,
                HttpErrorKind::Timeout => Verdict::TimedOut,
                _ => Verdict::Broken,
            };
        }
        if let Some(inner) = error.downcast_ref::<object_store::Error>() {
            return verdict(inner);
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Verdict::NotFound,
                std::io::ErrorKind::PermissionDenied => Verdict::Denied,
                std::io::ErrorKind::AlreadyExists => Verdict::Exists,
                _ => Verdict::Other,
            };
        }
        if let Some(status) = status_in(&error.to_string()) {
            return verdict_of_status(status);
        }
        at = error.source();
    }
    Verdict::Other
}

fn verdict_of_status(status: u16) -> Verdict {
    match status {
        404 => Verdict::NotFound,
        401 | 403 => Verdict::Denied,
        409 => Verdict::Exists,
        412 | 304 => Verdict::Precondition,
        416 => Verdict::OutOfRange,
        429 | 503 => Verdict::Throttled,
        408 | 500..=599 => Verdict::Broken,
        _ => Verdict::Other,
    }
}

/// The status in the text of object_store's own error for one, whose type it does not export.
fn status_in(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// Longest part of a service's answer that is repeated to the user, in characters.
const SAID: usize = 200;

/// What the other side said, in one line that holds no address, no query and no signature.
fn said(error: &object_store::Error) -> String {
    let text = match error {
        object_store::Error::Generic { source, .. }
        | object_store::Error::NotFound { source, .. }
        | object_store::Error::PermissionDenied { source, .. }
        | object_store::Error::Unauthenticated { source, .. }
        | object_store::Error::NotSupported { source } => chain(source.as_ref()),
        object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. } => String::new(),
        other => other.to_string(),
    };
    let within = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split('<').next().unwrap_or(rest).lines().next().unwrap_or("").trim().to_owned())
    };
    if let Some(code) = within("Code") {
        // The second sentence of a refused signature repeats the signature.
        let message = within("Message").unwrap_or_default();
        let message = message.split(". ").next().unwrap_or_default().split(" '").next().unwrap_or_default().to_owned();
        return cut(&format!("{code}: {message}"));
    }
    if let Some(status) = status_in(&text) {
        return format!("status {status}");
    }
    cut(&text)
}

fn chain(top: &(dyn Error + 'static)) -> String {
    let mut last = top;
    let mut text = top.to_string();
    while let Some(next) = last.source() {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        last = next;
    }
    if status_in(&text).is_some() || text.contains("<Code>") { text } else { last.to_string() }
}

fn cut(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let words: Vec<&str> = line.split_whitespace().filter(|w| !w.contains("sig=") && !w.contains("://") && !w.contains("Signature=")).collect();
    words.join(" ").chars().take(SAID).collect()
}
