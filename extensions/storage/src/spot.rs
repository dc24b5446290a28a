//! What a user names: a path, a place in a store, or an address on the web. Read from the text that was typed; nothing is asked here but where
//! `azureml://` leads.
use crate::Storage;
use crate::failures::of_blob;
use ochre_api::Failure;
use ochre_blobs::{Location, Scheme};
use std::path::{Path, PathBuf};
use url::Url;

/// Where something is or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    Local {
        path: PathBuf,
        /// It was typed with a slash at its end: a directory is meant.
        directory: bool,
    },
    Store {
        location: Location,
        directory: bool,
    },
    Web(Url),
}

impl Spot {
    /// Reads what was typed; relative paths belong to `directory`.
    pub(crate) async fn read(text: &str, directory: &Path, storage: &Storage) -> Result<Self, Failure> {
        let slash = text.ends_with('/');
        if text.starts_with("azureml://") {
            let location = storage.resolve(text).await?;
            return Ok(Spot::Store { location, directory: slash });
        }
        let Some((scheme, _)) = text.split_once("://") else {
            let (path, directory) = (local(text, directory), slash || text.is_empty() || text == ".");
            return Ok(match storage.behind(&path) {
                Some(location) => Spot::Store { location, directory },
                None => Spot::Local { path, directory },
            });
        };
        if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            // A blob's own address is the store's where a credential is configured for it; otherwise it is asked for as anybody may.
            match Location::parse(text) {
                Ok(location) if storage.accounts().configured(&location) => return Ok(Spot::Store { location, directory: slash }),
                _ => return web(text),
            }
        }
        let location = storage.accounts().complete(Location::parse(text).map_err(of_blob)?).map_err(of_blob)?;
        match location.scheme {
            Scheme::File => Ok(Spot::Local { path: Path::new("/").join(&location.path), directory: slash }),
            _ => Ok(Spot::Store { location, directory: slash }),
        }
    }

    /// The last part of its name.
    pub(crate) fn name(&self) -> String {
        match self {
            Spot::Local { path, .. } => path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
            Spot::Store { location, .. } => if location.path.is_empty() { String::new() } else { location.name().to_owned() },
            Spot::Web(url) => {
                let last = url.path_segments().and_then(|mut s| s.next_back().map(str::to_owned)).unwrap_or_default();
                decoded(&last)
            }
        }
    }

    /// For messages: no signature, no user.
    pub(crate) fn shown(&self) -> String {
        match self {
            Spot::Local { path, .. } => path.display().to_string(),
            Spot::Store { location, .. } => location.to_string(),
            Spot::Web(url) => crate::web::shown(url),
        }
    }
}

fn web(text: &str) -> Result<Spot, Failure> {
    let url: Url = text.parse().map_err(|e: url::ParseError| Failure::usage("this is no address").because(e).hint("write https://host/path"))?;
    if !url.username().is_empty() || url.password().is_some() {
        let failure = Failure::usage("the address holds a user or password, which would be saved with the notebook");
        return Err(failure.hint("take it out; what needs a credential is read from its store (az://, s3://, gs://)"));
    }
    Ok(Spot::Web(url))
}

/// `%20` and its like as the characters that they stand for; a name must not become a path by that.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(|h| u8::from_str_radix(h, 16).ok());
        match hex {
            Some(byte) if byte != b'/' && byte != 0 => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A path as typed: `~/` is the home, and what is relative belongs to the session's directory, whose links are resolved as those of mounts are.
/// The path itself is not looked at: below a mount, what is not there now would be remembered as missing.
pub(crate) fn local(path: &str, directory: &Path) -> PathBuf {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    within(path, &directory).components().collect()
}

fn within(path: &str, directory: &Path) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    match (path.strip_prefix("~/"), path == "~") {
        (Some(below), _) => home().map_or_else(|| directory.join(path), |home| home.join(below)),
        (None, true) => home().unwrap_or_else(|| directory.to_owned()),
        (None, false) => directory.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_addresses_are_read() {
        let name = |url: &str| Spot::Web(url.parse().expect("a URL")).name();
        assert_eq!(name("https://example.org/a/pictures%20of%20cats.zip?x=1"), "pictures of cats.zip");
        assert_eq!(name("https://example.org/a/..%2fb"), "..%2fb", "a coded slash stays one name");
        assert_eq!(name("https://example.org/"), "");
    }

    #[test]
    fn a_user_in_an_address_is_refused_and_not_repeated() {
        let failure = web("https://me:pa55word@example.org/x").expect_err("refused");
        assert!(!failure.lines().concat().contains("pa55word"), "{failure}");
    }
}
