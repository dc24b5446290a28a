//! Magics where they meet the compiler: the session on the default engine, with a real worker.
mod support;

use ochre_link::Stream;
use ochre_session::engine::Engine;
use ochre_session::front::*;
use ochre_session::history::HistoryPlace;
use ochre_session::{Exchange, Session, SessionParts};
use support::{bounded, clean, engine};
use tokio::sync::mpsc;

fn session() -> Session {
    let engines = Box::new(|_: &str, _: &Exchange| Ok(Box::new(engine()) as Box<dyn Engine>));
    let parts = SessionParts { engine: "ochre".into(), engines, magics: vec![], observers: vec![], services: vec![], redactor: Default::default(), history: HistoryPlace::Memory };
    Session::start(parts).expect("names are unique")
}

struct Ran {
    executed: Executed,
    outputs: Vec<Output>,
}

async fn run_with(session: &Session, code: &str, user_expressions: &[(&str, &str)]) -> Ran {
    let request = Execute {
        code: code.into(),
        silent: false,
        store_history: true,
        user_expressions: user_expressions.iter().map(|(n, e)| ((*n).into(), (*e).into())).collect(),
        allow_stdin: true,
        stop_on_error: true,
        cell_id: None,
    };
    let (sender, mut receiver) = mpsc::channel(16);
    let collect = async {
        let mut outputs = Vec::new();
        while let Some(output) = receiver.recv().await {
            outputs.push(output);
        }
        outputs
    };
    let (executed, outputs) = bounded(code, async { tokio::join!(session.execute(request, sender), collect) }).await;
    Ran { executed, outputs }
}

async fn run(session: &Session, code: &str) -> Ran {
    run_with(session, code, &[]).await
}

impl Ran {
    fn stream(&self, wanted: Stream) -> String {
        let text = |o: &Output| match o {
            Output::Stream { stream, text } if *stream == wanted => Some(text.clone()),
            _ => None,
        };
        clean(&self.outputs.iter().filter_map(text).collect::<String>())
    }
    #[track_caller]
    fn value(&self) -> String {
        assert!(self.executed.status == Status::Ok, "{:?}", self.executed.status);
        let value = self.outputs.iter().find_map(|o| if let Output::Result { bundle, .. } = o { bundle.text().map(str::to_owned) } else { None });
        value.unwrap_or_default()
    }
    #[track_caller]
    fn error(&self) -> String {
        match &self.executed.status {
            Status::Error(report) => clean(&format!("{}: {}\n{}", report.name, report.message, report.traceback.join("\n"))),
            other => panic!("no error but {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timeit_measures_and_points_at_the_user_s_columns() {
    let session = session();
    run(&session, "let v: Vec<u64> = (0..1000).collect();").await.value();
    let text = run(&session, "%timeit -r 3 v.iter().sum::<u64>()").await.value();
    assert!(text.contains(" per loop (mean ± sd of 3 runs, ") && text.contains("s ± "), "{text}");
    let text = run(&session, "%%timeit -n 2 -r 2 let w = v.clone();\nw.iter().max()").await.value();
    assert!(text.contains("of 2 runs, 2 loops each"), "{text}");
    assert_eq!(run(&session, "v.len()").await.value(), "1000", "the variable is still there");

    let error = run(&session, "%timeit v.nothing()").await.error();
    assert!(error.starts_with("E0599: ") && error.contains("1:11") && !error.contains("ochre_"), "{error}");
    let error = run(&session, "%timeit drop(v)").await.error();
    assert!(error.starts_with("E0382") && error.contains("runs many times"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_between_magics_keeps_its_lines() {
    let session = session();
    let ran = run(&session, "let a = 5i32;\n%vars\n!echo shell\na + 1").await;
    assert_eq!((ran.value().as_str(), ran.stream(Stream::Stdout).as_str()), ("6", "shell\n"));
    let error = run(&session, "%vars\n\nlet b: i32 = \"text\";").await.error();
    assert!(error.starts_with("E0308") && error.contains("3:14"), "{error}");
    let error = run(&session, "%time let c: i32 = \"text\";").await.error();
    assert!(error.starts_with("E0308") && error.contains("1:20"), "{error}");
    assert!(run(&session, "%time let d = a * 2;").await.stream(Stream::Stderr).starts_with("run "));
    assert_eq!(run(&session, "d\n    %a").await.value(), "0", "a remainder stays a remainder");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_types_and_reset() {
    let session = session();
    run(&session, "let table = vec![1.5f64];\nfn twice(x: f64) -> f64 { 2.0 * x }").await.value();
    assert!(run(&session, "%vars").await.value().starts_with("table: Vec<f64>  (24 bytes, cell [1]"));
    assert_eq!(run(&session, ":type twice(table[0])").await.value(), "f64");
    let known = run(&session, "%doc twice").await.value();
    assert!(known.contains("fn twice(x: f64) -> f64"), "{known}");
    let found = session.complete("tw", 2).await;
    assert!(found.items.iter().any(|i| i.text == "twice"), "{found:?}");
    let expressions = run_with(&session, "table.len()", &[("n", "table.len() + 1"), ("bad", "nothing")]).await.executed.user_expressions;
    let [(_, Ok(bundle)), (_, Err(report))] = expressions.as_slice() else { panic!("{expressions:?}") };
    assert_eq!((bundle.text(), report.name.as_str()), (Some("2"), "E0425"));
    run(&session, "%reset").await.value();
    assert_eq!(run(&session, "%vars").await.value(), "no variables");
    assert!(run(&session, "table").await.error().starts_with("E0425"));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_run_in_this_session_and_directories_agree() {
    let session = session();
    let dir = tempfile::tempdir().expect("a directory");
    let notebook = r##"{"cells": [
        {"cell_type": "code", "source": ["let shared = 21;\n", "println!(\"from the notebook\");"]},
        {"cell_type": "code", "source": "fn double(x: i32) -> i32 { 2 * x }"}], "nbformat": 4}"##;
    std::fs::write(dir.path().join("setup.ipynb"), notebook).expect("writes");
    let here = run(&session, &format!("%cd {}", dir.path().display())).await.value();
    let ran = run(&session, "%run setup.ipynb\ndouble(shared)").await;
    assert_eq!((ran.value().as_str(), ran.stream(Stream::Stdout).as_str()), ("42", "from the notebook\n"));
    assert_eq!(run(&session, "!pwd").await.stream(Stream::Stdout).trim(), here);
    run(&session, "%env OCHRE_SEEN=yes").await.value();
    let ran = run(&session, "println!(\"{} {}\", std::env::current_dir()?.display(), std::env::var(\"OCHRE_SEEN\")?);").await;
    assert_eq!(ran.stream(Stream::Stdout), format!("{here} yes\n"));
    run(&session, "%%writefile lib.rs\npub fn three() -> i32 { 3 }").await.value();
    assert_eq!(run(&session, "%run lib.rs\nthree()").await.value(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_languages_are_answered() {
    let session = session();
    for (code, expected) in [("import polars as pl", "polars is in scope"), ("ls -l", "!ls"), ("dbutils.fs.ls(\"/\")", "!ls")] {
        let error = run(&session, code).await.error();
        assert!(error.contains(expected), "{code}: {error}");
        assert!(!error.contains("expected one of"), "{code}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_worker_is_recovered() {
    let session = session();
    run(&session, "let kept = vec![1, 2, 3];").await.value();
    let error = run(&session, "std::process::abort()").await.error();
    assert!(error.starts_with("worker died") && error.contains("%recover"), "{error}");
    assert!(run(&session, "%recover --dry-run").await.stream(Stream::Stderr).contains("kept"));
    run(&session, "%recover").await.value();
    assert_eq!(run(&session, "kept.len()").await.value(), "3");
}

/// What `%gpu` asks cells: each GPU that this session's tensors used, in a line; nothing where none was.
#[tokio::test(flavor = "multi_thread")]
async fn tensors_say_what_they_hold_on_gpus() {
    let session = session();
    run(&session, "let x = Tensor::ones(&[1000]).to_device(&Device::best());").await.value();
    let (device, held) = (run(&session, "x.device().to_string()").await.value(), run(&session, "ochre::cuda::held()").await.value());
    match device.trim_matches('"') {
        "cpu" => assert_eq!(held, ""),
        gpu => assert!(held.starts_with(&format!("{gpu}: ")) && held.contains("f32 [1000]"), "{held}"),
    }
    // With a worker there is somebody to ask, and still one line where there is no GPU.
    let text = run(&session, "%gpu").await.value();
    assert!(text.starts_with("NVIDIA driver") || !text.contains('\n'), "{text}");
}
