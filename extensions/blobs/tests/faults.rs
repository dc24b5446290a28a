//! Seeded trouble between us and the service: 503 and 429, connections that break in mid-body or after the request was carried out, bodies that end
//! early, changed bytes where there is a checksum, versions that change, silence. No byte is lost or wrong, nothing hangs.

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{bytes, grant, secret};
use futures::TryStreamExt;
use ochre_blobs::{BlobError, Budget, Container, Credential, Location, Mode, Patience, Progress, ReadOptions, WriteOptions};
use ochre_servers::{BlobOptions, BlobServer, Fault, Faults, contents};

const SEEDS: u64 = 30;
const MANY_SEEDS: u64 = 1_000;
/// Longer than any run that does not hang.
const BOUND: Duration = Duration::from_secs(60);

const PATIENCE: Patience = Patience {
    answer: Duration::from_millis(1500),
    stall: Duration::from_millis(1500),
    slowest: 1 << 20,
    tries: 10,
    give_up: Duration::from_secs(15),
    pause: Duration::from_millis(1),
    pause_most: Duration::from_millis(10),
};

async fn open(server: &BlobServer, container: &str) -> Container {
    let location = Location::parse(&format!("az://{container}@{}", BlobServer::ACCOUNT)).expect("a location");
    let grants = grant(&server.azure_endpoint(), Credential::AzureKey(secret(BlobServer::KEY)));
    Container::open_with(&location, grants, PATIENCE).await.expect("opens")
}

fn faults(seed: u64, rate: f64, kinds: &[Fault]) -> BlobOptions {
    let faults = Faults { seed, rate, kinds: kinds.to_vec(), stall: Duration::from_millis(50), ..Faults::default() };
    BlobOptions { faults, ..BlobOptions::default() }
}

/// Every way in and out, once, under the faults of one seed.
async fn every_way(seed: u64) {
    let server = BlobServer::start(BlobOptions::default()).expect("starts");
    let size = (5 << 20) + 1234 * (seed as usize % 7);
    server.put("c", "in", bytes(size, seed));
    let kinds = [Fault::Unavailable, Fault::Throttled, Fault::Reset, Fault::Cut, Fault::Stall, Fault::Lost];
    server.set(faults(seed, 0.25, &kinds));
    let container = open(&server, "c").await;
    let content = bytes(size, seed);
    assert!(container.read("in").await.expect("read") == content, "seed {seed}");

    let reader = container.reader("in", ReadOptions::default()).await.expect("a reader");
    let mut at = 0;
    while at < size {
        let got = reader.read_at(at as u64, 300_000).await.expect("sequential");
        assert!(got == content.slice(at..(at + 300_000).min(size)), "seed {seed} at {at}");
        at += got.len();
    }
    for i in 0..10usize {
        let at = (i * 7_919 * 131 + seed as usize * 31) % size;
        assert!(reader.read_at(at as u64, 5_000).await.expect("random") == content.slice(at..(at + 5_000).min(size)), "seed {seed} at {at}");
    }

    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("file");
    container.download("in", &file, Progress::none()).await.expect("downloaded");
    assert!(std::fs::read(&file).expect("the file") == content, "seed {seed}");

    container.upload(&file, "up", Progress::none(), Mode::Create).await.expect("uploaded");
    assert!(server.get("c", "up").expect("there") == content, "seed {seed}");
    let mut writer = container.writer("out", WriteOptions::default()).await.expect("a writer");
    let long = bytes((17 << 20) + 5, seed + 1);
    for piece in long.chunks(1 << 20) {
        writer.write(long.slice_ref(piece)).await.expect("written");
    }
    writer.finish().await.expect("finished");
    assert!(server.get("c", "out").expect("there") == long, "seed {seed}");

    container.write("one", Bytes::from_static(b"1"), Mode::Create).await.expect("created");
    container.delete("one").await.expect("deleted");
    let names: Vec<_> = container.list("").map_ok(|meta| meta.path).try_collect().await.expect("listed");
    assert_eq!(names, ["in", "out", "up"], "seed {seed}");
    assert!(server.exchanges().iter().any(|exchange| exchange.fault.is_some()), "seed {seed} has faults");
}

/// Versions change under readers, and bytes on the way where there is a checksum.
async fn changes(seed: u64) {
    let server = BlobServer::start(BlobOptions::default()).expect("starts");
    let container = open(&server, "c").await;
    server.create_container("c");
    let size = 6 << 20;
    let first = server.put_synthetic("c", "moving", size);
    container.write("summed", bytes(size as usize, seed), Mode::Create).await.expect("written");
    server.set(faults(seed, 0.2, &[Fault::NewVersion, Fault::Cut]));

    let reader = container.reader("moving", ReadOptions::default()).await;
    if let Ok(reader) = reader {
        let opened = reader.meta().etag.clone();
        let version = (first..first + 50).find(|version| {
            // The version that this ETag stands for.
            opened.as_deref().is_some_and(|etag| etag.contains(&format!("{version:x}")) || etag.contains(&format!("{version}")))
        });
        let mut at = 0;
        while at < size {
            match reader.read_at(at, 400_000).await {
                Ok(got) => {
                    if let Some(version) = version {
                        assert!(got == contents("moving", version, at..at + got.len() as u64), "seed {seed}: bytes of another version at {at}");
                    }
                    at += got.len() as u64;
                }
                Err(BlobError::Changed { .. }) => break,
                Err(other) => panic!("seed {seed}: {other}"),
            }
        }
    }
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("file");
    match container.download("moving", &file, Progress::none()).await {
        Ok(_) => {
            let got = std::fs::read(&file).expect("the file");
            let same = (first..first + 100).any(|version| got == contents("moving", version, 0..size));
            assert!(same, "seed {seed}: a file of one version");
        }
        Err(BlobError::Changed { .. }) => assert!(!file.exists(), "seed {seed}"),
        Err(other) => panic!("seed {seed}: {other}"),
    }

    server.set(faults(seed, 0.2, &[Fault::Changed]));
    let file = place.path().join("summed");
    match container.download("summed", &file, Progress::none()).await {
        Ok(_) => assert!(std::fs::read(&file).expect("the file") == bytes(size as usize, seed), "seed {seed}: a wrong byte was not found"),
        Err(BlobError::Corrupt { .. }) => assert!(!file.exists(), "seed {seed}"),
        Err(other) => panic!("seed {seed}: {other}"),
    }
}

fn run(seeds: impl Iterator<Item = u64>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    for seed in seeds {
        runtime.block_on(async {
            tokio::time::timeout(BOUND, every_way(seed)).await.unwrap_or_else(|_| panic!("seed {seed} hangs"));
            tokio::time::timeout(BOUND, changes(seed)).await.unwrap_or_else(|_| panic!("seed {seed} hangs"));
        });
    }
}

/// SEMANTICS.md: "**A download that succeeds is what the service has.**"
#[test]
fn no_byte_is_lost_and_nothing_hangs() {
    run(0..SEEDS);
}

#[test]
#[ignore = "slow: a thousand seeds take about ten minutes"]
fn no_byte_is_lost_in_a_thousand_runs() {
    run(SEEDS..MANY_SEEDS);
}

/// SEMANTICS.md: "**A server that does not answer is an error within a minute.**"
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_server_is_an_error_in_time() {
    assert_eq!(Patience::USUAL.worst(), Duration::from_secs(60));
    let server = BlobServer::start(BlobOptions::default()).expect("starts");
    server.put("c", "x", bytes(3 << 20, 1));
    let patience = Patience { answer: Duration::from_millis(200), stall: Duration::from_millis(200), give_up: Duration::from_millis(800), ..PATIENCE };
    let location = Location::parse(&format!("az://c@{}", BlobServer::ACCOUNT)).expect("a location");
    let grants = grant(&server.azure_endpoint(), Credential::AzureKey(secret(BlobServer::KEY)));
    let container = Container::open_with(&location, grants, patience).await.expect("opens");
    let reader = container.reader("x", ReadOptions::default()).await.expect("a reader");
    for kind in [Fault::Hang, Fault::Stall] {
        let mut options = faults(1, 1.0, &[kind]);
        options.faults.most_for_one = u32::MAX;
        options.faults.stall = Duration::from_secs(3600);
        server.set(options);
        let begun = Instant::now();
        let error = reader.read_at(1 << 20, 100_000).await.expect_err("silence");
        assert!(matches!(error, BlobError::TimedOut { .. }), "{kind:?}: {error}");
        assert!(begun.elapsed() < patience.worst() + Duration::from_secs(3), "{kind:?}: {:?}", begun.elapsed());
    }
    drop(server);
    let begun = Instant::now();
    let error = container.stat("x").await.expect_err("gone");
    assert!(matches!(error, BlobError::Unreachable { .. } | BlobError::Remote { .. }), "{error:?}");
    assert!(begun.elapsed() < patience.worst() + Duration::from_secs(3));
}

/// A service that says 503 to everything: an error after the bounded tries, and fewer requests than without bounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_request_gives_up_in_the_end() {
    let server = BlobServer::start(BlobOptions::default()).expect("starts");
    server.put("c", "x", bytes(1000, 1));
    let mut options = faults(1, 1.0, &[Fault::Unavailable]);
    options.faults.most_for_one = u32::MAX;
    server.set(options);
    let container = open(&server, "c").await;
    let error = container.stat("x").await.expect_err("throttled");
    assert!(matches!(error, BlobError::Throttled { .. }), "{error}");
    assert_eq!(server.exchanges().len(), PATIENCE.tries as usize);
}

/// Memory is bounded: readers and writers that share a budget stay within it, and all make progress.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_shared_and_kept() {
    let (server, container) = common::blob_server(BlobOptions::default(), "c").await;
    let budget = Budget::new(32 << 20);
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..6u64 {
        let size = 24 << 20;
        let name = format!("r{i}");
        let version = server.put_synthetic("c", &name, size);
        let (container, budget) = (container.clone(), budget.clone());
        tasks.spawn(async move {
            let reader = container.reader(&name, ReadOptions { budget: budget.clone(), ..ReadOptions::default() }).await.expect("a reader");
            let mut at = 0;
            while at < size {
                let got = reader.read_at(at, 1 << 20).await.expect("read");
                assert!(got == contents(&name, version, at..at + got.len() as u64), "{name} at {at}");
                assert!(reader.held() <= budget.total());
                at += got.len() as u64;
            }
            // It stays open, idle, with what it fetched ahead: others must get on all the same.
            reader
        });
    }
    let mut idle = Vec::new();
    while let Some(done) = tokio::time::timeout(BOUND, tasks.join_next()).await.expect("all get on") {
        idle.push(done.expect("no wrong byte"));
    }
    let mut writer = container.writer("w", WriteOptions { budget: budget.clone(), mode: Mode::Create }).await.expect("a writer");
    let content = bytes(40 << 20, 9);
    tokio::time::timeout(BOUND, writer.write(content.clone())).await.expect("it gets memory").expect("written");
    writer.finish().await.expect("finished");
    assert!(server.get("c", "w").expect("there") == content);
    drop(idle);
    assert_eq!(budget.free(), budget.total(), "all of it came back");
}
