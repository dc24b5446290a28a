//! The mount process, from its first line on stdin to its end: asks the kernel for credentials, makes the directory answer, and leaves nothing behind.
//!
//! It ends when the kernel says so or dies (the end of the pipe), on SIGTERM, and when somebody unmounts the directory. SIGINT is the user's interrupt
//! of a cell and none of its business.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use ochre_blobs::{BlobError, Container, Location};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::END_LIMIT;
use crate::fuse::Fuse;
use crate::mounts::{self, Ground};
use crate::pipe::{Pipe, Said};
use crate::seccomp::Seccomp;
use crate::synced::Synced;
use crate::way::{Attached, Request, Way};
use crate::{FromMount, MountConfig, MountError, WayName};

/// How long the kernel may take to write the configuration.
const CONFIG_LIMIT: Duration = Duration::from_secs(30);
/// How often a process that waits for another one's mount to end looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// [`serve`] with a runtime of its own: all that a program's `main` does. The caller exits with the code.
#[must_use]
pub fn main() -> u8 {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve()),
        Err(error) => {
            eprintln!("ochre mount: {error}");
            1
        }
    }
}

/// Runs the mount process on this process's stdin and stdout, and returns its exit code: 0 when it ended as asked, 1 when there was no mount or
/// something was lost. The caller exits at once then: a thread still reads stdin.
pub async fn serve() -> u8 {
    // In a fork of this process, which must be readable for it: so before there is a credential, and before it is hardened.
    let _tried = Seccomp::new(Arc::new(drop)).probe();
    harden();
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return 1 };
    let _ignored = signal(SignalKind::interrupt());
    let (pipe, said) = Pipe::open();
    let work = run(pipe.clone(), said, async move {
        terminated.recv().await;
    });
    let code = match work.await {
        Ok(error) => {
            let code = u8::from(error.is_some());
            pipe.say(&FromMount::Ended { error: error.map(|error| error.to_string()) });
            code
        }
        Err(error) => {
            pipe.say(&FromMount::Failed { error: error.to_string(), hint: error.hint().to_owned() });
            1
        }
    };
    pipe.flush().await;
    code
}

/// No core dump of this process, and no other process of this user that reads its memory: it holds credentials.
fn harden() {
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
}

/// From the configuration to the end. `Ok`: there was a mount, and it ended, with what was lost.
async fn run(pipe: Pipe, mut said: mpsc::UnboundedReceiver<Said>, terminated: impl Future<Output = ()>) -> Result<Option<MountError>, MountError> {
    tokio::pin!(terminated);
    let config = tokio::select! {
        config = configuration(&mut said) => config?,
        () = &mut terminated => return Ok(None),
    };
    let mut end = std::pin::pin!(async {
        tokio::select! {
            () = asked_to_end(&mut said, &pipe) => {}
            () = &mut terminated => {}
        }
    });
    let mut config = config;
    config.directory = resolved(&config.directory);
    let opened = tokio::select! {
        opened = open(&config, &pipe) => opened?,
        () = &mut end => return Ok(None),
    };
    let ways = ways(&config, &pipe);
    let way = chosen(&ways)?;
    let made = match take(&config, &pipe, way.0.name(), &mut end).await? {
        Some(made) => made,
        None => return Ok(None),
    };
    let result = attach(&config, opened, &pipe, way, &mut end).await;
    if made {
        let _ = std::fs::remove_dir(&config.directory);
    }
    result
}

/// Makes the directory ready. While another process mounts the same location there, this one waits to take over. `None`: it was ended meanwhile.
async fn take(config: &MountConfig, pipe: &Pipe, way: WayName, end: &mut (impl Future<Output = ()> + Unpin)) -> Result<Option<bool>, MountError> {
    let mut told = false;
    loop {
        let (directory, location) = (config.directory.clone(), config.location.clone());
        let copies = way == WayName::Synced;
        let ground = tokio::task::spawn_blocking(move || mounts::prepare(&directory, &location, copies)).await;
        match ground.map_err(|error| MountError::System { doing: "looking at the directory", source: error.into() })?? {
            Ground::Free { made } => return Ok(Some(made)),
            Ground::Same => {}
        }
        if !std::mem::replace(&mut told, true) {
            pipe.say(&FromMount::Ready { way, why: "it is mounted there already".to_owned(), already: true });
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = &mut *end => return Ok(None),
        }
    }
}

async fn attach(
    config: &MountConfig,
    opened: Opened,
    pipe: &Pipe,
    (way, why): (&dyn Way, String),
    end: &mut (impl Future<Output = ()> + Unpin),
) -> Result<Option<MountError>, MountError> {
    let request = Request { config: Arc::new(config.clone()), container: opened.container, root: opened.root };
    let mut attached: Box<dyn Attached> = way.attach(request).await?;
    pipe.say(&FromMount::Ready { way: way.name(), why, already: false });
    tokio::select! {
        () = attached.ended() => {}
        () = end => {}
    }
    Ok(attached.detach(END_LIMIT).await.err())
}

/// The first line.
async fn configuration(said: &mut mpsc::UnboundedReceiver<Said>) -> Result<MountConfig, MountError> {
    match tokio::time::timeout(CONFIG_LIMIT, said.recv()).await {
        Ok(Some(Said::Config(config))) => *config,
        Ok(_) => Err(MountError::Config("the pipe ended before it".to_owned())),
        Err(_) => Err(MountError::Config("it did not come".to_owned())),
    }
}

/// Hands answers to who waits for them, until the kernel wants an end or is gone.
async fn asked_to_end(said: &mut mpsc::UnboundedReceiver<Said>, pipe: &Pipe) {
    while let Some(line) = said.recv().await {
        match line {
            Said::End => return,
            Said::Answer { id, grant } => pipe.answer(id, grant),
            Said::Config(_) => {}
        }
    }
}

struct Opened {
    container: Container,
    root: String,
}

/// The container, after it has answered once: a wrong credential is found now and not by the first program.
async fn open(config: &MountConfig, pipe: &Pipe) -> Result<Opened, MountError> {
    let store = |error: ochre_blobs::BlobError| MountError::Store(error.to_string());
    let location = Location::parse(&config.location).map_err(store)?;
    let grants = pipe.grants(config.grant.as_ref()).map_err(store)?;
    let container = Container::open(&location, grants).await.map_err(store)?;
    // Of a folder of this machine too: its container is the whole file system.
    let root = location.path.trim_matches('/').to_owned();
    let first = async {
        let prefix = if root.is_empty() { String::new() } else { format!("{root}/") };
        container.list(&prefix).next().await.transpose()
    };
    match tokio::time::timeout(config.answer_limit(), first).await {
        // The first key may be none that a path can have; the store did answer.
        Ok(Ok(_) | Err(BlobError::BadLocation { .. })) => {}
        Ok(Err(error)) => return Err(store(error)),
        Err(_) => return Err(MountError::Store(format!("listing {}: no answer within {} s", config.location, config.answer_limit().as_secs()))),
    }
    Ok(Opened { container, root })
}

/// The ways to try: the one that was asked for, else all.
fn ways(config: &MountConfig, pipe: &Pipe) -> Vec<Box<dyn Way>> {
    let pipe = pipe.clone();
    let warn = Arc::new(move |text: String| pipe.say(&FromMount::Warning { text }));
    let mut ways: Vec<Box<dyn Way>> = vec![Box::new(Fuse::new(warn.clone())), Box::new(Seccomp::new(warn.clone())), Box::new(Synced::new(warn))];
    ways.retain(|way| config.way.is_none_or(|wanted| wanted == way.name()));
    ways
}

/// The first way that works, and why it and none before it.
fn chosen(ways: &[Box<dyn Way>]) -> Result<(&dyn Way, String), MountError> {
    let mut reasons = Vec::new();
    for way in ways {
        match way.probe() {
            Ok(()) if reasons.is_empty() => return Ok((&**way, "it works here".to_owned())),
            Ok(()) => return Ok((&**way, reasons.join("; "))),
            Err(reason) => reasons.push(format!("{}: {reason}", way.name())),
        }
    }
    Err(MountError::NoWay(reasons.join("; ")))
}

/// The directory as the system's table of mounts names it. Its last part may be a dead mount, which cannot be asked.
fn resolved(directory: &Path) -> PathBuf {
    match (directory.parent(), directory.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().map_or_else(|_| directory.to_owned(), |parent| parent.join(name)),
        _ => directory.to_owned(),
    }
}
