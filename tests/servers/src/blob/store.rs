//! What the blob server holds: containers of objects, uploads that are not finished, and listing by pages.
use super::synthetic;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::{Bound, Range};

/// Where an object's bytes are.
#[derive(Clone, Debug)]
pub enum Data {
    Stored(Bytes),
    Pieces(Vec<Bytes>),
    /// Computed; the name under which it was made, so that a copy has the same bytes.
    Synthetic { name: String, size: u64 },
}

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Object {
    pub data: Data,
    /// Counts up; part of the ETag.
    pub version: u64,
    pub modified: DateTime<Utc>,
    pub content_type: String,
    /// Lower-case names without the service's prefix.
    pub metadata: BTreeMap<String, String>,
    /// As the client gave it.
    pub content_md5: Option<String>,
}

impl Object {
    pub fn size(&self) -> u64 {
        match &self.data {
            Data::Stored(bytes) => bytes.len() as u64,
            Data::Pieces(pieces) => pieces.iter().map(|p| p.len() as u64).sum(),
            Data::Synthetic { size, .. } => *size,
        }
    }

    /// With quotes. Not 32 hexadecimal digits: clients take those for an MD5.
    pub fn etag(&self) -> String {
        format!("\"0x8D{:013X}\"", self.version)
    }

    /// The bytes of a range that lies inside.
    pub fn pieces(&self, range: Range<u64>) -> VecDeque<Bytes> {
        match &self.data {
            Data::Stored(bytes) => VecDeque::from([bytes.slice(range.start as usize..range.end as usize)]),
            Data::Synthetic { name, .. } => synthetic::pieces(name, self.version, range),
            Data::Pieces(pieces) => {
                let (mut at, mut found) = (0, VecDeque::new());
                for piece in pieces {
                    let (from, to) = (range.start.max(at), range.end.min(at + piece.len() as u64));
                    if from < to {
                        found.push_back(piece.slice((from - at) as usize..(to - at) as usize));
                    }
                    at += piece.len() as u64;
                }
                found
            }
        }
    }
}

/// Parts that were sent and not yet joined.
pub type Parts = BTreeMap<String, Bytes>;

/// Everything.
#[derive(Debug, Default)]
pub struct Store {
    pub containers: BTreeMap<String, BTreeMap<String, Object>>,
    /// Azure's blocks, by container and name.
    pub blocks: HashMap<(String, String), Parts>,
    /// S3's uploads, by their id, with the name that they are for.
    pub uploads: HashMap<String, (String, String, Parts)>,
    versions: u64,
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    pub names: Vec<String>,
    pub prefixes: Vec<String>,
    /// Where the next page begins (the first name that is not in this one).
    pub next: Option<String>,
}

impl Page {
    /// The last entry of the page, for services whose marker is exclusive.
    pub fn last(&self) -> Option<&String> {
        self.names.last().max(self.prefixes.last())
    }
}

impl Store {
    /// A number that no version had before.
    pub fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    /// Makes or replaces an object; `None` when there is no such container.
    pub fn put(&mut self, container: &str, name: &str, data: Data) -> Option<&mut Object> {
        let version = self.next_version();
        let objects = self.containers.get_mut(container)?;
        let object =
            Object { data, version, modified: Utc::now(), content_type: "application/octet-stream".into(), metadata: BTreeMap::new(), content_md5: None };
        objects.insert(name.to_string(), object);
        objects.get_mut(name)
    }

    pub fn get(&self, container: &str, name: &str) -> Option<&Object> {
        self.containers.get(container)?.get(name)
    }

    /// Names below `prefix` from `from` on, cut at `delimiter` behind the prefix, at most `limit` entries.
    pub fn page(&self, container: &str, prefix: &str, delimiter: &str, from: Bound<String>, limit: usize) -> Option<Page> {
        let objects = self.containers.get(container)?;
        let mut page = Page::default();
        let mut start = match from {
            Bound::Included(name) if name.as_str() > prefix => Bound::Included(name),
            Bound::Excluded(name) if name.as_str() >= prefix => Bound::Excluded(name),
            _ => Bound::Included(prefix.to_string()),
        };
        loop {
            let mut jump = None;
            for name in objects.range::<String, _>((start.clone(), Bound::Unbounded)).map(|(n, _)| n) {
                let Some(rest) = name.strip_prefix(prefix) else { return Some(page) };
                if page.names.len() + page.prefixes.len() == limit {
                    page.next = Some(name.clone());
                    return Some(page);
                }
                let cut = if delimiter.is_empty() { None } else { rest.find(delimiter) };
                let Some(cut) = cut else {
                    page.names.push(name.clone());
                    continue;
                };
                let common = format!("{prefix}{}", &rest[..cut + delimiter.len()]);
                jump = Some(after_prefix(&common));
                page.prefixes.push(common);
                break;
            }
            match jump {
                Some(next) => start = Bound::Included(next),
                None => return Some(page),
            }
        }
    }
}

/// The first possible name behind all that begin with `prefix`.
pub fn after_prefix(prefix: &str) -> String {
    let mut text = prefix.to_string();
    let last = text.pop().unwrap_or('\0');
    text.push(char::from_u32(last as u32 + 1).unwrap_or(char::MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(names: &[&str]) -> Store {
        let mut store = Store::default();
        store.containers.insert("c".into(), BTreeMap::new());
        for name in names {
            store.put("c", name, Data::Stored(Bytes::new())).unwrap();
        }
        store
    }

    /// All pages of a listing with pages of `limit`.
    fn all(store: &Store, prefix: &str, delimiter: &str, limit: usize) -> (Vec<String>, Vec<String>, usize) {
        let (mut names, mut prefixes, mut pages) = (Vec::new(), Vec::new(), 0);
        let mut from = Bound::Unbounded;
        loop {
            let page = store.page("c", prefix, delimiter, from, limit).unwrap();
            names.extend(page.names);
            prefixes.extend(page.prefixes);
            pages += 1;
            match page.next {
                Some(next) => from = Bound::Included(next),
                None => return (names, prefixes, pages),
            }
        }
    }

    #[test]
    fn pages_of_any_size_make_the_same_listing() {
        let store = store(&["a", "a/1", "a/2/x", "a/2/y", "a/3", "b", "c/1"]);
        for limit in 1..8 {
            let (names, prefixes, _) = all(&store, "a/", "/", limit);
            assert_eq!((names, prefixes), (vec!["a/1".to_string(), "a/3".into()], vec!["a/2/".to_string()]), "{limit}");
            let (names, prefixes, pages) = all(&store, "", "", limit);
            assert_eq!((names.len(), prefixes.len(), pages), (7, 0, 7_usize.div_ceil(limit)));
            assert_eq!(all(&store, "", "/", limit).1, ["a/", "c/"]);
        }
    }
}
