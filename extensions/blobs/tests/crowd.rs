//! Many readers and writers that share less memory than they would like: nobody waits for another's memory for ever, no lock is taken twice, and the
//! whole comes back at the end.

mod common;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use common::{QUICK, bytes};
use ochre_blobs::object_store::memory::InMemory;
use ochre_blobs::{Budget, Container, Faults, Faulty, Mode, ReadOptions, WriteOptions};

/// Longer than any of these takes unless it hangs.
const BOUND: Duration = Duration::from_secs(40);

/// Runs `work` on a runtime of `threads` threads, and fails when it does not end: a thread that waits for a lock cannot time itself.
fn ends(what: &str, threads: usize, work: impl Future<Output = ()> + Send + 'static) {
    let (say, said) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("a runtime");
    let task = runtime.spawn(work);
    std::thread::spawn(move || {
        let _ = say.send(runtime.block_on(task));
        runtime.shutdown_background();
    });
    match said.recv_timeout(BOUND) {
        Ok(ended) => ended.unwrap_or_else(|error| panic!("{what}: {error}")),
        Err(_) => panic!("{what}: not within {BOUND:?}"),
    }
}

fn options(budget: &Budget) -> ReadOptions {
    ReadOptions { budget: budget.clone(), ..ReadOptions::default() }
}

/// Memory that others hold: a reader does without. It once asked all readers, itself among them, to let go while it held its own lock.
#[test]
fn a_reader_without_memory_reads_on() {
    ends("a reader without memory", 2, async {
        let container = Container::over(Arc::new(InMemory::new()));
        let content = bytes(3 << 20, 1);
        container.write("a", content.clone(), Mode::Create).await.expect("written");
        let budget = Budget::new(1);
        let all = budget.try_take(u64::MAX).expect("nobody has any");
        let reader = container.reader("a", options(&budget)).await.expect("a reader");
        assert!(reader.read_at(0, 1 << 20).await.expect("read") == content.slice(..1 << 20));
        drop(all);
        assert!(reader.read_at(1 << 20, 2 << 20).await.expect("read") == content.slice(1 << 20..));
        drop(reader);
        assert_eq!(budget.free(), budget.total());
    });
}

/// One who reads `content` in pieces that `seed` chooses, now and then elsewhere.
async fn read_all(container: Container, name: String, budget: Budget, content: Bytes, seed: u64) {
    let reader = container.reader(&name, options(&budget)).await.expect("a reader");
    let (mut at, mut state) = (0, seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    };
    while at < content.len() {
        let length = 1 + draw(1 << 20);
        let got = reader.read_at(at as u64, length).await.expect("sequential");
        assert!(got == content.slice(at..(at + length).min(content.len())), "{name}, seed {seed}, at {at}");
        at += got.len();
        if draw(8) == 0 {
            let elsewhere = draw(content.len() - 5_000);
            assert!(reader.read_at(elsewhere as u64, 5_000).await.expect("elsewhere") == content.slice(elsewhere..elsewhere + 5_000), "{name}, seed {seed}");
        }
    }
}

/// Readers and a writer over one small budget and one store with troubles.
async fn crowd(seed: u64) {
    let store = Faulty::new(seed, Faults { silent: 0, ..Faults::BAD_DAY });
    let good = Container::over(store.good());
    let container = Container::over_with(Arc::new(store), None, QUICK);
    let budget = Budget::new(1);
    let contents: Vec<Bytes> = (0..6).map(|number| bytes((6 << 20) + 4_321 * number, seed * 10 + number as u64)).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, content) in contents.iter().enumerate() {
        good.write(&format!("in{number}"), content.clone(), Mode::Create).await.expect("written");
        tasks.spawn(read_all(container.clone(), format!("in{number}"), budget.clone(), content.clone(), seed + number as u64));
    }
    let (container, content, writes) = (container.clone(), contents[0].clone(), WriteOptions { budget: budget.clone(), ..WriteOptions::default() });
    tasks.spawn(async move {
        let mut writer = container.writer("out", writes).await.expect("a writer");
        for piece in content.chunks(1 << 20) {
            writer.write(content.slice_ref(piece)).await.expect("written");
        }
        writer.finish().await.expect("finished");
    });
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    assert!(good.read("out").await.expect("there") == contents[0], "seed {seed}");
    // What tasks of abandoned parts hold comes back when they have ended.
    while budget.free() != budget.total() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_crowd_with_little_memory_gets_all_it_reads() {
    for seed in 0..8 {
        ends(&format!("seed {seed}"), 2, crowd(seed));
    }
}

#[test]
#[ignore = "slow: 300 seeds"]
fn a_crowd_with_little_memory_gets_all_it_reads_300() {
    for seed in 0..300 {
        ends(&format!("seed {seed}"), 2, crowd(seed));
    }
}
