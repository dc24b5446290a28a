//! `%cp` against Azurite, moto, and the server of ours with its faults.
use super::{NO_PROGRAM, with_azurite, with_server};
use crate::double::{Double, noise, storage};
use ochre_api::Fault;
use ochre_servers::{Answering, Azurite, BlobOptions, BlobServer, Ending, Fault as Trouble, Faults, HttpServer, Moto, Reply, Request};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// More than two parts of 8 MiB, and no whole number of them.
const SEVERAL_PARTS: usize = 20_000_003;

fn trouble(seed: u64, rate: f64, kinds: &[Trouble]) -> BlobOptions {
    BlobOptions { faults: Faults { seed, rate, kinds: kinds.to_vec(), ..Faults::default() }, ..BlobOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_to_a_container_and_come_back() {
    // A copy is whole or not there.
    // Running a copy twice is harmless.
    let azurite = Azurite::start().expect("Azurite");
    let root = tempfile::tempdir().expect("a directory");
    let (_, mut session) = with_azurite(&azurite, root.path()).await;
    let bytes = noise(1, SEVERAL_PARTS);
    std::fs::write(root.path().join("big.bin"), &bytes).expect("writes");
    let missing = session.refused("%cp big.bin az://new@devstoreaccount1/").await;
    assert!(missing.contains("does not exist") && missing.contains("--create"), "{missing}");
    let said = session.run("%cp big.bin az://new@devstoreaccount1/ --create").await.expect("copies");
    assert!(said.starts_with("copied 20.0 MB to az://new@devstoreaccount1/") && said.contains("/s)") && said.ends_with("length and checksum verified"), "{said}");
    let said = session.run("%cp az://new@devstoreaccount1/big.bin copy.bin").await.expect("copies back");
    assert!(said.starts_with("copied 20.0 MB"), "{said}");
    assert!(std::fs::read(root.path().join("copy.bin")).expect("reads") == bytes);
    // Running the cell twice is harmless, and what differs is not lost.
    let again = session.run("%cp big.bin az://new@devstoreaccount1/").await.expect("is there");
    assert!(again.starts_with("it is there already with the same length"), "{again}");
    std::fs::write(root.path().join("copy.bin"), "mine").expect("writes");
    let refused = session.refused("%cp az://new@devstoreaccount1/big.bin copy.bin").await;
    assert!(refused.contains("`copy.bin` is there already and has another content") && refused.contains("--overwrite"), "{refused}");
    assert_eq!(std::fs::read(root.path().join("copy.bin")).expect("reads"), b"mine");
    session.run("%cp az://new@devstoreaccount1/big.bin copy.bin --overwrite").await.expect("overwrites");
    assert!(std::fs::read(root.path().join("copy.bin")).expect("reads") == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_go_between_services() {
    let (azurite, moto) = (Azurite::start().expect("Azurite"), Moto::start().expect("moto"));
    moto.create_bucket("bucket").expect("a bucket");
    let root = tempfile::tempdir().expect("a directory");
    let keys = format!("{}:{}", Moto::KEY_ID, Moto::KEY);
    let (storage, _) = storage(&[("azurite/key", Azurite::KEY), ("aws/keys", &keys)], Path::new(NO_PROGRAM));
    let mut session = Double::new(&storage, root.path());
    session.run(&format!("%credential az://tables@{} secret:azurite/key --endpoint {}", Azurite::ACCOUNT, azurite.endpoint())).await.expect("configures");
    session.run(&format!("%credential s3://bucket secret:aws/keys --endpoint {} --region {}", moto.endpoint(), Moto::REGION)).await.expect("configures");
    for (name, length) in [("a.txt", 3), ("year=2025/part 0.bin", 100_000), ("year=2026/Übersicht.bin", 9_000_000), ("empty", 0)] {
        let path = root.path().join("table").join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, noise(length as u64, length)).expect("writes");
    }
    let refused = session.refused("%cp table s3://bucket/t").await;
    assert!(refused.contains("--recursive"), "{refused}");
    let said = session.run("%cp table s3://bucket/t --recursive").await.expect("to S3");
    assert!(said.starts_with("copied 4 files, 9.1 MB to s3://bucket/t in "), "{said}");
    let said = session.run("%cp s3://bucket/t az://tables@devstoreaccount1/t --recursive --create").await.expect("to Azure");
    assert!(said.starts_with("copied 4 files, 9.1 MB to az://tables@devstoreaccount1/t in ") && said.contains("verified"), "{said}");
    session.run("%cp az://tables@devstoreaccount1/t back --recursive").await.expect("back");
    for name in ["a.txt", "year=2025/part 0.bin", "year=2026/Übersicht.bin", "empty"] {
        let same = std::fs::read(root.path().join("table").join(name)).expect("reads") == std::fs::read(root.path().join("back").join(name)).expect("is there");
        assert!(same, "{name}");
    }
    let again = session.run("%cp az://tables@devstoreaccount1/t back --recursive").await.expect("is there");
    assert!(again.starts_with("4 files are there already"), "{again}");
    let folder = session.refused("%cp az://tables@devstoreaccount1/t one").await;
    assert!(folder.contains("is a folder"), "{folder}");
    let within = session.run("%cp az://tables@devstoreaccount1/t az://tables@devstoreaccount1/u --recursive").await.expect("within");
    assert!(within.contains("copied within the service"), "{within}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_from_the_web_straight_into_a_container() {
    // A connection that is cut is taken up where it ended.
    let (web, azurite) = (BlobServer::start(BlobOptions::default()).expect("a server"), Azurite::start().expect("Azurite"));
    let root = tempfile::tempdir().expect("a directory");
    let (_, mut session) = with_azurite(&azurite, root.path()).await;
    let bytes = noise(7, SEVERAL_PARTS);
    web.put("public", "pictures.zip", bytes.clone());
    // The connection is cut in one of three answers, in different places.
    web.set(trouble(3, 0.34, &[Trouble::Reset, Trouble::Cut, Trouble::Unavailable]));
    let said = session.run(&format!("%cp {}/public/pictures.zip az://pictures@devstoreaccount1/ --create", web.url())).await.expect("copies");
    assert!(said.contains("length and version verified"), "{said}");
    let parts = web.exchanges().iter().filter(|e| e.request.header("range").is_some()).count();
    assert!(parts >= 4, "asked for {parts} ranges");
    session.run("%cp az://pictures@devstoreaccount1/pictures.zip .").await.expect("comes back");
    assert!(std::fs::read(root.path().join("pictures.zip")).expect("reads") == bytes);
}

/// Answers every request whole and cuts the first ones, as simple servers do.
struct WithoutRanges {
    body: Vec<u8>,
    cuts: AtomicU32,
}

impl Answering for WithoutRanges {
    fn answer(&self, _: &Request) -> Reply {
        let reply = Reply::new(200, "application/zip", self.body.clone());
        match self.cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
            Ok(_) => reply.ending(Ending::Cut(1_000_000)),
            Err(_) => reply,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_ranges_is_read_whole_and_again_after_a_cut() {
    let server = Arc::new(WithoutRanges { body: noise(9, 3_000_000), cuts: AtomicU32::new(0) });
    let http = HttpServer::start(server.clone(), None).expect("a server");
    let root = tempfile::tempdir().expect("a directory");
    let (storage, _) = storage(&[], Path::new(NO_PROGRAM));
    let mut session = Double::new(&storage, root.path());
    server.cuts.store(3, Ordering::SeqCst);
    let said = session.run(&format!("%cp {}/data.bin .", http.url())).await.expect("copies");
    assert!(said.contains("3.0 MB") && said.ends_with("length verified"), "{said}");
    assert!(std::fs::read(root.path().join("data.bin")).expect("reads") == server.body);
    server.cuts.store(100, Ordering::SeqCst);
    let refused = session.refused(&format!("%cp {}/data.bin other.bin", http.url())).await;
    assert!(refused.contains("a cut copy begins anew"), "{refused}");
    let left: Vec<_> = std::fs::read_dir(root.path()).expect("lists").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["data.bin"], "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_changes_under_the_copy_is_an_error_and_never_a_mixture() {
    // Two versions of a file are never mixed.
    let web = BlobServer::start(BlobOptions::default()).expect("a server");
    let root = tempfile::tempdir().expect("a directory");
    let (storage, _) = storage(&[], Path::new(NO_PROGRAM));
    let mut session = Double::new(&storage, root.path());
    web.put_synthetic("public", "table.bin", SEVERAL_PARTS as u64);
    web.set(trouble(1, 1.0, &[Trouble::NewVersion]));
    let refused = session.refused(&format!("%cp {}/public/table.bin .", web.url())).await;
    assert!(refused.contains("was changed while it was read"), "{refused}");
    assert!(!root.path().join("table.bin").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn long_work_shows_how_far_it_is_and_ends_at_once_when_interrupted() {
    // Long work shows how far it is and ends at once when interrupted.
    let server = BlobServer::start(BlobOptions { connection_rate: Some(300_000), ..BlobOptions::default() }).expect("a server");
    server.put("slow", "table.bin", noise(4, 40_000_000));
    let root = tempfile::tempdir().expect("a directory");
    let (_, mut session) = with_server(&server, root.path()).await;
    session.interrupt_when_shown = true;
    let began = Instant::now();
    let failure = session.run("%cp az://slow@ochreblobs/table.bin .").await.expect_err("interrupted");
    assert!(began.elapsed() < Duration::from_secs(10), "took {:?}", began.elapsed());
    assert_eq!(failure.fault, Fault::Interrupted);
    assert!(failure.hint.as_deref().is_some_and(|h| h.contains("run the cell again")), "{failure:?}");
    assert!(!root.path().join("table.bin").exists());
    let (first, last) = (&session.shown[0], session.shown.last().expect("the end is shown"));
    assert!(!first.1 && first.2.starts_with("copying table.bin:") && first.2.contains(" of 40.0 MB"), "{first:?}");
    assert!(last.1 && last.0 == first.0 && last.2.ends_with("stopped"), "it is updated in place: {last:?}");
    // What was fetched is used by the next run.
    server.set(BlobOptions::default());
    session.interrupt.send_replace(false);
    session.interrupt_when_shown = false;
    let said = session.run("%cp az://slow@ochreblobs/table.bin .").await.expect("goes on");
    assert!(said.starts_with("copied 40.0 MB"), "{said}");
    assert!(std::fs::read(root.path().join("table.bin")).expect("reads") == noise(4, 40_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_blobs_cannot_lead_outside() {
    // A file's or blob's name cannot lead a copy outside its destination.
    let server = BlobServer::start(BlobOptions::default()).expect("a server");
    server.put("bad", "good/../../evil", "x");
    let root = tempfile::tempdir().expect("a directory");
    let inside = root.path().join("a/b");
    std::fs::create_dir_all(&inside).expect("a directory");
    let (_, mut session) = with_server(&server, &inside).await;
    // Whether the client refuses the name or leaves it out: nothing may be written beside the destination.
    let _ = session.run("%cp az://bad@ochreblobs/ out --recursive").await;
    let left: Vec<_> = std::fs::read_dir(root.path()).expect("lists").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["a"]);
    let left: Vec<_> = std::fs::read_dir(root.path().join("a")).expect("lists").flatten().map(|e| e.file_name()).collect();
    assert_eq!(left, ["b"]);
}
