//! Any records come back as they were written, in order and bit by bit, however batches are cut and whatever a process leaves half written.
mod support;

use ochre_spool::wire::Request;
use ochre_spool::{Batch, Header, LIMIT, Most, Reader, Record, Spool};
use std::os::unix::fs::FileExt;
use support::{ALL, Random, all, random_record, same};

/// Seeds of the default run; the slow one has more.
const SEEDS: u64 = 60;

fn written(seed: u64, count: usize) -> (tempfile::TempDir, Spool, Vec<Record>) {
    let place = tempfile::tempdir().expect("a folder");
    let spool = Spool::create(place.path(), &Header::new("run", "experiment", "http://u:p@host/"), LIMIT).expect("a spool");
    let mut random = Random::new(seed);
    let records: Vec<Record> = (0..count).map(|_| random_record(&mut random)).collect();
    for record in &records {
        spool.append(record).expect("room");
    }
    (place, spool, records)
}

fn round_trip(seed: u64) {
    let mut random = Random::new(seed ^ 0x5eed);
    let (_place, spool, records) = written(seed, 1 + random.below(400) as usize);
    // By the owner, in batches of any size that are acknowledged or asked for again.
    let mut got = Vec::new();
    loop {
        let most = Most { records: 1 + random.below(50) as usize, bytes: 1 + random.below(100_000) as usize };
        let batch = spool.batch(most);
        if batch.is_empty() {
            break;
        }
        // Over the wire.
        let request = Request::Append { run_id: "run".into(), spool: spool.path().to_string_lossy().into_owned(), batch: batch.clone() };
        let Request::Append { batch: there, .. } = Request::parse(&request.to_bytes()).expect("what was written") else { panic!("another request") };
        assert_eq!(there, batch);
        if random.below(4) == 0 {
            continue;
        }
        got.extend(there.records());
        spool.delivered(&batch);
    }
    same(&records, &got, seed);
    assert!(spool.is_drained());
    let path = spool.path().to_owned();
    assert!(spool.finish(), "seed {seed}");
    assert!(!path.exists(), "a delivered spool is removed");
}

#[test]
fn records_come_back_as_they_were() {
    (0..SEEDS).for_each(round_trip);
}

#[test]
#[ignore = "slow: 1,000 seeds"]
fn records_come_back_as_they_were_at_length() {
    (SEEDS..1_000).for_each(round_trip);
}

#[test]
fn what_a_dead_owner_left_is_read_and_removed() {
    for seed in 0..SEEDS {
        let (place, spool, records) = written(seed, 300);
        let first = spool.batch(Most { records: 100, bytes: usize::MAX });
        spool.delivered(&first);
        let path = spool.path().to_owned();
        assert!(matches!(Reader::take(&path), Err(ochre_spool::SpoolError::Owned { .. })), "a living owner keeps it");
        same(&records[100..], &all(&Reader::look(&path).expect("a look")), seed);
        // The process ends: its lock is free, its file stays.
        drop(spool);
        let (mut readers, problems) = ochre_spool::abandoned(place.path()).expect("a list");
        assert!(problems.is_empty() && readers.len() == 1, "{problems:?}");
        let reader = readers.remove(0);
        assert_eq!(reader.header().run_id, "run");
        assert_eq!(reader.header().tracking_uri, "http://host/");
        assert!(matches!(Reader::take(&path), Err(ochre_spool::SpoolError::Owned { .. })), "one takes it over");
        let batch = reader.batch(ALL).expect("records");
        same(&records[100..], &batch.records(), seed);
        reader.delivered(&batch);
        assert!(reader.finish().expect("removed"));
        assert!(!path.exists());
    }
}

/// Files of a spool with records in them, oldest first.
fn segments(spool: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(spool).expect("a spool").flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "seg")).collect();
    found.sort();
    found
}

#[test]
fn a_torn_last_record_is_left_out_and_all_before_it_stay() {
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let (_place, spool, records) = written(seed, 40);
        let path = spool.path().to_owned();
        drop(spool);
        let file = segments(&path).pop().expect("a segment");
        let bytes = std::fs::read(&file).expect("its bytes");
        let used = bytes.iter().rposition(|&b| b != 0).expect("something") as u64;
        // A word of the end that never got there, or got there in another form.
        let at = used - random.below(8);
        let torn = std::fs::OpenOptions::new().write(true).open(&file).expect("the file");
        torn.write_all_at(&[bytes[at as usize] ^ 0x55], at).expect("written");
        same(&records[..39], &all(&Reader::take(&path).expect("the rest")), seed);
    }
}

/// Makes the commit word of the record at a position zero: there, or at the begin of the next segment if this one had no room for it.
fn hurt_at(spool: &std::path::Path, position: u64) {
    for path in segments(spool) {
        let base = u64::from_str_radix(&path.file_stem().expect("a name").to_string_lossy(), 16).expect("a base");
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("the file");
        let at = position.saturating_sub(base).max(64);
        let mut word = [0; 8];
        if base + at >= position && file.read_exact_at(&mut word, at).is_ok() && word != [0; 8] {
            return file.write_all_at(&[0; 8], at).expect("written");
        }
    }
    panic!("no record at {position}");
}

#[test]
fn a_hole_costs_no_other_record() {
    for seed in 0..SEEDS {
        let (_place, spool, records) = written(seed, 60);
        let path = spool.path().to_owned();
        drop(spool);
        let mut random = Random::new(seed);
        let hurt = random.below(59) as usize;
        let mut batch = Batch::default();
        let reader = Reader::look(&path).expect("a look");
        for _ in 0..=hurt {
            batch = reader.batch_from(batch.end, Most { records: 1, bytes: 1 }).expect("one record");
        }
        // A thread that was killed between reserving and committing: its word stayed zero, behind it others wrote on.
        hurt_at(&path, batch.from);
        let mut left = records.clone();
        left.remove(hurt);
        same(&left, &all(&Reader::take(&path).expect("the rest")), seed);
    }
}

#[test]
fn a_payload_cannot_pass_for_a_record() {
    // The bytes of one spool, logged as a text into another whose word is then torn: the inner records must not come up.
    let (_place, inner, _) = written(1, 20);
    let bytes = std::fs::read(&segments(inner.path())[0]).expect("bytes");
    let text: String = bytes[64..8_000].iter().map(|&b| char::from(b & 0x7f)).collect();
    let place = tempfile::tempdir().expect("a folder");
    let spool = Spool::create(place.path(), &Header::new("r", "e", ""), LIMIT).expect("a spool");
    spool.append(&Record::Text { path: "p".into(), text }).expect("room");
    spool.append(&Record::Tag { key: "k".into(), value: "v".into() }).expect("room");
    let path = spool.path().to_owned();
    drop(spool);
    let file = std::fs::OpenOptions::new().write(true).open(&segments(&path)[0]).expect("the file");
    file.write_all_at(&[0; 8], 64).expect("written");
    assert_eq!(all(&Reader::take(&path).expect("the rest")), [Record::Tag { key: "k".into(), value: "v".into() }]);
}

#[test]
fn foreign_and_cut_files_are_told_not_read() {
    let place = tempfile::tempdir().expect("a folder");
    for (name, head) in [("empty", Vec::new()), ("text", b"hello".repeat(40)), ("zeros", vec![0; 128])] {
        let path = place.path().join(name);
        std::fs::create_dir(&path).expect("a folder");
        std::fs::write(path.join("head"), head).expect("a head");
    }
    let (readers, problems) = ochre_spool::abandoned(place.path()).expect("a list");
    assert!(readers.is_empty());
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems.iter().all(|p| p.to_string().contains("is no spool that this version reads")), "{problems:?}");
    for payload in [&b""[..], b"{}", b"{\"append\":{}}\n", b"{\"append\":{\"run_id\":\"r\",\"spool\":\"s\",\"from\":0,\"end\":9}}\nxyz", b"\xff\n"] {
        assert!(Request::parse(payload).is_err(), "{payload:?}");
    }
}
