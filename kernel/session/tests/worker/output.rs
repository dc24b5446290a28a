//! What cells print and show.
use super::support::{Driver, in_body};
use ochre_link::{End, FromWorker, ToWorker};
use ochre_session::worker::Event;

#[tokio::test]
async fn prints_without_newline() {
    let mut driver = Driver::new().await;
    let seen = driver.run("print!(\"no newline\"); eprint!(\"err\");").await;
    assert_eq!((seen.out().as_str(), seen.err().as_str(), &seen.end), ("no newline", "err", &Some(End::Completed)));
}

#[tokio::test]
async fn shows_unfinished_lines_while_the_cell_runs() {
    let mut driver = Driver::new().await;
    driver.begin("print!(\"working…\"); while !ochre::interrupted() { std::thread::yield_now(); } ochre::__rt::check();").await;
    driver.until("unfinished line", |seen| seen.out() == "working…").await;
    driver.connection.handle().post(&ToWorker::Interrupt);
    assert_eq!(driver.finish().await.end, Some(End::Interrupted));
}

#[tokio::test]
async fn keeps_the_order_of_prints_and_displays() {
    let mut driver = Driver::new().await;
    let body = "for i in 0..20 { print!(\"{i};\"); ochre::display(&ochre::text(format!(\"shown {i}\"))); }";
    let seen = driver.run(body).await;
    let wanted: Vec<String> = (0..20).flat_map(|i| [format!("{i};"), format!("<shown {i}>")]).collect();
    assert_eq!(seen.order, wanted);
}

#[tokio::test]
async fn carries_bytes_that_are_no_text() {
    let mut driver = Driver::new().await;
    let seen = driver.run("use std::io::Write; std::io::stdout().write_all(&[0, 255, 254, 10, 128]).unwrap();").await;
    assert_eq!(seen.stdout, [0, 255, 254, 10, 128]);
}

#[tokio::test]
async fn carries_20_megabytes_whole_and_without_keeping_them() {
    let mut driver = Driver::new().await;
    let body = "use std::io::Write; let line = [b'x'; 999]; let mut out = std::io::stdout().lock();
        for _ in 0..20_000 { out.write_all(&line).unwrap(); out.write_all(b\"\\n\").unwrap(); }
        drop(out);
        let status = std::fs::read_to_string(\"/proc/self/status\").unwrap();
        let peak = status.lines().find(|l| l.starts_with(\"VmHWM\")).unwrap();
        eprint!(\"{}\", peak.split_whitespace().nth(1).unwrap());";
    let seen = driver.run(body).await;
    assert_eq!(seen.stdout.len(), 20_000_000);
    assert!(seen.stdout.iter().all(|b| matches!(b, b'x' | b'\n')));
    let peak_kib: u64 = seen.err().parse().expect("a number");
    assert!(peak_kib < 40_000, "the worker's memory grew to {peak_kib} KiB");
}

#[tokio::test]
async fn survives_a_closed_stdout() {
    let mut driver = Driver::new().await;
    let seen = driver.run("unsafe { close(1); close(2); } println!(\"lost\"); eprintln!(\"lost\");").await;
    assert_eq!(seen.end, Some(End::Completed));
    let seen = driver.run("println!(\"here again\"); eprintln!(\"too\");").await;
    assert_eq!((seen.out().as_str(), seen.err().as_str()), ("here again\n", "too\n"));
}

#[tokio::test]
async fn a_forked_child_prints_and_stays_off_the_link() {
    let mut driver = Driver::new().await;
    let body = "let child = unsafe { fork() };
        if child == 0 { ochre::display(&ochre::text(\"not from here\")); println!(\"child\"); }
        else { unsafe { waitpid(child, std::ptr::null_mut(), 0); } println!(\"parent\"); }";
    let seen = driver.run(body).await;
    assert_eq!(seen.end, Some(End::Completed));
    assert_eq!(seen.order.concat(), "child\nparent\n");
    assert_eq!(driver.run("print!(\"fine\");").await.out(), "fine");
}

#[tokio::test]
async fn threads_print_after_their_cell_has_ended() {
    let mut driver = Driver::new().await;
    let body = "std::thread::spawn(|| {
        while !std::path::Path::new(\"go\").exists() { std::thread::yield_now(); }
        print!(\"late\");
    });";
    let cell = driver.begin(body).await;
    assert_eq!(driver.finish().await.end, Some(End::Completed));
    std::fs::write(driver.scratch.path().join("go"), "").unwrap();
    let event = tokio::time::timeout(std::time::Duration::from_secs(20), driver.connection.recv()).await;
    let Ok(Event::Message(FromWorker::Stream { cell: of, bytes, .. })) = event else { panic!("{event:?}") };
    assert_eq!((of, bytes.as_slice()), (cell, &b"late"[..]));
}

#[tokio::test]
async fn asks_and_is_answered() {
    let mut driver = Driver::new().await;
    driver.begin_entry(&in_body("print!(\"before;\"); println!(\"{}\", ochre::input(\"name? \").unwrap());"), true).await;
    let seen = driver.until("question", |seen| !seen.other.is_empty()).await;
    assert_eq!(seen.out(), "before;", "what was printed comes before the question");
    let FromWorker::Input { prompt, password, .. } = &seen.other[0] else { panic!("{seen:?}") };
    assert_eq!((prompt.as_str(), *password), ("name? ", false));
    driver.connection.handle().post(&ToWorker::InputReply { text: Some("Ada".into()) });
    assert_eq!(driver.finish().await.out(), "Ada\n");
}

#[tokio::test]
async fn a_front_end_that_cannot_ask_is_an_error_in_words() {
    let mut driver = Driver::new().await;
    let seen = driver.run("print!(\"{}\", ochre::input(\"name? \").unwrap_err());").await;
    assert!(seen.out().contains("cannot ask"), "{seen:?}");
}

#[tokio::test]
async fn shows_the_value_of_the_cell() {
    let mut driver = Driver::new().await;
    let seen = driver.run("cx.show(ochre::html(\"<b>7</b>\"));").await;
    let value = seen.value.expect("a value");
    assert_eq!(value.text(), Some("7"));
    assert!(value.get("text/html").is_some());
}

#[tokio::test]
async fn a_panic_in_a_thread_is_printed() {
    let mut driver = Driver::new().await;
    let seen = driver.run("let joined = std::thread::spawn(|| panic!(\"in a thread\")).join(); println!(\"{}\", joined.is_err());").await;
    assert_eq!((seen.out().as_str(), &seen.end), ("true\n", &Some(End::Completed)));
    assert!(seen.err().contains("in a thread"), "{seen:?}");
}

#[tokio::test]
async fn a_lock_of_stdout_that_is_never_given_back_harms_no_later_cell() {
    let mut driver = Driver::new().await;
    assert_eq!(driver.run("std::mem::forget(std::io::stdout().lock());").await.end, Some(End::Completed));
    assert_eq!(driver.run("print!(\"still here\");").await.out(), "still here");
}
