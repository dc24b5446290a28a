//! Open containers, shared by all cells: their connections stay open from one cell to the next.
use crate::error::StoreError;
use crate::grants::Kernel;
use ochre_blobs::{Container, Location};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Containers that are kept open; one costs some connections.
const MAX_OPEN: usize = 64;

/// The container of a location, opened when it was not.
pub(crate) async fn container(location: &Location) -> Result<Container, StoreError> {
    let root = location.root();
    if let Some(open) = all().lock().unwrap_or_else(PoisonError::into_inner).get(&root) {
        return Ok(open.clone());
    }
    let opened = Container::open(&root, Arc::new(Kernel)).await?;
    let mut all = all().lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MAX_OPEN {
        all.clear();
    }
    Ok(all.entry(root).or_insert(opened).clone())
}

fn all() -> &'static Mutex<HashMap<Location, Container>> {
    static OPEN: OnceLock<Mutex<HashMap<Location, Container>>> = OnceLock::new();
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
