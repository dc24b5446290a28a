//! A file that is being written: in order, and visible to others when it is closed, all of it or nothing.
//!
//! A file up to [`REPLAYED`] bytes is kept until it is closed and sent as one object; a program that goes on writing after a close (a shell that
//! duplicates its output) sends it again, longer. Larger files go out in parts while they are written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use fuser::Errno;
use ochre_blobs::{BlobError, Budget, Container, Meta, Mode, WriteOptions, Writer};
use tokio::sync::Mutex;

use super::errno;
use super::program::Opener;

/// Largest file that is kept until it is closed, in bytes: less than a part of an upload.
const REPLAYED: usize = 1 << 20;

/// A file that is being written.
pub(super) struct Writing {
    container: Container,
    budget: Budget,
    key: String,
    /// The process that opened it: closes by others (a child that inherited it) do not publish.
    pub(super) opener: Opener,
    /// Bytes written, for `stat`.
    size: AtomicU64,
    /// What was written last is not visible yet.
    unpublished: AtomicBool,
    /// A program was told that it failed.
    told: AtomicBool,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    /// Whether this handle may replace what is there: it was opened so, or it has published already.
    mode: Mode,
    written: u64,
    /// Something was written since it was published, or nothing was published yet.
    dirty: bool,
}

enum Stage {
    /// All bytes so far.
    Kept(Vec<u8>),
    /// On their way.
    Sending(Box<Writer>),
    /// A large file is out; nothing can be added.
    Sent,
    /// Nothing of it will be visible.
    Failed(Errno),
}

impl Writing {
    /// `fresh`: it replaces what is there even if nothing is written; else an empty file is there already.
    pub(super) fn new(container: Container, budget: Budget, key: String, mode: Mode, fresh: bool, opener: Opener) -> Self {
        let state = State { stage: Stage::Kept(Vec::new()), mode, written: 0, dirty: fresh };
        Self { container, budget, key, opener, size: AtomicU64::new(0), unpublished: AtomicBool::new(fresh), told: AtomicBool::new(false), state: Mutex::new(state) }
    }

    /// Bytes written so far.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Whether something of it is not visible yet, and could still become so.
    pub(super) fn is_unpublished(&self) -> bool {
        self.unpublished.load(Ordering::Relaxed)
    }

    /// Whether a program was told that it failed.
    pub(super) fn was_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    /// Notes that a program is told.
    pub(super) fn tell(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Adds bytes at the end. Anywhere else is `EINVAL`, and the file will not be published: it would lack them.
    pub(super) async fn write(&self, offset: u64, data: Bytes) -> Result<(), Errno> {
        let mut state = self.state.lock().await;
        if offset != state.written {
            state.fail(Errno::EINVAL).await;
            return Err(Errno::EINVAL);
        }
        // If this is given up half-way (an interrupt, the limit), the file has a hole and must not be published.
        let length = data.len() as u64;
        let stage = std::mem::replace(&mut state.stage, Stage::Failed(Errno::EIO));
        state.dirty = true;
        self.unpublished.store(true, Ordering::Relaxed);
        match self.append(stage, data, state.mode).await {
            Ok(stage) => {
                state.stage = stage;
                state.written += length;
                self.size.store(state.written, Ordering::Relaxed);
                Ok(())
            }
            Err(errno) => {
                state.stage = Stage::Failed(errno);
                Err(errno)
            }
        }
    }

    async fn append(&self, stage: Stage, data: Bytes, mode: Mode) -> Result<Stage, Errno> {
        match stage {
            Stage::Kept(mut kept) if kept.len() + data.len() <= REPLAYED => {
                kept.extend_from_slice(&data);
                Ok(Stage::Kept(kept))
            }
            Stage::Kept(kept) => {
                let options = WriteOptions { mode, budget: self.budget.clone(), ..WriteOptions::default() };
                let mut writer = self.container.writer(&self.key, options).await.map_err(|error| errno::of(&error))?;
                for part in [Bytes::from(kept), data] {
                    writer.write(part).await.map_err(|error| errno::of(&error))?;
                }
                Ok(Stage::Sending(Box::new(writer)))
            }
            Stage::Sending(mut writer) => {
                writer.write(data).await.map_err(|error| errno::of(&error))?;
                Ok(Stage::Sending(writer))
            }
            Stage::Sent => Err(Errno::EINVAL),
            Stage::Failed(errno) => Err(errno),
        }
    }

    /// Forgets what was written, if nothing was sent: a program that truncates a new file.
    pub(super) async fn truncate(&self) -> Result<(), Errno> {
        let mut state = self.state.lock().await;
        match &mut state.stage {
            Stage::Kept(kept) => kept.clear(),
            Stage::Failed(errno) => return Err(*errno),
            Stage::Sending(_) | Stage::Sent => return Err(Errno::EOPNOTSUPP),
        }
        (state.written, state.dirty) = (0, true);
        self.size.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Makes what was written visible. `None`: there is nothing new, or nothing at all while `unless_empty`.
    pub(super) async fn publish(&self, unless_empty: bool) -> Result<Option<Meta>, Errno> {
        let mut state = self.state.lock().await;
        if let Stage::Failed(errno) = &state.stage {
            return Err(*errno);
        }
        if !state.dirty || (unless_empty && state.written == 0) {
            return Ok(None);
        }
        let (mode, before) = (state.mode, std::mem::replace(&mut state.stage, Stage::Failed(Errno::EIO)));
        let result: Result<(Meta, Stage), BlobError> = match before {
            Stage::Kept(kept) => {
                let sent = self.container.write(&self.key, Bytes::copy_from_slice(&kept), mode).await;
                sent.map(|meta| (meta, Stage::Kept(kept)))
            }
            Stage::Sending(writer) => writer.finish().await.map(|meta| (meta, Stage::Sent)),
            Stage::Sent => return Ok(None),
            Stage::Failed(errno) => return Err(errno),
        };
        match result {
            Ok((meta, stage)) => {
                (state.stage, state.mode, state.dirty) = (stage, Mode::Overwrite, false);
                self.unpublished.store(false, Ordering::Relaxed);
                Ok(Some(meta))
            }
            Err(error) => {
                let errno = errno::of(&error);
                state.stage = Stage::Failed(errno);
                Err(errno)
            }
        }
    }

    /// Gives it up: nothing of it will be visible.
    pub(super) async fn abandon(&self) {
        self.state.lock().await.fail(Errno::EIO).await;
    }
}

impl State {
    async fn fail(&mut self, errno: Errno) {
        if let Stage::Sending(writer) = std::mem::replace(&mut self.stage, Stage::Failed(errno)) {
            writer.abort().await;
        }
    }
}
