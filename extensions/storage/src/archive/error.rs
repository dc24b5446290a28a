//! Why an archive is not unpacked. Each text names the entry and says what to do.
use ochre_api::{Failure, Fault};

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("this is no zip archive: it has no end record")]
    NoArchive,
    #[error("the archive is damaged: {what}")]
    Damaged { what: String },
    #[error("the archive is one part of several (disk {disk}); only whole archives are read")]
    Split { disk: u32 },
    #[error("`{name}` in the archive would be written outside the destination ({why})")]
    Escapes { name: String, why: &'static str },
    #[error("`{name}` in the archive is no usable name ({why})")]
    BadName { name: String, why: &'static str },
    #[error("`{name}` in the archive is a symbolic link, which could lead outside the destination")]
    Link { name: String },
    #[error("`{name}` in the archive is a device or pipe and no file")]
    Special { name: String },
    #[error("the archive holds `{name}` twice")]
    Twice { name: String },
    #[error("the archive holds `{name}` both as a file and as a directory")]
    FileAndDirectory { name: String },
    #[error("`{first}` and `{second}` in the archive share bytes, as decompression bombs do")]
    Overlap { first: String, second: String },
    #[error("`{name}` in the archive is encrypted")]
    Encrypted { name: String },
    #[error("`{name}` in the archive is compressed with {method}, which is not read here (stored and deflate are)")]
    Method { name: String, method: String },
    #[error("the archive of {archive} would unpack to {total}, more than the limit of {limit}")]
    TooLarge { archive: String, total: String, limit: String },
    #[error("the archive has {entries} entries; at most {limit} are unpacked")]
    TooMany { entries: u64, limit: u64 },
    #[error("`{name}` in the archive is damaged: {what}")]
    Entry { name: String, what: String },
}

impl ArchiveError {
    /// What to do next.
    fn hint(&self) -> &'static str {
        use ArchiveError::*;
        match self {
            NoArchive => "is it the right file, and was it copied to its end?",
            Damaged { .. } | Entry { .. } => "copy the archive again, and compare its length with the source",
            Split { .. } => "join the parts first: `zip -s 0 split.zip --out whole.zip`",
            Escapes { .. } | BadName { .. } | Link { .. } | Special { .. } | Overlap { .. } => "nothing was written; do not trust where this archive comes from",
            Twice { .. } | FileAndDirectory { .. } => "nothing was written; make the archive again without the second one",
            Encrypted { .. } => "nothing was written; unpack it with its password (`!unzip -P …` asks too) and pack it without",
            Method { .. } => "nothing was written; pack it again with `zip -9`, or unpack it with `!7z x`",
            TooLarge { .. } => "nothing was written; if you trust it, raise the limit with `--max-size`",
            TooMany { .. } => "nothing was written; unpack it in parts",
        }
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        let hint = error.hint();
        Failure::new(Fault::YourConfiguration, "archive", error.to_string()).hint(hint)
    }
}
