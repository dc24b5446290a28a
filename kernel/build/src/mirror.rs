//! Builds read a copy of the checkout that lies in the cache, beside what is built. Cargo judges a file by its path and time, and both are new in
//! every clone: from the copy, in which a file changes only when its bytes do, a second clone finds everything built, and two checkouts that
//! take turns build what they differ in.
//!
//! The copy is locked while a process uses it: several may that want the same content; one that would change it waits.
use crate::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Files and directories of a checkout that builds and tests read.
const PARTS: [&str; 7] = ["Cargo.toml", "Cargo.lock", "kernel", "extensions", "kernelspec", "tests", "notebooks/data"];
/// Directories that programs leave behind.
const LEFT_BEHIND: [&str; 4] = ["target", "__pycache__", ".ipynb_checkpoints", "node_modules"];
/// Written by cargo when a dependency was added: the checkout's owner wants to see it.
const LOCK: &str = "Cargo.lock";

/// What this process has locked, until it ends: its builds and tests see one state of the checkout.
static HELD: Mutex<BTreeMap<(PathBuf, PathBuf), Mirror>> = Mutex::new(BTreeMap::new());

/// A copy that holds what the checkout held when it was made.
#[derive(Debug)]
pub(crate) struct Mirror {
    checkout: PathBuf,
    copy: PathBuf,
    /// Locked in shared mode.
    _lock: File,
}

/// The directory to build `checkout` from: `copy`, brought up to date at this process's first call, and kept as it is until this process ends. A
/// checkout that is the copy is used as it is: so a program that another starts builds what that one has, whatever happens to the checkout meanwhile.
pub fn hold(checkout: &Path, copy: &Path) -> Result<PathBuf, Error> {
    if checkout.canonicalize().is_ok_and(|checkout| copy.canonicalize().is_ok_and(|copy| copy == checkout)) {
        return Ok(checkout.to_owned());
    }
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (checkout.to_owned(), copy.to_owned());
    if !held.contains_key(&key) {
        held.insert(key, Mirror::update(checkout, copy)?);
    }
    Ok(copy.to_owned())
}

/// Gives the checkout the `Cargo.lock` that a build has changed.
pub(crate) fn bring_back(checkout: &Path, copy: &Path) -> Result<(), Error> {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.get(&(checkout.to_owned(), copy.to_owned())).map_or(Ok(()), Mirror::bring_back)
}

impl Mirror {
    fn update(checkout: &Path, copy: &Path) -> Result<Self, Error> {
        fs::create_dir_all(copy).map_err(Error::file("create", copy))?;
        let place = copy.with_extension("lock");
        let cannot = || Error::file("lock", &place);
        let lock = File::options().create(true).truncate(false).write(true).open(&place).map_err(cannot())?;
        loop {
            lock.lock_shared().map_err(cannot())?;
            let (wanted, there) = (files(checkout)?, files(copy)?);
            let changes = changes(checkout, copy, &wanted, &there)?;
            if changes.is_empty() {
                return Ok(Self { checkout: checkout.to_owned(), copy: copy.to_owned(), _lock: lock });
            }
            lock.unlock().map_err(cannot())?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    eprintln!("waiting for a build or a test of another state of the sources to end");
                    lock.lock().map_err(cannot())?;
                }
                Err(TryLockError::Error(error)) => return Err(cannot()(error)),
            }
            // Another process may have changed the copy, or use it by now: what is written here is looked at again.
            let (written, removed): (Vec<_>, Vec<_>) = changes.into_iter().partition(|name| wanted.contains(name));
            for name in removed {
                remove(copy, &name)?;
            }
            for name in written {
                write(&checkout.join(&name), &copy.join(&name))?;
            }
            lock.unlock().map_err(cannot())?;
        }
    }

    fn bring_back(&self) -> Result<(), Error> {
        let (ours, theirs) = (self.copy.join(LOCK), self.checkout.join(LOCK));
        if same(&ours, &theirs)? { Ok(()) } else { fs::copy(&ours, &theirs).map(drop).map_err(Error::file("write", theirs)) }
    }
}

/// Every file of the parts, relative to the checkout.
fn files(checkout: &Path) -> Result<BTreeSet<PathBuf>, Error> {
    let mut found = BTreeSet::new();
    let mut open: Vec<PathBuf> = PARTS.iter().map(PathBuf::from).filter(|part| checkout.join(part).exists()).collect();
    while let Some(name) = open.pop() {
        let path = checkout.join(&name);
        if !path.is_dir() {
            found.insert(name);
            continue;
        }
        for entry in fs::read_dir(&path).map_err(Error::file("read", &path))? {
            let entry = entry.map_err(Error::file("read", &path))?.file_name();
            if !LEFT_BEHIND.iter().any(|left| entry == *left) {
                open.push(name.join(entry));
            }
        }
    }
    Ok(found)
}

/// Files that the copy has otherwise than the checkout, or that only one of them has.
fn changes(checkout: &Path, copy: &Path, wanted: &BTreeSet<PathBuf>, there: &BTreeSet<PathBuf>) -> Result<Vec<PathBuf>, Error> {
    let mut changes: Vec<PathBuf> = wanted.symmetric_difference(there).cloned().collect();
    for name in wanted.intersection(there) {
        if !same(&checkout.join(name), &copy.join(name))? {
            changes.push(name.clone());
        }
    }
    Ok(changes)
}

/// Whether two files have the same bytes and may be executed alike. The other rights are the umask's of whoever made the clone.
fn same(one: &Path, other: &Path) -> Result<bool, Error> {
    let look = |path: &Path| fs::metadata(path).map_err(Error::file("read", path));
    let (first, second) = (look(one)?, look(other)?);
    let executable = |meta: &fs::Metadata| meta.permissions().mode() & 0o100;
    if first.len() != second.len() || executable(&first) != executable(&second) {
        return Ok(false);
    }
    let read = |path: &Path| fs::read(path).map_err(Error::file("read", path));
    Ok(read(one)? == read(other)?)
}

/// Removes a file and the directories that are empty then.
fn remove(copy: &Path, name: &Path) -> Result<(), Error> {
    let path = copy.join(name);
    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
    for above in name.ancestors().skip(1).take_while(|above| !above.as_os_str().is_empty()) {
        if fs::remove_dir(copy.join(above)).is_err() {
            break;
        }
    }
    Ok(())
}

fn write(from: &Path, to: &Path) -> Result<(), Error> {
    let directory = to.parent().unwrap_or(to);
    fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
    // One that may not be written is in the way; where there is none, that is fine.
    let _ = fs::remove_file(to);
    // With the time of now: cargo shall see that it is new.
    fs::copy(from, to).map(drop).map_err(Error::file("write", to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn checkout(place: &Path, files: &[(&str, &str)]) -> PathBuf {
        for (name, text) in files {
            let path = place.join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        place.to_owned()
    }

    fn time(path: &Path) -> SystemTime {
        fs::metadata(path).expect("there").modified().expect("a time")
    }

    #[test]
    fn a_second_checkout_changes_what_it_differs_in_and_nothing_else() {
        let place = tempfile::tempdir().expect("a directory");
        let one = checkout(&place.path().join("one"), &[("Cargo.toml", "a"), ("kernel/same.rs", "s"), ("kernel/other.rs", "1"), ("tests/only.rs", "o")]);
        let other = checkout(&place.path().join("two"), &[("Cargo.toml", "a"), ("kernel/same.rs", "s"), ("kernel/other.rs", "2"), ("kernel/target/x", "x"), ("tests", "a file now")]);
        let copy = place.path().join("cache/source");
        drop(Mirror::update(&one, &copy).expect("copied"));
        let before = time(&copy.join("kernel/same.rs"));
        let old = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(other.join("kernel/other.rs")).expect("opened").set_modified(old).expect("set");
        fs::set_permissions(other.join("kernel/same.rs"), fs::Permissions::from_mode(0o600)).expect("set");
        drop(Mirror::update(&other, &copy).expect("copied"));
        assert_eq!(time(&copy.join("kernel/same.rs")), before);
        assert_eq!(fs::read_to_string(copy.join("kernel/other.rs")).expect("there"), "2");
        assert!(time(&copy.join("kernel/other.rs")) > old, "cargo sees that it is new");
        assert!(copy.join("tests").is_file() && !copy.join("kernel/target").exists());
    }

    #[test]
    fn who_would_change_the_copy_waits_for_those_who_use_it() {
        let place = tempfile::tempdir().expect("a directory");
        let one = checkout(&place.path().join("one"), &[("Cargo.toml", "1")]);
        let other = checkout(&place.path().join("two"), &[("Cargo.toml", "2")]);
        let copy = place.path().join("cache/source");
        let first = Mirror::update(&one, &copy).expect("copied");
        let also = Mirror::update(&one, &copy).expect("the same content is no change");
        let (done, waiting) = std::sync::mpsc::channel();
        let to = copy.clone();
        std::thread::spawn(move || done.send(Mirror::update(&other, &to).map(drop)));
        drop(first);
        assert!(waiting.recv_timeout(Duration::from_millis(200)).is_err());
        assert_eq!(fs::read_to_string(copy.join("Cargo.toml")).expect("there"), "1");
        drop(also);
        waiting.recv_timeout(Duration::from_secs(30)).expect("its turn").expect("copied");
        assert_eq!(fs::read_to_string(copy.join("Cargo.toml")).expect("there"), "2");
    }

    #[test]
    fn a_lock_file_that_cargo_changed_comes_back() {
        let place = tempfile::tempdir().expect("a directory");
        let one = checkout(&place.path().join("one"), &[("Cargo.lock", "old")]);
        let copy = place.path().join("source");
        assert_eq!(hold(&one, &copy).expect("copied"), copy);
        assert_eq!(hold(&copy, &copy).expect("itself"), copy);
        fs::write(copy.join("Cargo.lock"), "new").expect("written");
        bring_back(&one, &copy).expect("brought");
        assert_eq!(fs::read_to_string(one.join("Cargo.lock")).expect("there"), "new");
    }
}
