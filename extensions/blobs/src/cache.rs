//! Blocks of objects on disk, below a stated size, for several processes at once. A block is a file of its own that says what it is and carries a
//! checksum, so a damaged, cut or foreign file is dropped and fetched again; nothing here needs a lock.
//!
//! ```text
//! DIRECTORY (0700)/xx/KEY-INDEX      xx, KEY: of location, ETag and size      file: magic, length, crc32, header, bytes
//! ```

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::http::hex;
use crate::{BlobError, Result};

/// Bytes of a block; the last one of an object is shorter.
pub const BLOCK: u64 = 1 << 20;
/// The first bytes of every block's file; the digit is the version of the form.
const MAGIC: &[u8; 8] = b"ochblk1\n";
/// A share of the file system that is left to others, whatever the cache's size: one twentieth.
const KEEP_FREE: u64 = 20;
/// The cache is brought down to this share of its size when it is full, so that not every block clears one.
const DOWN_TO: (u64, u64) = (9, 10);

/// A directory of blocks. Clones share the count of bytes.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    directory: PathBuf,
    limit: u64,
    /// What this process believes to be there; counted anew whenever it clears.
    used: AtomicU64,
    clearing: Mutex<()>,
    serial: AtomicU64,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Cache({}, {} of {} bytes)", self.inner.directory.display(), self.used(), self.inner.limit)
    }
}

/// Which version of which object.
#[derive(Debug, Clone)]
pub struct Key {
    name: String,
    header: Arc<[u8]>,
    size: u64,
}

impl Key {
    /// Of the object at `location` in version `etag`, `size` bytes long.
    #[must_use]
    pub fn new(location: &str, etag: &str, size: u64) -> Self {
        let header: Arc<[u8]> = format!("{location}\n{etag}\n{size}\n").into_bytes().into();
        Self { name: hex(&Md5::digest(&header)), header, size }
    }

    fn block_length(&self, index: u64) -> u64 {
        self.size.saturating_sub(index * BLOCK).min(BLOCK)
    }
}

impl Cache {
    /// The cache in `directory`, which is made with access for this user alone, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`BlobError::Local`] when the directory cannot be made, or belongs to someone else.
    pub fn open(directory: &Path, limit: u64) -> Result<Self> {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        let failed = |error: std::io::Error| BlobError::local("opening the cache", directory, &error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let inner = Inner { directory: directory.to_owned(), limit, used: AtomicU64::new(0), clearing: Mutex::new(()), serial: AtomicU64::new(0) };
        let cache = Self { inner: Arc::new(inner) };
        let used = cache.blocks().iter().map(|block| block.bytes).sum();
        cache.inner.used.store(used, Ordering::Relaxed);
        Ok(cache)
    }

    /// Bytes that this process believes to be there.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.inner.used.load(Ordering::Relaxed)
    }

    /// The stated size.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.inner.limit
    }

    fn file(&self, key: &Key, index: u64) -> PathBuf {
        self.inner.directory.join(&key.name[..2]).join(format!("{}-{index}", key.name))
    }

    /// Whether there seems to be a block; it may turn out to be damaged.
    #[must_use]
    pub fn has(&self, key: &Key, index: u64) -> bool {
        self.file(key, index).exists()
    }

    /// Block `index`, verified. A damaged one is deleted.
    pub async fn get(&self, key: &Key, index: u64) -> Option<Bytes> {
        let (this, key) = (self.clone(), key.clone());
        tokio::task::spawn_blocking(move || this.get_now(&key, index)).await.ok().flatten()
    }

    fn get_now(&self, key: &Key, index: u64) -> Option<Bytes> {
        let path = self.file(key, index);
        let mut file = fs::File::open(&path).ok()?;
        let mut all = Vec::with_capacity(64 + key.header.len() + key.block_length(index) as usize);
        file.read_to_end(&mut all).ok()?;
        match verified(key, index, all) {
            Some(bytes) => {
                // The time of last use, for what is deleted first.
                file.set_modified(SystemTime::now()).ok();
                Some(bytes)
            }
            None => {
                self.drop_block(&path);
                None
            }
        }
    }

    /// Keeps `bytes` as block `index`. A disk that is full or fails is no error: the cache stays as it was.
    pub async fn put(&self, key: &Key, index: u64, bytes: Bytes) {
        if bytes.len() as u64 != key.block_length(index) {
            return;
        }
        let (this, key) = (self.clone(), key.clone());
        tokio::task::spawn_blocking(move || this.put_now(&key, index, &bytes)).await.ok();
    }

    fn put_now(&self, key: &Key, index: u64, bytes: &[u8]) {
        let head = head(key, index, bytes);
        let length = (head.len() + bytes.len()) as u64;
        if !self.make_room(length) {
            return;
        }
        let path = self.file(key, index);
        let Some(folder) = path.parent() else { return };
        let serial = self.inner.serial.fetch_add(1, Ordering::Relaxed);
        let aside = folder.join(format!(".{}-{serial}", std::process::id()));
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = fs::File::create(&aside)?;
            file.write_all(&head)?;
            file.write_all(bytes)?;
            fs::rename(&aside, &path)
        };
        let was = fs::metadata(&path).map(|meta| meta.len()).unwrap_or(0);
        if write().is_ok() {
            self.inner.used.fetch_add(length.saturating_sub(was), Ordering::Relaxed);
        } else {
            fs::remove_file(&aside).ok();
        }
    }

    /// Clears what was not used for longest until `bytes` more fit; `false` if they never will.
    fn make_room(&self, bytes: u64) -> bool {
        let limit = self.inner.limit.min(self.used() + self.spare());
        if bytes > limit {
            return false;
        }
        if self.used() + bytes <= limit {
            return true;
        }
        let _clearing = self.inner.clearing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blocks = self.blocks();
        let mut used: u64 = blocks.iter().map(|block| block.bytes).sum();
        blocks.sort_unstable_by_key(|block| block.used);
        let goal = (limit / DOWN_TO.1 * DOWN_TO.0).min(limit - bytes);
        for block in blocks {
            if used <= goal {
                break;
            }
            if fs::remove_file(&block.path).is_ok() {
                used -= block.bytes;
            }
        }
        self.inner.used.store(used, Ordering::Relaxed);
        used + bytes <= limit
    }

    /// Bytes of the file system that may still be taken.
    fn spare(&self) -> u64 {
        let Some((total, free)) = space(&self.inner.directory) else { return u64::MAX / 2 };
        free.saturating_sub(total / KEEP_FREE)
    }

    fn drop_block(&self, path: &Path) {
        let bytes = fs::metadata(path).map(|meta| meta.len()).unwrap_or(0);
        if fs::remove_file(path).is_ok() {
            self.inner.used.fetch_sub(bytes.min(self.used()), Ordering::Relaxed);
        }
    }

    /// Every file of the cache, also those that a process left half-written.
    fn blocks(&self) -> Vec<Stored> {
        let folders = fs::read_dir(&self.inner.directory).into_iter().flatten().flatten();
        let files = folders.filter_map(|folder| fs::read_dir(folder.path()).ok()).flatten().flatten();
        files
            .filter_map(|file| {
                let meta = file.metadata().ok()?;
                Some(Stored { path: file.path(), bytes: meta.len(), used: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH) })
            })
            .collect()
    }

    /// Deletes every block.
    pub fn clear(&self) {
        for block in self.blocks() {
            fs::remove_file(block.path).ok();
        }
        self.inner.used.store(0, Ordering::Relaxed);
    }
}

struct Stored {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// What stands before the bytes of a block.
fn head(key: &Key, index: u64, bytes: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(40 + key.header.len());
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&(key.header.len() as u32).to_le_bytes());
    head.extend_from_slice(&index.to_le_bytes());
    head.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    head.extend_from_slice(&key.header);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head);
    sum.update(bytes);
    head.extend_from_slice(&sum.finalize().to_le_bytes());
    head
}

/// The bytes of a block's file, if it is that block and nothing is missing or changed.
fn verified(key: &Key, index: u64, all: Vec<u8>) -> Option<Bytes> {
    let length = 8 + 4 + 8 + 8 + key.header.len() + 4;
    let bytes = Bytes::from(all);
    let body = bytes.get(length..)?;
    if body.len() as u64 != key.block_length(index) || bytes[..length] != head(key, index, body)[..] {
        return None;
    }
    Some(bytes.slice(length..))
}

/// Size of the file system of `path` and what is free of it, in bytes, as `df` tells.
fn space(path: &Path) -> Option<(u64, u64)> {
    let space = rustix::fs::statvfs(path).ok()?;
    Some((space.f_blocks.checked_mul(space.f_frsize)?, space.f_bavail.checked_mul(space.f_frsize)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(seed: u8, length: usize) -> Bytes {
        (0..length).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect::<Vec<_>>().into()
    }

    #[tokio::test]
    async fn blocks_come_back_and_damaged_ones_do_not() {
        let place = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(&place.path().join("c"), 64 << 20).expect("opens");
        let key = Key::new("az://c@a/x", "\"1\"", BLOCK + 100);
        cache.put(&key, 0, block(1, BLOCK as usize)).await;
        cache.put(&key, 1, block(2, 100)).await;
        cache.put(&key, 2, block(3, 100)).await;
        assert_eq!(cache.get(&key, 0).await, Some(block(1, BLOCK as usize)));
        assert_eq!(cache.get(&key, 1).await, Some(block(2, 100)));
        assert_eq!(cache.get(&key, 2).await, None, "there is no such block");
        assert_eq!(cache.get(&Key::new("az://c@a/x", "\"2\"", BLOCK + 100), 0).await, None, "another version");
        let used = cache.used();
        assert_eq!(Cache::open(&place.path().join("c"), 64 << 20).expect("again").used(), used, "another process sees the same");
        // Every kind of damage: a changed bit anywhere, a cut, another block's file under this name.
        let path = cache.file(&key, 1);
        let whole = fs::read(&path).expect("the file");
        let flip = |at: usize| {
            let mut all = whole.clone();
            all[at] ^= 1;
            all
        };
        let mut damaged: Vec<Vec<u8>> = (0..whole.len()).step_by(7).map(flip).collect();
        damaged.push(whole[..whole.len() - 1].to_vec());
        damaged.push(Vec::new());
        damaged.push(fs::read(cache.file(&key, 0)).expect("the other"));
        for bytes in damaged {
            fs::write(&path, bytes).expect("damaged");
            assert_eq!(cache.get(&key, 1).await, None);
            assert!(!path.exists(), "a damaged block is dropped");
        }
        cache.put(&key, 1, block(2, 100)).await;
        assert_eq!(cache.get(&key, 1).await, Some(block(2, 100)));
    }

    #[tokio::test]
    async fn it_stays_below_its_size_and_keeps_what_is_used() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().expect("a directory");
        let cache = Cache::open(place.path(), 8 << 20).expect("opens");
        assert_eq!(fs::metadata(place.path()).expect("there").permissions().mode() & 0o777, 0o700);
        let key = Key::new("az://c@a/x", "\"1\"", 40 * BLOCK);
        for index in 0..20 {
            cache.put(&key, index, block(index as u8, BLOCK as usize)).await;
            assert!(cache.get(&key, 0).await.is_some(), "what is used stays");
            let there: u64 = cache.blocks().iter().map(|b| b.bytes).sum();
            assert!(there <= 8 << 20, "{there}");
            assert_eq!(there, cache.used());
        }
        assert!(cache.get(&key, 1).await.is_none(), "what was not used for longest went first");
        cache.clear();
        assert_eq!(cache.blocks().len(), 0);
    }
}
