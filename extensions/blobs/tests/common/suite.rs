//! The conformance suite: what every store must do, whatever lies beneath.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::TryStreamExt;
use ochre_blobs::{BlobError, Container, Meta, Mode, Progress, ReadOptions, WriteOptions};

use crate::common::bytes;

/// Names that clients get wrong.
const ODD: [&str; 12] =
    ["a b", "a#b", "what?.txt", "100%", "100%25", "%41", "ünïcode/日本語.txt", "a&b=c", "a+b", "(1) [x]", "semi;colon,comma", "tilde~at@dollar$"];

/// Runs everything below `base`, which must be empty.
pub async fn conformance(container: &Container, base: &str) {
    let under = |name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") };
    small(container, &under("small")).await;
    names(container, &under("names")).await;
    listing(container, &under("listing")).await;
    modes(container, &under("modes")).await;
    versions(container, &under("versions")).await;
    large(container, &under("large")).await;
    reading(container, &under("reading")).await;
    files(container, &under("files")).await;
}

async fn all(container: &Container, prefix: &str) -> Vec<Meta> {
    container.list(prefix).try_collect().await.expect("listed")
}

async fn small(container: &Container, base: &str) {
    let path = format!("{base}/a.txt");
    let written = container.write(&path, Bytes::from_static(b"hello"), Mode::Create).await.expect("written");
    let found = container.stat(&path).await.expect("there");
    assert_eq!((found.path.as_str(), found.size), (path.trim_matches('/'), 5));
    assert_eq!(written.etag, found.etag, "the version of a write is the version that is there");
    assert_eq!(container.read(&path).await.expect("read"), "hello");
    assert_eq!(container.read_range(&path, 1..3).await.expect("a range"), "el");
    assert_eq!(container.read_range(&path, 3..100).await.expect("a range over the end"), "lo");
    assert_eq!(container.read_range(&path, 5..9).await.expect("behind the end"), "");
    assert_eq!(container.read_range(&path, 2..2).await.expect("an empty range"), "");
    let empty = format!("{base}/empty");
    container.write(&empty, Bytes::new(), Mode::Create).await.expect("an empty object");
    assert_eq!(container.stat(&empty).await.expect("there").size, 0);
    assert_eq!(container.read(&empty).await.expect("read"), "");
    let reader = container.reader(&empty, ReadOptions::default()).await.expect("a reader");
    assert_eq!(reader.read_at(0, 10).await.expect("nothing"), "");
    for missing in [format!("{base}/missing"), format!("{base}/a.txt/below")] {
        for (what, error) in [
            ("stat", container.stat(&missing).await.err()),
            ("read", container.read(&missing).await.err()),
            ("range", container.read_range(&missing, 0..1).await.err()),
        ] {
            assert!(matches!(error, Some(BlobError::NotFound { .. })), "{what} {missing}: {error:?}");
        }
    }
    container.delete(&path).await.expect("deleted");
    assert!(matches!(container.stat(&path).await, Err(BlobError::NotFound { .. })));
}

async fn names(container: &Container, base: &str) {
    for (i, name) in ODD.iter().enumerate() {
        let path = format!("{base}/{name}");
        container.write(&path, bytes(100 + i, i as u64), Mode::Create).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(container.read(&path).await.unwrap_or_else(|error| panic!("{name}: {error}")), bytes(100 + i, i as u64));
    }
    let listed: BTreeSet<String> = all(container, base).await.into_iter().map(|meta| meta.path).collect();
    let expected: BTreeSet<String> = ODD.iter().map(|name| format!("{}/{name}", base.trim_matches('/'))).collect();
    assert_eq!(listed, expected);
    for name in ODD {
        let copy = format!("{base}-copy/{name}");
        container.copy(&format!("{base}/{name}"), &copy, Mode::Overwrite).await.unwrap_or_else(|error| panic!("copying {name}: {error}"));
        container.delete(&format!("{base}/{name}")).await.unwrap_or_else(|error| panic!("deleting {name}: {error}"));
    }
    assert_eq!(all(container, base).await, []);
    assert_eq!(all(container, &format!("{base}-copy")).await.len(), ODD.len());
}

async fn listing(container: &Container, base: &str) {
    let base = base.trim_matches('/');
    for name in ["b", "a/1", "a/2", "a/deep/er/3", "ab/4", "a.txt"] {
        container.write(&format!("{base}/{name}"), Bytes::from_static(b"x"), Mode::Create).await.expect("written");
    }
    let names = |metas: Vec<Meta>| metas.into_iter().map(|meta| meta.path[base.len() + 1..].to_owned()).collect::<BTreeSet<_>>();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(names(all(container, base).await), set(&["b", "a/1", "a/2", "a/deep/er/3", "ab/4", "a.txt"]));
    assert_eq!(names(all(container, &format!("{base}/a")).await), set(&["a/1", "a/2", "a/deep/er/3"]), "a folder, not a prefix of names");
    assert_eq!(all(container, &format!("{base}/nothing")).await, []);
    let (objects, folders) = container.list_directory(base).await.expect("a directory");
    assert_eq!(names(objects), set(&["b", "a.txt"]));
    assert_eq!(folders.into_iter().collect::<BTreeSet<_>>(), set(&[&format!("{base}/a"), &format!("{base}/ab")]));
    let (objects, folders) = container.list_directory(&format!("{base}/a/deep")).await.expect("a directory");
    assert_eq!((objects, folders), (vec![], vec![format!("{base}/a/deep/er")]));
}

async fn modes(container: &Container, base: &str) {
    let path = format!("{base}/x");
    container.write(&path, Bytes::from_static(b"one"), Mode::Create).await.expect("first");
    let second = container.write(&path, Bytes::from_static(b"two"), Mode::Create).await;
    assert!(matches!(second, Err(BlobError::Exists { .. })), "{second:?}");
    assert_eq!(container.read(&path).await.expect("read"), "one");
    container.write(&path, Bytes::from_static(b"three"), Mode::Overwrite).await.expect("overwritten");
    assert_eq!(container.read(&path).await.expect("read"), "three");
    let tasks: Vec<_> = (0..8u8)
        .map(|i| {
            let (container, path) = (container.clone(), format!("{base}/raced"));
            tokio::spawn(async move { container.write(&path, Bytes::from(vec![i; 100]), Mode::Create).await.map(|_| i) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(winner) => winners.push(winner),
            Err(error) => assert!(matches!(error, BlobError::Exists { .. }), "{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "of several writers at once one succeeds");
    assert_eq!(container.read(&format!("{base}/raced")).await.expect("read"), vec![winners[0]; 100]);
    container.copy(&path, &format!("{base}/y"), Mode::Create).await.expect("copied");
    let again = container.copy(&path, &format!("{base}/y"), Mode::Create).await;
    assert!(matches!(again, Err(BlobError::Exists { .. })), "{container:?}: {again:?}");
    let missing = container.copy(&format!("{base}/missing"), &format!("{base}/z"), Mode::Overwrite).await;
    assert!(matches!(missing, Err(BlobError::NotFound { .. })), "{missing:?}");
}

/// SEMANTICS.md: "**A reader sees one version.**"
async fn versions(container: &Container, base: &str) {
    let path = format!("{base}/x");
    let old = bytes(3 << 20, 1);
    container.write(&path, old.clone(), Mode::Create).await.expect("written");
    let reader = container.reader(&path, ReadOptions { random: true, ..ReadOptions::default() }).await.expect("a reader");
    assert_eq!(reader.read_at(0, 1000).await.expect("read"), old[..1000]);
    container.write(&path, bytes((3 << 20) + 1, 2), Mode::Overwrite).await.expect("overwritten");
    let mixed = reader.read_at(2 << 20, 1000).await;
    assert!(matches!(mixed, Err(BlobError::Changed { .. })), "{mixed:?}");
    let anew = container.reader(&path, ReadOptions::default()).await.expect("a reader");
    assert_eq!(anew.read_at(0, 1 << 20).await.expect("read"), bytes((3 << 20) + 1, 2)[..1 << 20]);
}

/// SEMANTICS.md: "**Nothing is visible before it is complete.**"
async fn large(container: &Container, base: &str) {
    let path = format!("{base}/x");
    let content = bytes((20 << 20) + 3, 3);
    let mut writer = container.writer(&path, WriteOptions::default()).await.expect("a writer");
    for piece in content.chunks(3_000_001) {
        writer.write(content.slice_ref(piece)).await.expect("written");
        assert!(matches!(container.stat(&path).await, Err(BlobError::NotFound { .. })), "nothing is visible");
    }
    let done = writer.finish().await.expect("finished");
    assert_eq!(done.size, content.len() as u64);
    assert_eq!(container.read(&path).await.expect("read"), content);
    let taken = container.writer(&path, WriteOptions::default()).await;
    assert!(matches!(taken, Err(BlobError::Exists { .. })), "{taken:?}");
    // Two writers that begin together: the name is free for both, and only one may have it.
    let raced = format!("{base}/raced");
    let mut writers = Vec::new();
    for seed in 0..2 {
        let mut writer = container.writer(&raced, WriteOptions::default()).await.expect("a writer");
        writer.write(bytes(9 << 20, 10 + seed)).await.expect("written");
        writers.push(writer);
    }
    let second = writers.pop().expect("two").finish().await;
    let first = writers.pop().expect("two").finish().await;
    assert!(second.is_ok() && matches!(first, Err(BlobError::Exists { .. })), "{first:?} {second:?}");
    assert_eq!(container.read(&raced).await.expect("read"), bytes(9 << 20, 11));
    // Of one part exactly, and of one part and a byte.
    for length in [8 << 20, (8 << 20) + 1] {
        let path = format!("{base}/of-{length}");
        container.write(&path, bytes(length, 4), Mode::Create).await.expect("written");
        assert_eq!(container.read(&path).await.expect("read"), bytes(length, 4));
    }
    for end in ["abort", "drop"] {
        let path = format!("{base}/{end}");
        let mut writer = container.writer(&path, WriteOptions::default()).await.expect("a writer");
        writer.write(bytes(17 << 20, 5)).await.expect("written");
        if end == "abort" { writer.abort().await } else { drop(writer) }
        assert!(matches!(container.stat(&path).await, Err(BlobError::NotFound { .. })), "{end} leaves nothing");
    }
}

async fn reading(container: &Container, base: &str) {
    let path = format!("{base}/x");
    let content = bytes((24 << 20) + 77, 6);
    container.write(&path, content.clone(), Mode::Create).await.expect("written");
    let reader = container.reader(&path, ReadOptions::default()).await.expect("a reader");
    let size = content.len();
    let at = |offset: usize, length: usize| content.slice(offset.min(size)..(offset + length).min(size));
    // Sequential, in pieces of changing size.
    let mut offset = 0;
    let mut length = 1;
    while offset < size {
        let got = reader.read_at(offset as u64, length).await.expect("read");
        assert!(got == at(offset, length), "{length} at {offset}");
        offset += got.len();
        length = (length * 3) % 700_001 + 4096;
    }
    // Here and there, backwards, over the end, from several tasks at once.
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4u64 {
        let (reader, content) = (reader.clone(), content.clone());
        tasks.spawn(async move {
            let mut state = task + 1;
            for _ in 0..20 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let offset = (state >> 33) as usize % (content.len() + 1000);
                let length = [1, 4096, 131_072, 1 << 20, 9 << 20][(state >> 20) as usize % 5];
                let got = reader.read_at(offset as u64, length).await.expect("read");
                let end = (offset + length).min(content.len());
                assert!(got == content.slice(offset.min(end)..end), "{length} at {offset}");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no wrong byte");
    }
    assert!(container.read_range(&path, 5..(20 << 20)).await.expect("a long range") == content.slice(5..20 << 20));
}

async fn files(container: &Container, base: &str) {
    let place = tempfile::tempdir().expect("a directory");
    for (name, length) in [("small", 1000), ("empty", 0), ("large", (19 << 20) + 5)] {
        let file = place.path().join(name);
        let content = bytes(length, 7);
        std::fs::write(&file, &content).expect("a file");
        let path = format!("{base}/{name}");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&heard);
        let progress = Progress::new(move |done, total| hear.lock().expect("no panic").push((done, total)));
        let sent = container.upload(&file, &path, progress, Mode::Create).await.expect("uploaded");
        assert_eq!(sent.size, length as u64);
        assert_eq!(heard.lock().expect("no panic").last(), Some(&(length as u64, length as u64)));
        assert!(container.read(&path).await.expect("read") == content);
        let back = place.path().join(format!("{name}-back"));
        let got = container.download(&path, &back, Progress::none()).await.expect("downloaded");
        assert_eq!(got.size, length as u64);
        assert!(std::fs::read(&back).expect("the file") == content);
        let again = container.upload(&file, &path, Progress::none(), Mode::Create).await;
        assert!(matches!(again, Err(BlobError::Exists { .. })), "{again:?}");
        container.upload(&file, &path, Progress::none(), Mode::Overwrite).await.expect("overwritten");
    }
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("the directory").map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("ochre")), "nothing is left beside the files: {left:?}");
    let nowhere = container.upload(Path::new("/no/such/file"), &format!("{base}/n"), Progress::none(), Mode::Create).await;
    assert!(matches!(nowhere, Err(BlobError::Local { kind: std::io::ErrorKind::NotFound, .. })), "{nowhere:?}");
}
