//! From a URL of ours to what polars and object_store read. Globs and a `/` at the end keep their meaning.
use crate::error::StoreError;
use crate::grants::locate;
use ochre_blobs::{Grant, Location, Scheme};
use polars::prelude::PlRefPath;

/// Schemes that are storage to us. `https://` is where its host is a storage account; `file://` is polars' own.
const SCHEMES: [&str; 12] = ["az", "azure", "abfs", "abfss", "adl", "wasb", "wasbs", "s3", "s3a", "s3n", "gs", "gcs"];

/// Whether a path is a URL that we read.
pub(super) fn is_ours(path: &str) -> bool {
    let Some((scheme, rest)) = path.split_once("://") else { return path.starts_with("azureml:") };
    let scheme = scheme.to_ascii_lowercase();
    SCHEMES.contains(&scheme.as_str()) || scheme == "azureml" || (scheme == "https" && is_account(rest))
}

fn is_account(rest: &str) -> bool {
    let host = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    [".blob.core.windows.net", ".dfs.core.windows.net"].iter().any(|suffix| host.ends_with(suffix))
}

/// A URL as it was typed.
pub(super) struct Typed {
    pub(super) location: Location,
    /// It ended with `/`: a folder.
    folder: bool,
}

impl Typed {
    pub(super) fn read(url: &str) -> Result<Self, StoreError> {
        Ok(Self { location: locate(url)?, folder: url.ends_with('/') })
    }

    /// In a form that names all that is public: for options that somebody else has made.
    pub(super) fn public(&self) -> PlRefPath {
        match (&self.location.scheme, &self.location.account) {
            (Scheme::Azure, Some(account)) if !account.contains('.') => self.joined(&format!("abfss://{}@{account}.dfs.core.windows.net", self.location.container)),
            _ => self.plain(),
        }
    }

    /// For options that are made of this grant.
    pub(super) fn with(&self, grant: &Grant) -> PlRefPath {
        // The account stands in the options then: object_store reads accounts of the public cloud alone from URLs.
        if grant.endpoint.is_some() { self.plain() } else { self.public() }
    }

    /// `scheme://container/path`.
    fn plain(&self) -> PlRefPath {
        self.joined(&format!("{}://{}", self.location.scheme.word(), self.location.container))
    }

    fn joined(&self, root: &str) -> PlRefPath {
        let end = if self.folder && !self.location.path.is_empty() { "/" } else { "" };
        PlRefPath::new(format!("{root}/{}{end}", self.location.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ochre_blobs::Credential;

    #[test]
    fn urls_become_what_polars_reads() {
        let public = Grant::new(Credential::Anonymous);
        let emulator = Grant { endpoint: Some("http://127.0.0.1:10000/devstoreaccount1".into()), ..public.clone() };
        for (typed, expected, emulated) in [
            ("az://data@acct/a/*.parquet", "abfss://data@acct.dfs.core.windows.net/a/*.parquet", "az://data/a/*.parquet"),
            ("az://data@acct/a/", "abfss://data@acct.dfs.core.windows.net/a/", "az://data/a/"),
            ("abfss://data@acct.dfs.core.windows.net/a", "abfss://data@acct.dfs.core.windows.net/a", "az://data/a"),
            ("https://acct.blob.core.windows.net/data/part-[0-9].csv", "abfss://data@acct.dfs.core.windows.net/part-[0-9].csv", "az://data/part-[0-9].csv"),
            ("s3://bucket/year=2020/**/*.parquet", "s3://bucket/year=2020/**/*.parquet", "s3://bucket/year=2020/**/*.parquet"),
            ("s3a://bucket/part-?.parquet", "s3://bucket/part-?.parquet", "s3://bucket/part-?.parquet"),
            ("gcs://bucket/a%20b", "gs://bucket/a b", "gs://bucket/a b"),
        ] {
            assert!(is_ours(typed), "{typed}");
            let read = Typed::read(typed).expect(typed);
            assert_eq!(read.with(&public).as_str(), expected, "{typed}");
            assert_eq!(read.public().as_str(), expected, "{typed}");
            assert_eq!(read.with(&emulator).as_str(), emulated, "{typed}");
        }
    }

    #[test]
    fn other_paths_are_left_alone() {
        for path in ["a.parquet", "/tmp/x", "file:///tmp/x", "https://example.com/a.parquet", "hf://datasets/x", "C://x"] {
            assert!(!is_ours(path), "{path}");
        }
    }
}
