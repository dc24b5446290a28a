//! The session's magics from the cell to what the user reads, on a scripted engine.
use crate::scripted::Bench;
use ochre_link::Stream;
use ochre_session::front::*;

/// Runs a cell and gives its value.
async fn value(bench: &Bench, code: &str) -> String {
    let ran = bench.run(code).await;
    assert_eq!(ran.executed.status, Status::Ok, "{code}");
    ran.value().unwrap_or_default()
}

/// Runs a question, and gives the page that answers it.
async fn page(bench: &Bench, code: &str) -> String {
    let ran = bench.run(code).await;
    match ran.ok().executed.payloads.as_slice() {
        [Payload::Page(bundle)] => bundle.text().unwrap_or_default().to_owned(),
        other => panic!("{code} has no page but {other:?}"),
    }
}

/// Runs a cell that fails, and gives the message and the last line of its text (the hint).
async fn failure(bench: &Bench, code: &str) -> (String, String) {
    let (_, message, hint) = bench.run(code).await.error();
    (message, hint)
}

#[tokio::test]
async fn magics_and_rust_in_one_cell_run_in_order_with_the_user_s_lines() {
    let bench = Bench::new();
    let ran = bench.run("let a\n%vars\nprint x\n!echo shell\nvalue 3").await;
    assert_eq!(ran.ok().stdout(), "x\nshell\n");
    assert_eq!(ran.value().as_deref(), Some("3"));
    assert!(matches!(&ran.outputs[1], Output::Display { bundle, .. } if bundle.text() == Some("a: i32  (4 bytes, cell [1])")));
    assert_eq!(bench.seen.lock().unwrap().codes, ["let a\n", "\n\nprint x\n", "\n\n\n\nvalue 3"]);
}

#[tokio::test]
async fn variables_are_listed_reset_and_described() {
    let bench = Bench::new();
    assert_eq!(value(&bench, "%vars").await, "no variables");
    bench.run("let a\nlet bb").await;
    assert_eq!(value(&bench, ":vars").await, "a : i32  (4 bytes, cell [2])\nbb: i32  (4 bytes, cell [2])");
    assert_eq!(page(&bench, "?a").await, "a: i32\n4 bytes in place, stored by cell [2]");
    assert_eq!(value(&bench, ":doc helper").await, "fn helper(x: i32) -> i32\nfunction of this notebook");
    assert_eq!(value(&bench, ":type a").await, "i32");
    assert_eq!(value(&bench, ":type a + 1").await, "type of a + 1");
    bench.run(":clear").await.ok();
    assert_eq!(value(&bench, "%vars").await, "no variables");
}

/// **`%gpu` starts nothing on a GPU, and where there is none it says so in one line, with what to do.**
#[tokio::test]
async fn gpus_are_described_without_a_cell() {
    let bench = Bench::new();
    bench.run("%env RAYON_NUM_THREADS=3").await.ok();
    let text = value(&bench, "%gpu").await;
    match ochre_session::gpu::survey() {
        Ok(_) => assert!(text.starts_with("NVIDIA driver"), "{text}"),
        Err(_) => assert!(!text.contains('\n') && text.contains("tensors use the CPU, with 3 threads; ") && text.contains("install"), "{text}"),
    }
    // No worker runs, so tensors hold nothing, and no cell asks them.
    assert_eq!(bench.seen.lock().unwrap().codes, [""; 0]);
    assert!(page(&bench, "%gpu?").await.contains("who holds their memory"));
}

#[tokio::test]
async fn every_magic_has_help_in_three_ways() {
    let bench = Bench::new();
    let names: Vec<&str> = bench.session.magics().specs().iter().filter(|s| s.form.line()).map(|s| s.name).collect();
    assert!(names.len() > 15);
    for name in names {
        let asked = page(&bench, &format!("%{name}?")).await;
        assert!(asked.starts_with(&format!("%{name}")) && asked.contains("\nExamples\n"), "{asked}");
        assert_eq!(asked, value(&bench, &format!("%{name} --help")).await);
        assert_eq!(asked, value(&bench, &format!("%lsmagic {name}")).await);
    }
    let all = value(&bench, "%lsmagic").await;
    assert!(all.contains("%%bash") && all.contains("%timeit %%timeit"), "{all}");
    assert!(value(&bench, "%lsmagic --long").await.contains("\n### %timeit\nMeasures how long"));
}

#[tokio::test]
async fn dependencies_settings_and_levels_reach_the_engine() {
    let bench = Bench::new();
    bench.run(":dep rand = \"0.9\"\n%dep serde@1 --features derive,rc").await.ok();
    assert_eq!(value(&bench, ":show_deps").await, "rand = \"0.9\"\nserde = { version = \"1\", features = [\"derive\", \"rc\"] }");
    bench.run("%opt 2\n%set rows 50\n%env A=b c\n:opt 0").await.ok();
    let seen = bench.seen.lock().unwrap();
    assert_eq!(seen.dependencies, ["rand = \"0.9\"", "serde = { version = \"1\", features = [\"derive\", \"rc\"] }"]);
    assert_eq!(seen.settings, ["opt 2", "rows=50", "env A=Some(\"b c\")", "opt 0"]);
}

#[tokio::test]
async fn commands_have_the_session_s_directory_and_environment() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().display().to_string();
    assert_eq!(value(&bench, &format!("%cd {path}")).await, path);
    assert_eq!(value(&bench, "%cd").await, path);
    bench.run("%env OCHRE_TEST=\"two words\"").await.ok();
    assert_eq!(value(&bench, "%env OCHRE_TEST").await, "two words");
    let ran = bench.run("!pwd; echo $OCHRE_TEST; echo no >&2").await;
    assert_eq!(ran.ok().stdout(), format!("{path}\ntwo words\n"));
    assert_eq!(ran.stream(Stream::Stderr), "no\n");
    bench.run("%env --unset OCHRE_TEST").await.ok();
    assert_eq!(bench.run("!echo [$OCHRE_TEST]").await.stdout(), "[]\n");
    assert_eq!(bench.run("%%bash\nfor i in 1 2; do\n  echo $i\ndone").await.ok().stdout(), "1\n2\n");
}

#[tokio::test]
async fn a_command_that_fails_says_its_status() {
    let bench = Bench::new();
    assert_eq!(failure(&bench, "!exit 3").await.0, "the command ended with exit status 3");
    let (message, hint) = failure(&bench, "!no-such-program-here").await;
    assert!(message.ends_with("127") && hint.contains("no program of that name"), "{hint}");
    assert_eq!(failure(&bench, "!kill -9 $$").await.0, "the command was ended by signal 9");
    assert!(failure(&bench, "%%bash -e\nfalse\necho never").await.0.ends_with("status 1"));
}

#[tokio::test]
async fn a_command_s_output_streams_while_it_runs() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let flag = dir.path().join("go").display().to_string();
    let (mut outputs, running) = bench.start(&format!("!echo first; while [ ! -e {flag} ]; do :; done; echo second"));
    loop {
        match outputs.recv().await {
            Some(Output::Stream { text, .. }) if text.contains("first") => break,
            Some(_) => {}
            None => panic!("the output ended"),
        }
    }
    std::fs::write(&flag, "").unwrap();
    assert_eq!(running.await.unwrap().status, Status::Ok);
}

#[tokio::test]
async fn files_are_written_loaded_and_run() {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    bench.run(&format!("%cd {}", dir.path().display())).await.ok();
    assert_eq!(value(&bench, "%%writefile a.rs\nlet a\nprint from a").await, "wrote a.rs");
    assert_eq!(value(&bench, "%%writefile -a a.rs\n\nvalue 5").await, "added to a.rs");
    let loaded = bench.run("%load a.rs --lines 2-2").await;
    assert!(matches!(&loaded.executed.payloads[..], [Payload::NextInput { text, replace: true }] if text == "// %load a.rs\nprint from a"));
    let ran = bench.run("%run a.rs\na").await;
    assert_eq!((ran.ok().stdout().as_str(), ran.value().as_deref()), ("from a\n", Some("a")));

    let notebook = r##"{"cells": [
        {"cell_type": "markdown", "source": ["# no code"]},
        {"cell_type": "code", "source": ["let n\n", "value 1"]},
        {"cell_type": "code", "source": "%vars n"},
        {"cell_type": "code", "source": "fail"}], "nbformat": 4}"##;
    std::fs::write(dir.path().join("b.ipynb"), notebook).unwrap();
    let ran = bench.run("%run b.ipynb").await;
    let (name, message, hint) = ran.error();
    assert_eq!((name.as_str(), message.as_str()), ("error", "it failed"));
    assert!(hint.contains("cell 3 of b.ipynb"), "{hint}");
    let shown = ran.outputs.iter().filter(|o| matches!(o, Output::Display { .. })).count();
    assert_eq!(shown, 2, "values of the cells before");
    bench.run("n").await.ok();

    std::fs::write(dir.path().join("loop.rs"), "%run loop.rs").unwrap();
    assert!(failure(&bench, "%run loop.rs").await.0.contains("nested too deeply"));
    assert!(failure(&bench, "%run none.ipynb").await.0.starts_with("cannot read none.ipynb: "));
    std::fs::write(dir.path().join("broken.ipynb"), "{").unwrap();
    assert!(failure(&bench, "%run broken.ipynb").await.0.starts_with("broken.ipynb is no notebook"));
}

#[tokio::test]
async fn times_are_said() {
    let bench = Bench::new();
    let ran = bench.run("%time value 3").await;
    assert_eq!(ran.ok().value().as_deref(), Some("3"));
    assert_eq!(ran.stream(Stream::Stderr), "run 1.50 ms, compile 56.0 ms\n");
    assert_eq!(bench.seen.lock().unwrap().codes, ["      value 3"], "the column is kept");
    assert_eq!(value(&bench, "%timing on").await, "timing is on");
    assert_eq!(bench.run("value 1").await.stream(Stream::Stderr), "run 1.50 ms, compile 56.0 ms\n");
    assert!(failure(&bench, "%time").await.0.starts_with("%time needs CODE"));
    let ran = bench.run("%%time\n!echo one\nvalue 2").await;
    assert_eq!((ran.ok().value().as_deref(), ran.stdout().as_str()), (Some("2"), "one\n"));
    assert!(ran.stream(Stream::Stderr).contains("took "));
}

#[tokio::test]
async fn recover_runs_or_only_says() {
    let bench = Bench::new();
    assert_eq!(value(&bench, "%recover --dry-run").await, "would run 1 cell");
    assert_eq!(value(&bench, "%recover").await, "ran 1 cell");
}

#[tokio::test]
async fn an_engine_that_cannot_start_leaves_the_old_one() {
    let bench = Bench::new();
    bench.run("let a").await;
    assert_eq!(failure(&bench, "%engine evcxr").await.0, "there is no such engine here");
    assert_eq!(value(&bench, "%engine").await, "cells are run by ochre");
    bench.run("a").await.ok();
    assert!(failure(&bench, "%engine ocher").await.1.contains("did you mean `ochre`?"));
}

#[tokio::test]
async fn history_is_shown_by_range_and_pattern() {
    let bench = Bench::new();
    for code in ["value 1", "value 2", "print 3"] {
        bench.run(code).await;
    }
    assert_eq!(value(&bench, "%history 1-2").await, "value 1\nvalue 2");
    assert_eq!(value(&bench, "%history -n -o 2").await, "[2] value 2\n// 2");
    assert!(value(&bench, "%history -g print").await.ends_with("print 3"));
    assert_eq!(value(&bench, "%history 77").await, "no such cells");
}

#[tokio::test]
async fn habits_of_other_kernels_are_answered_with_the_equivalent() {
    let bench = Bench::new();
    for (code, expected) in [
        ("%pip install polars", "%dep NAME"),
        ("%conda install x", "%dep"),
        ("%sh ls", "!command"),
        ("%%sh\nls", "%%bash"),
        ("%matplotlib inline", "ochre::plot"),
        ("%%sql\nSELECT 1", "SQLContext"),
        ("%fs ls", "!ls"),
        ("%autoreload 2", "%run"),
        ("%tiemit 1", "did you mean %timeit?"),
        ("%vras", "did you mean %vars?"),
        ("%nothing_like_this", "%lsmagic lists all"),
        (":var", "did you mean :vars?"),
        (":sccache 1", "always cached"),
        ("%bash\nls", "first line of a cell"),
        ("%%vars\nx", "one percent sign"),
        ("%vars --al", "%vars [BEGINNING]"),
    ] {
        let (_, hint) = failure(&bench, code).await;
        assert!(hint.contains(expected), "{code:?}: {hint:?} does not say {expected:?}");
    }
    assert!(bench.seen.lock().unwrap().codes.is_empty(), "nothing of it was run as Rust");
}

#[tokio::test]
async fn rust_that_is_another_language_is_answered_without_a_parse_error() {
    let bench = Bench::new();
    let (message, hint) = failure(&bench, "import polars as pl").await;
    assert_eq!(message, "this is not Rust");
    assert!(hint.contains("polars is in scope already"), "{hint}");
    let ran = bench.run("display(df)").await;
    let (name, _, hint) = ran.error();
    assert_eq!(name, "E0425", "the compiler's words stay where it understood the text");
    assert!(hint.contains("ochre::display"), "{hint}");
}
