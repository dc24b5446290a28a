//! Completion, inspection and completeness on a scripted engine.
use crate::scripted::Bench;
use ochre_session::front::*;

/// `|` marks the cursor. Gives what would be replaced, and what for.
async fn complete(bench: &Bench, marked: &str) -> (String, Vec<String>) {
    let cursor = marked.chars().position(|c| c == '|').expect("a cursor");
    let code = marked.replacen('|', "", 1);
    let found = bench.session.complete(&code, cursor).await;
    let replaced = code.chars().skip(found.start).take(found.end - found.start).collect();
    (replaced, found.items.into_iter().map(|i| i.text).collect())
}

#[tokio::test]
async fn completions_by_place() {
    let bench = Bench::new();
    bench.run("let table\nlet total").await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("day.rs"), "").unwrap();
    bench.run(&format!("%cd {}", dir.path().display())).await;
    for (marked, replaced, expected) in [
        ("%tim|", "tim", vec!["time", "timeit", "timing"]),
        ("%%writ|", "writ", vec!["writefile"]),
        ("let é = 1;\n%lsm|", "lsm", vec!["lsmagic"]),
        ("%lsmagic recov|", "recov", vec!["recover"]),
        ("%opt |", "", vec!["auto", "0", "1", "2", "3"]),
        ("%engine ev|", "ev", vec!["evcxr"]),
        ("%dep rand --fea|", "--fea", vec!["--features"]),
        ("%load da|", "da", vec!["data/", "day.rs"]),
        ("%cd da|", "da", vec!["data/"]),
        ("!cat day|", "day", vec!["day.rs"]),
        ("%time tot|", "tot", vec!["total"]),
        (":sho|", "sho", vec!["show_deps"]),
        ("let x = ta|", "ta", vec!["table"]),
        ("é + tota|l", "tota", vec!["total"]),
        ("hel|", "hel", vec!["helper"]),
        ("ochre::disp|", "disp", vec!["display", "display_as"]),
        ("DataF|", "DataF", vec!["DataFrame"]),
        ("contin|", "contin", vec!["continue"]),
        ("x.|", "", vec![]),
        ("%nothing |", "", vec![]),
    ] {
        let (got, items) = complete(&bench, marked).await;
        assert_eq!((got.as_str(), items), (replaced, expected.into_iter().map(str::to_owned).collect()), "at {marked:?}");
    }
}

#[tokio::test]
async fn completion_answers_while_a_cell_runs_and_any_cursor() {
    let bench = Bench::new();
    let (_outputs, running) = bench.start("wait");
    bench.engine_has("wait").await;
    assert_eq!(complete(&bench, "%var|").await.1, ["vars"]);
    assert_eq!(bench.session.complete("é%", 99).await.end, 2);
    bench.session.interrupt();
    running.await.unwrap();
}

#[tokio::test]
async fn inspection_knows_variables_items_magics_and_polars() {
    let bench = Bench::new();
    bench.run("let table").await;
    let text = async |code: &str, cursor| bench.session.inspect(code, cursor, 0).await.and_then(|b| b.text().map(str::to_owned));
    assert_eq!(text("let y = table;", 10).await.as_deref(), Some("table: i32\n4 bytes in place, stored by cell [1]"));
    assert!(text("helper(", 7).await.is_some_and(|t| t.starts_with("fn helper(x: i32)")));
    assert!(text("%timeit x", 3).await.is_some_and(|t| t.starts_with("%timeit [--loops LOOPS]")));
    assert!(text("col(\"a\")", 2).await.is_some_and(|t| t.contains("-> Expr")));
    assert_eq!(text("nothing", 3).await, None);
    assert_eq!(text("", 0).await, None);
    assert_eq!(text("(((", 3).await, None);
}

#[tokio::test]
async fn a_text_is_whole_when_its_rust_is() {
    let bench = Bench::new();
    for (code, whole) in [
        ("1 + 2", true),
        ("%vars", true),
        ("%time f(", false),
        ("let a = 1;\n%vars", true),
        ("fn f() {", false),
        ("!ls (", true),
        ("!ls \\", false),
        ("%%bash\nls", false),
        ("%%bash\nls\n\n", true),
    ] {
        let complete = bench.session.is_complete(code) == Completeness::Complete;
        assert_eq!(complete, whole, "{code:?} is {:?}", bench.session.is_complete(code));
    }
    assert_eq!(bench.session.is_complete("let a = 1)"), Completeness::Invalid);
}
