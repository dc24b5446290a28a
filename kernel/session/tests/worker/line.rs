//! The line between kernel and worker: delayed, split, cut; versions that do not fit; programs that are no worker.
use super::support::{Driver, local};
use ochre_link::{End, ToWorker, VERSION, frame};
use ochre_session::worker::proxy::{Faults, Faulty};
use ochre_session::worker::{Connection, Event, How, LocalWorker, StartError};
use std::path::Path;

fn faulty(scratch: &Path, faults: Faults) -> Faulty<LocalWorker> {
    Faulty { target: local(scratch), faults }
}

#[tokio::test]
async fn cells_run_the_same_behind_a_line_that_delays_and_splits() {
    for seed in [1, 2] {
        let scratch = tempfile::tempdir().unwrap();
        let target = faulty(scratch.path(), Faults { seed, ..Faults::default() });
        let mut driver = Driver::on(&target, scratch).await;
        let seen = driver.run("for i in 0..1000 { println!(\"{i}\"); } ochre::display(&ochre::text(\"end\"));").await;
        let wanted: String = (0..1000).map(|i| format!("{i}\n")).collect();
        assert_eq!((seen.out(), seen.end.clone()), (wanted, Some(End::Completed)));
        assert_eq!(seen.order.last().map(String::as_str), Some("<end>"));
    }
}

#[tokio::test]
async fn a_cut_from_the_worker_is_told_as_a_cut() {
    let scratch = tempfile::tempdir().unwrap();
    let target = faulty(scratch.path(), Faults { cut_from_worker: Some(5_000), ..Faults::default() });
    let mut driver = Driver::on(&target, scratch).await;
    let seen = driver.run("for i in 0..100_000 { println!(\"{i}\"); }").await;
    let ended = seen.closed.expect("an end");
    assert!(matches!(ended.how, How::Cut(_)), "{ended:?}");
    assert!(ended.words().contains("connection broke"), "{}", ended.words());
}

#[tokio::test]
async fn a_cut_at_any_place_is_an_end_and_never_a_hang() {
    for cut in [0, 1, 3, 4, 5, 9, 17, 30, 60] {
        let scratch = tempfile::tempdir().unwrap();
        let target = faulty(scratch.path(), Faults { cut_from_worker: Some(cut), ..Faults::default() });
        match Connection::open(&target, "test").await {
            Err(error) => assert!(matches!(error, StartError::Died { .. }), "{error}"),
            Ok(connection) => {
                let mut driver = Driver { connection, scratch };
                let seen = driver.run("println!(\"a line that is long enough to be cut\");").await;
                assert!(seen.closed.is_some() || seen.end.is_some(), "{seen:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_cut_to_the_worker_ends_it() {
    let scratch = tempfile::tempdir().unwrap();
    let target = faulty(scratch.path(), Faults { cut_to_worker: Some(2_000), ..Faults::default() });
    let mut driver = Driver::on(&target, scratch).await;
    let seen = driver.run("println!(\"never\");").await;
    assert!(matches!(seen.closed.as_ref().map(|e| &e.how), Some(How::Cut(_))), "{seen:?}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_with_the_way_out() {
    let mut target = local(Path::new("/"));
    target.program = "/nonexistent/ochre-worker".into();
    let Err(error) = Connection::open(&target, "test").await else { panic!("it started") };
    assert!(error.to_string().contains("ochre install"), "{error}");
}

#[tokio::test]
async fn a_program_that_dies_at_once_is_told_with_its_complaint() {
    let mut target = local(Path::new("/"));
    // Not an empty path, which leaves the one of cargo, where a library of another build may lie.
    target.library_path = vec!["/nonexistent".into()];
    let Err(error) = Connection::open(&target, "test").await else { panic!("it started") };
    let text = error.to_string();
    assert!(text.contains("exit code 127") && text.contains("libochre_runtime.so"), "{text}");
}

#[tokio::test]
async fn a_program_that_talks_nonsense_is_ended() {
    let mut target = local(Path::new("/"));
    target.program = "/bin/cat".into();
    let Err(error) = Connection::open(&target, "test").await else { panic!("it started") };
    assert!(matches!(error, StartError::Died { .. } | StartError::Refused { .. }), "{error}");
}

#[test]
fn a_kernel_of_another_version_is_refused_in_words() {
    use std::io::Write;
    let target = local(Path::new("/"));
    let library_path: Vec<_> = target.library_path.iter().map(|p| p.display().to_string()).collect();
    let mut child = std::process::Command::new(&target.program)
        .env("LD_LIBRARY_PATH", library_path.join(":"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let hello = frame::encode(&ToWorker::Hello { version: VERSION + 1, prelude: String::new() }).unwrap();
    child.stdin.take().unwrap().write_all(&hello).unwrap();
    let answer: Option<ochre_link::FromWorker> = frame::read(child.stdout.as_mut().unwrap()).unwrap();
    let Some(ochre_link::FromWorker::Refused { reason }) = answer else { panic!("{answer:?}") };
    assert!(reason.contains("ochre install"), "{reason}");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[tokio::test]
async fn a_worker_whose_kernel_vanishes_ends_by_itself() {
    let mut driver = Driver::new().await;
    driver.begin("println!(\"begun\"); loop { std::hint::spin_loop(); }").await;
    driver.until("beginning", |seen| seen.out() == "begun\n").await;
    let pid = driver.connection.pid();
    drop(driver);
    let path = format!("/proc/{pid}/stat");
    let gone = async {
        while std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z")) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.is_ok(), "worker {pid} lives on");
}

#[tokio::test]
async fn the_end_is_told_again_to_who_asks_again() {
    let mut driver = Driver::new().await;
    let seen = driver.run("std::process::exit(1);").await;
    assert_eq!(Some(Event::Closed(seen.closed.clone().unwrap())), Some(driver.connection.recv().await));
}
