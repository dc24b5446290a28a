//! What a store holds, as values, as a frame, and as it is shown.
use crate::Stores;
use crate::error::{Fault, StoreError};
use ochre_blobs::Meta;
use ochre_frames::{Limits, show_frame};
use ochre_runtime::{Mime, Show, text};
use polars::prelude::*;
use std::fmt;
use std::ops::Deref;
use std::time::SystemTime;

/// One blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Relative to the store, as its methods take it.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// When it was written last.
    pub time: SystemTime,
    /// Names its version, where the service has versions.
    pub etag: Option<String>,
}

impl Blob {
    /// Of a blob's description, for a store whose path is `base`.
    pub(crate) fn below(base: &str, meta: Meta) -> Self {
        Self { path: relative(base, &meta.path), size: meta.size, time: meta.modified.into(), etag: meta.etag }
    }

    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// A path within the container as a path within a store at `base`; the name itself for `base`.
pub(crate) fn relative(base: &str, path: &str) -> String {
    let below = path.strip_prefix(base).map(|rest| rest.trim_start_matches('/'));
    match below {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => path.rsplit('/').next().unwrap_or(path).to_owned(),
    }
}

/// Blobs, sorted by path; a slice of [`Blob`] that is shown as a table. Of one folder, it knows the folders in it too.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    blobs: Vec<Blob>,
    folders: Vec<String>,
}

impl Listing {
    pub(crate) fn new(blobs: Vec<Blob>, folders: Vec<String>) -> Self {
        Self { blobs, folders }
    }

    /// The folders directly in the folder that was listed, without `/` at their end.
    pub fn folders(&self) -> &[String] {
        &self.folders
    }

    /// A frame with the columns `name` (a folder's ends with `/`), `size` in bytes and `time`.
    pub fn frame(&self) -> Result<DataFrame, StoreError> {
        self.build().map_err(|error| StoreError::refused(Fault::Bug, format!("the frame of a listing: {error}"), None))
    }

    fn build(&self) -> PolarsResult<DataFrame> {
        let folders = self.folders.iter().map(|f| (format!("{f}/"), None, None));
        let blobs = self.blobs.iter().map(|b| (b.path.clone(), Some(b.size), Some(micros(b.time))));
        let mut rows: Vec<(String, Option<u64>, Option<i64>)> = folders.chain(blobs).collect();
        rows.sort();
        let names: Vec<&str> = rows.iter().map(|r| r.0.as_str()).collect();
        let sizes: Vec<Option<u64>> = rows.iter().map(|r| r.1).collect();
        let times: Vec<Option<i64>> = rows.iter().map(|r| r.2).collect();
        let time = Series::new("time".into(), times).cast(&DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))?;
        df!("name" => names, "size" => sizes, "time" => time)
    }
}

/// What `%ls` shows: a folder, or all that is below it.
#[doc(hidden)]
pub fn listing(url: &str, recursive: bool) -> Result<DataFrame, StoreError> {
    let store = crate::store(url);
    if recursive { store.list("")?.frame() } else { store.frame("") }
}

fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl Deref for Listing {
    type Target = [Blob];

    fn deref(&self) -> &[Blob] {
        &self.blobs
    }
}

impl IntoIterator for Listing {
    type Item = Blob;
    type IntoIter = std::vec::IntoIter<Blob>;

    fn into_iter(self) -> Self::IntoIter {
        self.blobs.into_iter()
    }
}

impl<'a> IntoIterator for &'a Listing {
    type Item = &'a Blob;
    type IntoIter = std::slice::Iter<'a, Blob>;

    fn into_iter(self) -> Self::IntoIter {
        self.blobs.iter()
    }
}

impl From<Listing> for Vec<Blob> {
    fn from(listing: Listing) -> Self {
        listing.blobs
    }
}

impl Show<Stores> for Listing {
    fn show(&self) -> Mime {
        if self.blobs.is_empty() && self.folders.is_empty() {
            return text("nothing there");
        }
        match self.frame() {
            Ok(frame) => show_frame(&frame, Limits::of_session()),
            Err(error) => text(error.to_string()),
        }
    }
}

impl fmt::Display for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.size)
    }
}

impl Show<Stores> for Blob {
    fn show(&self) -> Mime {
        text(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_that_the_store_takes() {
        for (base, path, expected) in [("", "a/b.png", "a/b.png"), ("a", "a/b.png", "b.png"), ("a/b.png", "a/b.png", "b.png"), ("a", "a", "a")] {
            assert_eq!(relative(base, path), expected, "{base} {path}");
        }
    }

    #[test]
    fn a_listing_is_a_table_with_folders_among_the_blobs() {
        let blob = |path: &str| Blob { path: path.into(), size: 7, time: SystemTime::UNIX_EPOCH, etag: None };
        let listing = Listing::new(vec![blob("a.png"), blob("c.png")], vec!["b".into()]);
        let frame = listing.frame().expect("a frame");
        assert_eq!(frame.get_column_names(), ["name", "size", "time"]);
        let names: Vec<_> = frame.column("name").expect("name").str().expect("text").iter().flatten().map(str::to_owned).collect();
        assert_eq!(names, ["a.png", "b/", "c.png"]);
        assert_eq!(frame.column("size").expect("size").null_count(), 1);
        assert_eq!(listing.len(), 2);
    }
}
