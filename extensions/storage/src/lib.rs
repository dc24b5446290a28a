//! Storage as magics: accounts and credentials, listing, copying, unzipping, mounting, the Azure ML workspace.
//!
//! Kernel side. The session is handed [`extension`] and knows nothing of it; bytes are moved by `ochre-blobs`, directories are made by a process of
//! `ochre-mount`, identities come from `ochre-azure`, secrets from `ochre-vault`. No credential leaves this crate but to a store, to a mount's stdin, or
//! to a cell that asked through the service.
//!
//! ```text
//! %credential %workspace --> Accounts <--grants-- %ls %cp %unzip (Container) | mounts (stdin) | cells (Service)
//! ```
#![forbid(unsafe_code)]

mod accounts;
mod archive;
mod copy;
mod credentials;
#[cfg(test)]
mod double;
mod endpoint;
mod failures;
mod magics;
mod mounts;
mod progress;
mod ranges;
mod service;
mod size;
mod spot;
mod supervisor;
mod table;
mod target;
mod trapping;
mod web;
mod workspace;

use accounts::{Accounts, GrantSource, Scope};
use credentials::{Credentials, Secrets, of_azure};
use failures::of_blob;
use mounts::Mounts;
use ochre_api::{Failure, Magic, Observer, Service, SessionAccess};
use ochre_azure::{Finder, TokenSource};
use ochre_blobs::{Container, Location, Mode};
use ochre_mount::WayName;
use ochre_secrets::Redactor;
use ochre_vault::Vault;
use spot::Spot;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use target::Target;
use trapping::Trapping;
use workspace::{WorkspaceMagic, Workspaces};

/// What a session is handed, and what other extensions may ask.
pub struct Extension {
    pub workspace: Chosen,
    pub magics: Vec<Arc<dyn Magic>>,
    pub observers: Vec<Arc<dyn Observer>>,
    pub services: Vec<Arc<dyn Service>>,
}

/// The workspace that `%workspace` chose, for other extensions.
#[derive(Clone)]
pub struct Chosen(Arc<Storage>);

impl Chosen {
    /// Where the chosen workspace keeps runs: `azureml://…`.
    pub fn tracking_uri(&self) -> Option<String> {
        self.0.workspaces.current()?.workspace.tracking_uri.clone()
    }

    /// Who asks Azure: the identity that the workspace was chosen with, else the one that is found.
    pub fn identity(&self) -> Arc<dyn TokenSource> {
        self.0.credentials.identity_now()
    }
}

/// The storage of one session. Call it once for each session, on a tokio runtime, and hand its parts to `SessionParts`:
///
/// ```text
/// let redactor = Redactor::default();
/// let storage = ochre_storage::extension(vault.clone(), redactor.clone(), std::env::current_exe()?)?;
/// SessionParts { magics: [vault.magics(), storage.magics].concat(), observers: storage.observers, services: storage.services, redactor, .. }
/// ```
///
/// `program` is `ochre` itself: `PROGRAM mount` must run `ochre_mount::serve` with its stdin. The session's `shutdown` must be reached on SIGTERM, so
/// that mounts are told to end; they also end with the kernel's process, because their stdin does.
///
/// # Errors
/// When this machine cannot speak https at all.
pub fn extension(vault: Vault, redactor: Redactor, program: PathBuf) -> Result<Extension, Failure> {
    Ok(Storage::new(Arc::new(vault), redactor, program)?.extension())
}

/// All that the magics share.
pub(crate) struct Storage {
    accounts: Arc<Accounts>,
    mounts: Mounts,
    trapping: Trapping,
    credentials: Arc<Credentials>,
    workspaces: Arc<Workspaces>,
    /// What the user was not told yet.
    news: Mutex<Vec<String>>,
}

impl Storage {
    fn new(secrets: Arc<dyn Secrets>, redactor: Redactor, program: PathBuf) -> Result<Arc<Self>, Failure> {
        let mut news = Vec::new();
        let finder = match Finder::of_process() {
            Ok(finder) => finder,
            // A wrong variable must not keep the kernel from starting.
            Err(error) => {
                news.push(format!("Azure identities of the environment are not used: {error}"));
                let http = ochre_azure::Http::new().map_err(of_azure)?;
                Finder::new(http, ochre_azure::Environment::of(Vec::<(String, String)>::new())).map_err(of_azure)?
            }
        };
        Ok(Self::with(finder, secrets, redactor, program, news))
    }

    fn with(finder: Finder, secrets: Arc<dyn Secrets>, redactor: Redactor, program: PathBuf, news: Vec<String>) -> Arc<Self> {
        let workspaces = Arc::new(Workspaces::default());
        let credentials = Arc::new(Credentials::new(finder, secrets, workspaces.clone()));
        let (fallback, default) = (credentials.clone(), workspaces.clone());
        let accounts = Accounts::new(Box::new(move |location| fallback.fallback(location)), Box::new(move || default.default_account()), redactor.clone());
        let accounts = Arc::new(accounts);
        let trapping = Trapping::new(program.clone());
        let mounts = Mounts::new(program, accounts.clone(), redactor);
        Arc::new(Self { accounts, mounts, trapping, credentials, workspaces, news: Mutex::new(news) })
    }

    fn extension(self: Arc<Self>) -> Extension {
        let mut magics = magics::all(&self);
        magics.push(Arc::new(WorkspaceMagic { credentials: self.credentials.clone(), workspaces: self.workspaces.clone(), accounts: self.accounts.clone() }));
        Extension { workspace: Chosen(self.clone()), magics, observers: vec![Arc::new(supervisor::Supervisor(self.clone()))], services: vec![Arc::new(service::Grantor(self))] }
    }

    pub(crate) fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    pub(crate) fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    pub(crate) fn trapping(&self) -> &Trapping {
        &self.trapping
    }

    /// What a credential word stands for.
    pub(crate) async fn source(&self, word: &str, session: &mut dyn SessionAccess) -> Result<Arc<dyn GrantSource>, Failure> {
        self.credentials.source(word, session).await
    }

    /// Where `azureml://…` leads; the datastore's own credential is used for it from now on, unless one was chosen.
    pub(crate) async fn resolve(&self, url: &str) -> Result<Location, Failure> {
        let (location, source) = self.credentials.datastore(url).await?;
        if !self.accounts.configured(&location) {
            self.accounts.configure(Scope::of(&location), source, Default::default());
        }
        Ok(location)
    }

    /// The container of a location.
    pub(crate) async fn open(&self, location: &Location) -> Result<Container, Failure> {
        Container::open(location, self.accounts.clone()).await.map_err(of_blob)
    }

    /// Where files go.
    pub(crate) async fn target(&self, to: &Spot, mode: Mode) -> Result<Target, Failure> {
        match to {
            Spot::Web(_) => Err(self.no_web_target(to)),
            Spot::Store { location, .. } => Ok(Target::Store { container: self.open(location).await?, location: location.clone(), mode }),
            // Of the mounts only synced folders are local.
            Spot::Local { path, .. } => Ok(Target::Directory { root: path.clone(), mode, mounted: self.mounts.over(path).is_some() }),
        }
    }

    /// Where a path below a mount really lies: the store is faster than the way through the file system, a file that was given up half-way leaves
    /// nothing there, and below a trapped mount this process would find placeholders. A synced folder is a folder.
    pub(crate) fn behind(&self, path: &Path) -> Option<Location> {
        let (wanted, way, below) = self.mounts.over(path)?;
        (way != WayName::Synced).then(|| wanted.location.child(&below))
    }

    /// Refuses a destination that is mounted read-only; `text` is what was typed.
    pub(crate) fn check_writable(&self, text: &str, directory: &Path) -> Result<(), Failure> {
        let local = (!text.contains("://")).then(|| spot::local(text, directory));
        match local.and_then(|path| self.mounts.over(&path)) {
            Some((wanted, ..)) if wanted.read_only => {
                let failure = Failure::usage(format!("{} is mounted read-only", wanted.directory.display()));
                Err(failure.hint(format!("`%unmount {}`, then mount it without `--read-only`; or write to {} itself", wanted.directory.display(), wanted.location)))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn no_web_target(&self, to: &Spot) -> Failure {
        Failure::usage(format!("nothing can be written to {}", to.shown())).hint("write to a store (az://container@account/path, s3://, gs://) or a path")
    }

    /// What the user was not told yet.
    pub(crate) fn take_news(&self) -> Vec<String> {
        let mut news = std::mem::take(&mut *accounts::lock(&self.news));
        news.extend(self.mounts.notices());
        news
    }
}
