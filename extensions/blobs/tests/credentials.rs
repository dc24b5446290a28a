//! Credentials that end, are refused, or are wrong.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use common::{QUICK, bytes, open, secret};
use ochre_blobs::{BlobError, Container, Credential, Grant, Grants, Location, Mode, Result};
use ochre_servers::{Azurite, BlobOptions, BlobServer};

/// Gives `token-1`, `token-2`, …: another with each refresh.
struct Counting {
    endpoint: String,
    given: AtomicU64,
    /// Seconds that a token lives, where it ends.
    life: Option<u64>,
}

#[async_trait]
impl Grants for Counting {
    async fn grant(&self, _: &Location, refresh: bool) -> Result<Grant> {
        let number = if refresh { self.given.fetch_add(1, Ordering::SeqCst) + 1 } else { self.given.load(Ordering::SeqCst) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let credential = Credential::AzureToken(secret(&format!("token-{number}")));
        Ok(Grant { endpoint: Some(self.endpoint.clone()), expires: self.life.map(|life| now + life), ..Grant::new(credential) })
    }
}

async fn counting(server: &BlobServer, life: Option<u64>) -> (Arc<Counting>, Container) {
    let grants = Arc::new(Counting { endpoint: server.azure_endpoint(), given: AtomicU64::new(1), life });
    let location = Location::parse(&format!("az://c@{}", BlobServer::ACCOUNT)).expect("a location");
    let container = Container::open_with(&location, grants.clone(), QUICK).await.expect("opens");
    (grants, container)
}

fn accept(tokens: &[&str]) -> BlobOptions {
    BlobOptions { accept: Some(tokens.iter().map(|token| (*token).to_owned()).collect()), ..BlobOptions::default() }
}

/// SEMANTICS.md: "**A credential that ended or was refused is renewed once, unseen.**"
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_is_renewed_once() {
    let server = BlobServer::start(accept(&["token-1"])).expect("starts");
    server.put("c", "x", bytes(20 << 20, 1));
    let (grants, container) = counting(&server, None).await;
    container.stat("x").await.expect("the first is good");
    server.set(accept(&["token-2"]));
    assert!(container.read("x").await.expect("renewed") == bytes(20 << 20, 1));
    assert_eq!(grants.given.load(Ordering::SeqCst), 2, "one renewal, however many parts were refused");
    server.set(accept(&["none"]));
    server.forget();
    let error = container.stat("x").await.expect_err("refused");
    assert!(matches!(error, BlobError::Denied { .. }), "{error}");
    assert!(grants.given.load(Ordering::SeqCst) <= 3 && server.exchanges().len() <= 2, "no storm of tries");
    assert!(!format!("{error} {error:?}").contains("token-"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_renewed_before_it_ends() {
    let server = BlobServer::start(BlobOptions::default()).expect("starts");
    server.put("c", "x", bytes(10, 1));
    // It lives two seconds: from the last quarter on there is another.
    let (grants, container) = counting(&server, Some(2)).await;
    let begun = std::time::Instant::now();
    while grants.given.load(Ordering::SeqCst) < 3 {
        container.stat("x").await.expect("never refused");
        assert!(begun.elapsed().as_secs() < 20, "it was renewed {} times", grants.given.load(Ordering::SeqCst) - 1);
        tokio::task::yield_now().await;
    }
    let used: std::collections::BTreeSet<String> =
        server.exchanges().iter().filter_map(|exchange| exchange.request.header("authorization").map(str::to_owned)).collect();
    assert!(used.contains("Bearer token-1") && used.contains("Bearer token-2"), "{used:?}");
    let (grants, container) = counting(&server, Some(3600)).await;
    for _ in 0..5 {
        container.stat("x").await.expect("there");
    }
    assert_eq!(grants.given.load(Ordering::SeqCst), 1, "a long life is not renewed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azurite_takes_keys_and_signatures_and_refuses_others() {
    let server = Azurite::start().expect("Azurite starts");
    let url = format!("az://pictures@{}", Azurite::ACCOUNT);
    let container = open(&url, &server.endpoint(), Credential::AzureKey(secret(Azurite::KEY))).await;
    container.create().await.expect("made");
    container.write("a b/ü.txt", Bytes::from_static(b"hello"), Mode::Create).await.expect("written");
    // The connection string as the portal shows it.
    let found = ochre_blobs::credential_of(&secret(&server.connection_string())).expect("a connection string");
    let location = Location::parse("az://pictures/x").expect("a location");
    let from_string = Container::open_with(&location, Arc::new(ochre_blobs::FixedGrant(found)), QUICK).await.expect("the account is in the string");
    assert_eq!(from_string.read("a b/ü.txt").await.expect("read"), "hello");
    let wrong = "d3Jvbmcga2V5LCBidXQgYmFzZTY0IG9mIDY0IGJ5dGVzOyBpdCBpcyBvZiBubyB1c2UgYXQgYWxsLCBzb3JyeS4uLg==";
    let denied = open(&url, &server.endpoint(), Credential::AzureKey(secret(wrong))).await.read("a b/ü.txt").await.expect_err("denied");
    assert!(matches!(denied, BlobError::Denied { .. }), "{denied:?}");
    assert!(!format!("{denied}{denied:?}").contains(wrong) && denied.hint().is_some());
    let anonymous = open(&url, &server.endpoint(), Credential::Anonymous).await.read("a b/ü.txt").await.expect_err("private");
    assert!(matches!(anonymous, BlobError::Denied { .. } | BlobError::NotFound { .. }), "{anonymous:?}");
    let nonsense = Container::open_with(&Location::parse(&url).expect("a location"), common::grant(&server.endpoint(), Credential::AzureKey(secret("§"))), QUICK).await;
    assert!(matches!(nonsense, Err(BlobError::BadCredential { .. })), "{nonsense:?}");
    // A signature for the account, made by the store itself.
    let sas = ochre_blobs::object_store::azure::MicrosoftAzureBuilder::new()
        .with_account(Azurite::ACCOUNT)
        .with_container_name("pictures")
        .with_access_key(Azurite::KEY)
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .build()
        .expect("a signer");
    use ochre_blobs::object_store::signer::Signer;
    container.write("signed.txt", Bytes::from_static(b"hello"), Mode::Create).await.expect("written");
    let path = ochre_blobs::object_store::path::Path::parse("signed.txt").expect("a path");
    let signed = sas.signed_url("GET".parse().expect("a method"), &path, std::time::Duration::from_secs(600)).await.expect("signed");
    let query = signed.query().expect("a signature").to_owned();
    let found = ochre_blobs::credential_of(&secret(&query)).expect("a signature");
    assert!(found.expires.is_some());
    let by_signature = open(&url, &server.endpoint(), found.credential).await;
    assert_eq!(by_signature.read("signed.txt").await.expect("read"), "hello");
    let denied = by_signature.write("signed.txt", Bytes::from_static(b"no"), Mode::Overwrite).await.expect_err("for reading alone");
    assert!(matches!(denied, BlobError::Denied { .. }), "{denied:?}");
    let signature = query.split("sig=").nth(1).expect("sig").split('&').next().expect("its value");
    assert!(!format!("{denied}{denied:?}").contains(signature), "{denied:?}");
}

/// Uploads carry their MD5: bytes that change on the way are refused by the service and sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_carry_a_checksum() {
    let (server, container) = common::blob_server(BlobOptions::default(), "c").await;
    container.write("small", bytes(1000, 1), Mode::Create).await.expect("written");
    container.write("large", bytes(20 << 20, 2), Mode::Create).await.expect("written");
    let sent: Vec<_> = server.exchanges().into_iter().filter(|exchange| exchange.request.method == "PUT").collect();
    assert!(sent.len() >= 5 && sent.iter().all(|exchange| exchange.request.header("content-md5").is_some()), "{}", sent.len());
    assert_eq!(container.stat("small").await.expect("there").md5.map(|sum| sum.len()), Some(32), "and the service keeps it");
}
