//! `ochre kernel -f FILE`: one notebook's kernel, until its client, its parent or a signal ends it.
use crate::{compose, guard};
use ochre_jupyter::{ConnectionFile, Server};
use ochre_secrets::Redactor;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Threads of the kernel: one to move messages and one to spare while the other is busy.
const THREADS: usize = 2;
/// How often the parent is looked at. A dead client leaves a kernel for no longer than this.
const PARENT_EVERY: Duration = Duration::from_secs(1);
/// What a blocking task (reading a directory for completion, say) may still take at the end.
const LEFTOVERS: Duration = Duration::from_millis(200);

/// Serves until the end.
pub fn run(connection_file: &Path) -> anyhow::Result<ExitCode> {
    guard::harden();
    let redactor = Redactor::new();
    let _log = guard::Log::redacted(redactor.clone());
    let connection = ConnectionFile::read(connection_file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let result = runtime.block_on(async {
        let server = Server::bind(connection).await?;
        let session = compose::session(redactor, compose::Launch::default())?;
        server.serve(Arc::new(session), told_to_end()).await;
        anyhow::Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_timeout(LEFTOVERS);
    result
}

/// Returns when a signal or the death of the parent asks the kernel to end.
async fn told_to_end() {
    let reason = tokio::select! {
        () = received(SignalKind::terminate()) => "told to end (SIGTERM)",
        () = received(SignalKind::hangup()) => "the terminal is gone (SIGHUP)",
        () = parent_gone() => "the program that started this kernel is gone",
    };
    eprintln!("ochre: {reason}; ending");
}

/// Waits for a signal; for ever when it cannot be listened to.
async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// Jupyter names itself in JPY_PARENT_PID. When it dies, this process gets another parent.
async fn parent_gone() {
    let named: Option<u32> = std::env::var("JPY_PARENT_PID").ok().and_then(|v| v.parse().ok());
    // Started through a wrapper script the parent is not the one named: then there is nothing to compare with.
    if named.is_none_or(|pid| pid != std::os::unix::process::parent_id()) {
        return std::future::pending().await;
    }
    let mut ticks = tokio::time::interval(PARENT_EVERY);
    loop {
        ticks.tick().await;
        if named != Some(std::os::unix::process::parent_id()) {
            return;
        }
    }
}
