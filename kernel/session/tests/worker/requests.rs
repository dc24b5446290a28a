//! Requests of cells to the kernel's extensions, as the worker keeps them.
use super::support::{Driver, Seen};
use ochre_link::{Answered, Blame, End, FromWorker, Refusal, ToWorker};

/// The requests that were seen: id and topic with payload.
fn requests(seen: &Seen) -> Vec<(u64, String)> {
    let text = |m: &FromWorker| match m {
        FromWorker::Request { id, topic, payload, .. } => Some((*id, format!("{topic} {}", String::from_utf8_lossy(payload)))),
        _ => None,
    };
    seen.other.iter().filter_map(text).collect()
}

fn answer(driver: &Driver, id: u64, text: &str) {
    driver.connection.handle().post(&ToWorker::Answer { id, result: Answered::Done { payload: text.into() } });
}

#[tokio::test]
async fn many_requests_are_answered_in_any_order() {
    let mut driver = Driver::new().await;
    let ask = "let ask = |n: u32| { let a = ochre::host::request(\"echo\", n.to_string().as_bytes()).unwrap(); (n, String::from_utf8(a).unwrap()) };";
    let threads = "let all: Vec<_> = (0..8).map(|n| std::thread::spawn(move || ask(n))).collect(); for t in all { let (n, a) = t.join().unwrap(); println!(\"{n}:{a}\"); }";
    driver.begin(&format!("{ask} {threads}")).await;
    let seen = driver.until("eight requests", |seen| requests(seen).len() == 8).await;
    let mut asked = requests(&seen);
    asked.sort_by(|a, b| b.1.cmp(&a.1));
    for (id, text) in asked {
        answer(&driver, id, &format!("<{text}>"));
        // Said twice, and one that nobody asked for: nothing happens.
        answer(&driver, id, "twice");
        answer(&driver, id + 1000, "unasked");
    }
    let seen = driver.finish().await;
    let expected: String = (0..8).map(|n| format!("{n}:<echo {n}>\n")).collect();
    assert_eq!((seen.out(), seen.end), (expected, Some(End::Completed)));
}

#[tokio::test]
async fn a_refusal_is_an_error_with_the_kernel_s_words() {
    let mut driver = Driver::new().await;
    driver.begin("print!(\"{:?}\", ochre::host::request(\"storage\", b\"x\"));").await;
    let seen = driver.until("a request", |seen| !requests(seen).is_empty()).await;
    let refusal = Refusal { blame: Blame::Configuration, message: "no credential".into(), hint: Some("`%credential`".into()) };
    driver.connection.handle().post(&ToWorker::Answer { id: requests(&seen)[0].0, result: Answered::Refused(refusal) });
    let seen = driver.finish().await;
    assert_eq!(seen.out(), "Err(Refused { blame: Configuration, message: \"no credential\", hint: Some(\"`%credential`\") })");
}

/// SEMANTICS.md: "A cell that waits for a credential can be interrupted."
#[tokio::test]
async fn an_interrupt_ends_a_request_and_its_late_answer_harms_nobody() {
    let mut driver = Driver::new().await;
    driver.begin("let _ = ochre::host::request(\"storage\", b\"slow\"); println!(\"not reached\");").await;
    let seen = driver.until("a request", |seen| !requests(seen).is_empty()).await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    let ended = driver.finish().await;
    assert_eq!((&ended.end, ended.out().as_str()), (&Some(End::Interrupted), ""));
    answer(&driver, requests(&seen)[0].0, "too late");
    driver.begin("print!(\"{:?}\", ochre::host::request(\"storage\", b\"next\"));").await;
    let seen = driver.until("a request", |seen| !requests(seen).is_empty()).await;
    answer(&driver, requests(&seen)[0].0, "n");
    assert_eq!(driver.finish().await.out(), "Ok([110])");
}

#[tokio::test]
async fn a_helper_thread_of_an_interrupted_cell_gets_an_error() {
    let mut driver = Driver::new().await;
    let body = "let t = std::thread::spawn(|| ochre::host::request(\"storage\", b\"x\")); while !t.is_finished() { std::thread::yield_now(); } println!(\"{:?}\", t.join().unwrap());";
    driver.begin(body).await;
    driver.until("a request", |seen| !requests(seen).is_empty()).await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    let seen = driver.finish().await;
    assert_eq!((seen.out().as_str(), seen.end), ("Err(Interrupted)\n", Some(End::Completed)));
}

#[tokio::test]
async fn a_thread_that_outlives_its_cell_may_ask() {
    let mut driver = Driver::new().await;
    let body = "std::thread::spawn(|| { while !std::path::Path::new(\"go\").exists() { std::thread::yield_now(); } println!(\"{:?}\", ochre::host::request(\"storage\", b\"late\")); });";
    assert_eq!(driver.run(body).await.end, Some(End::Completed));
    std::fs::write(driver.scratch.path().join("go"), "").unwrap();
    let seen = driver.until("a request", |seen| !requests(seen).is_empty()).await;
    answer(&driver, requests(&seen)[0].0, "a");
    driver.until("its answer", |seen| seen.out() == "Ok([97])\n").await;
}

#[tokio::test]
async fn a_forked_child_does_not_ask_in_its_parent_s_name() {
    let mut driver = Driver::new().await;
    let body = "let child = unsafe { fork() }; if child == 0 { let none = ochre::host::request(\"storage\", b\"\") == Err(ochre::host::RequestFailure::NoKernel); std::process::exit(if none { 0 } else { 1 }); } \
                let mut status = 0; unsafe { waitpid(child, &mut status, 0); } print!(\"{status}\");";
    assert_eq!(driver.run(body).await.out(), "0");
}
