//! Why a mount could not be made, or ended badly. What happens to a single read or write is an errno of its own (`fuse::errno`).

use std::path::PathBuf;

/// What went wrong with a mount as a whole.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The line on stdin is no configuration.
    #[error("the mount's configuration cannot be read: {0}")]
    Config(String),
    /// The directory cannot be used.
    #[error("{} cannot hold a mount: {reason}", directory.display())]
    Directory {
        /// The directory that was asked for.
        directory: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Something else is mounted there.
    #[error("{} holds a mount of {other} already", directory.display())]
    Taken {
        /// The directory that was asked for.
        directory: PathBuf,
        /// What is mounted there.
        other: String,
    },
    /// No way works on this machine; one reason for each.
    #[error("no way to mount works here: {0}")]
    NoWay(String),
    /// The store refused or did not answer.
    #[error("{0}")]
    Store(String),
    /// The operating system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl MountError {
    /// The next step for the user.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Config(_) => "this is a defect of Ochre: please report it",
            Self::Directory { .. } => "name an empty directory, or one that is not there yet",
            Self::Taken { .. } => "unmount it with `%unmount DIR`, or take another directory",
            Self::NoWay(_) => "`ochre doctor` says what each way needs; `ochre::store(url)` works without a mount",
            Self::Store(_) => "`%ls URL` asks the store alone; `%credential URL …` changes the credential",
            Self::System { .. } => "`ochre doctor` says what mounting needs",
        }
    }
}
