//! How near the engine comes to raw parallel GETs against our own server. Run by hand: `cargo test --release -p ochre-blobs --test speed -- --ignored --nocapture`.

mod common;

use std::time::Instant;

use futures::StreamExt;
use ochre_blobs::{Budget, Container, Progress, ReadOptions};
use ochre_servers::{BlobOptions, BlobServer};

const SIZE: u64 = 1 << 30;
const PART: u64 = 8 << 20;

/// GETs of 8 MiB with `streams` at once, whose bytes are thrown away: the limit.
async fn raw(server: &BlobServer, streams: usize) -> f64 {
    let client = reqwest::Client::builder().http1_only().pool_max_idle_per_host(64).build().expect("a client");
    let url = format!("{}/c/x", server.azure_endpoint());
    let begun = Instant::now();
    let parts = futures::stream::iter((0..SIZE / PART).map(|index| {
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move {
            let range = format!("bytes={}-{}", index * PART, (index + 1) * PART - 1);
            let mut body = client.get(url).header("range", range).send().await.expect("an answer").bytes_stream();
            let mut got = 0;
            while let Some(piece) = body.next().await {
                got += piece.expect("a piece").len() as u64;
            }
            assert_eq!(got, PART);
        })
    }));
    parts.buffer_unordered(streams).for_each(|part| async { part.expect("no panic") }).await;
    SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

async fn sequential(container: &Container, step: usize) -> f64 {
    let begun = Instant::now();
    let options = ReadOptions { budget: Budget::new(512 << 20), ..ReadOptions::default() };
    let reader = container.reader("x", options).await.expect("a reader");
    let mut at = 0;
    while at < SIZE {
        at += reader.read_at(at, step).await.expect("read").len() as u64;
    }
    SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

#[test]
#[ignore = "slow: a measurement, for a quiet machine"]
fn near_the_limit() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    for (what, rate, latency) in [("no cap", None, 0), ("60 MB/s per connection, 10 ms", Some(60_000_000), 10)] {
        runtime.block_on(async {
            let options = BlobOptions { connection_rate: rate, latency: std::time::Duration::from_millis(latency), ..BlobOptions::default() };
            let (server, container) = common::blob_server(options, "c").await;
            server.put_synthetic("c", "x", SIZE);
            let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
            for round in 0..3 {
                let mut best: f64 = 0.0;
                let mut raws = String::new();
                for streams in [8, 16, 32] {
                    let rate = raw(&server, streams).await;
                    raws += &format!(" {streams}: {rate:.0}");
                    best = best.max(rate);
                }
                let begun = Instant::now();
                assert_eq!(container.read("x").await.expect("read").len() as u64, SIZE);
                let whole = SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64();
                let (small, large) = (sequential(&container, 128 << 10).await, sequential(&container, 1 << 20).await);
                let file = place.path().join("file");
                let begun = Instant::now();
                container.download("x", &file, Progress::none()).await.expect("downloaded");
                let down = SIZE as f64 / 1e6 / begun.elapsed().as_secs_f64();
                std::fs::remove_file(&file).expect("removed");
                println!("{what}, round {round}: raw MB/s{raws}");
                for (how, rate) in [("read", whole), ("reader 128 KiB", small), ("reader 1 MiB", large), ("download", down)] {
                    println!("    {how}: {rate:.0} MB/s = {:.2} of the best raw; limit {}", rate / best, container.concurrency());
                }
            }
        });
    }
}
