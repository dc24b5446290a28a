//! The last way: a folder that is copied there and back. Driven as the kernel does, from the outside.

#[path = "support/filled.rs"]
mod filled;
mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use filled::*;
use ochre_mount::{FromMount, MountConfig, WayName};
use ochre_servers::BlobServer;
use support::*;

fn synced(server: &BlobServer, directory: &Path) -> MountConfig {
    MountConfig { way: Some(WayName::Synced), ..config(server, "data", directory) }
}

/// SEMANTICS: "Where neither works, the location is copied into the directory and what changes there is sent back."
#[test]
fn the_synced_folder_passes_the_same_checks() {
    let server = filled();
    let (_folder, directory) = ground();
    let mount = Mount::start(&MountConfig { overwrite: true, ..synced(&server, &directory) });
    checked("read", &directory);
    checked("write-folder", &directory);
    fs::write(directory.join("a.txt"), "changed").expect("it writes");
    assert_eq!(mount.end(), None);
    let text = |name: &str| server.get("c", &format!("data/{name}")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!((text("w-new.txt").as_deref(), text("w-moved").as_deref(), text("w-dir/inner/f").as_deref()), (Some("one two"), Some("hello\n"), Some("f")));
    assert_eq!((text("a.txt").as_deref(), text("w-from"), text("w-python2")), (Some("changed"), None, None));
    assert_eq!(server.get("c", "data/w-large").map(|bytes| bytes.len()), Some(20_000_003));
    assert!(!directory.exists(), "nothing is left behind");
}

/// SEMANTICS: "A synced folder never overwrites another version silently."
#[test]
fn a_conflict_keeps_both_versions() {
    let server = filled();
    let (_folder, directory) = ground();
    let mount = Mount::start(&MountConfig { overwrite: true, ..synced(&server, &directory) });
    server.put("c", "data/a.txt", "theirs");
    fs::write(directory.join("a.txt"), "mine, longer").expect("it writes");
    let said = mount.next();
    assert!(matches!(&said, FromMount::Warning { text } if text.contains("a.txt.conflict")), "{said:?}");
    assert_eq!(fs::read_to_string(directory.join("a.txt")).expect("it reads"), "theirs");
    assert_eq!(fs::read_to_string(directory.join("a.txt.conflict")).expect("it reads"), "mine, longer");
    assert_eq!(server.get("c", "data/a.txt").as_deref(), Some(&b"theirs"[..]));
    let lost = mount.end().expect("a file is left");
    assert!(lost.contains("1 files") && directory.join("a.txt.conflict").exists(), "{lost}");
    let (_folder, directory) = ground();
    let small = Mount::spawn(&MountConfig { cache: 1000, ..synced(&server, &directory) });
    assert!(matches!(small.next(), FromMount::Failed { error, .. } if error.contains("--cache")), "a bound");
}

fn in_store(server: &BlobServer, name: &str) -> Option<String> {
    server.get("c", &format!("data/{name}")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn arrives(server: &BlobServer, name: &str, text: &str) {
    wait(&format!("{name} arrives"), || match in_store(server, name) {
        Some(found) if found == text => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// SEMANTICS: "A synced folder sends a file when nobody writes it any more, all of it or nothing."
#[test]
fn a_file_that_is_being_written_is_not_sent() {
    let server = filled();
    let (_folder, directory) = ground();
    let mount = Mount::start(&synced(&server, &directory));
    let mut file = File::create(directory.join("w-slow")).expect("it is made");
    file.write_all(b"half ").expect("it writes");
    for round in 0..3 {
        // Each arrives after two looks, in which the other could have been sent.
        fs::write(directory.join(format!("w-{round}")), "x").expect("it writes");
        arrives(&server, &format!("w-{round}"), "x");
        assert_eq!(in_store(&server, "w-slow"), None);
    }
    file.write_all(b"whole").expect("it writes");
    drop(file);
    arrives(&server, "w-slow", "half whole");
    assert_eq!(mount.end(), None);
}

/// SEMANTICS: "A synced folder loses nothing when its process is killed."
#[test]
fn the_next_mount_goes_on_where_a_killed_one_was() {
    let server = filled();
    let (_folder, directory) = ground();
    let config = MountConfig { overwrite: true, ..synced(&server, &directory) };
    let mut mount = Mount::start(&config);
    fs::write(directory.join("w-sent"), "sent").expect("it writes");
    arrives(&server, "w-sent", "sent");
    fs::write(directory.join("a.txt"), "changed").expect("it writes");
    fs::write(directory.join("sub/b.txt"), "mine").expect("it writes");
    fs::create_dir(directory.join("new")).expect("a directory");
    fs::write(directory.join("new/w-new"), "new").expect("it writes");
    mount.kill();
    assert_eq!(in_store(&server, "new/w-new"), None, "it was killed before");
    server.put("c", "data/sub/b.txt", "theirs");
    let other = Mount::spawn(&MountConfig { location: location("elsewhere"), ..config.clone() });
    assert!(matches!(other.next(), FromMount::Failed { error, .. } if error.contains("holds files")), "another location does not take them");
    let next = Mount::spawn(&config);
    let mut said = vec![next.next(), next.next()];
    said.sort_by_key(|one| matches!(one, FromMount::Ready { .. }));
    assert!(matches!(&said[..], [FromMount::Warning { text }, FromMount::Ready { .. }] if text.contains("sub/b.txt.conflict")), "{said:?}");
    assert_eq!(fs::read_to_string(directory.join("sub/b.txt")).expect("it reads"), "theirs");
    assert_eq!(fs::read_to_string(directory.join("sub/b.txt.conflict")).expect("it reads"), "mine");
    assert_eq!(fs::read_to_string(directory.join("w-sent")).expect("it reads"), "sent");
    arrives(&server, "a.txt", "changed");
    arrives(&server, "new/w-new", "new");
    assert_eq!((in_store(&server, "sub/b.txt").as_deref(), in_store(&server, "sub/b.txt.conflict")), (Some("theirs"), None));
    fs::remove_file(directory.join("sub/b.txt.conflict")).expect("it goes");
    assert_eq!(next.end(), None);
    assert_eq!(fs::read_dir(&directory).expect("it was there before").count(), 0, "nothing is left behind");
}

/// Replaced and deleted is only what may be, and what a program of the user's took away.
#[test]
fn nothing_is_deleted_that_was_not_deleted_here() {
    let server = filled();
    for name in ["x.conflict", "y.ochre-part"] {
        server.put("c", &format!("data/{name}"), "theirs");
    }
    for (overwrite, read_only) in [(false, false), (true, true)] {
        let (_folder, directory) = ground();
        let mount = Mount::start(&MountConfig { overwrite, read_only, ..synced(&server, &directory) });
        fs::remove_file(directory.join("a.txt")).expect("it goes here");
        let _ = fs::remove_file(directory.join("sub/b.txt"));
        fs::write(directory.join("sub/b.txt"), "mine").expect("it writes");
        let lost = mount.end().expect("a file is left");
        assert!(lost.contains("1 files"), "{lost}");
        assert_eq!((in_store(&server, "a.txt").as_deref(), in_store(&server, "sub/b.txt").as_deref()), (Some("alpha"), Some("beta")));
    }
    let (folder, directory) = ground();
    let mount = Mount::start(&MountConfig { overwrite: true, ..synced(&server, &directory) });
    fs::remove_file(directory.join("a.txt")).expect("it goes");
    wait("the deletion arrives", || in_store(&server, "a.txt").map_or(Ok(()), Err));
    fs::rename(&directory, folder.path().join("moved")).expect("it moves");
    assert!(matches!(mount.next(), FromMount::Warning { text } if text.contains("not the directory")), "another directory's files are not ours to delete");
    mount.end();
    for (name, text) in [("sub/b.txt", "beta"), ("x.conflict", "theirs"), ("y.ochre-part", "theirs")] {
        assert_eq!(in_store(&server, name).as_deref(), Some(text), "{name}");
    }
}

/// Neither what a link leads to nor a name that is no text is sent; each is told once, and nothing beyond the directory is touched.
#[test]
fn links_and_odd_names_are_told_and_not_followed() {
    use std::os::unix::ffi::OsStrExt;
    let server = filled();
    let (folder, directory) = ground();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("b.txt"), "private").expect("it writes");
    let mount = Mount::start(&MountConfig { overwrite: true, ..synced(&server, &directory) });
    std::os::unix::fs::symlink(outside.join("b.txt"), directory.join("link")).expect("a link");
    std::os::unix::fs::symlink(&outside, directory.join("tree")).expect("a link");
    fs::write(directory.join(std::ffi::OsStr::from_bytes(b"w-\xff")), "x").expect("it writes");
    let mut told: Vec<String> = (0..3).map(|_| format!("{:?}", mount.next())).collect();
    told.sort();
    assert!(told[0].contains("`link`") && told[1].contains("`tree`") && told[2].contains("no text"), "{told:?}");
    for round in 0..2 {
        fs::write(directory.join(format!("w-{round}")), "x").expect("it writes");
        arrives(&server, &format!("w-{round}"), "x");
    }
    assert!(mount.try_next().is_none(), "each is told once");
    assert_eq!((in_store(&server, "link"), in_store(&server, "tree/b.txt")), (None, None));
    let lost = mount.end().expect("they are left");
    assert!(lost.contains("3 files"), "{lost}");
    assert_eq!(fs::read_to_string(outside.join("b.txt")).expect("it is there"), "private");
}

/// A store that is gone at the end: the process ends in time, what could not be sent stays, and the next mount sends it.
#[test]
fn what_cannot_be_sent_at_the_end_stays() {
    let server = filled();
    let (_folder, directory) = ground();
    let config = synced(&server, &directory);
    let mount = Mount::start(&config);
    fs::write(directory.join("w-late"), "late").expect("it writes");
    drop(server);
    let began = Instant::now();
    let lost = mount.end().expect("a file is left");
    assert!(lost.contains("1 files") && began.elapsed() < Duration::from_secs(20), "{lost} {:?}", began.elapsed());
    assert_eq!(fs::read_to_string(directory.join("w-late")).expect("it stays"), "late");
}
