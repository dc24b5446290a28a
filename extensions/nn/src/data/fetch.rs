//! From what a user names as the place of data to a path of this machine: http(s) addresses are fetched once, other addresses by whom knows them.
use crate::error::{NnError, Result};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Turns an address (`az://…`) into a local path, or says why not.
type Fetch = fn(&str) -> std::result::Result<PathBuf, String>;

static FETCH: OnceLock<Fetch> = OnceLock::new();

/// Sets who fetches addresses that are neither paths nor http(s): the prelude names its stores. The first one stays.
pub fn set_fetch(fetch: Fetch) {
    let _ = FETCH.set(fetch);
}

/// The local path of a path or an address. What was fetched stays in the cache (`OCHRE_CACHE`, else the user's cache folder) until it is removed.
///
/// # Errors
/// The address cannot be fetched, or there is nobody who could.
pub fn local(place: &str) -> Result<PathBuf> {
    let failed = |problem: String| NnError::Fetch { address: place.split_once('?').map_or(place, |(named, _)| named).to_owned(), problem };
    match place.split_once("://") {
        None => Ok(home(place)),
        Some(("file", path)) => Ok(PathBuf::from(path)),
        Some(("http" | "https", rest)) => web(place, rest),
        Some(_) => match FETCH.get() {
            Some(fetch) => fetch(place).map_err(failed),
            None => Err(failed("there is nobody here who knows such addresses; give a path or an http(s) address".to_owned())),
        },
    }
}

/// `~/data` as the shell takes it.
fn home(place: &str) -> PathBuf {
    match (place.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(place),
    }
}

#[cfg(not(feature = "web"))]
fn web(place: &str, _rest: &str) -> Result<PathBuf> {
    Err(NnError::Fetch { address: place.to_owned(), problem: "this build has no way to the web; give a path".to_owned() })
}

#[cfg(feature = "web")]
fn web(place: &str, rest: &str) -> Result<PathBuf> {
    let without_query = rest.split(['?', '#']).next().unwrap_or(rest);
    let mut hash = crate::random::Random::new(place.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)));
    // The whole address decides, the name is for people: extensions tell what the file is.
    let last = without_query.trim_end_matches('/').rsplit('/').next().unwrap_or("data");
    let name: String = last.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect();
    let folder = cache().join(format!("{:016x}", hash.next()));
    let file = folder.join(name);
    if file.is_file() {
        return Ok(file);
    }
    std::fs::create_dir_all(&folder).map_err(|e| NnError::file("creating", &folder, e))?;
    super::web::download(place, &file)?;
    Ok(file)
}

/// The folder of fetched data.
#[cfg(feature = "web")]
fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = set("OCHRE_CACHE").or_else(|| Some(set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?.join("ochre")));
    cache.unwrap_or_else(|| std::env::temp_dir().join("ochre")).join("data")
}
