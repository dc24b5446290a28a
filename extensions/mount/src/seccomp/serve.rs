//! The mount process's side: answers what the supervisor asks, one question at a time on each connection.

use std::path::PathBuf;
use std::sync::Arc;

use ochre_blobs::Mode;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::ask::{Answer, Ask, STILL_EVERY};
use super::shadow::{Errno, Shadow, There, code, errno};
use super::staged::Staging;
use crate::names;
use crate::tree::Entry;

/// What answers.
pub(super) struct Server {
    pub(super) shadow: Arc<Shadow>,
    pub(super) staging: Arc<Staging>,
    /// Files that are there may be replaced and deleted.
    pub(super) overwrite: bool,
}

/// Serves connections until it is dropped.
pub(super) async fn serve(listener: UnixListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, server.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: UnixStream, server: Arc<Server>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        match stream.read_line(&mut line).await {
            Ok(n) if n > 0 => {}
            _ => return,
        }
        let Ok(ask) = serde_json::from_str::<Ask>(&line) else { return };
        // In a task of its own: who gives up waiting does not end a download that others wait for.
        let own = server.clone();
        let mut work = tokio::spawn(async move { own.answer(ask).await });
        let answer = loop {
            tokio::select! {
                done = &mut work => break done.unwrap_or_else(|_| Answer::failed(libc::EIO)),
                () = tokio::time::sleep(STILL_EVERY) => {
                    if say(&mut stream, &Answer { still: true, ..Answer::default() }).await.is_err() {
                        return;
                    }
                }
            }
        };
        if say(&mut stream, &answer).await.is_err() {
            return;
        }
    }
}

async fn say(stream: &mut BufReader<UnixStream>, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.get_mut().write_all(&line).await
}

impl Server {
    async fn answer(&self, ask: Ask) -> Answer {
        let result = match ask {
            Ask::Look { path } => self.look(&path).await,
            Ask::Open { path, flags } => return self.open(&path, flags).await.unwrap_or_else(Answer::failed),
            Ask::Begun { id, process, worker } => {
                self.staging.begun(id, process, worker);
                Ok(())
            }
            Ask::Dropped { id } => {
                self.staging.dropped(id);
                Ok(())
            }
            Ask::Exits { process } => {
                self.staging.exits(process);
                Ok(())
            }
            Ask::Finish { id } => self.staging.finish(id).await,
            Ask::Delete { path, directory: false } => self.delete(&path).await,
            Ask::Delete { path, directory: true } => self.delete_directory(&path).await,
            Ask::MakeDirectory { path } => self.make_directory(&path).await,
            Ask::Rename { from, to, exclusive } => self.rename(&from, &to, exclusive).await,
        };
        Answer { errno: result.err().unwrap_or(0), read_only: self.shadow.read_only, ..Answer::default() }
    }

    async fn look(&self, path: &str) -> Result<(), Errno> {
        self.staging.settle(path).await;
        self.shadow.look(path).await.map(drop)
    }

    async fn open(&self, path: &str, flags: i32) -> Result<Answer, Errno> {
        self.staging.settle(path).await;
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0;
        let creates = flags & libc::O_CREAT != 0;
        let there = match self.shadow.look(path).await {
            Ok(there) => Some(there),
            Err(libc::ENOENT) if creates => None,
            Err(errno) => return Err(errno),
        };
        match there {
            Some(_) if creates && flags & libc::O_EXCL != 0 => Err(libc::EEXIST),
            Some(There::Directory) if writes || creates => Err(libc::EISDIR),
            Some(There::Directory) => self.shadow.list(path).await.map(|()| Answer::default()),
            Some(There::Foreign) => Ok(Answer::default()),
            Some(There::File(_)) if flags & libc::O_DIRECTORY != 0 => Err(libc::ENOTDIR),
            Some(There::File(entry)) if !writes => self.shadow.fill(path, entry).await.map(|()| Answer { filled: true, ..Answer::default() }),
            Some(There::File(entry)) => {
                self.may_overwrite()?;
                let kept = flags & libc::O_TRUNC == 0 && entry.size > 0;
                if kept {
                    self.shadow.fill(path, entry).await?;
                }
                self.stage(path, Mode::Overwrite, kept.then(|| self.shadow.whole(path))).await
            }
            None => {
                self.may_write()?;
                self.parent_is_there(path).await?;
                self.stage(path, Mode::Create, None).await
            }
        }
    }

    async fn stage(&self, path: &str, mode: Mode, content: Option<PathBuf>) -> Result<Answer, Errno> {
        let (staging, path) = (self.staging.clone(), path.to_owned());
        let staged = tokio::task::spawn_blocking(move || staging.begin(&path, mode, content)).await.map_err(|_| libc::EIO)??;
        Ok(Answer { staged: Some(staged), ..Answer::default() })
    }

    fn may_write(&self) -> Result<(), Errno> {
        if self.shadow.read_only { Err(libc::EROFS) } else { Ok(()) }
    }

    fn may_overwrite(&self) -> Result<(), Errno> {
        self.may_write()?;
        if self.overwrite { Ok(()) } else { Err(libc::EPERM) }
    }

    async fn parent_is_there(&self, path: &str) -> Result<(), Errno> {
        let (parent, name) = names::split(path);
        if !names::usable(name) {
            return Err(libc::EINVAL);
        }
        match self.shadow.look(parent).await? {
            There::Directory => Ok(()),
            _ if parent.is_empty() => Ok(()),
            _ => Err(libc::ENOTDIR),
        }
    }

    async fn delete(&self, path: &str) -> Result<(), Errno> {
        self.may_overwrite()?;
        self.staging.settle(path).await;
        match self.shadow.look(path).await? {
            There::Directory => return Err(libc::EISDIR),
            There::Foreign => return std::fs::remove_file(self.shadow.whole(path)).map_err(|error| code(&error)),
            There::File(_) => {}
        }
        match self.shadow.within(self.shadow.container.delete(&self.shadow.tree.key(path))).await {
            Ok(()) | Err(libc::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        self.shadow.tree.remove(path);
        self.shadow.forget(path);
        Ok(())
    }

    async fn make_directory(&self, path: &str) -> Result<(), Errno> {
        self.may_write()?;
        match self.shadow.look(path).await {
            Ok(_) => return Err(libc::EEXIST),
            Err(libc::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        self.parent_is_there(path).await?;
        self.shadow.tree.add_local(path, Entry::directory());
        self.shadow.place_directory(path)
    }

    async fn delete_directory(&self, path: &str) -> Result<(), Errno> {
        self.may_write()?;
        match self.shadow.look(path).await? {
            There::Directory if path.is_empty() => return Err(libc::EBUSY),
            There::Directory => {}
            _ => return Err(libc::ENOTDIR),
        }
        if !self.shadow.within(self.shadow.tree.list(path)).await?.is_empty() {
            return Err(libc::ENOTEMPTY);
        }
        self.shadow.tree.remove_local(path);
        if self.shadow.within(self.shadow.tree.lookup_now(path)).await?.is_some_and(|entry| entry.directory) {
            // A marker alone makes it a directory.
            self.may_overwrite()?;
            let marker = format!("{}/", self.shadow.tree.key(path));
            self.shadow.container.delete(&marker).await.map_err(|error| errno(&error))?;
            self.shadow.tree.doubt(path);
        }
        self.shadow.forget_directory(path);
        Ok(())
    }

    /// A copy within the store, then a delete. Directories: `EXDEV`, on which `mv` moves file by file.
    async fn rename(&self, from: &str, to: &str, exclusive: bool) -> Result<(), Errno> {
        self.may_overwrite()?;
        self.staging.settle(from).await;
        self.staging.settle(to).await;
        if !matches!(self.shadow.look(from).await?, There::File(_)) {
            return Err(libc::EXDEV);
        }
        match self.shadow.look(to).await {
            Ok(There::Directory) => return Err(libc::EISDIR),
            Ok(_) if exclusive => return Err(libc::EEXIST),
            Ok(_) if from == to => return Ok(()),
            Ok(_) => {}
            Err(libc::ENOENT) => self.parent_is_there(to).await?,
            Err(errno) => return Err(errno),
        }
        let (tree, container) = (&self.shadow.tree, &self.shadow.container);
        let (from_key, to_key) = (tree.key(from), tree.key(to));
        let mode = if exclusive { Mode::Create } else { Mode::Overwrite };
        self.shadow.within(container.copy(&from_key, &to_key, mode)).await?;
        let meta = self.shadow.within(container.stat(&to_key)).await?;
        tree.put(to, Entry::file(&meta));
        self.shadow.look(to).await?;
        self.shadow.within(container.delete(&from_key)).await?;
        tree.remove(from);
        self.shadow.forget(from);
        Ok(())
    }
}
