//! What the tests of this crate share: containers of every kind, and bytes that tell where they come from.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ochre_blobs::{Container, Credential, FixedGrant, Grant, Location, Patience};
use ochre_secrets::Secret;
use ochre_servers::{BlobOptions, BlobServer};

/// Time bounds for tests: what takes seconds with a real service takes milliseconds here.
pub const QUICK: Patience = Patience {
    answer: Duration::from_secs(5),
    stall: Duration::from_secs(2),
    slowest: 1 << 20,
    tries: 12,
    give_up: Duration::from_secs(20),
    pause: Duration::from_millis(2),
    pause_most: Duration::from_millis(50),
};

pub fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

/// Bytes of which every stretch of 8 is another.
pub fn bytes(length: usize, seed: u64) -> Bytes {
    let mut out = Vec::with_capacity(length + 8);
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out.into()
}

pub fn grant(endpoint: &str, credential: Credential) -> Arc<FixedGrant> {
    Arc::new(FixedGrant(Grant { endpoint: Some(endpoint.to_owned()), ..Grant::new(credential) }))
}

pub async fn open(url: &str, endpoint: &str, credential: Credential) -> Container {
    let location = Location::parse(url).expect(url);
    Container::open_with(&location, grant(endpoint, credential), QUICK).await.expect("opens")
}

/// Our own server, as Azure sees it.
pub async fn blob_server(options: BlobOptions, container: &str) -> (BlobServer, Container) {
    let server = BlobServer::start(options).expect("our own server starts");
    server.create_container(container);
    let url = format!("az://{container}@{}", BlobServer::ACCOUNT);
    let opened = open(&url, &server.azure_endpoint(), Credential::AzureKey(secret(BlobServer::KEY))).await;
    (server, opened)
}
