//! One suite on every store: in memory, local files, one that fails, and the emulators of Azure, S3 and Google.

mod common;
#[path = "common/suite.rs"]
mod suite;

use std::sync::Arc;

use common::{QUICK, grant, open, secret};
use ochre_blobs::{BlobError, Container, Credential, Faults, Faulty, Location};
use ochre_servers::{Azurite, BlobOptions, BlobServer, Moto};
use suite::conformance;

fn runs(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let bound = std::time::Duration::from_secs(240);
    runtime.block_on(async { tokio::time::timeout(bound, test).await.expect("the suite ends within its bound") });
}

#[test]
fn in_memory() {
    runs(async {
        let location = Location::parse("memory://conformance").expect("a location");
        let container = Container::open(&location, grant("", Credential::Anonymous)).await.expect("opens");
        conformance(&container, "").await;
    });
}

#[test]
fn local_files() {
    runs(async {
        let place = tempfile::tempdir().expect("a directory");
        let location = Location::parse(&format!("file://{}/new/folder", place.path().display())).expect("a location");
        let container = Container::open(&location, grant("", Credential::Anonymous)).await.expect("opens");
        container.create().await.expect("the directory is made");
        assert!(place.path().join("new/folder").is_dir());
        conformance(&container, &location.path).await;
    });
}

#[test]
fn a_store_that_fails() {
    runs(async {
        for seed in 0..5 {
            let faulty = Arc::new(Faulty::new(seed, Faults::BAD_DAY));
            let container = Container::over_with(faulty.clone(), Some(faulty.clone()), QUICK);
            conformance(&container, "").await;
            assert!(faulty.injected() > 50, "seed {seed}: {}", faulty.injected());
        }
    });
}

#[test]
fn azurite() {
    runs(async {
        let server = Azurite::start().expect("Azurite starts");
        let url = format!("az://pictures@{}", Azurite::ACCOUNT);
        let container = open(&url, &server.endpoint(), Credential::AzureKey(secret(Azurite::KEY))).await;
        let missing = container.stat("x").await;
        assert!(matches!(missing, Err(BlobError::NotFound { .. })), "{missing:?}");
        container.create().await.expect("made");
        container.create().await.expect("made already");
        conformance(&container, "").await;
    });
}

#[test]
fn moto() {
    runs(async {
        let server = Moto::start().expect("moto starts");
        let credential = Credential::AwsKeys { id: secret("testing"), key: secret("testing"), token: None };
        let container = open("s3://pictures", server.endpoint(), credential).await;
        container.create().await.expect("made");
        conformance(&container, "").await;
    });
}

/// Our own server: Azure's protocol, and Google's XML, which the emulator of Google's has not.
#[test]
fn our_own_server() {
    runs(async {
        let (server, container) = common::blob_server(BlobOptions::default(), "pictures").await;
        conformance(&container, "").await;
        server.create_container("google");
        conformance(&open("gs://google", &server.url(), Credential::GcsToken(secret("token"))).await, "").await;
        assert_eq!(BlobServer::ACCOUNT, "ochreblobs");
    });
}
