//! Where something lies: one canonical form for the URLs that users type. It never holds a credential; a URL that carries one is refused.

use std::fmt;

use crate::{BlobError, Result};

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `az://container@account/…`, `abfs[s]://container@account.dfs.core.windows.net/…`, `https://account.blob.core.windows.net/container/…`.
    Azure,
    /// `s3://bucket/…`.
    S3,
    /// `gs://bucket/…`.
    Gcs,
    /// `file:///…`.
    File,
    /// `memory://name/…`: within this process, for tests.
    Memory,
}

impl Scheme {
    /// The word before `://` in the canonical form.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Azure => "az",
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

/// A place in a store. `Display` is its canonical URL and [`Location::parse`] reads that back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    pub scheme: Scheme,
    /// Azure's storage account; `None` where the URL does not say and the defaults decide. A host (with dots) where it is not in the public cloud.
    pub account: Option<String>,
    /// Container or bucket; empty for files.
    pub container: String,
    /// Without a leading or trailing `/`, as the service has it (not percent-encoded); empty is the root.
    pub path: String,
}

/// What the hosts of Azure's public cloud end with, after the account.
const PUBLIC: [&str; 2] = [".blob.core.windows.net", ".dfs.core.windows.net"];

/// Parts of a query that only a signed URL has.
const SIGNED: [&str; 5] = ["sig=", "se=", "x-amz-signature=", "x-goog-signature=", "x-amz-credential="];

const NO_SIGNATURES: &str = "put the signature (what follows `?`) into a secret with `%secret set SCOPE/KEY`, take it off the URL and add `--credential secret:SCOPE/KEY`";
const NO_USERS: &str = "keys do not belong into URLs: put them into a secret with `%secret set SCOPE/KEY` and add `--credential secret:SCOPE/KEY`";
const FORMS: &str = "one of az://container@account/path, az://container/path, abfss://container@account.dfs.core.windows.net/path, https://account.blob.core.windows.net/container/path, s3://bucket/path, gs://bucket/path, file:///path";

impl Location {
    /// Reads a URL. `%XX` stands for its byte, a `%` before anything else for itself; other characters are taken as they are.
    ///
    /// # Errors
    /// [`BlobError::BadLocation`], whose text does not repeat a signature or key.
    pub fn parse(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(bad(url, "it has no scheme", Some(FORMS)));
        };
        if let Some((_, query)) = rest.split_once('?') {
            let query = query.to_ascii_lowercase();
            if SIGNED.iter().any(|mark| query.starts_with(mark) || query.contains(&format!("&{mark}"))) {
                return Err(bad(url, "it carries a signature", Some(NO_SIGNATURES)));
            }
        }
        match scheme.to_ascii_lowercase().as_str() {
            "az" | "azure" | "abfs" | "abfss" | "adl" | "wasb" | "wasbs" => azure(url, rest),
            "s3" | "s3a" | "s3n" => bucket(url, Scheme::S3, rest),
            "gs" | "gcs" => bucket(url, Scheme::Gcs, rest),
            "memory" => bucket(url, Scheme::Memory, rest),
            "file" => file(url, rest),
            "https" | "http" => web(url, rest),
            _ => Err(bad(url, "its scheme is none that is known", Some(FORMS))),
        }
    }

    /// `name` (one or more parts) below this.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let name = name.trim_matches('/');
        let path = match (self.path.is_empty(), name.is_empty()) {
            (_, true) => self.path.clone(),
            (true, _) => name.to_owned(),
            (false, _) => format!("{}/{name}", self.path),
        };
        Self { path, ..self.clone() }
    }

    /// The container itself.
    #[must_use]
    pub fn root(&self) -> Self {
        Self { path: String::new(), ..self.clone() }
    }

    /// The same with `account` where the URL did not say.
    #[must_use]
    pub fn or_account(mut self, account: Option<&str>) -> Self {
        if self.scheme == Scheme::Azure && self.account.is_none() {
            self.account = account.map(str::to_owned);
        }
        self
    }

    /// The last part of the path; the container's name at the root.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.path.is_empty() { &self.container } else { self.path.rsplit('/').next().unwrap_or(&self.path) }
    }

    /// Another path in the same container, as the service has it.
    pub(crate) fn with_path(&self, path: &str) -> Self {
        Self { path: path.trim_matches('/').to_owned(), ..self.clone() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://", self.scheme.word())?;
        if self.scheme != Scheme::File {
            write!(out, "{}", self.container)?;
            if let Some(account) = &self.account {
                write!(out, "@{account}")?;
            }
        }
        write!(out, "/{}", Encoded(&self.path))
    }
}

/// A path in which what would be read as something else is percent-encoded: `%`, `?`, `#`, white space and controls.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if matches!(c, '%' | '?' | '#' | '"' | '\'' | '\\' | '`') || c.is_whitespace() || c.is_control() {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    write!(out, "%{byte:02X}")?;
                }
            } else {
                write!(out, "{c}")?;
            }
        }
        Ok(())
    }
}

/// The error about `url`, in which a query and what stands before `@` with a `:` are left out.
fn bad(url: &str, why: &str, hint: Option<&'static str>) -> BlobError {
    let shown = url.split('?').next().unwrap_or(url);
    let shown = match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((before, after))) if before[scheme.len() + 3..].contains(':') => format!("{scheme}://…@{after}"),
        _ => shown.to_owned(),
    };
    BlobError::BadLocation { url: shown, why: why.to_owned(), hint }
}

/// `container[@account[.host]]/path`.
fn azure(url: &str, rest: &str) -> Result<Location> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (container, host) = match authority.split_once('@') {
        Some((container, host)) => (container, Some(host)),
        None => (authority, None),
    };
    if container.contains(':') {
        return Err(bad(url, "it holds a user or a key before `@`", Some(NO_USERS)));
    }
    let account = match host {
        None => None,
        Some("") => return Err(bad(url, "there is no account after `@`", Some(FORMS))),
        Some(host) => Some(account_of(host)),
    };
    whole(url, Scheme::Azure, account, container, path)
}

/// The account that a host stands for: its first word in the public cloud, else the host of its blob endpoint.
fn account_of(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    PUBLIC.iter().find_map(|suffix| host.strip_suffix(suffix).map(str::to_owned)).unwrap_or_else(|| host.replacen(".dfs.", ".blob.", 1))
}

fn bucket(url: &str, scheme: Scheme, rest: &str) -> Result<Location> {
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains('@') || bucket.contains(':') {
        return Err(bad(url, "it holds a user or a key before `@`", Some(NO_USERS)));
    }
    whole(url, scheme, None, bucket, path)
}

fn file(url: &str, rest: &str) -> Result<Location> {
    let rest = rest.strip_prefix("localhost").unwrap_or(rest);
    let Some(path) = rest.strip_prefix('/') else {
        return Err(bad(url, "files need an absolute path", Some("file:///home/user/data has three slashes")));
    };
    Ok(Location { scheme: Scheme::File, account: None, container: String::new(), path: path_of(url, path)? })
}

/// `https://account.blob.core.windows.net/container/path`, also of other clouds and of OneLake.
fn web(url: &str, rest: &str) -> Result<Location> {
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.contains('@') {
        return Err(bad(url, "it holds a user or a key before `@`", Some(NO_USERS)));
    }
    let lower = host.to_ascii_lowercase();
    if !(lower.contains(".blob.") || lower.contains(".dfs.")) || lower.contains(':') {
        return Err(bad(url, "its host is no storage account", Some("other https addresses can be the source of `%cp`; an emulator is named with `--endpoint URL` and az:// or s3://")));
    }
    if path.contains(['?', '#']) {
        return Err(bad(url, "a location has no query and no fragment", Some("write a `?` in a name as %3F and a `#` as %23")));
    }
    let (container, path) = path.split_once('/').unwrap_or((path, ""));
    whole(url, Scheme::Azure, Some(account_of(&lower)), container, path)
}

fn whole(url: &str, scheme: Scheme, account: Option<String>, container: &str, path: &str) -> Result<Location> {
    if container.is_empty() {
        return Err(bad(url, "it names no container or bucket", Some(FORMS)));
    }
    if container.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '?' | '#' | '%')) {
        return Err(bad(url, "its container or bucket has characters that no service allows", None));
    }
    Ok(Location { scheme, account, container: container.to_owned(), path: path_of(url, path)? })
}

/// `path` decoded, without slashes at its ends, in parts that the store can address.
fn path_of(url: &str, path: &str) -> Result<String> {
    let decoded = decode(path).ok_or_else(|| bad(url, "its percent-encoded bytes are not UTF-8", None))?;
    let path = decoded.trim_matches('/');
    if path.is_empty() {
        return Ok(String::new());
    }
    object_store::path::Path::parse(path).map_err(|_| bad(url, "a part of its path is empty, `.`, `..` or has control characters", None))?;
    Ok(path.to_owned())
}

/// `%XX` becomes its byte; a `%` before anything else stays.
pub(crate) fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let pair = bytes.get(i + 1..i + 3).and_then(|pair| {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        match (bytes[i], pair) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_one_canonical_form() {
        for (typed, canonical) in [
            ("az://pictures@shop/cats/a.png", "az://pictures@shop/cats/a.png"),
            ("az://pictures/cats", "az://pictures/cats"),
            ("az://pictures", "az://pictures/"),
            ("AZ://pictures@shop.blob.core.windows.net/x/", "az://pictures@shop/x"),
            ("abfss://pictures@shop.dfs.core.windows.net/cats/a.png", "az://pictures@shop/cats/a.png"),
            ("abfss://ws@onelake.dfs.fabric.microsoft.com/it.Lakehouse/Files", "az://ws@onelake.blob.fabric.microsoft.com/it.Lakehouse/Files"),
            ("wasbs://pictures@shop.blob.core.windows.net/a", "az://pictures@shop/a"),
            ("https://shop.blob.core.windows.net/pictures/cats/a.png", "az://pictures@shop/cats/a.png"),
            ("https://shop.blob.core.chinacloudapi.cn/pictures/a", "az://pictures@shop.blob.core.chinacloudapi.cn/a"),
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("s3a://bucket", "s3://bucket/"),
            ("gs://bucket/a", "gs://bucket/a"),
            ("file:///tmp/x", "file:///tmp/x"),
            ("file://localhost/tmp/x", "file:///tmp/x"),
            ("memory://test/x", "memory://test/x"),
        ] {
            let location = Location::parse(typed).expect(typed);
            assert_eq!(location.to_string(), canonical, "{typed}");
            assert_eq!(Location::parse(canonical).expect(canonical), location, "{canonical} reads back");
        }
    }

    #[test]
    fn odd_names_go_round() {
        for name in ["a b", "a#b", "what?.txt", "100%", "100%25", "%41", "ünïcode/日本", "a&b=c", "a+b", "it's", "back\\slash", "a\u{a0}b", "[1]*", "a~b"] {
            for base in ["az://c@acct", "s3://bucket", "gs://bucket", "file:///tmp"] {
                let root = Location::parse(base).expect(base);
                let there = root.child(name);
                let again = Location::parse(&there.to_string()).expect("reads back");
                assert_eq!(again, there, "{name}");
                assert!(again.path.ends_with(name), "{name} is kept as the service has it: {}", again.path);
            }
        }
        assert_eq!(Location::parse("az://c/100%").expect("literal").path, "100%");
        assert_eq!(Location::parse("az://c/a%20b").expect("encoded").path, "a b");
        assert_eq!(Location::parse("s3://c/what?.txt").expect("literal").path, "what?.txt");
    }

    #[test]
    fn signatures_and_keys_in_urls_are_refused_and_not_repeated() {
        for url in [
            "https://shop.blob.core.windows.net/c/a?sv=2023-11-03&sig=TOPSECRET",
            "az://c@shop/a?sig=TOPSECRET",
            "https://b.s3.amazonaws.com/a?X-Amz-Signature=TOPSECRET",
            "s3://KEY:TOPSECRET@bucket/a",
            "az://shop:TOPSECRET@c/a",
            "https://user:TOPSECRET@shop.blob.core.windows.net/c/a",
        ] {
            let error = Location::parse(url).expect_err(url);
            let text = format!("{error} {:?} {error:?}", error.hint());
            assert!(!text.contains("TOPSECRET"), "{text}");
            assert!(error.hint().is_some_and(|hint| hint.contains("--credential secret:")), "{text}");
        }
    }

    #[test]
    fn what_is_no_location_says_why() {
        for (url, why) in [
            ("cats/a.png", "no scheme"),
            ("ftp://host/x", "scheme is none"),
            ("az:///x", "no container"),
            ("az://c@/x", "no account"),
            ("file://tmp/x", "absolute"),
            ("https://example.com/x", "no storage account"),
            ("s3://b/a//c", "is empty"),
            ("s3://b/a%09c", "control"),
            ("s3://b/a/../c", "`..`"),
            ("s3://b/a%2F..%2Fc", "`..`"),
            ("s3://b/%FF", "not UTF-8"),
        ] {
            let error = Location::parse(url).expect_err(url);
            assert!(error.to_string().contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn children_and_roots() {
        let root = Location::parse("az://c@a").expect("root");
        assert_eq!(root.child("x/y").child("/z/").to_string(), "az://c@a/x/y/z");
        assert_eq!(root.child("").path, "");
        assert_eq!(root.child("x").root(), root);
        assert_eq!(root.child("x/y").name(), "y");
        assert_eq!(Location::parse("az://c/x").expect("x").or_account(Some("a")), root.child("x"));
    }
}
