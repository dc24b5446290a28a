//! Cells that ask the kernel's extensions, with a real worker and services that answer, fail, hang and panic.
//!
//! - "A service of the kernel that fails, hangs or panics costs the request and nothing else."
mod support;

use ochre_api::{Failure, Observer, Service, async_trait};
use ochre_session::Exchange;
use ochre_session::engine::{Context, Engine, Outcome};
use ochre_session::front::Output;
use ochre_session::ochre_engine::OchreEngine;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A service that does what the payload says.
#[derive(Default)]
struct Scripted {
    open: Arc<AtomicUsize>,
}

/// Counts requests that are being answered.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Service for Scripted {
    fn topic(&self) -> &'static str {
        "scripted"
    }
    async fn answer(&self, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let _open = Open::begin(&self.open);
        match payload {
            b"fail" => Err(Failure::remote("the vault is locked").because(std::io::Error::other("no key")).hint("unlock it")),
            b"hang" => std::future::pending().await,
            b"panic" => panic!("a service's own bug"),
            b"large" => Ok(vec![7; 3 << 20]),
            other => Ok(other.iter().rev().copied().collect()),
        }
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
    fn say(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Observer for Log {
    fn event(&self, topic: &str, payload: &[u8]) {
        self.say(format!("{topic}: {}", String::from_utf8_lossy(payload)));
    }
    fn worker_started(&self, pid: u32) {
        assert!(pid > 0);
        self.say("worker started".into());
    }
    fn worker_ended(&self, _: u32) {
        self.say("worker ended".into());
    }
}

struct Bench {
    engine: OchreEngine,
    log: Arc<Log>,
    open: Arc<AtomicUsize>,
}

impl Bench {
    fn new(bound: Duration) -> Self {
        let service = Arc::new(Scripted::default());
        let (log, open) = (Arc::new(Log::default()), service.open.clone());
        let exchange = Exchange::new(vec![service], &[log.clone() as Arc<dyn Observer>]).expect("one service").within(bound);
        let parts = ochre_session::ochre_engine::EngineParts { exchange, ..support::parts() };
        Self { engine: OchreEngine::new(parts), log, open }
    }

    /// Runs a cell; interrupts it once a request is open, when `interrupt` says so. Gives what was printed, or the error.
    async fn run_and(&mut self, code: &str, interrupt: bool) -> String {
        let (output, mut outputs) = mpsc::channel(64);
        let context = Context { output, allow_stdin: false, count: 1, silent: false };
        let controls = self.engine.controls();
        let open = self.open.clone();
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let mut text = String::new();
        let mut interrupted = !interrupt;
        let outcome = {
            let execution = support::bounded(code, self.engine.execute(code, &context));
            tokio::pin!(execution);
            loop {
                tokio::select! {
                    outcome = &mut execution => break outcome,
                    Some(Output::Stream { text: more, .. }) = outputs.recv() => text.push_str(&more),
                    _ = tick.tick() => if !interrupted && open.load(Ordering::SeqCst) > 0 {
                        interrupted = true;
                        controls.interrupt();
                    }
                }
            }
        };
        while let Ok(one) = outputs.try_recv() {
            if let Output::Stream { text: more, .. } = one {
                text.push_str(&more);
            }
        }
        match outcome {
            Outcome::Ok(_) => support::clean(&text),
            Outcome::Error(report) => format!("{}: {}", report.name, support::clean(&report.message)),
        }
    }

    async fn run(&mut self, code: &str) -> String {
        self.run_and(code, false).await
    }

    /// Waits until no service answers any more.
    async fn until_closed(&self) {
        let closed = async {
            while self.open.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        support::bounded("the end of the services' work", closed).await;
    }
}

/// A cell that asks and prints what came.
fn asking(payload: &str) -> String {
    format!("match ochre::host::request(\"scripted\", b\"{payload}\") {{ Ok(a) if a.len() > 99 => println!(\"{{}} bytes\", a.len()), Ok(a) => println!(\"{{}}\", String::from_utf8_lossy(&a)), Err(e) => println!(\"{{e}}\") }}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_answer_fail_panic_and_hang() {
    let mut bench = Bench::new(Duration::from_millis(700));
    assert_eq!(bench.run(&asking("abc")).await, "cba\n");
    assert_eq!(bench.run(&asking("large")).await, "3145728 bytes\n");
    assert_eq!(bench.run(&asking("fail")).await, "the vault is locked: no key (unlock it)\n");
    let text = bench.run(&asking("panic")).await;
    assert!(text.starts_with("the service `scripted` panicked"), "{text}");
    let text = bench.run(&asking("hang")).await;
    assert!(text.starts_with("no answer to a request for `scripted` within 0.7 seconds"), "{text}");
    let text = bench.run("println!(\"{}\", ochre::host::request(\"nobody\", b\"\").unwrap_err());").await;
    assert!(text.starts_with("nothing in this kernel answers requests for `nobody`"), "{text}");
    assert_eq!(bench.run(&asking("still there")).await, "ereht llits\n");
    bench.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_hangs_holds_up_neither_other_requests_nor_an_interrupt() {
    let mut bench = Bench::new(Duration::from_secs(600));
    let code = "let slow = std::thread::spawn(|| ochre::host::request(\"scripted\", b\"hang\"));\nprintln!(\"{}\", String::from_utf8_lossy(&ochre::host::request(\"scripted\", b\"abc\").unwrap()));";
    assert_eq!(bench.run(code).await, "cba\n");
    let asked = Instant::now();
    let text = bench.run_and(&asking("hang"), true).await;
    assert!(text.starts_with("interrupted"), "{text}");
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert_eq!(bench.run("let n = 2;").await, "");
    bench.engine.shutdown().await;
    bench.until_closed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_takes_its_requests_with_it() {
    let mut bench = Bench::new(Duration::from_secs(600));
    let code = "std::thread::spawn(|| ochre::host::request(\"scripted\", b\"hang\"));\nprintln!(\"{}\", String::from_utf8_lossy(&ochre::host::request(\"scripted\", b\"abc\").unwrap()));\nstd::process::abort();";
    let text = bench.run(code).await;
    assert!(text.starts_with("worker died"), "{text}");
    bench.until_closed().await;
    assert_eq!(bench.run(&asking("abc")).await, "cba\n", "the next worker's requests are answered");
    bench.engine.shutdown().await;
    assert_eq!(bench.log.take(), ["worker started", "worker ended", "worker started", "worker ended"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observers_hear_events_in_order_also_after_the_cell() {
    let mut bench = Bench::new(Duration::from_secs(60));
    let say = "let host = ochre::host::get().unwrap();";
    bench.run(&format!("{say} for n in 0..3 {{ host.event(\"runs\", n.to_string().as_bytes()); }}")).await;
    assert_eq!(bench.log.take(), ["worker started", "runs: 0", "runs: 1", "runs: 2"]);
    let scratch = tempfile::tempdir().unwrap();
    let go = scratch.path().join("go");
    bench.run(&format!("std::thread::spawn(|| {{ while !std::path::Path::new({go:?}).exists() {{ std::thread::yield_now(); }} ochre::host::get().unwrap().event(\"runs\", b\"late\"); }});")).await;
    std::fs::write(&go, "").unwrap();
    let late = async {
        while bench.log.0.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    support::bounded("the late event", late).await;
    assert_eq!(bench.log.take(), ["runs: late"]);
    bench.engine.shutdown().await;
}
