//! Cells in, outputs out: the cases in `tests/cells/*.cells`, run by a real compiler and a real worker.
//!
//! A case is a session of its own:
//! ```text
//! # what it shows
//! >>> let x = 1;
//! ... let y = 2;
//! >>> x + y
//! = 3
//! ```
//! `= ` is the value's text, `! ` a line of stderr, `D ` a display, `E name: message` an error; other lines are stdout.
//! `OCHRE_UPDATE=1` writes what came out into the files; read the difference before you commit it. `OCHRE_CASES=word` picks
//! the cases whose title holds the word; `OCHRE_SHOW=1` prints whole errors.
//!
//! Sentences of SEMANTICS.md and the cases that prove them:
//! - "A variable that a cell does not name is never touched." moves: a panic keeps variables
//! - "A cell that moves a variable takes it; one that borrows it leaves it." moves: the first dozen; frames: a failed query that consumes
//! - "A type that is defined again unchanged is the same type; with other fields it is a new one." items: a struct that is defined again, the same definition again
//! - "A method or trait that is implemented in a later cell works on values that are there already." items: a method in a later cell, a trait of std
//! - "A function that is defined again is the one that earlier functions call." items: a function that is defined again
//! - "A value without a nameable type lives for its cell." moves: a closure, a future, a reference that cannot be kept
//! - "Statics begin anew when their cell is run again, and only then." items: a static that changes, a static begins anew
//! - "A tensor is a value: only `assign` and optimisers change its elements, and a view made before keeps the old ones." tensors: a view keeps what it saw
//! - "A tensor in a variable lives from cell to cell, and a cell that fails leaves it as it is." tensors: a tensor in a variable, an interrupted or failed cell
//! - "After `manual_seed` the same random numbers come again." tensors: random numbers begin anew
//! - "Integer overflow panics, at every optimisation level." basics: arithmetic overflow
mod cases;
mod support;

use cases::{Case, cell, parse, render};
use ochre_session::engine::Engine;
use ochre_session::ochre_engine::OchreEngine;
use ochre_session::worker::proxy::Faults;

async fn run(case: &Case, mut engine: OchreEngine) -> Vec<String> {
    let mut results = Vec::new();
    for (i, (code, _)) in case.cells.iter().enumerate() {
        results.push(support::clean(&cell(&mut engine, code, i as u32 + 1).await));
    }
    engine.shutdown().await;
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cells() {
    let update = std::env::var_os("OCHRE_UPDATE").is_some();
    let wanted = std::env::var("OCHRE_CASES").unwrap_or_default();
    let (mut count, mut failures) = (0, Vec::new());
    for file in cases::files() {
        let text = std::fs::read_to_string(&file).expect("a case file");
        let (head, mut cases) = parse(&text);
        for case in cases.iter_mut().filter(|c| c.title.contains(&wanted)) {
            count += 1;
            let results = run(case, support::engine()).await;
            // The same over a line that delays and splits: what the worker is told and tells is a byte stream alone.
            let faults = Faults { seed: count, ..Faults::default() };
            let again = run(case, support::engine_behind(faults)).await;
            for ((code, _), (straight, bent)) in case.cells.iter().zip(results.iter().zip(&again)) {
                if straight != bent {
                    failures.push(format!("{}: {}\n{code}\n--- directly\n{straight}--- over a bad line\n{bent}", file.display(), case.title));
                }
            }
            if results.iter().any(|r| r.contains("bug in Ochre")) {
                println!("bug: {}", case.title);
            }
            for ((code, expected), got) in case.cells.iter_mut().zip(results) {
                if *expected != got {
                    failures.push(format!("{}: {}\n{code}\n--- expected\n{expected}--- got\n{got}", file.display(), case.title));
                    *expected = got;
                }
            }
        }
        if update {
            std::fs::write(&file, render(&head, &cases)).expect("a case file");
        }
    }
    println!("{count} cell cases, {} cells differ", failures.len());
    assert!(count > 0, "no case matches");
    assert!(update || failures.is_empty(), "{}", failures.join("\n\n"));
}
