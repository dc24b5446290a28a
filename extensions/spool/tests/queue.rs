//! The queue under load and in need: many threads, bounds, a full disk, forks.
mod support;

use ochre_spool::{Header, Kept, LIMIT, Most, Reader, Record, Spool, SpoolError};
use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use support::{ALL, all};

/// Names what a copy of this test program shall do instead of testing.
const ROLE: &str = "OCHRE_SPOOL_TEST_ROLE";
const PLACE: &str = "OCHRE_SPOOL_TEST_PLACE";

fn spool(place: &std::path::Path, limit: u64) -> Spool {
    Spool::create(place, &Header::new("run", "experiment", ""), limit).expect("a spool")
}

fn on_disk(kept: Result<Kept, SpoolError>) {
    assert_eq!(kept.expect("room"), Kept::OnDisk);
}

#[test]
fn many_threads_lose_and_double_nothing_while_it_is_delivered() {
    const THREADS: i64 = 8;
    const EACH: i64 = 30_000;
    let place = tempfile::tempdir().expect("a folder");
    let spool = spool(place.path(), LIMIT);
    let over = AtomicBool::new(false);
    let mut seen: HashMap<String, Vec<i64>> = HashMap::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let spool = &spool;
                scope.spawn(move || (0..EACH).for_each(|step| on_disk(spool.metric(&format!("thread {thread}"), step as f64, 7, step))))
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut seen: HashMap<String, Vec<i64>> = HashMap::new();
            loop {
                let last = over.load(Ordering::SeqCst);
                spool.prepare();
                let batch = spool.batch(Most { records: 5_000, bytes: 1 << 18 });
                for record in batch.records() {
                    let Record::Metric(metric) = record else { panic!("{record:?}") };
                    seen.entry(metric.key).or_default().push(metric.step);
                }
                spool.delivered(&batch);
                if last && batch.is_empty() {
                    return seen;
                }
            }
        });
        writers.into_iter().for_each(|w| w.join().expect("no panic"));
        over.store(true, Ordering::SeqCst);
        seen = reader.join().expect("no panic");
    });
    assert_eq!(seen.len() as i64, THREADS);
    for (key, steps) in seen {
        assert!(steps.iter().copied().eq(0..EACH), "{key}: {} of {EACH} in their order", steps.len());
    }
    let files = std::fs::read_dir(spool.path()).expect("a folder").count();
    assert!(files <= 3, "{files} files after all was delivered: the head, the current segment, one that is prepared");
}

#[test]
fn a_spool_holds_no_more_than_its_limit_and_goes_on_when_something_was_delivered() {
    let place = tempfile::tempdir().expect("a folder");
    let spool = spool(place.path(), 2 << 20);
    let record = Record::Text { path: "p".into(), text: "x".repeat(100_000) };
    let mut count = 0;
    let full = loop {
        match spool.append(&record) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, SpoolError::Full { bytes, limit: 2_097_152 } if bytes >= 2 << 20), "{full}");
    assert!((15..30).contains(&count), "{count} records of 100 kB in 2 MiB");
    let half = spool.batch(Most { records: count - 2, bytes: usize::MAX });
    spool.delivered(&half);
    spool.append(&record).expect("room again");
    assert_eq!(spool.batch(ALL).len(), 3);
    let large = Record::Text { path: "p".into(), text: "x".repeat(300_000) };
    assert!(matches!(spool.append(&large), Err(SpoolError::TooLarge { .. })));
}

#[test]
fn a_copy_of_an_artifact_is_removed_when_it_is_delivered() {
    let place = tempfile::tempdir().expect("a folder");
    let spool = spool(place.path(), LIMIT);
    let file = spool.place_for_copy("model.bin").expect("a place");
    assert_eq!(file.file_name().expect("a name"), "model.bin");
    std::fs::write(&file, b"weights").expect("written");
    spool.append(&Record::Artifact { path: "m/model.bin".into(), file: file.clone(), owned: true }).expect("room");
    let users = place.path().join("users");
    std::fs::write(&users, b"mine").expect("written");
    spool.append(&Record::Artifact { path: "users".into(), file: users.clone(), owned: false }).expect("room");
    let (rest, files) = spool.batch(ALL).without_files();
    assert!(rest.is_empty() && files.len() == 2, "{files:?}");
    assert_eq!(files[0].1, file, "found where it is");
    let batch = spool.batch(ALL);
    assert!(file.exists());
    spool.delivered(&batch);
    assert!(!file.exists() && users.exists());
}

#[test]
fn a_spool_can_be_carried_elsewhere_and_removes_nothing_that_is_not_its_own() {
    let place = tempfile::tempdir().expect("a folder");
    let spool = spool(place.path(), LIMIT);
    let file = spool.place_for_copy("model.bin").expect("a place");
    std::fs::write(&file, b"weights").expect("written");
    let users = place.path().join("users");
    std::fs::write(&users, b"mine").expect("written");
    for file in [file, users.clone()] {
        spool.append(&Record::Artifact { path: "m".into(), file, owned: true }).expect("room");
    }
    let there = tempfile::tempdir().expect("another machine");
    let carried = there.path().join("carried");
    std::fs::rename(spool.path(), &carried).expect("carried");
    drop(spool);
    let reader = Reader::take(&carried).expect("a spool");
    let batch = reader.batch(ALL).expect("records");
    let files: Vec<_> = batch.without_files().1.into_iter().map(|(_, file)| std::fs::read(file).expect("the file")).collect();
    assert_eq!(files, [b"weights".to_vec(), b"mine".to_vec()]);
    reader.delivered(&batch);
    assert!(users.exists(), "a record cannot name what is removed");
    assert!(reader.finish().expect("removed"));
}

#[test]
fn folders_of_users_keep_their_permissions_and_ours_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("a folder").permissions().mode() & 0o777;
    let place = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).expect("allowed");
    let spool = spool(&place.path().join("made"), LIMIT);
    assert_eq!([mode(place.path()), mode(&place.path().join("made")), mode(spool.path())], [0o755, 0o700, 0o700]);
}

/// Starts a copy of this program that plays a role in a shell's surroundings; gives what it said.
fn play(role: &str, place: &std::path::Path, before: &str) -> String {
    let program = std::env::current_exe().expect("this program");
    let script = format!("{before} exec '{}' --exact role --nocapture", program.display());
    let output = Command::new("sh").args(["-c", &script]).env(ROLE, role).env(PLACE, place).stdin(Stdio::null()).output().expect("sh");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", output.status);
    text
}

/// "On a full disk, what is logged is kept in memory until it is delivered, and you are told."
#[test]
fn a_full_disk_is_met_by_the_call_and_what_follows_is_kept_in_memory() {
    // No file may grow beyond 512 kB, as on a disk without room: the first segments fit, that of 1 MiB does not. No signal ends the process.
    let place = tempfile::tempdir().expect("a folder");
    let said = play("full disk", place.path(), "ulimit -f 1000 && ");
    assert!(said.contains("on disk, then in memory, then refused; all delivered in order"), "{said}");
    let (readers, problems) = ochre_spool::abandoned(place.path()).expect("a list");
    assert!(problems.is_empty() && readers.len() == 1);
    let left = all(&readers[0]).len();
    assert!(left == 0, "{left}: all was delivered");
}

#[test]
fn a_forked_child_neither_keeps_nor_hurts_its_parents_spool() {
    let place = tempfile::tempdir().expect("a folder");
    let said = play("fork", place.path(), "");
    assert!(said.contains("parent gone, lock free while the child lives"), "{said}");
    let (mut readers, _) = ochre_spool::abandoned(place.path()).expect("a list");
    readers.sort_by_key(|r| all(r).len());
    let counts: Vec<usize> = readers.iter().map(|r| all(r).len()).collect();
    assert_eq!(counts, [5, 10], "five of the child, ten of the parent");
}

/// Not a test of its own: what copies of this program do for the tests above, and nothing in the suite itself.
#[test]
fn role() {
    match std::env::var(ROLE).as_deref() {
        Ok("full disk") => full_disk(),
        Ok("fork") => fork(),
        Ok(other) => panic!("no role `{other}`"),
        Err(_) => assert!(std::env::var(PLACE).is_err()),
    }
}

fn full_disk() {
    let place = std::env::var(PLACE).expect("a place");
    let spool = spool(place.as_ref(), u64::MAX);
    let text = "x".repeat(50_000);
    let record = |n: usize| Record::Text { path: n.to_string(), text: text.clone() };
    let mut kept = Vec::new();
    let refused = loop {
        match spool.append(&record(kept.len())) {
            Ok(one) => kept.push(one),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SpoolError::NoRoom(_)), "{refused}");
    let on_disk = kept.iter().filter(|k| **k == Kept::OnDisk).count();
    assert!((4..12).contains(&on_disk), "{on_disk} of {}", kept.len());
    assert!(kept[on_disk..].iter().all(|k| *k == Kept::InMemory) && kept.len() > 1_000, "{}", kept.len());
    let mut got = Vec::new();
    loop {
        let batch = spool.batch(Most { records: 100, bytes: 1 << 20 });
        if batch.is_empty() {
            break;
        }
        got.extend(batch.records());
        spool.delivered(&batch);
    }
    let expected: Vec<Record> = (0..kept.len()).map(record).collect();
    assert!(expected == got, "{} of {}", got.len(), kept.len());
    spool.append(&record(0)).expect("delivery makes room");
    let rest = spool.batch(ALL);
    spool.delivered(&rest);
    println!("on disk, then in memory, then refused; all delivered in order");
}

fn fork() {
    let place = std::env::var(PLACE).expect("a place");
    let place: &std::path::Path = place.as_ref();
    let spool = self::spool(place, LIMIT);
    (0..10).for_each(|n| on_disk(spool.metric("parent", 0.0, 0, n)));
    let path = spool.path().to_owned();
    // SAFETY: the child goes on with what is allowed after a fork of a process whose other thread sleeps in a join.
    let child = unsafe { libc::fork() };
    if child != 0 {
        std::mem::forget(spool);
        // The parent dies without ado; the child has its standard output still, so the test waits for the child.
        // SAFETY: ends the process.
        unsafe { libc::_exit(0) };
    }
    assert_eq!(ochre_spool::forks(), 1);
    // The inherited spool is dropped and must not touch the parent's files or lock.
    drop(spool);
    // The parent's death frees the lock although the child lives on.
    let bound = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let reader = loop {
        match Reader::take(&path) {
            Ok(reader) => break reader,
            Err(error) => assert!(std::time::Instant::now() < bound, "{error}"),
        }
        std::thread::yield_now();
    };
    assert_eq!(all(&reader).len(), 10);
    drop(reader);
    let own = self::spool(place, LIMIT);
    (0..5).for_each(|n| on_disk(own.metric("child", 0.0, 0, n)));
    println!("parent gone, lock free while the child lives");
    // SAFETY: ends the process without the destructors of a copied one.
    unsafe { libc::_exit(0) };
}
