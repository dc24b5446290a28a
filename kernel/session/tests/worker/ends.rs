//! How cells and workers end.
use super::support::{Driver, Seen};
use ochre_link::{End, Run, ToWorker};
use ochre_session::worker::How;
use std::time::Duration;

async fn dies(body: &str) -> Seen {
    let mut driver = Driver::new().await;
    let seen = driver.run(body).await;
    assert!(seen.end.is_none(), "the worker should have died: {seen:?}");
    seen
}

fn words(seen: &Seen) -> String {
    seen.closed.as_ref().map(|ended| ended.words()).unwrap_or_default()
}

fn signalled(seen: &Seen) -> Option<i32> {
    match seen.closed.as_ref()?.how {
        How::Signalled(signal) => Some(signal),
        _ => None,
    }
}

#[tokio::test]
async fn a_panic_is_told_with_its_place() {
    let mut driver = Driver::new().await;
    let seen = driver.run("let v: Vec<i32> = vec![]; let i = v.len() + 3; println!(\"{}\", v[i]);").await;
    let Some(End::Panicked { message, place: Some(place), backtrace, thread }) = &seen.end else { panic!("{seen:?}") };
    assert!(message.contains("index out of bounds"), "{message}");
    assert!(place.file.contains("cell_") && place.line == 5, "{place:?}");
    assert!(backtrace.iter().any(|f| f.function.contains("__ochre_entry")), "{backtrace:?}");
    assert_eq!(thread, "cell");
    assert_eq!(seen.err(), "", "it is told once");
    assert_eq!(driver.run("print!(\"fine\");").await.out(), "fine");
}

#[tokio::test]
async fn a_panic_in_drop_is_a_panic_of_the_cell() {
    let mut driver = Driver::new().await;
    let seen = driver.run("struct D; impl Drop for D { fn drop(&mut self) { panic!(\"in drop\") } } let d = D;").await;
    let Some(End::Panicked { message, .. }) = &seen.end else { panic!("{seen:?}") };
    assert_eq!(message, "in drop");
    assert_eq!(driver.run("print!(\"fine\");").await.out(), "fine");
}

#[tokio::test]
async fn a_panic_while_panicking_aborts_with_words() {
    let seen = dies("struct D; impl Drop for D { fn drop(&mut self) { panic!(\"second\") } } let d = D; panic!(\"first\");").await;
    assert_eq!(signalled(&seen), Some(6), "{seen:?}");
    assert!(words(&seen).contains("abort"), "{seen:?}");
}

#[tokio::test]
async fn exit_is_told_with_its_code_and_loses_no_output() {
    let seen = dies("print!(\"last words\"); std::process::exit(3);").await;
    assert_eq!(seen.closed.as_ref().map(|e| &e.how), Some(&How::Exited(3)));
    assert_eq!(seen.out(), "last words");
}

#[tokio::test]
async fn a_segfault_is_told_with_its_frames() {
    let seen = dies("println!(\"before\"); #[inline(never)] fn poke(p: *mut i32) { unsafe { p.write_volatile(1) } } poke(0x10 as *mut i32);").await;
    assert_eq!(signalled(&seen), Some(11), "{seen:?}");
    assert_eq!(words(&seen), "segmentation fault at address 0x10 (SIGSEGV)");
    let crash = seen.closed.as_ref().and_then(|e| e.crash.as_ref()).expect("a report");
    let poke = crash.frames.iter().find(|f| f.function.contains("poke")).unwrap_or_else(|| panic!("{crash:?}"));
    assert_eq!(poke.place.as_ref().map(|p| p.line), Some(5), "{poke:?}");
    assert!(crash.frames.iter().any(|f| f.function.contains("__ochre_entry")), "{crash:?}");
    assert_eq!(seen.out(), "before\n", "what was printed before is not lost");
}

#[tokio::test]
async fn a_stack_overflow_is_not_a_mere_segfault() {
    let body = "#[inline(never)] fn deep(n: u64) -> u64 { let a = [n; 16]; std::hint::black_box(&a); deep(n + 1) + a[3] }
        print!(\"{}\", deep(0));";
    let seen = dies(body).await;
    assert!(words(&seen).starts_with("stack overflow"), "{seen:?}");
    assert_eq!(seen.err(), "", "it is told once");
}

#[tokio::test]
async fn a_stack_overflow_in_a_thread_is_told_too() {
    let body = "#[inline(never)] fn deep(n: u64) -> u64 { let a = [n; 16]; std::hint::black_box(&a); deep(n + 1) + a[3] }
        std::thread::spawn(|| print!(\"{}\", deep(0))).join();";
    let seen = dies(body).await;
    assert!(words(&seen).starts_with("stack overflow"), "{seen:?}");
}

#[tokio::test]
async fn abort_is_told() {
    let seen = dies("print!(\"out\"); use std::io::Write; std::io::stdout().flush(); std::process::abort();").await;
    assert_eq!(words(&seen), "abort (SIGABRT)");
    assert_eq!((signalled(&seen), seen.out().as_str()), (Some(6), "out"));
}

#[tokio::test]
async fn a_failed_allocation_says_so() {
    let seen = dies("let v: Vec<u8> = Vec::with_capacity(1 << 60); std::hint::black_box(&v);").await;
    assert!(seen.err().contains("memory allocation of"), "{seen:?}");
    assert_eq!(signalled(&seen), Some(6));
}

#[tokio::test]
async fn being_killed_from_outside_is_told() {
    let mut driver = Driver::new().await;
    driver.begin("std::process::Command::new(\"kill\").args([\"-KILL\", &std::process::id().to_string()]).status().unwrap(); loop {}").await;
    let seen = driver.finish().await;
    assert_eq!(signalled(&seen), Some(9), "{seen:?}");
    assert!(words(&seen).contains("SIGKILL"), "{}", words(&seen));
}

#[tokio::test]
async fn kill_on_request_ends_a_cell_that_hangs_and_its_programs() {
    let mut driver = Driver::new().await;
    driver.begin("let child = std::process::Command::new(\"sleep\").arg(\"600\").spawn().unwrap(); println!(\"{}\", child.id()); loop {}").await;
    let seen = driver.until("process id", |seen| seen.out().ends_with('\n')).await;
    let sleeper = format!("/proc/{}/stat", seen.out().trim());
    driver.connection.handle().kill();
    assert_eq!(driver.finish().await.closed.map(|e| e.how), Some(How::Killed));
    let gone = async {
        // Its new parent may be slow to collect it: a zombie is as good as gone.
        while std::fs::read_to_string(&sleeper).is_ok_and(|stat| !stat.contains(") Z")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), gone).await.is_ok(), "{sleeper} lives on");
}

#[tokio::test]
async fn a_library_that_does_not_load_is_a_broken_end() {
    let mut driver = Driver::new().await;
    driver.connection.library("libbad.so", b"no library".to_vec()).await.unwrap();
    for (library, wanted) in [("libbad.so", "could not be loaded"), ("libnever.so", "never sent")] {
        let run = Run { cell: ochre_link::CellId(1), load: vec![], library: library.into(), allow_stdin: false, replaying: false };
        driver.connection.send(&ToWorker::Run(run)).await.unwrap();
        let Some(End::Broken { message }) = driver.finish().await.end else { panic!("not broken") };
        assert!(message.contains(wanted), "{message}");
    }
}

#[tokio::test]
async fn shutdown_runs_destructors_and_leaves_no_files() {
    let mut driver = Driver::new().await;
    let mark = driver.scratch.path().join("dropped");
    let entry = format!(
        "struct D; impl Drop for D {{ fn drop(&mut self) {{ std::fs::write({mark:?}, \"\").unwrap(); }} }} cx.put(\"d\", D, true);"
    );
    driver.run_entry(&entry).await;
    let Driver { connection, scratch } = driver;
    let ended = connection.shutdown(Duration::from_secs(10)).await;
    assert_eq!(ended.how, How::Exited(0));
    assert!(mark.exists());
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("ochre-worker-")), "{left:?}");
}
