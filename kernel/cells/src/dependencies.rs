//! `%dep`: crates of the user's, built by cargo once and shared by all sessions.
use crate::model::Dependency;
use crate::prelude::Prelude;
use std::path::PathBuf;
use tokio::sync::{mpsc, watch};

/// How far a build is.
#[derive(Clone, Debug)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
    pub text: String,
}

/// Crates that cells may use now.
#[derive(Debug)]
pub struct Added {
    pub dependencies: Vec<Dependency>,
    pub summary: String,
}

/// Why a crate could not be added.
#[derive(Debug, thiserror::Error)]
pub enum DependencyError {
    #[error("interrupted")]
    Interrupted,
}

/// Where crates are built.
#[derive(Clone, Debug)]
pub struct Workshop {
    pub dir: PathBuf,
}

impl Workshop {
    pub async fn add(&self, _prelude: &Prelude, _existing: &[Dependency], _name: &str, _requirement: &str, _progress: mpsc::Sender<Progress>, _stop: &mut watch::Receiver<bool>) -> Result<Added, DependencyError> {
        Err(DependencyError::Interrupted)
    }
}
