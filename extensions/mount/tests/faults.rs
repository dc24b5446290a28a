//! Seeded troubles: a server that answers wrongly, late or not at all, and mount processes that are killed. No byte is lost or torn, nothing hangs, and
//! no mount is left.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use ochre_mount::MountConfig;
use ochre_servers::{BlobOptions, BlobServer, Fault, Faults};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::*;

/// The limit of an answer in these runs, and what an operation may take beside it on a busy machine.
const LIMIT: Duration = Duration::from_secs(4);
const BUSY: Duration = Duration::from_secs(15);

fn bytes(random: &mut StdRng) -> Vec<u8> {
    let length = match random.random_range(0..4) {
        0 => random.random_range(1_000_000..20_000_000usize),
        _ => random.random_range(0..200_000),
    };
    let key: u64 = random.random();
    (0..length as u64).map(|at| (at.wrapping_mul(key | 1) >> 24) as u8).collect()
}

fn troubles(random: &mut StdRng) -> Faults {
    let every = [Fault::Unavailable, Fault::Throttled, Fault::Reset, Fault::Cut, Fault::Stall, Fault::Lost];
    let kinds = every.into_iter().filter(|_| random.random_range(0..3) > 0).collect();
    Faults { seed: random.random(), rate: random.random_range(0.02..0.4), kinds, stall: Duration::from_millis(20), ..Faults::default() }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// One run: files are written and read through faults; each read is right or an error, each file whole or absent.
fn through_faults(seed: u64, server: &BlobServer, mount: &Mount) {
    let mut random = StdRng::seed_from_u64(seed);
    let faults = troubles(&mut random);
    let label = format!("seed {seed}, {faults:?}");
    server.set(BlobOptions { faults, ..BlobOptions::default() });
    for number in 0..4 {
        let (name, expected) = (format!("s{seed}-{number}"), bytes(&mut random));
        let began = Instant::now();
        let written = write(&mount.path(&name), &expected);
        let stored = server.get("c", &name);
        match (&written, &stored) {
            (Ok(()), Some(stored)) => assert!(*stored == expected, "{label}: {name} differs in the store"),
            (Ok(()), None) => panic!("{label}: {name} is lost"),
            (Err(_), Some(stored)) => assert!(*stored == expected, "{label}: {name} is torn"),
            (Err(_), None) => {}
        }
        if stored.is_some() {
            match fs::read(mount.path(&name)) {
                Ok(read) => assert!(read == expected, "{label}: {name} is read wrongly"),
                Err(error) => assert!(matches!(error.raw_os_error(), Some(libc::EIO | libc::ESTALE | libc::ENOENT)), "{label}: {error}"),
            }
        }
        assert!(began.elapsed() < LIMIT * 6 + BUSY, "{label}: {:?}", began.elapsed());
        server.remove("c", &name);
    }
}

fn runs(seeds: std::ops::Range<u64>) {
    let server = server();
    let (_folder, directory) = ground();
    let config = MountConfig { overwrite: true, answer_limit_ms: LIMIT.as_millis() as u64, ..config(&server, "", &directory) };
    let mount = Mount::start(&config);
    for seed in seeds {
        through_faults(seed, &server, &mount);
    }
    server.set(BlobOptions::default());
    assert_eq!(mount.end(), None);
}

#[test]
fn no_byte_is_lost_through_a_faulty_server() {
    runs(0..30);
}

#[test]
#[ignore = "slow: 1,000 seeded runs"]
fn no_byte_is_lost_through_a_faulty_server_1000() {
    runs(0..1000);
}

/// One run: the mount process is killed while a file is written and another read; the next one cleans up, and nothing is torn.
fn killed(seed: u64, server: &BlobServer, directory: &Path) {
    let mut random = StdRng::seed_from_u64(seed);
    let size = random.random_range(100_000..12_000_000usize);
    let expected = vec![seed as u8; size];
    let config = config(server, "", directory);
    let mut mount = Mount::start(&config);
    let path = mount.path(&format!("k{seed}"));
    let writer = {
        let (path, expected) = (path.clone(), expected.clone());
        std::thread::spawn(move || write(&path, &expected))
    };
    let reader = {
        let path = mount.path("read");
        std::thread::spawn(move || fs::read(path))
    };
    let pause = random.random_range(0..60);
    std::thread::sleep(Duration::from_millis(pause));
    mount.kill();
    let written = writer.join().unwrap();
    match server.get("c", &format!("k{seed}")) {
        Some(stored) => assert!(stored == expected, "seed {seed}: torn"),
        None => assert!(written.is_err(), "seed {seed}: lost"),
    }
    if let Ok(read) = reader.join().unwrap() {
        assert!(read.len() == 3_000_000 && read.iter().all(|&byte| byte == 7), "seed {seed}: read wrongly");
    }
    server.remove("c", &format!("k{seed}"));
}

fn kills(seeds: std::ops::Range<u64>) {
    let server = server();
    server.put("c", "read", vec![7u8; 3_000_000]);
    let (_folder, directory) = ground();
    for seed in seeds {
        killed(seed, &server, &directory);
    }
    let last = Mount::start(&config(&server, "", &directory));
    assert_eq!(fs::metadata(last.path("read")).unwrap().len(), 3_000_000);
    assert_eq!(last.end(), None);
    assert_eq!(ochre_mount::mounts::at(&directory), None, "a mount is left");
}

#[test]
fn a_killed_mount_process_leaves_no_mount_and_no_torn_object() {
    kills(0..15);
}

#[test]
#[ignore = "slow: 300 kills"]
fn a_killed_mount_process_leaves_no_mount_and_no_torn_object_300() {
    kills(0..300);
}

/// The server dies while files are read and written: errors within the limit, and the mount still ends.
#[test]
fn a_server_that_dies_hangs_nobody() {
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let server = server();
        server.put_synthetic("c", "big", 200 << 20);
        let (_folder, directory) = ground();
        let mount = Mount::start(&MountConfig { answer_limit_ms: LIMIT.as_millis() as u64, ..config(&server, "", &directory) });
        let reader = {
            let path = mount.path("big");
            std::thread::spawn(move || std::io::copy(&mut fs::File::open(path)?, &mut std::io::sink()))
        };
        let writer = {
            let path = mount.path("new");
            std::thread::spawn(move || write(&path, &vec![1; 50_000_000]))
        };
        std::thread::sleep(Duration::from_millis(random.random_range(0..150)));
        let began = Instant::now();
        drop(server);
        let read = reader.join().unwrap();
        let _ = writer.join().unwrap();
        assert!(read.is_err() || read.unwrap() == 200 << 20, "seed {seed}");
        assert!(fs::read_dir(mount.path("elsewhere")).is_err());
        assert!(began.elapsed() < ochre_mount::config::CLOSE_LIMIT + BUSY, "seed {seed}: {:?}", began.elapsed());
        drop(mount.end());
        assert_eq!(ochre_mount::mounts::at(&directory), None);
    }
}
