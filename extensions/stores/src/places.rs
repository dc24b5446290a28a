//! Open containers, shared by all cells: their connections stay open from one cell to the next.
use crate::error::StoreError;
use crate::grants::{self, Kernel};
use ochre_blobs::{Container, Credential, Grant, Location};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Containers that are kept open; one costs some connections.
const MAX_OPEN: usize = 64;

/// An open container, and what of its grant cannot change while it is open.
type Open = (Container, Terms);

/// Endpoint, account, and the kind of the credential.
type Terms = (Option<String>, Option<String>, std::mem::Discriminant<Credential>);

fn terms(grant: &Grant) -> Terms {
    (grant.endpoint.clone(), grant.account.clone(), std::mem::discriminant(&grant.credential))
}

/// The container of a location, opened when it was not, or when `%credential` has changed how one gets in.
pub(crate) async fn container(location: &Location) -> Result<Container, StoreError> {
    let root = location.root();
    let of = root.clone();
    let grant = tokio::task::spawn_blocking(move || grants::grant(&of, false)).await.map_err(|_| StoreError::LOST)??;
    let terms = terms(&grant);
    if let Some((open, _)) = all().lock().unwrap_or_else(PoisonError::into_inner).get(&root).filter(|(_, of)| *of == terms) {
        return Ok(open.clone());
    }
    let opened = Container::open(&root, Arc::new(Kernel)).await?;
    let mut all = all().lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MAX_OPEN {
        all.clear();
    }
    all.insert(root, (opened.clone(), terms));
    Ok(opened)
}

fn all() -> &'static Mutex<HashMap<Location, Open>> {
    static OPEN: OnceLock<Mutex<HashMap<Location, Open>>> = OnceLock::new();
    OPEN.get_or_init(Mutex::default)
}

/// Whether `%recover` replays: then nothing is written, and the cell says so.
pub(crate) fn replaying(what: &str) -> bool {
    let replaying = ochre_runtime::host::setting("replaying").is_some_and(|s| s == "true");
    if replaying {
        eprintln!("note: while `%recover` replays, storage is not changed: {what}");
    }
    replaying
}
