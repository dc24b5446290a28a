//! How fast a mount is beside plain parallel GETs of the same bytes from the same server; `cargo xtask bench storage` compares with other programs.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ochre_servers::{BlobOptions, BlobServer};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::*;

const MIB: u64 = 1 << 20;
const LARGE: u64 = 512 * MIB;
/// Of the plain GETs: ranges of 8 MiB over so many connections are the fastest in the notes.
const CONNECTIONS: usize = 16;

/// One range over a connection that stays open.
fn get(stream: &mut TcpStream, name: &str, begin: u64, end: u64, buffer: &mut [u8]) -> u64 {
    let head = format!("GET /c/{name} HTTP/1.1\r\nHost: localhost\r\nRange: bytes={begin}-{}\r\n\r\n", end - 1);
    stream.write_all(head.as_bytes()).unwrap();
    let (mut read, mut body) = (0, None);
    loop {
        let more = stream.read(&mut buffer[read..]).unwrap();
        read += more;
        match body {
            Some(left) if left <= more as u64 => return end - begin,
            Some(left) => (body, read) = (Some(left - more as u64), 0),
            None => {
                if let Some(at) = buffer[..read].windows(4).position(|window| window == b"\r\n\r\n") {
                    let have = (read - at - 4) as u64;
                    if have == end - begin {
                        return have;
                    }
                    (body, read) = (Some(end - begin - have), 0);
                }
            }
        }
    }
}

fn raw(server: &BlobServer, names: &[String]) -> f64 {
    let address = server.url().trim_start_matches("http://").to_owned();
    let next = AtomicU64::new(0);
    let ranges = names.len() as u64 * LARGE / (8 * MIB);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(&address).unwrap();
                let mut buffer = vec![0; MIB as usize];
                loop {
                    let range = next.fetch_add(1, Ordering::Relaxed);
                    if range >= ranges {
                        return;
                    }
                    let (name, part) = (&names[(range / (LARGE / (8 * MIB))) as usize], range % (LARGE / (8 * MIB)));
                    get(&mut stream, name, part * 8 * MIB, (part + 1) * 8 * MIB, &mut buffer);
                }
            });
        }
    });
    rate(names.len() as u64 * LARGE, began)
}

fn rate(bytes: u64, began: Instant) -> f64 {
    bytes as f64 / 1e6 / began.elapsed().as_secs_f64()
}

/// As `dd bs=1M`.
fn sequential(paths: &[std::path::PathBuf]) -> f64 {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for path in paths {
            scope.spawn(move || {
                let mut file = fs::File::open(path).unwrap();
                let mut buffer = vec![0; MIB as usize];
                while file.read(&mut buffer).unwrap() > 0 {}
            });
        }
    });
    rate(paths.len() as u64 * LARGE, began)
}

fn random(path: &Path, length: usize, for_: Duration) -> (f64, f64) {
    let file = fs::File::open(path).unwrap();
    let (mut random, mut buffer, mut count) = (StdRng::seed_from_u64(1), vec![0; length], 0);
    let began = Instant::now();
    while began.elapsed() < for_ {
        file.read_exact_at(&mut buffer, random.random_range(0..LARGE - length as u64)).unwrap();
        count += 1;
    }
    let seconds = began.elapsed().as_secs_f64();
    (count as f64 / seconds, count as f64 * length as f64 / 1e6 / seconds)
}

#[test]
#[ignore = "slow: measures for a minute"]
fn how_fast_a_mount_is() {
    let server = server();
    let names: Vec<String> = (0..4).map(|number| format!("large{number}")).collect();
    for name in &names {
        server.put_synthetic("c", name, LARGE);
    }
    for number in 0..10_000 {
        server.put("c", &format!("small/{number:05}"), vec![number as u8; 10_000]);
    }
    for number in 0..100_000 {
        server.put("c", &format!("many/{number:06}"), "x");
    }
    for (label, options) in [
        ("no cap", BlobOptions::default()),
        ("60 MB/s a connection", BlobOptions { connection_rate: Some(60_000_000), ..Default::default() }),
        ("10 ms latency", BlobOptions { latency: Duration::from_millis(10), ..Default::default() }),
    ] {
        server.set(options);
        let (_folder, directory) = ground();
        let mount = Mount::start(&config(&server, "", &directory));
        let paths: Vec<_> = names.iter().map(|name| mount.path(name)).collect();
        println!("== {label}");
        for round in 0..2 {
            let (raw_one, one) = (raw(&server, &names[..1]), sequential(&paths[..1]));
            let (raw_four, four) = (raw(&server, &names), sequential(&paths));
            println!("round {round}: raw {raw_one:.0}/{raw_four:.0} MB/s; mounted, 1 reader {one:.0} ({:.2}), 4 readers {four:.0} ({:.2})", one / raw_one, four / raw_four);
        }
        for (what, length) in [("4 KiB", 4096), ("1 MiB", MIB as usize)] {
            let (each, megabytes) = random(&paths[0], length, Duration::from_secs(2));
            println!("random {what}: {each:.0}/s, {megabytes:.0} MB/s");
        }
        let began = Instant::now();
        for number in 0..10_000 {
            assert_eq!(fs::read(mount.path(&format!("small/{number:05}"))).unwrap().len(), 10_000);
        }
        println!("10,000 small files: {:.2?}", began.elapsed());
        let began = Instant::now();
        assert_eq!(fs::read_dir(mount.path("many")).unwrap().count(), 100_000);
        println!("100,000 names: {:.2?}", began.elapsed());
        let began = Instant::now();
        let mut file = fs::File::create(mount.path(&format!("new {label}"))).unwrap();
        let part = vec![1; MIB as usize];
        for _ in 0..256 {
            file.write_all(&part).unwrap();
        }
        file.sync_all().unwrap();
        println!("writing 256 MiB: {:.0} MB/s", rate(256 * MIB, began));
        println!("resident at most: {} MiB", mount.memory() >> 20);
    }
}
