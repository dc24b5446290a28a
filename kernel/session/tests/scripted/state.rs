//! The session's state machine on a scripted engine: what a front end may rely on, whatever runs the cells.
use crate::scripted::{BOUND, Bench};
use ochre_link::{Comm, CommAction, Stream};
use ochre_session::front::*;
use ochre_session::history::HistoryPlace;

#[tokio::test]
async fn a_cell_is_announced_run_and_answered() {
    let bench = Bench::new();
    let ran = bench.run("print hello\nvalue 3").await;
    assert!(matches!(&ran.outputs[0], Output::Started { count: 1, code } if code == "print hello\nvalue 3"));
    assert_eq!(ran.ok().stdout(), "hello\n");
    assert!(matches!(ran.outputs.last(), Some(Output::Result { count: 1, .. })));
    assert_eq!(bench.run("value 4").await.executed.count, 2);
}

#[tokio::test]
async fn silent_and_unstored_cells_are_not_counted() {
    let bench = Bench::new();
    bench.run("value 1").await;
    let silent = bench.execute(Execute { silent: true, ..Bench::request("print x\nvalue 2") }).await;
    assert!(silent.outputs.is_empty(), "{:?}", silent.outputs);
    let unstored = bench.execute(Execute { store_history: false, ..Bench::request("value 3") }).await;
    assert_eq!((unstored.executed.count, unstored.value()), (2, Some("3".into())));
    assert_eq!(bench.run("value 4").await.executed.count, 2);
    let entries = bench.session.history(HistoryQuery::Tail { n: 9 }).await;
    let inputs: Vec<_> = entries.iter().map(|e| (e.line, e.input.as_str(), e.output.as_deref())).collect();
    assert_eq!(inputs, [(1, "value 1", Some("1")), (2, "value 4", Some("4"))]);
}

#[tokio::test]
async fn cells_run_in_order_and_a_failure_aborts_what_waits() {
    let bench = Bench::new();
    let (mut first, running) = bench.start("wait");
    assert!(matches!(first.recv().await, Some(Output::Started { .. })));
    bench.engine_has("wait").await;
    let (_a, second) = bench.start("value 2");
    let (_b, third) = bench.start("value 3");
    // Both are in the queue once a question behind them has been answered by the same task.
    while tokio::time::timeout(BOUND, bench.session.history(HistoryQuery::Tail { n: 1 })).await.is_err() {}
    tokio::task::yield_now().await;
    bench.session.interrupt();
    assert!(matches!(running.await.unwrap().status, Status::Error(r) if r.name == "interrupted"));
    let ends = [second.await.unwrap().status, third.await.unwrap().status];
    assert_eq!(ends, [Status::Aborted, Status::Aborted]);
    assert_eq!(bench.run("value 4").await.ok().value().as_deref(), Some("4"));
}

#[tokio::test]
async fn an_interrupt_while_nothing_runs_stops_no_later_cell() {
    let bench = Bench::new();
    bench.session.interrupt();
    assert_eq!(bench.run("value 1").await.ok().value().as_deref(), Some("1"));
}

#[tokio::test]
async fn a_second_interrupt_reaches_the_engine_too() {
    let bench = Bench::new();
    let (mut outputs, running) = bench.start("deaf");
    outputs.recv().await;
    bench.engine_has("deaf").await;
    // The engine listens once it has begun to wait: asking again does no harm.
    let ended = async {
        while !running.is_finished() {
            bench.session.interrupt();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, ended).await.expect("the deaf cell ends");
    assert!(matches!(running.await.unwrap().status, Status::Error(r) if r.name == "worker died"));
}

#[tokio::test]
async fn an_interrupt_ends_a_command_and_the_rest_of_the_cell() {
    let bench = Bench::new();
    let (mut outputs, running) = bench.start("!echo started; exec sleep 1000\nvalue 1");
    wait_for(&mut outputs, "started").await;
    bench.session.interrupt();
    let executed = tokio::time::timeout(BOUND, running).await.expect("it ends").unwrap();
    assert!(matches!(executed.status, Status::Error(r) if r.name == "interrupted"));
    assert!(bench.seen.lock().unwrap().codes.is_empty(), "the Rust behind it did not run");
}

#[tokio::test]
async fn an_engine_that_panics_is_our_bug_and_the_next_cell_runs() {
    let bench = Bench::new();
    assert_eq!(bench.run("boom").await.error().0, "bug");
    assert_eq!(bench.run("value 1").await.ok().value().as_deref(), Some("1"));
}

#[tokio::test]
async fn an_engine_that_cannot_be_made_costs_the_cell_and_not_the_session() {
    for (engine, class) in [("broken", "bug"), ("absent", "configuration")] {
        let bench = Bench::with_engine(engine, HistoryPlace::Memory, vec![], vec![]);
        assert_eq!(bench.run("value 1").await.error().0, class);
        assert_eq!(bench.run("!echo works").await.ok().stdout(), "works\n");
        bench.run("%engine ochre").await.ok();
        assert_eq!(bench.run("value 1").await.ok().value().as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn questions_are_answered_or_given_up() {
    let bench = Bench::new();
    let (mut outputs, running) = bench.start("ask");
    while !matches!(outputs.recv().await, Some(Output::Input { .. })) {}
    bench.session.answer(Some("42".into()));
    wait_for(&mut outputs, "Some(\"42\")").await;
    assert_eq!(running.await.unwrap().status, Status::Ok);
}

#[tokio::test]
async fn user_expressions_are_values_or_errors() {
    let bench = Bench::new();
    let expressions = vec![("a".into(), "value 7".into()), ("b".into(), "nonsense".into())];
    let ran = bench.execute(Execute { user_expressions: expressions, ..Bench::request("let x") }).await;
    let [(a, Ok(seven)), (b, Err(report))] = ran.executed.user_expressions.as_slice() else {
        panic!("{:?}", ran.executed.user_expressions)
    };
    assert_eq!((a.as_str(), seven.text(), b.as_str(), report.name.as_str()), ("a", Some("7"), "b", "E0425"));
}

#[tokio::test]
async fn a_flood_of_output_is_cut_and_said() {
    let bench = Bench::new();
    let ran = bench.run("flood 200").await;
    assert_eq!(ran.ok().stdout().len(), ochre_session::limits::MAX_STREAM_BYTES);
    let notes = ran.stream(Stream::Stderr);
    assert!(notes.contains("output is cut here, after 10 MB") && notes.contains("190 MB of output were left out"), "{notes}");
    assert_eq!(bench.run("print x").await.stdout(), "x\n", "the next cell has an account of its own");
}

#[tokio::test]
async fn ten_thousand_displays_arrive_in_order() {
    let ran = Bench::new().run("display 10000").await;
    let texts: Vec<&str> = ran.outputs.iter().filter_map(|o| if let Output::Display { bundle, .. } = o { bundle.text() } else { None }).collect();
    assert_eq!(texts.len(), 10_000);
    assert!(texts.iter().enumerate().all(|(n, text)| *text == n.to_string()));
}

#[tokio::test]
async fn a_front_end_that_went_away_stops_nothing() {
    let bench = Bench::new();
    let (outputs, running) = bench.start("flood 5\nlet x");
    drop(outputs);
    assert_eq!(tokio::time::timeout(BOUND, running).await.expect("it ends").unwrap().status, Status::Ok);
    assert_eq!(bench.run("x").await.ok().value().as_deref(), Some("x"));
}

#[tokio::test]
async fn output_after_the_end_is_stray() {
    let bench = Bench::new();
    let mut stray = bench.session.stray().expect("the first caller gets it");
    assert!(bench.session.stray().is_none());
    assert_eq!(bench.run("later hello").await.ok().stdout(), "");
    bench.later.notify_one();
    let output = tokio::time::timeout(BOUND, stray.recv()).await.expect("it comes");
    assert!(matches!(output, Some(Output::Stream { text, .. }) if text == "hello"));
}

#[tokio::test]
async fn comms_of_both_sides_are_listed_until_they_close() {
    let bench = Bench::new();
    bench.run("comm").await;
    let comm = |action| Comm { id: "f1".into(), action, data: "{}".into(), metadata: "{}".into(), buffers: vec![] };
    bench.session.comm(comm(CommAction::Open { target: "mine".into() }));
    until(&bench, |comms| comms.len() == 2).await;
    bench.session.comm(comm(CommAction::Close));
    until(&bench, |comms| comms == [("c1".to_owned(), "jupyter.widget".to_owned())]).await;
}

#[tokio::test]
async fn shutdown_ends_a_running_cell_and_refuses_what_follows() {
    let bench = Bench::new();
    let (_outputs, running) = bench.start("wait");
    bench.engine_has("wait").await;
    tokio::time::timeout(BOUND, bench.session.shutdown(false)).await.expect("it ends");
    assert!(bench.seen.lock().unwrap().ended, "the engine was shut down");
    assert!(matches!(running.await.unwrap().status, Status::Error(_) | Status::Aborted));
    assert_eq!(bench.run("value 1").await.executed.status, Status::Aborted);
}

#[tokio::test]
async fn history_is_there_in_the_next_session() {
    let dir = tempfile::tempdir().unwrap();
    let place = HistoryPlace::File(dir.path().join("history.sqlite"));
    let first = Bench::with_history(place.clone());
    first.run("value 1").await;
    first.session.shutdown(false).await;
    let second = Bench::with_history(place);
    assert_eq!(second.run("%history ~1/").await.ok().value().as_deref(), Some("value 1"));
}

async fn wait_for(outputs: &mut tokio::sync::mpsc::Receiver<Output>, wanted: &str) {
    let mut seen = String::new();
    let found = async {
        while let Some(output) = outputs.recv().await {
            if let Output::Stream { text, .. } = output {
                seen.push_str(&text);
            }
            if seen.contains(wanted) {
                return true;
            }
        }
        false
    };
    let found = tokio::time::timeout(BOUND, found).await.unwrap_or(false);
    assert!(found, "{wanted:?} did not come, only {seen:?}");
}

async fn until(bench: &Bench, holds: impl Fn(&[(String, String)]) -> bool) {
    let wait = async {
        while !holds(&bench.session.comms()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, wait).await.unwrap_or_else(|_| panic!("comms are {:?}", bench.session.comms()));
}
