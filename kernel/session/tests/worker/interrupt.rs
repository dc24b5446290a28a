//! Interrupt, detach, late finish.
use super::support::{Driver, in_body};
use ochre_link::{End, FromWorker, ToWorker};
use std::time::{Duration, Instant};

const SLEEPER: &str = "println!(\"begun\"); while !std::path::Path::new(\"go\").exists() { std::thread::yield_now(); }";

#[tokio::test]
async fn a_loop_that_looks_at_the_flag_unwinds_and_keeps_its_variables() {
    let mut driver = Driver::new().await;
    let entry = format!("let mut n = 5u64; {} cx.put(\"n\", n, true);", in_body("println!(\"begun\"); loop { n += 1; ochre::__rt::check(); }"));
    driver.begin_entry(&entry, false).await;
    driver.until("beginning", |seen| seen.out() == "begun\n").await;
    let asked = Instant::now();
    driver.connection.handle().post(&ToWorker::Interrupt);
    let seen = driver.finish().await;
    assert_eq!(seen.end, Some(End::Interrupted));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    assert_eq!(seen.variables.iter().map(|v| (v.name.as_str(), v.available)).collect::<Vec<_>>(), [("n", true)]);
    let seen = driver.run("loop { ochre::__rt::check(); break; } print!(\"the next cell is not interrupted\");").await;
    assert_eq!(seen.end, Some(End::Completed));
}

#[tokio::test]
async fn an_interrupt_right_after_run_is_not_lost() {
    let mut driver = Driver::new().await;
    driver.begin("loop { ochre::__rt::check(); }").await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    assert_eq!(driver.finish().await.end, Some(End::Interrupted));
}

#[tokio::test]
async fn a_cell_that_does_not_notice_is_detached_and_comes_back() {
    let mut driver = Driver::new().await;
    driver.run_entry("cx.put(\"held\", 1i32, true); cx.put(\"free\", 2i32, true); cx.put(\"local\", std::rc::Rc::new(3), false);").await;
    let entry = format!("let held: i32 = cx.take(\"held\"); {} cx.put(\"held\", held + 1, true);", in_body(SLEEPER));
    let cell = driver.begin_entry(&entry, false).await;
    driver.until("beginning", |seen| seen.out() == "begun\n").await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    let asked = Instant::now();
    let seen = driver.finish().await;
    assert_eq!(seen.end, Some(End::Detached));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let available: Vec<_> = seen.variables.iter().map(|v| (v.name.as_str(), v.available)).collect();
    assert_eq!(available, [("free", true), ("held", false), ("local", false)]);

    let seen = driver.run_entry("let free: i32 = cx.take(\"free\"); println!(\"{free}\"); cx.put(\"free\", free, true);").await;
    assert_eq!((seen.out().as_str(), seen.end), ("2\n", Some(End::Completed)));

    std::fs::write(driver.scratch.path().join("go"), "").unwrap();
    let seen = driver.until("late finish", |seen| !seen.other.is_empty()).await;
    let FromWorker::LateFinish { cell: late, variables } = &seen.other[0] else { panic!("{seen:?}") };
    assert_eq!(*late, cell);
    assert!(variables.iter().any(|v| v.name == "held" && v.available), "{variables:?}");
    let seen = driver.run_entry("let held: i32 = cx.take(\"held\"); println!(\"{held}\");").await;
    assert_eq!(seen.out(), "2\n");
}

#[tokio::test]
async fn an_interrupt_ends_a_question() {
    let mut driver = Driver::new().await;
    driver.begin_entry(&in_body("ochre::input(\"? \"); println!(\"not reached\");"), true).await;
    driver.until("question", |seen| !seen.other.is_empty()).await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    let seen = driver.finish().await;
    assert_eq!((&seen.end, seen.out().as_str()), (&Some(End::Interrupted), ""));
}

#[tokio::test]
async fn an_interrupt_without_a_cell_does_nothing() {
    let mut driver = Driver::new().await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    assert_eq!(driver.run("ochre::__rt::check(); print!(\"fine\");").await.out(), "fine");
}

#[tokio::test]
async fn an_interrupt_gets_through_a_flood_of_output() {
    let mut driver = Driver::new().await;
    driver.begin("loop { println!(\"flood\"); ochre::__rt::check(); }").await;
    driver.until("flood", |seen| seen.stdout.len() > 1_000_000).await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    assert_eq!(driver.finish().await.end, Some(End::Interrupted));
}

#[tokio::test]
async fn a_detached_cell_that_holds_stdout_does_not_hold_up_others() {
    let mut driver = Driver::new().await;
    driver.begin("let out = std::io::stdout().lock(); eprintln!(\"begun\"); loop { std::thread::park(); }").await;
    driver.until("beginning", |seen| seen.err() == "begun\n").await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    assert_eq!(driver.finish().await.end, Some(End::Detached));
    let seen = driver.run("ochre::display(&ochre::text(\"fine\"));").await;
    assert_eq!((seen.order.concat().as_str(), &seen.end), ("<fine>", &Some(End::Completed)));
}

#[tokio::test]
async fn two_cells_can_be_detached_one_after_the_other() {
    let mut driver = Driver::new().await;
    for _ in 0..2 {
        driver.begin(SLEEPER).await;
        driver.until("beginning", |seen| seen.out() == "begun\n").await;
        driver.connection.handle().post(&ToWorker::Interrupt);
        assert_eq!(driver.finish().await.end, Some(End::Detached));
    }
    std::fs::write(driver.scratch.path().join("go"), "").unwrap();
    driver.until("two late finishes", |seen| seen.other.len() == 2).await;
    assert_eq!(driver.run("print!(\"fine\");").await.out(), "fine");
}
