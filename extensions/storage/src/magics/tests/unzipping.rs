//! `%unzip` from and to stores, and from the web.
use super::{NO_PROGRAM, with_azurite, with_server};
use crate::double::{Double, noise, storage};
use ochre_servers::{Azurite, BlobOptions, BlobServer, Fault, Faults};
use std::io::Write as _;
use std::path::Path;
use zip::write::SimpleFileOptions;

/// Pictures, and a table that takes several parts.
fn archive() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for n in 0..40 {
        writer.start_file(format!("cats/{n}.png"), SimpleFileOptions::default()).expect("a file");
        writer.write_all(&noise(n, 5_000)).expect("writes");
    }
    writer.start_file("table.bin", SimpleFileOptions::default()).expect("a file");
    writer.write_all(&noise(99, 18_000_000)).expect("writes");
    writer.finish().expect("an archive").into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_in_a_container_is_unpacked_beside_itself() {
    let azurite = Azurite::start().expect("Azurite");
    let root = tempfile::tempdir().expect("a directory");
    let (_, mut session) = with_azurite(&azurite, root.path()).await;
    std::fs::write(root.path().join("cats.zip"), archive()).expect("writes");
    session.run("%cp cats.zip az://pictures@devstoreaccount1/ --create").await.expect("copies");
    let said = session.run("%unzip az://pictures@devstoreaccount1/cats.zip az://pictures@devstoreaccount1/all").await.expect("unpacks");
    assert!(said.starts_with("unpacked 41 files, 18.2 MB to az://pictures@devstoreaccount1/all in ") && said.ends_with("lengths and CRCs verified"), "{said}");
    session.run("%cp az://pictures@devstoreaccount1/all all --recursive").await.expect("copies back");
    for n in 0..40 {
        assert_eq!(std::fs::read(root.path().join(format!("all/cats/{n}.png"))).expect("is there"), noise(n, 5_000));
    }
    assert!(std::fs::read(root.path().join("all/table.bin")).expect("is there") == noise(99, 18_000_000));
    // Again: harmless. With another file in the way: refused, and nothing is written.
    let again = session.run("%unzip cats.zip all").await.expect("is there");
    assert!(again.starts_with("41 files are there already with the right length; nothing was unpacked to "), "{again}");
    std::fs::write(root.path().join("all/cats/3.png"), "mine").expect("writes");
    std::fs::remove_file(root.path().join("all/table.bin")).expect("removes");
    let refused = session.refused("%unzip cats.zip all").await;
    assert!(refused.contains("there already with another length: `cats/3.png`"), "{refused}");
    assert!(!root.path().join("all/table.bin").exists());
    session.run("%unzip cats.zip all --overwrite").await.expect("overwrites");
    assert_eq!(std::fs::read(root.path().join("all/cats/3.png")).expect("is there"), noise(3, 5_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_needed_of_a_remote_archive_is_fetched_and_faults_are_survived() {
    let server = BlobServer::start(BlobOptions::default()).expect("a server");
    let root = tempfile::tempdir().expect("a directory");
    let (_, mut session) = with_server(&server, root.path()).await;
    let bytes = archive();
    server.put("web", "cats.zip", bytes.clone());
    let kinds = vec![Fault::Reset, Fault::Cut, Fault::Unavailable, Fault::Throttled];
    server.set(BlobOptions { faults: Faults { seed: 11, rate: 0.3, kinds, ..Faults::default() }, ..BlobOptions::default() });
    session.run(&format!("%unzip {}/web/cats.zip from-web", server.url())).await.expect("from the web");
    session.run("%unzip az://web@ochreblobs/cats.zip from-store").await.expect("from the store");
    for place in ["from-web", "from-store"] {
        assert!(std::fs::read(root.path().join(place).join("table.bin")).expect("is there") == noise(99, 18_000_000), "{place}");
        assert_eq!(std::fs::read_dir(root.path().join(place).join("cats")).expect("lists").count(), 40, "{place}");
    }
    // When all but the table is there, the pictures are not fetched again.
    server.set(BlobOptions::default());
    std::fs::remove_file(root.path().join("from-web/cats/7.png")).expect("removes");
    let before = server.sent();
    let said = session.run(&format!("%unzip {}/web/cats.zip from-web", server.url())).await.expect("the rest");
    assert!(said.starts_with("unpacked 1 file, 5.0 kB"), "{said}");
    assert!(server.sent() - before < 500_000, "{} bytes were sent for one picture", server.sent() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_archive_writes_nothing_to_a_store() {
    let server = BlobServer::start(BlobOptions::default()).expect("a server");
    let root = tempfile::tempdir().expect("a directory");
    let (_, mut session) = with_server(&server, root.path()).await;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["good", "../evil"] {
        writer.start_file(name, SimpleFileOptions::default()).expect("a file");
        writer.write_all(b"x").expect("writes");
    }
    std::fs::write(root.path().join("evil.zip"), writer.finish().expect("an archive").into_inner()).expect("writes");
    server.create_container("out");
    let refused = session.refused("%unzip evil.zip az://out@ochreblobs/there").await;
    assert!(refused.contains("`../evil` in the archive would be written outside the destination") && refused.contains("nothing was written"), "{refused}");
    assert_eq!(server.names("out"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_archive_is_said() {
    let root = tempfile::tempdir().expect("a directory");
    let (storage, _) = storage(&[], Path::new(NO_PROGRAM));
    let mut session = Double::new(&storage, root.path());
    std::fs::write(root.path().join("a.zip"), noise(1, 100_000)).expect("writes");
    let refused = session.refused("%unzip a.zip out").await;
    assert!(refused.contains("this is no zip archive"), "{refused}");
    let refused = session.refused("%unzip a.zip https://example.org/x").await;
    assert!(refused.contains("nothing can be written to https://example.org/x"), "{refused}");
}
