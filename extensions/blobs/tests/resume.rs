//! Transfers that are cut, by a kill of the process or by the network, and go on where they stopped.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{bytes, open, secret};
use ochre_blobs::{BlobError, Cache, Container, Credential, Mode, Progress, ReadOptions};
use ochre_servers::{BlobOptions, BlobServer, contents};

const SIZE: u64 = 64 << 20;
const BOUND: Duration = Duration::from_secs(60);

/// With OCHRE_TEST_TRANSFER set this is the process that gets killed; else it is nothing.
#[test]
fn child() {
    let Ok(what) = std::env::var("OCHRE_TEST_TRANSFER") else { return };
    let [direction, endpoint, file] = what.split(' ').collect::<Vec<_>>()[..] else { panic!("{what}") };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let container = open("az://c@ochreblobs", endpoint, Credential::AzureKey(secret(BlobServer::KEY))).await;
        match direction {
            "down" => container.download("x", Path::new(file), Progress::none()).await.map(|_| ()),
            _ => container.upload(Path::new(file), "x", Progress::none(), Mode::Create).await.map(|_| ()),
        }
        .expect("transferred");
    });
}

fn transfer(direction: &str, server: &BlobServer, file: &Path, caches: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("OCHRE_TEST_TRANSFER", format!("{direction} {} {}", server.azure_endpoint(), file.display()))
        .env("XDG_CACHE_HOME", caches)
        .stdout(Stdio::null())
        .spawn()
        .expect("a child")
}

/// Waits until `ready`, then kills the child.
fn kill_when(mut child: std::process::Child, ready: impl Fn() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < BOUND, "the child gets on");
        assert!(child.try_wait().expect("a status").is_none(), "it was too quick to be killed");
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
}

fn capped() -> BlobOptions {
    BlobOptions { connection_rate: Some(2 << 20), ..BlobOptions::default() }
}

/// SEMANTICS.md: "**A transfer that was cut goes on where it stopped.**"
#[test]
fn a_download_goes_on_in_another_process() {
    let server = BlobServer::start(capped()).expect("starts");
    let version = server.put_synthetic("c", "x", SIZE);
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("file");
    let journal = place.path().join("file.ochre-part.journal");
    let parts = || std::fs::read_to_string(&journal).map_or(0, |text| text.lines().filter(|line| line.contains("crc")).count());
    for wanted in [3, 8] {
        kill_when(transfer("down", &server, &file, place.path()), || parts() >= wanted);
        assert!(!file.exists(), "the file appears complete or not at all");
    }
    server.set(BlobOptions::default());
    let (done, before) = (parts(), server.sent());
    assert!(transfer("down", &server, &file, place.path()).wait().expect("ended").success());
    assert!(std::fs::read(&file).expect("the file") == contents("x", version, 0..SIZE));
    let sent = server.sent() - before;
    assert!(done >= 8 && sent < SIZE && !journal.exists(), "{done} parts were there; {sent} of {SIZE} bytes came again");

    // Another version is there by now: nothing of the old one is used.
    server.set(capped());
    let second = place.path().join("second");
    let journal = place.path().join("second.ochre-part.journal");
    kill_when(transfer("down", &server, &second, place.path()), || std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("crc")));
    server.set(BlobOptions::default());
    let version = server.put_synthetic("c", "x", SIZE);
    assert!(transfer("down", &server, &second, place.path()).wait().expect("ended").success());
    assert!(std::fs::read(&second).expect("the file") == contents("x", version, 0..SIZE));
}

#[test]
fn an_upload_goes_on_in_another_process() {
    let server = BlobServer::start(BlobOptions { latency: Duration::from_millis(300), ..BlobOptions::default() }).expect("starts");
    server.create_container("c");
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("file");
    // More parts than go off at once.
    let content = bytes(200 << 20, 1);
    std::fs::write(&file, &content).expect("a file");
    // In the order in which they came. One that was in flight at the kill may come twice: it is not in the journal.
    let blocks = || -> Vec<String> {
        let sent = server.exchanges().into_iter().filter(|e| e.request.method == "PUT" && e.request.query("comp") == Some("block"));
        sent.filter_map(|e| e.request.query("blockid").map(|id| id.to_string())).collect()
    };
    let journaled = || {
        let folder = std::fs::read_dir(place.path().join("ochre/uploads")).ok();
        let texts = folder.into_iter().flatten().flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
        texts.map(|text| text.lines().filter(|line| line.contains("crc")).count()).sum::<usize>()
    };
    kill_when(transfer("up", &server, &file, place.path()), || journaled() >= 5);
    assert!(server.names("c").is_empty(), "nothing is visible before it is complete");
    // What the killed one had sent still comes to the server.
    let mut before = blocks().len();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        match blocks().len() {
            now if now == before => break,
            now => before = now,
        }
    }
    let there = journaled();
    server.set(BlobOptions::default());
    assert!(transfer("up", &server, &file, place.path()).wait().expect("ended").success());
    assert!(server.get("c", "x").expect("there") == content);
    let again: std::collections::BTreeSet<String> = blocks().split_off(before).into_iter().collect();
    assert_eq!(again.len(), 25 - there, "the parts that were there were not sent again");
    assert_eq!(journaled(), 0, "the journal is gone");
}

async fn one(server: &BlobServer) -> Container {
    open("az://c@ochreblobs", &server.azure_endpoint(), Credential::AzureKey(secret(BlobServer::KEY))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_damaged_on_the_disk_is_fetched_again() {
    let server = BlobServer::start(capped()).expect("starts");
    let version = server.put_synthetic("c", "x", SIZE);
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("file");
    let journal = place.path().join("file.ochre-part.journal");
    let done = || std::fs::read_to_string(&journal).map_or(0, |text| text.lines().filter(|line| line.contains("crc")).count());
    tokio::task::block_in_place(|| kill_when(transfer("down", &server, &file, place.path()), || done() >= 4));
    let text = std::fs::read_to_string(&journal).expect("a journal");
    let start: u64 = text.split("\"part\":").nth(1).and_then(|rest| rest.split(',').next()).and_then(|n| n.parse().ok()).expect("a part");
    let part = std::fs::OpenOptions::new().write(true).open(place.path().join("file.ochre-part")).expect("the part file");
    std::os::unix::fs::FileExt::write_all_at(&part, b"damaged", start + 1000).expect("damaged");
    server.set(BlobOptions::default());
    one(&server).await.download("x", &file, Progress::none()).await.expect("downloaded");
    assert!(std::fs::read(&file).expect("the file") == contents("x", version, 0..SIZE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_downloads_to_one_file_do_not_mix() {
    let server = BlobServer::start(BlobOptions { connection_rate: Some(8 << 20), ..BlobOptions::default() }).expect("starts");
    let version = server.put_synthetic("c", "x", 16 << 20);
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("file");
    let container = one(&server).await;
    let (first, second) = tokio::join!(container.download("x", &file, Progress::none()), container.download("x", &file, Progress::none()));
    let busy = |result: &Result<_, BlobError>| matches!(result, Err(BlobError::Local { kind: std::io::ErrorKind::ResourceBusy, .. }));
    assert!((first.is_ok() && busy(&second)) || (second.is_ok() && busy(&first)), "{first:?} {second:?}");
    assert!(std::fs::read(&file).expect("the file") == contents("x", version, 0..16 << 20));
}

/// SEMANTICS.md: "**Bytes from the disk cache are used only if they are whole and of the opened version.**"
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_uses_the_disk_cache() {
    let (server, container) = common::blob_server(BlobOptions::default(), "c").await;
    let size = (5 << 20) + 100;
    let version = server.put_synthetic("c", "x", size);
    let place = tempfile::tempdir().expect("a directory");
    let options = || ReadOptions { cache: Some(Cache::open(place.path(), 64 << 20).expect("a cache")), ..ReadOptions::default() };
    let read = async |expected: u64| {
        let reader = container.reader("x", options()).await.expect("a reader");
        let mut at = 0;
        while at < size {
            let got = reader.read_at(at, 333_333).await.expect("read");
            assert!(got == contents("x", expected, at..at + got.len() as u64), "at {at}");
            at += got.len() as u64;
        }
        for at in [0, 1_000_000, size - 10, 1 << 20, (1 << 20) - 5] {
            let got = reader.read_at(at, 5000).await.expect("read");
            assert!(got == contents("x", expected, at..at + got.len() as u64), "at {at}");
        }
    };
    read(version).await;
    // What was fetched is written into the cache behind the reader's back, also after it is closed.
    let begun = Instant::now();
    let blocks = || {
        let folders = std::fs::read_dir(place.path()).expect("folders").flatten();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).expect("blocks").flatten());
        files.filter(|file| !file.file_name().to_string_lossy().starts_with('.')).count()
    };
    while blocks() < 6 {
        assert!(begun.elapsed() < BOUND, "all of it comes to the disk");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = server.sent();
    read(version).await;
    assert!(server.sent() - before < 10_000, "the second time all of it comes from the disk: {} bytes", server.sent() - before);
    for entry in std::fs::read_dir(place.path()).expect("folders").flatten() {
        for file in std::fs::read_dir(entry.path()).expect("blocks").flatten() {
            let mut bytes = std::fs::read(file.path()).expect("a block");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(file.path(), bytes).expect("damaged");
        }
    }
    read(version).await;
    let version = server.put_synthetic("c", "x", size);
    read(version).await;
}
