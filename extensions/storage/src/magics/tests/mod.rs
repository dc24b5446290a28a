//! The magics over a double of the session, with real servers behind them: Azurite, moto, and the server of ours for speed and faults.
mod copying;
mod mounting;
mod registry;
mod unzipping;

use crate::Storage;
use crate::double::{Double, storage};
use ochre_servers::{Azurite, BlobServer};
use std::path::Path;
use std::sync::Arc;

/// A program that is never started in these tests.
const NO_PROGRAM: &str = "/nonexistent/ochre";

/// A session with the server's credential configured for all its containers.
pub(super) async fn with_server(server: &BlobServer, directory: &Path) -> (Arc<Storage>, Double) {
    let (storage, _) = storage(&[("test/key", BlobServer::KEY)], Path::new(NO_PROGRAM));
    let mut session = Double::new(&storage, directory);
    let line = format!("%credential az://@{} secret:test/key --endpoint {}", BlobServer::ACCOUNT, server.azure_endpoint());
    session.run(&line).await.expect("configures");
    (storage, session)
}

/// The same with Azurite, which checks signatures.
pub(super) async fn with_azurite(azurite: &Azurite, directory: &Path) -> (Arc<Storage>, Double) {
    let (storage, _) = storage(&[("azurite/key", Azurite::KEY)], Path::new(NO_PROGRAM));
    let mut session = Double::new(&storage, directory);
    let line = format!("%credential az://@{} secret:azurite/key --endpoint {}", Azurite::ACCOUNT, azurite.endpoint());
    session.run(&line).await.expect("configures");
    (storage, session)
}
