//! Where copied and unpacked files go: a directory of this machine, or a place in a store. Nothing is visible under its name before it is whole.
use crate::failures::of_blob;
use bytes::Bytes;
use futures::StreamExt;
use ochre_api::Failure;
use ochre_blobs::{Container, Location, Mode, WriteOptions, Writer};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a file is called until it is whole.
const PART: &str = ".ochre-part";
/// Characters of a file's name in that of its part: names have at most 255 bytes.
const NAME_CHARACTERS: usize = 50;

/// A place for files.
#[derive(Clone)]
pub(crate) enum Target {
    Directory {
        root: PathBuf,
        mode: Mode,
        /// It is a mount, which shows nothing before a file is closed and cannot rename: files are written under their own names.
        mounted: bool,
    },
    Store {
        container: Container,
        location: Location,
        mode: Mode,
    },
}

impl Target {
    /// What is there already below it: name and length.
    pub(crate) async fn present(&self) -> Result<HashMap<String, u64>, Failure> {
        match self {
            Target::Directory { root, .. } => {
                let root = root.clone();
                blocking(move || {
                    let mut found = HashMap::new();
                    collect(&root, "", &mut found).map_err(|e| Failure::io(format!("cannot list {}", root.display()), e).hint("choose another directory"))?;
                    Ok(found)
                })
                .await
            }
            Target::Store { container, location, .. } => {
                let mut found = HashMap::new();
                let prefix = folder(&location.path);
                let mut list = container.list(&prefix);
                while let Some(meta) = list.next().await {
                    match meta {
                        Ok(meta) => drop(found.insert(meta.path.strip_prefix(&prefix).unwrap_or(&meta.path).to_owned(), meta.size)),
                        Err(ochre_blobs::BlobError::NotFound { .. }) => break,
                        Err(error) => return Err(of_blob(error)),
                    }
                }
                Ok(found)
            }
        }
    }

    /// An empty directory; stores have none.
    pub(crate) async fn directory(&self, name: &str) -> Result<(), Failure> {
        let Target::Directory { root, .. } = self else { return Ok(()) };
        let (root, name) = (root.clone(), name.to_owned());
        blocking(move || make_directories(&root, Path::new(&name)).map(drop)).await
    }

    /// Writes a whole file.
    pub(crate) async fn whole(&self, name: &str, bytes: Bytes) -> Result<(), Failure> {
        match self {
            Target::Directory { .. } => {
                let sink = self.local(name).await?;
                blocking(move || {
                    let mut sink = sink;
                    sink.write(&bytes)?;
                    sink.finish()
                })
                .await
            }
            Target::Store { container, location, mode } => {
                container.write(&location.child(name).path, bytes, *mode).await.map(drop).map_err(of_blob)
            }
        }
    }

    /// Begins a file that is written piece by piece.
    pub(crate) async fn sink(&self, name: &str) -> Result<Sink, Failure> {
        match self {
            Target::Directory { .. } => Ok(Sink::File(Some(self.local(name).await?))),
            Target::Store { container, location, mode } => {
                let options = WriteOptions { mode: *mode, ..WriteOptions::default() };
                let writer = container.writer(&location.child(name).path, options).await.map_err(of_blob)?;
                Ok(Sink::Blob(Box::new(writer)))
            }
        }
    }

    /// The path of a file that another writes whole; its directories are made.
    pub(crate) async fn local_path(&self, name: &str, overwrite: bool) -> Result<PathBuf, Failure> {
        let Target::Directory { root, .. } = self else { return Err(Failure::bug("a store has no local files")) };
        let (root, name) = (root.clone(), name.to_owned());
        blocking(move || place(&root, &name, overwrite)).await
    }

    async fn local(&self, name: &str) -> Result<LocalSink, Failure> {
        let Target::Directory { root, mode, mounted } = self else { return Err(Failure::bug("a store has no local files")) };
        let (root, name, overwrite, mounted) = (root.clone(), name.to_owned(), matches!(mode, Mode::Overwrite), *mounted);
        blocking(move || LocalSink::create(&root, &name, overwrite, mounted)).await
    }
}

/// A key prefix that ends a part: `a/b/`, or nothing for the root.
pub(crate) fn folder(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{}/", path.trim_end_matches('/')) }
}

/// A file that is being written.
pub(crate) enum Sink {
    File(Option<LocalSink>),
    Blob(Box<Writer>),
}

impl Sink {
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        match self {
            Sink::Blob(writer) => writer.write(bytes).await.map_err(of_blob),
            Sink::File(file) => {
                let mut sink = file.take().ok_or_else(|| Failure::bug("a file was written after an error"))?;
                *file = Some(
                    blocking(move || {
                        sink.write(&bytes)?;
                        Ok(sink)
                    })
                    .await?,
                );
                Ok(())
            }
        }
    }

    /// From now on it is there.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        match self {
            Sink::Blob(writer) => writer.finish().await.map(drop).map_err(of_blob),
            Sink::File(Some(sink)) => blocking(move || sink.finish()).await,
            Sink::File(None) => Err(Failure::bug("a file was finished after an error")),
        }
    }
}

/// A local file that gets its name when it is whole; dropped before, it leaves nothing.
pub(crate) struct LocalSink {
    file: std::fs::File,
    /// Where it is written.
    path: PathBuf,
    last: PathBuf,
    overwrite: bool,
    done: bool,
}

impl LocalSink {
    /// `name` is relative and safe; its directories are made, and none of them may be a link.
    pub(crate) fn create(root: &Path, name: &str, overwrite: bool, in_place: bool) -> Result<Self, Failure> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let last = place(root, name, overwrite)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let base: String = last.file_name().unwrap_or_default().to_string_lossy().chars().take(NAME_CHARACTERS).collect();
        let path = if in_place { last.clone() } else { last.with_file_name(format!(".{base}-{}-{number}{PART}", std::process::id())) };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        if !in_place || !overwrite {
            options.create_new(true);
        }
        let file = options.open(&path).map_err(|e| cannot_write(&last, e))?;
        Ok(Self { file, path, last, overwrite, done: false })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|e| cannot_write(&self.last, e))
    }

    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let cannot = |e| cannot_write(&self.last, e);
        if self.path == self.last {
            // A mount reports at close what went wrong; fsync says it to us.
            self.file.sync_all().map_err(cannot)?;
        } else if self.overwrite {
            std::fs::rename(&self.path, &self.last).map_err(cannot)?;
        } else {
            // A link fails where a name is taken, which a rename does not.
            match std::fs::hard_link(&self.path, &self.last) {
                Ok(()) => drop(std::fs::remove_file(&self.path)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Err(exists(&self.last)),
                // File systems without links (FAT, some network ones).
                Err(_) => std::fs::rename(&self.path, &self.last).map_err(cannot)?,
            }
        }
        self.done = true;
        Ok(())
    }
}

impl Drop for LocalSink {
    fn drop(&mut self) {
        if !self.done {
            // What is left over is only a part; that it cannot be removed changes nothing for the user.
            std::fs::remove_file(&self.path).ok();
        }
    }
}

/// Where a file will be: its directories are made, and the name is free or may be replaced.
fn place(root: &Path, name: &str, overwrite: bool) -> Result<PathBuf, Failure> {
    let relative = Path::new(name);
    let base = relative.file_name().filter(|_| !name.ends_with('/')).ok_or_else(|| escapes(name))?;
    let last = make_directories(root, relative.parent().unwrap_or(Path::new("")))?.join(base);
    let there = last.symlink_metadata();
    if there.is_ok() && !overwrite {
        return Err(exists(&last));
    }
    if there.is_ok_and(|m| m.is_dir()) {
        return Err(Failure::usage(format!("{} is a directory", last.display())).hint("choose another destination"));
    }
    Ok(last)
}

/// Names of blobs may be anything, also `../x`.
fn escapes(name: &str) -> Failure {
    let failure = Failure::configuration(format!("`{name}` would be written outside the destination, or is no name of a file"));
    failure.hint("copy the rest by naming it, and this one under another name")
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!("{} is there already", path.display())).hint("add `--overwrite` to replace it")
}

fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::StorageFull => "free some space, or copy to a store",
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => "choose a directory that you may write to",
        _ => "is the destination right?",
    };
    Failure::io(format!("cannot write {}", path.display()), error).hint(hint)
}

/// Makes the directories of a relative path below `root`, refusing to go through links that lie there.
fn make_directories(root: &Path, relative: &Path) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(root).map_err(|e| cannot_write(root, e))?;
    let mut at = root.to_owned();
    for part in relative.components() {
        let Component::Normal(part) = part else { return Err(escapes(&relative.display().to_string())) };
        at.push(part);
        match at.symlink_metadata() {
            Ok(meta) if meta.is_dir() => {}
            Ok(meta) if meta.is_symlink() => {
                let failure = Failure::configuration(format!("{} is a symbolic link, which could lead outside the destination", at.display()));
                return Err(failure.hint("remove the link, or choose another destination"));
            }
            Ok(_) => return Err(Failure::usage(format!("{} is a file, where a directory is needed", at.display())).hint("choose another destination")),
            Err(_) => match std::fs::create_dir(&at) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(cannot_write(&at, e)),
            },
        }
    }
    Ok(at)
}

fn collect(root: &Path, prefix: &str, found: &mut HashMap<String, u64>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let meta = entry.metadata()?;
        if meta.is_dir() {
            collect(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.insert(name, meta.len());
        }
    }
    Ok(())
}

/// Runs file operations off the threads that serve everything else.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(Failure::bug("a file operation panicked").because(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let mut found = HashMap::new();
        collect(root, "", &mut found).expect("lists");
        let mut names: Vec<String> = found.into_keys().collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_when_it_is_whole_and_not_before() {
        let root = tempfile::tempdir().expect("a directory");
        let mut sink = LocalSink::create(root.path(), "a/b.txt", false, false).expect("begins");
        sink.write(b"half").expect("writes");
        assert!(!root.path().join("a/b.txt").exists());
        drop(sink);
        assert_eq!(names(root.path()), [""; 0], "an abandoned file leaves nothing");
        let mut sink = LocalSink::create(root.path(), "a/b.txt", false, false).expect("begins");
        sink.write(b"whole").expect("writes");
        sink.finish().expect("finishes");
        assert_eq!(names(root.path()), ["a/b.txt"]);
        let refused = LocalSink::create(root.path(), "a/b.txt", false, false).err().expect("is there");
        assert!(refused.message.ends_with("b.txt is there already"), "{refused}");
        LocalSink::create(root.path(), "a/b.txt", true, false).expect("overwrites").finish().expect("finishes");
        assert_eq!(std::fs::read(root.path().join("a/b.txt")).expect("reads"), b"");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_overwritten() {
        let root = tempfile::tempdir().expect("a directory");
        let sink = LocalSink::create(root.path(), "b", false, false).expect("begins");
        std::fs::write(root.path().join("b"), "theirs").expect("writes");
        assert!(sink.finish().is_err());
        assert_eq!(std::fs::read(root.path().join("b")).expect("reads"), b"theirs");
        assert_eq!(names(root.path()), ["b"]);
    }

    #[test]
    fn names_that_lead_outside_are_refused() {
        let root = tempfile::tempdir().expect("a directory");
        for name in ["../x", "a/../../x", "/etc/x", "..", "a/", ""] {
            let refused = LocalSink::create(&root.path().join("inside"), name, true, false).err().unwrap_or_else(|| panic!("{name:?} is refused"));
            assert!(refused.message.contains("outside the destination"), "{refused}");
        }
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn links_in_the_destination_are_not_followed() {
        let (root, outside) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("another"));
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).expect("a link");
        let refused = LocalSink::create(root.path(), "link/x", true, false).err().expect("refused");
        assert!(refused.message.contains("is a symbolic link"), "{refused}");
        assert_eq!(names(outside.path()), [""; 0]);
    }
}
