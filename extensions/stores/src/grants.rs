//! Grants from the kernel: asked for over the link, kept while they last.
use crate::error::{Fault, StoreError};
use async_trait::async_trait;
use ochre_blobs::{BlobError, Grant, Grants, Location, STORAGE, Scheme, StorageRequest};
use ochre_runtime::host::{self, Blame, RequestFailure};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a grant is used without asking again: a loop over many blobs asks once, and by the time that somebody has
/// changed one with `%credential` and runs the cell again, the new one counts.
const KEPT: Duration = Duration::from_millis(500);
/// A grant that ends within this is not handed out any more, in seconds: a long request still ends in time.
const MARGIN: u64 = 120;

/// The kernel, as the source of grants.
pub(crate) struct Kernel;

#[async_trait]
impl Grants for Kernel {
    async fn grant(&self, location: &Location, refresh: bool) -> ochre_blobs::Result<Grant> {
        let of = location.clone();
        let asked = tokio::task::spawn_blocking(move || grant(&of, refresh)).await;
        asked.unwrap_or(Err(StoreError::LOST)).map_err(|error| as_blob_error(location, &error))
    }
}

/// What storage code is told when the kernel gives no grant: the words are the kernel's.
fn as_blob_error(location: &Location, error: &StoreError) -> BlobError {
    let why = match error.hint() {
        Some(hint) => format!("{}; {hint}", error.what()),
        None => error.what(),
    };
    match error.fault() {
        Fault::Remote => BlobError::Unreachable { doing: "asking for a credential for", at: location.root().to_string(), detail: why },
        _ => BlobError::BadCredential { at: location.root().to_string(), why },
    }
}

/// A grant for a location; blocks. `refresh`: one that is kept does not do.
pub(crate) fn grant(location: &Location, refresh: bool) -> Result<Grant, StoreError> {
    if matches!(location.scheme, Scheme::File | Scheme::Memory) {
        return Ok(Grant::new(ochre_blobs::Credential::Anonymous));
    }
    let place = location.root();
    if !refresh && let Some(grant) = kept(&place) {
        return Ok(grant);
    }
    let grant = match ask(&place, refresh)? {
        // The kernel's own memory may hold one that is about to end.
        grant if !refresh && ends_soon(&grant) => ask(&place, true)?,
        grant => grant,
    };
    memory().lock().unwrap_or_else(PoisonError::into_inner).insert(place, (grant.clone(), Instant::now()));
    Ok(grant)
}

fn kept(place: &Location) -> Option<Grant> {
    let memory = memory().lock().unwrap_or_else(PoisonError::into_inner);
    let (grant, since) = memory.get(place)?;
    (since.elapsed() < KEPT && !ends_soon(grant)).then(|| grant.clone())
}

/// What was asked for last, by container.
fn memory() -> &'static Mutex<HashMap<Location, (Grant, Instant)>> {
    static MEMORY: OnceLock<Mutex<HashMap<Location, (Grant, Instant)>>> = OnceLock::new();
    MEMORY.get_or_init(Mutex::default)
}

fn ends_soon(grant: &Grant) -> bool {
    grant.expires.is_some_and(|end| end < now() + MARGIN)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn ask(place: &Location, refresh: bool) -> Result<Grant, StoreError> {
    let bytes = request(&StorageRequest::Grant { url: place.to_string(), refresh })?;
    Ok(Grant::from_wire(&bytes)?)
}

/// The location that a URL means: `azureml://…` and the like are resolved by the kernel.
pub(crate) fn locate(url: &str) -> Result<Location, StoreError> {
    if url.trim_start().starts_with("azureml:") {
        let resolved = request(&StorageRequest::Resolve { url: url.trim().to_owned() })?;
        return Ok(Location::parse(&String::from_utf8_lossy(&resolved))?);
    }
    Ok(Location::parse(url.trim())?)
}

/// Asks the kernel; its refusal is an error in its words.
fn request(request: &StorageRequest) -> Result<Vec<u8>, StoreError> {
    host::request(STORAGE, &request.to_wire()).map_err(|failure| match failure {
        RequestFailure::Interrupted => StoreError::INTERRUPTED,
        RequestFailure::NoKernel => StoreError::refused(
            Fault::YourConfiguration,
            "there is no Ochre kernel here that could be asked".to_owned(),
            Some("this works in cells of the engine `ochre`, and not in forked processes".to_owned()),
        ),
        RequestFailure::Refused { blame, message, hint } => {
            let fault = match blame {
                Blame::Code => Fault::YourCode,
                Blame::Configuration => Fault::YourConfiguration,
                Blame::Remote => Fault::Remote,
                Blame::Bug => Fault::Bug,
            };
            StoreError::refused(fault, message, hint)
        }
    })
}
