//! The seam between the mount process and the ways in which a location becomes a directory. Each way is tried in the order of [`WayName`]; the first
//! whose probe succeeds is taken, and the kernel is told which and why.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ochre_blobs::Container;

use crate::{MountConfig, MountError, WayName};

/// What a way is given: an opened container, the path below which the mount begins, and what may be done.
#[derive(Clone)]
pub struct Request {
    /// The configuration as it came.
    pub config: Arc<MountConfig>,
    /// The container, with a credential that refreshes itself.
    pub container: Container,
    /// The key prefix of the mount's root, without slashes at its ends; "" is the whole container.
    pub root: String,
}

/// One way to make a location a directory.
#[async_trait]
pub trait Way: Send + Sync {
    /// Which one it is.
    fn name(&self) -> WayName;

    /// Whether it works on this machine and for this user; otherwise one clause that says why not.
    ///
    /// # Errors
    /// The clause.
    fn probe(&self) -> Result<(), String>;

    /// Makes the directory answer.
    ///
    /// # Errors
    /// Why it could not be made; nothing is left behind then.
    async fn attach(&self, request: Request) -> Result<Box<dyn Attached>, MountError>;
}

/// A directory that answers.
#[async_trait]
pub trait Attached: Send + Sync {
    /// Returns when the mount has ended without being asked to: somebody unmounted it.
    async fn ended(&mut self);

    /// Ends it: what is being written gets `limit` to be closed, then the directory stops answering. Nothing is left behind.
    ///
    /// # Errors
    /// What was lost or left behind.
    async fn detach(self: Box<Self>, limit: Duration) -> Result<(), MountError>;
}

/// What works here: each way with its reason if it does not, in the order in which they are tried.
#[must_use]
pub fn probe() -> Vec<(WayName, Result<(), String>)> {
    let warn = Arc::new(drop);
    let ways: [Box<dyn Way>; 3] =
        [Box::new(crate::fuse::Fuse::new(warn.clone())), Box::new(crate::seccomp::Seccomp::new(warn.clone())), Box::new(crate::synced::Synced::new(warn))];
    ways.iter().map(|way| (way.name(), way.probe())).collect()
}
