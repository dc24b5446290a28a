//! The default engine against what goes wrong: interrupts, crashes, recovery, crates of the user's.
mod support;

use ochre_session::engine::{Context, Engine, Outcome};
use ochre_session::front::{Output, Report};
use ochre_session::ochre_engine::OchreEngine;
use ochre_session::worker::proxy::Faults;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a cell did.
#[derive(Debug)]
struct Ran {
    text: String,
    value: Option<String>,
    error: Option<Report>,
}

impl Ran {
    fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_else(|| panic!("no value: {self:?}"))
    }

    fn error(&self) -> String {
        let report = self.error.as_ref().unwrap_or_else(|| panic!("no error: {self:?}"));
        support::clean(&format!("{}: {}\n{}", report.name, report.message, report.traceback.join("\n")))
    }
}

struct Session {
    engine: OchreEngine,
    count: u32,
}

impl Session {
    fn new() -> Self {
        Self { engine: support::engine(), count: 0 }
    }

    /// Runs a cell; `when` sees each output's text so far and may act on the engine's controls.
    async fn run_with(&mut self, code: &str, mut when: impl FnMut(&str)) -> Ran {
        self.count += 1;
        let (output, mut outputs) = mpsc::channel(64);
        let context = Context { output, allow_stdin: false, count: self.count, silent: false };
        let mut text = String::new();
        let mut take = |one: Output, text: &mut String| {
            match one {
                Output::Stream { text: more, .. } => text.push_str(&more),
                Output::Display { bundle, .. } => text.push_str(bundle.text().unwrap_or_default()),
                _ => {}
            }
            when(text);
        };
        let outcome = {
            let execution = support::bounded(code, self.engine.execute(code, &context));
            tokio::pin!(execution);
            loop {
                tokio::select! {
                    outcome = &mut execution => break outcome,
                    Some(one) = outputs.recv() => take(one, &mut text),
                }
            }
        };
        while let Ok(one) = outputs.try_recv() {
            take(one, &mut text);
        }
        let (value, error) = match outcome {
            Outcome::Ok(value) => (value.and_then(|v| v.text().map(str::to_owned)), None),
            Outcome::Error(report) => (None, Some(report)),
        };
        Ran { text: support::clean(&text), value, error }
    }

    async fn run(&mut self, code: &str) -> Ran {
        self.run_with(code, |_| {}).await
    }

    /// Runs cells that must succeed.
    async fn all(&mut self, cells: &[&str]) {
        for cell in cells {
            let ran = self.run(cell).await;
            assert!(ran.error.is_none(), "{cell}: {}", ran.error());
        }
    }

    /// Runs a cell and interrupts it `delay` after it has printed `ready`.
    async fn interrupted(&mut self, code: &str) -> (Ran, Duration) {
        let controls = self.engine.controls();
        let mut at = None;
        let ran = self
            .run_with(code, |text| {
                if at.is_none() && text.contains("ready") {
                    at = Some(Instant::now());
                    controls.interrupt();
                }
            })
            .await;
        (ran, at.expect("the cell printed `ready`").elapsed())
    }

    async fn recover(&mut self) -> Ran {
        let (output, mut outputs) = mpsc::channel(1024);
        let context = Context { output, allow_stdin: false, count: 99, silent: false };
        let outcome = support::bounded("%recover", self.engine.recover(false, &context)).await;
        let mut text = String::new();
        while let Ok(one) = outputs.try_recv() {
            if let Output::Stream { text: more, .. } = one {
                text.push_str(&more);
            }
        }
        let error = if let Outcome::Error(report) = outcome { Some(report) } else { None };
        Ran { text: support::clean(&text), value: None, error }
    }
}

/// SEMANTICS: "An interrupt stops a running cell and keeps every variable."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_loop_keeps_all_variables() {
    let mut s = Session::new();
    s.all(&["let mut n = 0u64; let v = vec![1, 2, 3];"]).await;
    let (ran, took) = s.interrupted("println!(\"ready\"); loop { n += 1; std::thread::sleep(std::time::Duration::from_millis(5)); }").await;
    assert!(ran.error().starts_with("interrupted"), "{ran:?}");
    assert!(took < Duration::from_secs(2), "took {took:?}");
    assert_eq!(s.run("v").await.value(), "[1, 2, 3]");
    assert_eq!(s.run("n > 0").await.value(), "true");
}

/// SEMANTICS: "A wrong shape, type or device panics with the operation, the shapes and the cell's line."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_shape_names_the_cells_line() {
    let mut s = Session::new();
    s.all(&["let a = Tensor::zeros(&[2, 3]);"]).await;
    // A method, an operator, and a function that is the cell's value.
    for (code, text, at) in [("let n = 1;\na.matmul(&a)", "matmul: [2, 3] and [2, 3] do not fit", ":2:3"), ("\n\nlet b = &a + &Tensor::ones(&[4]);", "add: shapes [2, 3] and [4]", ":3:9"), ("Tensor::cat(&[&a, &a.t()], 0)", "cat: ", ":1:1")] {
        let ran = s.run(code).await;
        let error = ran.error();
        assert!(error.contains(text) && error.contains(at), "{code}: {error}");
    }
}

/// SEMANTICS: "An interrupt ends a tensor operation or a training where it is, and every variable keeps its value."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_tensor_operations_and_trainings() {
    let mut s = Session::new();
    s.all(&["let big = Tensor::rand(&[800, 800]);"]).await;
    // No loop of the cell's own, which would look at the interrupt itself.
    let (ran, took) = s.interrupted("println!(\"ready\"); (0..10_000_000).fold(big.clone(), |x, _| x.matmul(&big).sigmoid()).shape().len()").await;
    assert!(ran.error().starts_with("interrupted"), "{ran:?}");
    assert!(took < Duration::from_secs(2), "took {took:?}");
    assert_eq!(s.run("big.shape()").await.value(), "[800, 800]");
    s.all(&["use ochre::{Fit, data::Dataset, nn}; let model = nn::Linear::new(3, 2); let before = model.parameters()[0].1.copy(); let data = Dataset::new(&Tensor::randn(&[640, 3]), &Tensor::randint(0, 2, &[640]));"]).await;
    // It has learnt something when it is interrupted, however busy the machine is.
    let (ran, took) = s.interrupted("let first = ochre::fit(&model, &data, &(), Fit { epochs: 1, quiet: true, ..Fit::default() }); println!(\"ready\"); let history = ochre::fit(&model, &data, &(), Fit { epochs: 10_000_000, quiet: true, ..Fit::default() });").await;
    assert!(took < Duration::from_secs(2), "took {took:?}");
    assert!(ran.error.is_none() || ran.error().starts_with("interrupted"), "{ran:?}");
    assert_eq!(s.run("(before.equal(&model.parameters()[0].1), model.parameters()[0].1.sum().item().is_finite())").await.value(), "(false, true)");
}

/// SEMANTICS: "A cell that does not notice an interrupt is detached after 2 seconds."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cell_that_does_not_react_is_detached() {
    let mut s = Session::new();
    s.all(&["let v = vec![1, 2, 3]; let w = 5;"]).await;
    let (ran, took) = s.interrupted("println!(\"ready\"); std::thread::sleep(std::time::Duration::from_secs(4)); v.len()").await;
    assert!(ran.error().contains("goes on in the background"), "{ran:?}");
    assert!(took < Duration::from_secs(3), "took {took:?}");
    assert_eq!(s.run("w").await.value(), "5");
    let started = Instant::now();
    let back = loop {
        let ran = s.run("v").await;
        if ran.error.is_none() || started.elapsed() > Duration::from_secs(20) {
            break ran;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(back.value(), "[1, 2, 3]");
}

/// SEMANTICS: "A compilation is stopped by an interrupt at once; nothing changes."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compilation_is_interrupted() {
    let mut s = Session::new();
    s.all(&["let x = 1;"]).await;
    let controls = s.engine.controls();
    // Deeply nested generics keep the compiler busy for minutes.
    let code = "fn deep() -> usize { fn f<T>(n: usize, t: T) -> usize { if n == 0 { 0 } else { f(n - 1, (t, 1)) + f(n - 1, (1, 2)) } } f(40, 0) }\n".to_owned()
        + &(0..400).map(|i| format!("fn g{i}(x: [u8; {i}]) -> Vec<Box<dyn Fn(usize) -> Option<Result<String, std::fmt::Error>>>> {{ (0..{i}).map(|k| -> Box<dyn Fn(usize) -> Option<Result<String, std::fmt::Error>>> {{ Box::new(move |j| Some(Ok(format!(\"{{}}{{}}\", j + k, x.len())))) }}).collect() }}\n")).collect::<String>()
        + "let y = 2;";
    let stopper = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        controls.interrupt();
        Instant::now()
    });
    let ran = s.run(&code).await;
    let ended = Instant::now();
    let asked = stopper.await.expect("the stopper");
    assert!(ran.error().contains("compilation stopped"), "{ran:?}");
    assert!(ended.saturating_duration_since(asked) < Duration::from_secs(1));
    assert_eq!(s.run("x").await.value(), "1");
    assert!(s.run("y").await.error().contains("cannot find value"));
}

/// SEMANTICS: "`%recover` runs again, from the cache, the cells that made or may have changed the lost variables."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_worker_is_reported_and_recovered() {
    for (code, words) in [
        ("unsafe { *(8 as *mut i32) = 1; }", "SIGSEGV"),
        ("std::process::abort();", "SIGABRT"),
        ("std::process::exit(3);", "exit code 3"),
        ("fn deep(n: u64) -> u64 { let a = [n; 512]; if n == u64::MAX { 0 } else { deep(std::hint::black_box(n) + 1) + std::hint::black_box(a)[3] } }\ndeep(0)", "stack overflow"),
    ] {
        let mut s = Session::new();
        s.all(&["fn twice(x: i32) -> i32 { 2 * x }", "let mut a = twice(4);", "a += 1;", "let text = String::from(\"kept\"); let unused = 1;", "println!(\"{text}\");"]).await;
        let error = s.run(code).await.error();
        assert!(error.contains(words), "{code}: {error}");
        assert!(error.contains("%recover"), "{error}");
        let gone = s.run("a").await.error();
        assert!(gone.contains("%recover"), "the hint of a lost variable: {gone}");
        assert_eq!(s.run("twice(2)").await.value(), "4");
        let ran = s.recover().await;
        assert!(ran.error.is_none(), "{ran:?}");
        assert!(!ran.text.contains("println"), "a cell that changes nothing is not replayed: {}", ran.text);
        assert_eq!(s.run("(a, text.as_str())").await.value(), "(9, \"kept\")");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_names_the_cells_line_and_the_users_functions() {
    let mut s = Session::new();
    s.all(&["fn inner(v: &[i32], i: usize) -> i32 {\n    v[i]\n}\nfn outer(v: &[i32]) -> i32 {\n    inner(v, 10) + 1\n}"]).await;
    let error = s.run("let v = vec![1];\n\nouter(&v)").await.error();
    assert!(error.contains("index out of bounds"), "{error}");
    assert!(error.contains("cell [1]:2:5"), "the line of the panic: {error}");
    assert!(!error.contains("__ochre") && !error.contains("ochre_runtime"), "{error}");
}

/// Threads that a cell leaves behind write to the output of the last cell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_prints_later_is_heard() {
    let mut s = Session::new();
    let (output, mut outputs) = mpsc::channel(64);
    let context = Context { output, allow_stdin: false, count: 1, silent: false };
    s.engine.execute("std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(200)); println!(\"late\"); });", &context).await;
    let heard = support::bounded("the late line", async {
        loop {
            match outputs.recv().await {
                Some(Output::Stream { text, .. }) if text.contains("late") => break true,
                Some(_) => {}
                None => break false,
            }
        }
    });
    assert!(heard.await);
}

/// SEMANTICS: "Cells whose text and surroundings are unchanged are not compiled again."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_session_compiles_nothing() {
    let cells = ["#[derive(Debug, Clone)] struct Cached { a: i32 }", "let c = Cached { a: 1 };", "let d = c;", "println!(\"{d:?}\");", "for i in 0..3 { println!(\"{}\", i * d.a); }"];
    let mut first = Session::new();
    first.all(&cells).await;
    let mut second = Session::new();
    for cell in cells {
        let ran = second.run(cell).await;
        assert!(ran.error.is_none(), "{ran:?}");
        assert!(second.engine.timing().cached, "compiled again: {cell}");
    }
}

/// SEMANTICS: "A crate that `%dep` added is built once, and shares what the prelude has."
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dependency_is_built_once_and_shared() {
    let mut s = Session::new();
    let added = add(&mut s, "fastrand", "\"2\"").await;
    assert!(added.contains("fastrand"), "{added}");
    s.all(&["let mut r = fastrand::Rng::with_seed(7); let n = r.u32(0..10);"]).await;
    assert_eq!(s.run("n < 10").await.value(), "true");
    // Stands on the prelude's `rand`: its types are those that cells see.
    let added = add(&mut s, "rand_distr", "\"0.5\"").await;
    assert!(added.contains("rand_distr"), "{added}");
    s.all(&["use rand::SeedableRng; use rand_distr::{Distribution, Normal};\nlet mut g = rand::rngs::StdRng::seed_from_u64(1);\nlet x: f64 = Normal::new(0.0, 1.0)?.sample(&mut g);"]).await;
    assert_eq!(s.run("x.is_finite()").await.value(), "true");
    assert_eq!(s.run("n < 10").await.value(), "true", "old variables keep working");
    let mut again = Session::new();
    let added = add(&mut again, "fastrand", "\"2\"").await;
    assert!(added.contains("from the cache"), "{added}");
    for (name, requirement) in [("serde_json", "\"1\""), ("polars", "{ version = \"0.55\", features = [\"lazy\", \"csv\"] }")] {
        let already = add(&mut again, name, requirement).await;
        assert!(already.contains("here already"), "{already}");
    }
    // Another version under another name leaves the prelude's alone.
    let renamed = add(&mut again, "rand8", "{ package = \"rand\", version = \"0.8\" }").await;
    assert!(renamed.contains("0.8."), "{renamed}");
    again.all(&["use rand::Rng as _; let a: f64 = rand::rng().random(); let b: f64 = rand8::random();"]).await;
    assert_eq!(again.run("a < 1.0 && b < 1.0").await.value(), "true");
}

async fn add(s: &mut Session, name: &str, requirement: &str) -> String {
    let (output, mut outputs) = mpsc::channel(4096);
    let context = Context { output, allow_stdin: false, count: 1, silent: false };
    let outcome = tokio::time::timeout(Duration::from_secs(300), s.engine.add_dependency(name, requirement, &context)).await.expect("a build within five minutes");
    if let Outcome::Error(report) = outcome {
        panic!("{}", report.traceback.join("\n"));
    }
    let mut text = String::new();
    while let Ok(one) = outputs.try_recv() {
        if let Output::Stream { text: more, .. } = one {
            text.push_str(&more);
        }
    }
    text
}

/// Sessions that run side by side share the cache without harm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sessions_at_once() {
    let run = || async {
        let mut s = Session::new();
        s.all(&["let side = vec![7; 3];", "fn sum(v: &[i32]) -> i32 { v.iter().sum() }"]).await;
        s.run("sum(&side)").await.value().to_owned()
    };
    let (a, b) = tokio::join!(run(), run());
    assert_eq!((a.as_str(), b.as_str()), ("21", "21"));
}

/// A line that breaks at any byte is said to have broken, and the next cell has a new worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_cut_costs_the_variables_and_nothing_else() {
    for (seed, cut) in [(1, 300), (2, 900), (3, 1500), (4, 2500)] {
        let faults = Faults { seed, cut_from_worker: Some(cut), ..Faults::default() };
        let mut s = Session { engine: support::engine_behind(faults), count: 0 };
        let mut broke = None;
        for i in 0..40 {
            let ran = s.run("let n = 5; println!(\"some text to fill the line\"); n + 1").await;
            match ran.error {
                None => assert_eq!(ran.value(), "6"),
                Some(_) => {
                    broke = Some((i, ran.error()));
                    break;
                }
            }
        }
        let (_, error) = broke.expect("the line breaks within forty cells");
        assert!(error.contains("worker"), "cut after {cut}: {error}");
        let ran = s.run("fn after() -> i32 { 7 }\nafter()").await;
        assert!(ran.error.is_some() || ran.value() == "7", "{ran:?}");
    }
}

/// A panic of another thread is told by the thread itself; its place is the cell's all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_thread_names_the_cells_line() {
    let mut s = Session::new();
    let ran = s.run("let t = std::thread::spawn(|| { 1 });\nlet u = std::thread::spawn(|| {\n    if true { panic!(\"in a thread\"); }\n});\nu.join().is_err()").await;
    assert_eq!(ran.value(), "true");
    assert!(ran.text.contains("cell [1]:3:15"), "{}", ran.text);
}
