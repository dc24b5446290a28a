//! What SEMANTICS.md promises of mounts: each test quotes its sentence.

mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use ochre_mount::{FromMount, MountConfig};
use ochre_servers::contents;
use support::*;

fn names(directory: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// **A mounted location reads as a directory.**
#[test]
fn a_mounted_location_reads_as_a_directory() {
    let server = server();
    let big = 20_000_000;
    let version = server.put_synthetic("c", "data/big", big);
    for (name, text) in [("data/a", "alpha"), ("data/sub/b", "beta"), ("data/empty", ""), ("other", "no")] {
        server.put("c", name, text);
    }
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "data", &directory));
    assert_eq!(names(&directory), ["a", "big", "empty", "sub"]);
    assert_eq!(names(&mount.path("sub")), ["b"]);
    assert_eq!(fs::read_to_string(mount.path("a")).unwrap(), "alpha");
    assert_eq!(fs::read_to_string(mount.path("sub/b")).unwrap(), "beta");
    assert_eq!(fs::read(mount.path("empty")).unwrap(), b"");
    assert_eq!(fs::metadata(mount.path("big")).unwrap().len(), big);
    let expected = contents("data/big", version, 0..big);
    assert!(fs::read(mount.path("big")).unwrap() == expected);
    let mut part = vec![0; 4096];
    let file = fs::File::open(mount.path("big")).unwrap();
    for offset in [0, 1, 8_388_607, 12_345_678, big - 4096] {
        file.read_exact_at(&mut part, offset).unwrap();
        assert!(part == expected[offset as usize..offset as usize + 4096], "at {offset}");
    }
    assert_eq!(fs::read(mount.path("nothing")).unwrap_err().kind(), ErrorKind::NotFound);
    drop(file);
    assert_eq!(mount.end(), None);
    assert!(!directory.exists());
}

/// **A file that is open stays the version that was opened.**
#[test]
fn a_file_that_is_open_stays_the_version_that_was_opened() {
    let server = server();
    let size = 24 << 20;
    let old = vec![1u8; size];
    server.put("c", "small", "first version");
    server.put("c", "large", old.clone());
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    let mut small = fs::File::open(mount.path("small")).unwrap();
    let large = fs::File::open(mount.path("large")).unwrap();
    let mut begin = vec![0; 1 << 20];
    large.read_exact_at(&mut begin, 0).unwrap();
    server.put("c", "small", "2");
    server.put("c", "large", vec![2u8; size]);
    let mut text = String::new();
    small.read_to_string(&mut text).unwrap();
    assert_eq!(text, "first version");
    // What was fetched ahead is of the old version; the rest is not in the store any more, which is an error and never a mixture.
    let mut read = begin;
    let mut failed = None;
    while read.len() < size {
        let mut part = vec![0; 1 << 20];
        match large.read_exact_at(&mut part, read.len() as u64) {
            Ok(()) => read.extend(part),
            Err(error) => {
                failed = error.raw_os_error();
                break;
            }
        }
    }
    assert!(read == old[..read.len()], "a mixture");
    assert_eq!(failed, Some(libc::ESTALE), "after {} bytes", read.len());
}

/// **What others change is seen within 5 seconds.**
#[test]
fn what_others_change_is_seen_within_5_seconds() {
    assert_eq!(ochre_mount::config::NAMES_TTL, Duration::from_secs(5));
    let server = server();
    for (name, text) in [("grows", "a"), ("goes", "b"), ("stays", "c")] {
        server.put("c", name, text);
    }
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    assert_eq!(names(&directory), ["goes", "grows", "stays"]);
    assert_eq!(fs::read_to_string(mount.path("grows")).unwrap(), "a");
    assert!(!mount.path("new").exists());
    server.put("c", "grows", "a longer text");
    server.put("c", "new", "d");
    server.remove("c", "goes");
    let changed = Instant::now();
    wait("the changes are seen", || {
        let grown = fs::read_to_string(mount.path("grows")).unwrap();
        assert!(grown == "a" || grown == "a longer text", "{grown:?} is neither version");
        let seen = (grown, mount.path("new").exists(), mount.path("goes").exists());
        if seen == ("a longer text".to_owned(), true, false) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    // A second for a machine that does other things too.
    assert!(changed.elapsed() < Duration::from_secs(6), "{:?}", changed.elapsed());
    assert_eq!(names(&directory), ["grows", "new", "stays"]);
}

/// **A written file appears when it is closed, all of it or nothing.**
#[test]
fn a_written_file_appears_when_it_is_closed() {
    let server = server();
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "out", &directory));
    for size in [0usize, 5, 1 << 20, (1 << 20) + 1, 30_000_001] {
        let bytes: Vec<u8> = (0..size).map(|at| (at / 7) as u8).collect();
        let name = format!("file-{size}");
        let mut file = fs::File::create(mount.path(&name)).unwrap();
        for part in bytes.chunks(1 << 20) {
            file.write_all(part).unwrap();
        }
        assert_eq!(server.get("c", &format!("out/{name}")), None, "{name} is there too early");
        assert_eq!(fs::metadata(mount.path(&name)).unwrap().len(), size as u64);
        drop(file);
        // An empty file has nothing to say at its close: it appears right after.
        wait("the file appears", || server.get("c", &format!("out/{name}")).map(|there| assert!(there == bytes)).ok_or_else(|| "nothing".to_owned()));
        assert!(fs::read(mount.path(&name)).unwrap() == bytes, "{name}");
    }
    assert_eq!(names(&directory).len(), 5);
}

/// Closes a file and gives the error of it, which `drop` swallows.
fn close(file: fs::File) -> std::io::Result<()> {
    use std::os::fd::IntoRawFd;
    // SAFETY: the descriptor is open and nobody else's, for the file was moved here.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// **The close says whether the file was stored.**
#[test]
fn the_close_says_whether_the_file_was_stored() {
    let server = server();
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    let mut file = fs::File::create_new(mount.path("taken")).unwrap();
    file.write_all(b"mine").unwrap();
    server.put("c", "taken", "theirs");
    assert_eq!(close(file).unwrap_err().raw_os_error(), Some(libc::EEXIST));
    assert_eq!(server.get("c", "taken").unwrap(), "theirs");
    let mut file = fs::File::create_new(mount.path("free")).unwrap();
    file.write_all(b"mine").unwrap();
    close(file).unwrap();
    assert_eq!(server.get("c", "free").unwrap(), "mine");
}

/// **A program that is killed while it writes leaves nothing.**
#[test]
fn a_program_that_is_killed_while_it_writes_leaves_nothing() {
    let server = server();
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    for size in [1000, 5_000_000] {
        let path = mount.path("half");
        // Not a shell, which closes the file each time that it has redirected a program to it.
        let script = "import sys, time; f = open(sys.argv[1], 'wb', buffering=0); f.write(bytes(int(sys.argv[2]))); print('written', flush=True); time.sleep(100)";
        let mut writer = std::process::Command::new("python3")
            .args(["-c", script])
            .args([path.as_os_str(), size.to_string().as_ref()])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 8];
        writer.stdout.take().unwrap().read_exact(&mut said).unwrap();
        writer.kill().unwrap();
        writer.wait().unwrap();
        wait("the file is given up", || if path.exists() { Err("it is still there".to_owned()) } else { Ok(()) });
        assert_eq!(server.get("c", "half"), None);
    }
}

/// **Files are written from their beginning to their end.**
#[test]
fn files_are_written_from_their_beginning_to_their_end() {
    let server = server();
    server.put("c", "there", "0123456789");
    let (_folder, directory) = ground();
    let mount = Mount::start(&MountConfig { overwrite: true, ..config(&server, "", &directory) });
    let mut file = fs::File::create(mount.path("new")).unwrap();
    file.write_all(b"abc").unwrap();
    assert_eq!(file.write_at(b"x", 1).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    assert!(close(file).is_err(), "a file that lacks a write must not be stored");
    assert_eq!(server.get("c", "new"), None);
    let middle = fs::OpenOptions::new().write(true).open(mount.path("there"));
    assert_eq!(middle.unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP));
    let end = fs::OpenOptions::new().append(true).open(mount.path("there"));
    assert_eq!(end.unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP));
    assert_eq!(server.get("c", "there").unwrap(), "0123456789");
}

/// **Files that are there are replaced, deleted and renamed only with `--overwrite`.**
#[test]
fn files_that_are_there_are_changed_only_with_overwrite() {
    let server = server();
    server.put("c", "a", "old");
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    for error in [fs::write(mount.path("a"), "new").unwrap_err(), fs::remove_file(mount.path("a")).unwrap_err(), fs::rename(mount.path("a"), mount.path("b")).unwrap_err()] {
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }
    assert_eq!((server.get("c", "a").unwrap(), server.names("c")), ("old".into(), vec!["a".to_owned()]));
    assert_eq!(mount.end(), None);
    let mount = Mount::start(&MountConfig { overwrite: true, ..config(&server, "", &directory) });
    fs::write(mount.path("a"), "new").unwrap();
    assert_eq!(server.get("c", "a").unwrap(), "new");
    fs::rename(mount.path("a"), mount.path("b")).unwrap();
    assert_eq!((server.names("c"), fs::read_to_string(mount.path("b")).unwrap()), (vec!["b".to_owned()], "new".to_owned()));
    fs::remove_file(mount.path("b")).unwrap();
    assert_eq!((server.names("c"), names(&directory)), (vec![], vec![]));
}

/// **A read-only mount changes nothing.**
#[test]
fn a_read_only_mount_changes_nothing() {
    let server = server();
    server.put("c", "a", "old");
    let (_folder, directory) = ground();
    let mount = Mount::start(&MountConfig { read_only: true, overwrite: true, ..config(&server, "", &directory) });
    let errors = [
        fs::write(mount.path("a"), "new").unwrap_err(),
        fs::write(mount.path("b"), "new").unwrap_err(),
        fs::remove_file(mount.path("a")).unwrap_err(),
        fs::create_dir(mount.path("d")).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.raw_os_error(), Some(libc::EROFS));
    }
    assert_eq!(fs::read_to_string(mount.path("a")).unwrap(), "old");
}

/// **A new directory is local until a file lands in it.**
#[test]
fn a_new_directory_is_local_until_a_file_lands_in_it() {
    let server = server();
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    fs::create_dir(mount.path("d")).unwrap();
    assert_eq!((names(&directory), names(&mount.path("d")), server.names("c")), (vec!["d".to_owned()], vec![], vec![]));
    fs::write(mount.path("d/f"), "x").unwrap();
    assert_eq!(server.names("c"), ["d/f"]);
    fs::create_dir_all(mount.path("e/f")).unwrap();
    fs::remove_dir(mount.path("e/f")).unwrap();
    fs::remove_dir(mount.path("e")).unwrap();
    assert_eq!(fs::remove_dir(mount.path("d")).unwrap_err().raw_os_error(), Some(libc::ENOTEMPTY));
    assert_eq!(names(&directory), ["d"]);
}

/// **A directory hides a file of the same name.**
#[test]
fn a_directory_hides_a_file_of_the_same_name() {
    let server = server();
    for name in ["both", "both/inside", "dir/", "ok/ü ñ", "ok/a.b", "ok/..."] {
        server.put("c", name, "x");
    }
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    assert!(mount.path("both").is_dir());
    assert_eq!((names(&directory), names(&mount.path("both"))), (vec!["both".into(), "dir".into(), "ok".into()], vec!["inside".to_owned()]));
    assert_eq!((names(&mount.path("dir")), names(&mount.path("ok"))), (vec![], vec!["...".to_owned(), "a.b".into(), "ü ñ".into()]));
}

/// **A key with an empty, `.` or `..` part cannot be reached, and the directory that holds it is not listed; other files in it open by name.**
#[test]
fn odd_keys_are_safe() {
    let server = server();
    for name in ["odd//b", "odd/../e", "odd/./f", "odd/fine", "fine"] {
        server.put("c", name, "x");
    }
    server.put("c", &format!("long/{}", "n".repeat(300)), "x");
    server.put("c", "long/fine", "x");
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    assert_eq!(names(&directory), ["fine", "long", "odd"]);
    assert_eq!(fs::read_dir(mount.path("odd")).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    for _ in 0..3 {
        assert_eq!(fs::read_to_string(mount.path("odd/fine")).unwrap(), "x");
        assert_eq!(fs::read_to_string(mount.path("odd/nothing")).unwrap_err().raw_os_error(), Some(libc::ENOENT));
    }
    assert_eq!(names(&mount.path("long")), ["fine"]);
}

/// **A dead server is an error within 30 seconds, and no program hangs.**
#[test]
fn a_dead_server_is_an_error_within_the_limit() {
    assert_eq!(ochre_mount::config::ANSWER_LIMIT, Duration::from_secs(30));
    let server = server();
    server.put("c", "d/a", "alpha");
    server.put("c", "e/b", "beta");
    server.put_synthetic("c", "big", 100 << 20);
    let (_folder, directory) = ground();
    let mount = Mount::start(&MountConfig { answer_limit_ms: 1500, ..config(&server, "", &directory) });
    let big = fs::File::open(mount.path("big")).unwrap();
    assert_eq!(names(&mount.path("d")), ["a"]);
    server.set(ochre_servers::BlobOptions { latency: Duration::from_secs(3600), ..Default::default() });
    let mut part = vec![0; 4096];
    let mut tries: Vec<(&str, Box<dyn FnMut() -> std::io::Result<()>>)> = vec![
        ("reading", Box::new(|| big.read_exact_at(&mut part, 90 << 20))),
        ("opening", Box::new(|| fs::read(mount.path("d/a")).map(drop))),
        ("looking up", Box::new(|| fs::metadata(mount.path("e/x")).map(drop))),
        ("listing", Box::new(|| fs::read_dir(mount.path("e")).map(drop))),
    ];
    for (what, run) in &mut tries {
        let began = Instant::now();
        let error = run().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO), "{what}: {error}");
        assert!(began.elapsed() < Duration::from_millis(3500), "{what}: {:?}", began.elapsed());
    }
    drop(tries);
    server.set(Default::default());
    assert_eq!(fs::read_to_string(mount.path("d/a")).unwrap(), "alpha");
}

/// **An interrupt ends the wait for a server.**
#[test]
fn an_interrupt_ends_the_wait_for_a_server() {
    let server = server();
    server.put("c", "a", "alpha");
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    server.set(ochre_servers::BlobOptions { latency: Duration::from_secs(3600), ..Default::default() });
    let began = Instant::now();
    // Who starts the tests may ignore the signal (`nohup`), and children inherit that.
    let mut reader = std::process::Command::new("env").args(["--default-signal=INT", "cat"]).arg(mount.path("a")).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait("the program waits in the kernel", || {
        let at = fs::read_to_string(format!("/proc/{}/wchan", reader.id())).unwrap_or_default();
        if at.contains("request_wait_answer") || at.contains("fuse") { Ok(()) } else { Err(at) }
    });
    program("kill", &["-INT", &reader.id().to_string()]);
    let status = wait("the program ends", || reader.try_wait().unwrap().ok_or_else(|| "it runs".to_owned()));
    assert!(!status.success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

/// **Unmounting leaves nothing behind, also by SIGTERM and when the kernel dies.**
#[test]
fn unmounting_leaves_nothing_behind() {
    let server = server();
    server.put("c", "a", "alpha");
    for how in ["end", "pipe", "term", "busy"] {
        let (_folder, directory) = ground();
        let mut mount = Mount::start(&config(&server, "", &directory));
        let open = fs::File::open(mount.path("a")).unwrap();
        let open = (how == "busy").then_some(open);
        match how {
            "end" => mount.say(&ochre_mount::ToMount::End),
            "term" => drop(program("kill", &["-TERM", &mount.child.id().to_string()])),
            _ => mount.stdin = None,
        }
        assert_eq!(mount.next(), FromMount::Ended { error: None }, "{how}");
        assert_eq!(mount.wait(), Some(0), "{how}");
        assert_eq!(ochre_mount::mounts::at(&directory), None, "{how}");
        assert!(!directory.exists(), "{how}: the directory that was made is gone");
        drop(open);
    }
}

/// **A file that is being written when the mount ends has 10 seconds to be closed.**
#[test]
fn a_file_that_is_being_written_at_the_end_may_be_closed() {
    assert_eq!(ochre_mount::config::END_LIMIT, Duration::from_secs(10));
    let server = server();
    let (_folder, directory) = ground();
    let mut mount = Mount::start(&config(&server, "", &directory));
    let mut file = fs::File::create(mount.path("late")).unwrap();
    file.write_all(b"in time").unwrap();
    mount.say(&ochre_mount::ToMount::End);
    close(file).unwrap();
    assert_eq!(mount.next(), FromMount::Ended { error: None });
    assert_eq!(server.get("c", "late").unwrap(), "in time");
}

/// **The next mount clears away what a killed mount process left.**
#[test]
fn the_next_mount_clears_away_what_a_killed_mount_process_left() {
    let server = server();
    server.put("c", "a", "alpha");
    let (_folder, directory) = ground();
    let mut first = Mount::start(&config(&server, "", &directory));
    first.kill();
    assert_eq!(fs::read(directory.join("a")).unwrap_err().raw_os_error(), Some(libc::ENOTCONN));
    let second = Mount::start(&config(&server, "", &directory));
    assert_eq!(fs::read_to_string(second.path("a")).unwrap(), "alpha");
    assert_eq!(second.end(), None);
    assert_eq!(ochre_mount::mounts::at(&directory), None);
}

/// **Mounting what is mounted there already changes nothing.**
#[test]
fn mounting_what_is_mounted_changes_nothing() {
    let server = server();
    server.put("c", "a", "alpha");
    server.put("c", "x/b", "beta");
    let (_folder, directory) = ground();
    let mut first = Mount::start(&config(&server, "", &directory));
    let second = Mount::spawn(&config(&server, "", &directory));
    assert!(matches!(second.next(), FromMount::Ready { already: true, .. }));
    assert_eq!(fs::read_to_string(first.path("a")).unwrap(), "alpha");
    // Another location there is refused, and the mount stays.
    let other = Mount::spawn(&config(&server, "x", &directory));
    let FromMount::Failed { error, hint } = other.next() else { panic!("not refused") };
    assert!(error.contains(&location("")) && hint.contains("%unmount"), "{error}; {hint}");
    // The second takes over when the first ends, as after a kernel's restart.
    first.stdin = None;
    first.wait();
    assert!(matches!(second.next(), FromMount::Ready { already: false, .. }));
    assert_eq!(fs::read_to_string(second.path("a")).unwrap(), "alpha");
    assert_eq!(second.end(), None);
}

/// **No credential is in the arguments or the environment of the mount process.**
#[test]
fn no_credential_is_in_the_arguments_or_the_environment() {
    let server = server();
    let (_folder, directory) = ground();
    let mount = Mount::start(&config(&server, "", &directory));
    for file in ["cmdline", "environ"] {
        let bytes = fs::read(format!("/proc/{}/{file}", mount.child.id())).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(ochre_servers::BlobServer::KEY), "{file}");
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", mount.child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert!(core.split_whitespace().rev().nth(1) == Some("0"), "{core}");
}

/// A credential that expired is asked for, over the pipe.
#[test]
fn a_fresh_credential_is_asked_for() {
    let server = server();
    server.put("c", "a", "alpha");
    let (_folder, directory) = ground();
    let mut mount = Mount::spawn(&MountConfig { grant: None, ..config(&server, "", &directory) });
    let FromMount::Ask { id, grant: url, .. } = mount.next() else { panic!("no question") };
    assert!(url.contains("ochreblobs"), "{url}");
    mount.say(&ochre_mount::ToMount::Grant { id, grant: serde_json::from_slice(&grant(&server).to_wire()).unwrap() });
    assert!(matches!(mount.next(), FromMount::Ready { already: false, .. }));
    assert_eq!(fs::read_to_string(mount.path("a")).unwrap(), "alpha");
    // And one that is refused ends the attempt.
    let (_folder, directory) = ground();
    let mut mount = Mount::spawn(&MountConfig { grant: None, ..config(&server, "", &directory) });
    let FromMount::Ask { id, .. } = mount.next() else { panic!("no question") };
    mount.say(&ochre_mount::ToMount::Refuse { id, error: "no such account".to_owned() });
    let FromMount::Failed { error, .. } = mount.next() else { panic!("no failure") };
    assert!(error.contains("no such account"), "{error}");
    assert!(!directory.exists());
}
