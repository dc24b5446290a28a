//! What differs between the folder and what was fetched, and sending it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use ochre_blobs::{BlobError, Container, Meta, Mode, Progress};

use super::{Warn, fetch};
use crate::names;
use crate::seccomp::state::{Journal, Left};
use crate::tree::Entry;

/// What the transfers of `ochre-blobs` leave beside a file while they run.
const UNFINISHED: [&str; 2] = [".ochre-part", ".ochre-part.journal"];
/// Behind the name of a file that could not be sent, because the store has another version.
const CONFLICT: &str = ".conflict";
/// How long after a store has refused a file it is tried again; a file that was changed is tried at once.
const AGAIN_AFTER: Duration = Duration::from_secs(20);
/// How long nothing is sent after a store that could not be reached.
const PAUSE: Duration = Duration::from_secs(5);

/// A file as it was fetched or sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    etag: Option<String>,
    /// As it lies here; `None`: it differs.
    seen: Option<Seen>,
}

/// Size and time of a file here.
type Seen = (u64, SystemTime);

/// The folder and what is known of it.
pub(super) struct Changes {
    directory: PathBuf,
    /// File system and number of the directory: another one in its place is not ours.
    identity: (u64, u64),
    /// What is being sent is copied to here, so that nobody changes it meanwhile.
    copy: PathBuf,
    container: Container,
    root: String,
    overwrite: bool,
    warn: Warn,
    journal: Journal,
    files: BTreeMap<String, Known>,
    directories: BTreeSet<String>,
    /// Yours of two versions: not sent.
    aside: BTreeSet<String>,
    /// As the last look found them: a file that still grows is not sent.
    growing: HashMap<String, Seen>,
    /// Not there in the last look: programs replace files by taking them away first.
    missing: HashSet<String>,
    refused: HashMap<String, (Seen, Instant)>,
    pause: Option<Instant>,
    /// Said once.
    told: HashSet<String>,
}

/// Where and what a folder is.
pub(super) struct Place {
    pub(super) directory: PathBuf,
    pub(super) copy: PathBuf,
    pub(super) container: Container,
    pub(super) root: String,
    pub(super) overwrite: bool,
}

impl Changes {
    pub(super) fn new(place: Place, warn: Warn, mut journal: Journal) -> io::Result<Self> {
        let found = fs::symlink_metadata(&place.directory)?;
        journal.copied();
        let Place { directory, copy, container, root, overwrite } = place;
        Ok(Self {
            identity: (found.dev(), found.ino()),
            directory,
            copy,
            container,
            root,
            overwrite,
            warn,
            journal,
            files: BTreeMap::new(),
            directories: BTreeSet::new(),
            aside: BTreeSet::new(),
            growing: HashMap::new(),
            missing: HashSet::new(),
            refused: HashMap::new(),
            pause: None,
            told: HashSet::new(),
        })
    }

    /// Makes a directory; one that is there already is as good, a link is not.
    pub(super) fn make_directory(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() || self.directories.contains(path) {
            return Ok(());
        }
        self.make_directory(names::split(path).0)?;
        self.journal.directory(path);
        match fs::create_dir(self.whole(path)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists || !fs::symlink_metadata(self.whole(path))?.is_dir() => return Err(error),
            _ => {}
        }
        self.directories.insert(path.to_owned());
        Ok(())
    }

    fn whole(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// It is about to be fetched: what a cut leaves can be taken away.
    pub(super) fn fetching(&mut self, path: &str) {
        UNFINISHED.iter().for_each(|suffix| self.journal.temporary(&format!("{path}{suffix}")));
    }

    /// It lies here as the store has it.
    pub(super) fn fetched(&mut self, path: &str, meta: &Meta) {
        if let Ok(seen) = seen(&self.whole(path)) {
            self.know(path, meta, Some(seen));
        }
    }

    fn know(&mut self, path: &str, meta: &Meta, seen: Option<Seen>) {
        let etag = version(meta);
        if let Some((size, modified)) = seen {
            self.journal.version(path, etag.as_deref().unwrap_or_default());
            self.journal.file(path, size, modified);
        }
        self.files.insert(path.to_owned(), Known { etag, seen });
    }

    /// Takes over what an earlier process left here and could not send. Gives the objects that are still to be fetched.
    pub(super) async fn resume(&mut self, left: Left, metas: Vec<(String, Meta)>) -> Vec<(String, Meta)> {
        self.aside = left.aside;
        let mut absent = Vec::new();
        for (path, meta) in metas {
            if fs::symlink_metadata(self.whole(&path)).is_err() {
                absent.push((path, meta));
            } else if version(&meta).is_some_and(|etag| left.versions.get(&path) == Some(&etag)) {
                self.know(&path, &meta, None);
            } else {
                self.conflict(&path, &meta.path).await;
            }
        }
        absent
    }

    /// Sends what is new or changed; gives how many files are still being written, or were changed too recently to know.
    pub(super) async fn send(&mut self, last: bool) -> usize {
        if !fs::symlink_metadata(&self.directory).is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            self.tell("", "is not the directory that was mounted any more: nothing of it is sent or deleted");
            return 0;
        }
        if self.pause.is_some_and(|until| Instant::now() < until && !last) {
            return 0;
        }
        let here = self.look();
        let mut unsettled = 0;
        for (path, seen) in &here {
            if self.files.get(path).is_some_and(|known| known.seen == Some(*seen)) {
                self.growing.remove(path);
                continue;
            }
            if self.growing.insert(path.clone(), *seen) != Some(*seen) || is_being_written(&self.whole(path)) {
                unsettled += 1;
                continue;
            }
            let lately = self.refused.get(path).is_some_and(|(tried, when)| tried == seen && when.elapsed() < AGAIN_AFTER);
            if lately && !last {
                continue;
            }
            if !self.send_one(path, *seen).await {
                return 0;
            }
        }
        self.growing.retain(|path, _| here.contains_key(path));
        self.delete_gone(last).await;
        unsettled
    }

    /// `false`: the store does not answer, and there is no use in going on.
    async fn send_one(&mut self, path: &str, seen: Seen) -> bool {
        let key = names::key(&self.root, path);
        let known = self.files.get(path).cloned();
        if known.is_some() && !self.overwrite {
            self.tell(path, "was changed here and not sent, for the mount may not overwrite (`--overwrite`)");
            return true;
        }
        let whole = self.whole(path);
        let Ok(from) = tokio::task::block_in_place(|| snapshot(&whole, &self.copy, seen)) else { return true };
        let mode = match known {
            None => Mode::Create,
            Some(known) => match self.container.stat(&key).await {
                Ok(meta) if version(&meta) == known.etag => Mode::Overwrite,
                Ok(_) => return self.conflict(path, &key).await,
                Err(BlobError::NotFound { .. }) => Mode::Create,
                Err(error) => return self.refused(path, seen, &error),
            },
        };
        let sent = self.container.upload(&from, &key, Progress::none(), mode).await;
        let _ = fs::remove_file(&self.copy);
        match sent {
            Ok(meta) => {
                self.told.remove(path);
                self.refused.remove(path);
                self.know(path, &meta, Some(seen));
                true
            }
            Err(BlobError::Exists { .. }) => self.conflict(path, &key).await,
            Err(error) => self.refused(path, seen, &error),
        }
    }

    fn refused(&mut self, path: &str, seen: Seen, error: &BlobError) -> bool {
        self.tell(path, &format!("was not sent yet: {error}"));
        self.refused.insert(path.to_owned(), (seen, Instant::now()));
        self.goes_on(error)
    }

    /// Whether it is worth asking the store for more now.
    fn goes_on(&mut self, error: &BlobError) -> bool {
        let away = matches!(error, BlobError::Unreachable { .. } | BlobError::TimedOut { .. } | BlobError::Throttled { .. });
        if away {
            self.pause = Some(Instant::now() + PAUSE);
        }
        !away
    }

    /// The store has another version: it comes here, and the file that was here is put beside it, unless they are the same.
    async fn conflict(&mut self, path: &str, key: &str) -> bool {
        let theirs = self.copy.with_extension("theirs");
        let meta = match fetch(&self.container, key, &theirs, false).await {
            Ok(meta) => meta,
            Err(error) => {
                self.tell(path, &format!("was changed here and in the store, whose version cannot be fetched: {error}"));
                return self.goes_on(&error);
            }
        };
        let whole = self.whole(path);
        if same(&theirs, &whole) {
            let _ = fs::remove_file(&theirs);
            self.fetched(path, &meta);
            return true;
        }
        let free = |beside: &String| fs::symlink_metadata(self.whole(beside)).is_err();
        let mut beside = (1..).map(|number| if number == 1 { format!("{path}{CONFLICT}") } else { format!("{path}{CONFLICT}{number}") });
        let Some(beside) = beside.find(free) else { return true };
        self.journal.aside(&beside);
        self.journal.temporary(&format!("{path}{}", UNFINISHED[0]));
        let part = self.whole(&format!("{path}{}", UNFINISHED[0]));
        // The new one is whole before the old one moves: there is no moment in which both could be lost.
        let placed = fs::copy(&theirs, &part).and_then(|_| fs::rename(&whole, self.whole(&beside))).and_then(|()| fs::rename(&part, &whole));
        let _ = fs::remove_file(&theirs);
        if let Err(error) = placed {
            let _ = fs::remove_file(&part);
            self.tell(path, &format!("was changed here and in the store, and cannot be put aside: {error}"));
            return true;
        }
        self.aside.insert(beside.clone());
        self.fetched(path, &meta);
        (self.warn)(format!("`{path}` was changed here and in the store: the store's is there now, and yours is `{beside}`, which is not sent"));
        true
    }

    async fn delete_gone(&mut self, last: bool) {
        let is_gone = |path: &&String| matches!(fs::symlink_metadata(self.whole(path)), Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory));
        let gone: HashSet<String> = self.files.keys().filter(is_gone).cloned().collect();
        let before = std::mem::replace(&mut self.missing, gone.clone());
        for path in gone {
            if (last || before.contains(&path)) && !self.delete_one(&path).await {
                return;
            }
        }
    }

    async fn delete_one(&mut self, path: &str) -> bool {
        let key = names::key(&self.root, path);
        if !self.overwrite {
            self.tell(path, "was deleted here and not in the store, for the mount may not (`--overwrite`)");
            return true;
        }
        let known = self.files.get(path).and_then(|known| known.etag.clone());
        let result = match self.container.stat(&key).await {
            Ok(meta) if version(&meta) == known => self.container.delete(&key).await,
            Ok(_) => {
                (self.warn)(format!("`{path}` was deleted here and changed in the store: the store keeps it"));
                Ok(())
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) | Err(BlobError::NotFound { .. }) => {
                self.files.remove(path);
                true
            }
            Err(error) => {
                self.tell(path, &format!("was not deleted yet: {error}"));
                self.goes_on(&error)
            }
        }
    }

    pub(super) fn tell(&mut self, path: &str, what: &str) {
        if self.told.insert(path.to_owned()) {
            let name = if path.is_empty() { self.directory.display().to_string() } else { path.to_owned() };
            (self.warn)(format!("`{name}` {what}"));
        }
    }

    /// The files that are here. Links are not followed; what cannot be sent is told.
    fn look(&mut self) -> BTreeMap<String, Seen> {
        let (mut found, mut odd) = (BTreeMap::new(), Vec::new());
        let mut directories = vec![String::new()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(self.whole(&directory)).into_iter().flatten().flatten() {
                let Some(path) = entry.file_name().to_str().map(|name| names::join(&directory, name)) else {
                    odd.push((names::join(&directory, &entry.file_name().to_string_lossy()), "has a name that is no text, and is not sent"));
                    continue;
                };
                let Ok(meta) = entry.metadata() else { continue };
                if meta.is_dir() {
                    directories.push(path);
                } else if !meta.is_file() {
                    odd.push((path, "is a link or no file, and is not sent"));
                } else if !self.aside.contains(&path) {
                    found.insert(path, (meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
                }
            }
        }
        odd.iter().for_each(|(path, what)| self.tell(path, what));
        found
    }

    /// Takes away what is in the store as it is here; gives how many files are left.
    pub(super) fn clear(&mut self) -> usize {
        let here = self.look();
        for (path, known) in &self.files {
            if known.seen.is_some() && here.get(path).copied() == known.seen && seen(&self.whole(path)).ok() == known.seen {
                let _ = fs::remove_file(self.whole(path));
            }
        }
        let (mut directories, mut left) = (Vec::new(), 0);
        let mut open = vec![self.directory.clone()];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    open.push(entry.path());
                    directories.push(entry.path());
                } else {
                    left += 1;
                }
            }
        }
        for directory in directories.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
        left
    }
}

/// The version, in one form.
fn version(meta: &Meta) -> Option<String> {
    Entry::file(meta).etag.map(|etag| etag.to_string())
}

fn seen(path: &Path) -> io::Result<Seen> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.len(), found.modified()?))
}

/// The file itself, not what a link leads to.
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

fn is_being_written(path: &Path) -> bool {
    open(path).ok().and_then(|file| crate::seccomp::is_being_written(&file)).unwrap_or(false)
}

/// A copy of the file as it was seen, which nobody changes while it is sent; the file itself where there is no room for one. An error: it was changed.
fn snapshot(path: &Path, copy: &Path, before: Seen) -> io::Result<PathBuf> {
    let mut file = open(path)?;
    let copied = File::create(copy).and_then(|mut copy| io::copy(&mut file, &mut copy));
    let now = file.metadata()?;
    if (now.len(), now.modified()?) != before || crate::seccomp::is_being_written(&file) == Some(true) {
        return Err(ErrorKind::ResourceBusy.into());
    }
    match copied {
        Ok(length) if length == before.0 => Ok(copy.to_owned()),
        Ok(_) => Err(ErrorKind::ResourceBusy.into()),
        Err(_) => {
            let _ = fs::remove_file(copy);
            Ok(path.to_owned())
        }
    }
}

/// Whether two files hold the same bytes.
fn same(one: &Path, other: &Path) -> bool {
    let lengths = |path: &Path| seen(path).map(|seen| seen.0).ok();
    let (Ok(one_file), Ok(other_file)) = (File::open(one), open(other)) else { return false };
    lengths(one) == lengths(other) && io::BufReader::new(one_file).bytes().map(Result::ok).eq(io::BufReader::new(other_file).bytes().map(Result::ok))
}
