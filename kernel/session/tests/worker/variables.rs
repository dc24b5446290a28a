//! Variables, environment, directory, settings.
use super::support::Driver;
use ochre_link::{FromWorker, ToWorker};

#[tokio::test]
async fn variables_and_thread_locals_last_from_cell_to_cell() {
    let mut driver = Driver::new().await;
    let seen = driver.run_entry("cx.put(\"x\", 41i32, true); cx.put(\"r\", std::rc::Rc::new(1u8), false);").await;
    let told: Vec<_> = seen.variables.iter().map(|v| (v.name.as_str(), v.type_name.as_str(), v.send, v.size)).collect();
    assert_eq!(told, [("r", "alloc::rc::Rc<u8>", false, 8), ("x", "i32", true, 4)]);
    let seen = driver.run_entry("let x: i32 = cx.take(\"x\"); let r: std::rc::Rc<u8> = cx.take(\"r\"); println!(\"{}\", x + *r as i32);").await;
    assert_eq!(seen.out(), "42\n");
    assert!(seen.variables.is_empty(), "{:?}", seen.variables);
}

#[tokio::test]
async fn forgets_with_destructors() {
    let mut driver = Driver::new().await;
    driver.run_entry("struct D; impl Drop for D { fn drop(&mut self) { println!(\"dropped\") } } cx.put(\"d\", D, true); cx.put(\"e\", 1, true);").await;
    driver.connection.send(&ToWorker::Forget { names: vec!["d".into(), "unknown".into()] }).await.unwrap();
    let seen = driver.until("answer", |seen| !seen.other.is_empty()).await;
    let FromWorker::Variables { variables } = &seen.other[0] else { panic!("{seen:?}") };
    assert_eq!(variables.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["e"]);
    assert_eq!(seen.out(), "dropped\n");
}

#[tokio::test]
async fn a_destructor_that_panics_does_not_end_the_worker() {
    let mut driver = Driver::new().await;
    driver.run_entry("struct D; impl Drop for D { fn drop(&mut self) { panic!(\"no\") } } cx.put(\"d\", D, true);").await;
    driver.connection.send(&ToWorker::Forget { names: vec!["d".into()] }).await.unwrap();
    driver.until("answer", |seen| !seen.other.is_empty()).await;
    assert_eq!(driver.run("print!(\"fine\");").await.out(), "fine");
}

#[tokio::test]
async fn sets_environment_directory_and_settings() {
    let mut driver = Driver::new().await;
    std::fs::create_dir(driver.scratch.path().join("sub")).unwrap();
    for message in [
        ToWorker::Environment { name: "OCHRE_TEST".into(), value: Some("a b".into()) },
        ToWorker::Setting { name: "rows".into(), value: "7".into() },
        ToWorker::Directory { path: "sub".into() },
        ToWorker::Directory { path: "nowhere".into() },
    ] {
        driver.connection.send(&message).await.unwrap();
    }
    let seen = driver.until("answers", |seen| seen.other.len() == 2).await;
    assert!(matches!(&seen.other[0], FromWorker::Directory { path: Ok(path) } if path.ends_with("/sub")), "{seen:?}");
    assert!(matches!(&seen.other[1], FromWorker::Directory { path: Err(why) } if why.contains("nowhere")), "{seen:?}");
    let body = "println!(\"{} {} {}\", std::env::var(\"OCHRE_TEST\").unwrap(), ochre::host::setting(\"rows\").unwrap(),
        std::env::current_dir().unwrap().file_name().unwrap().display());";
    assert_eq!(driver.run(body).await.out(), "a b 7 sub\n");
}

#[tokio::test]
async fn programs_that_cells_start_do_not_see_the_workers_library_path() {
    let mut driver = Driver::new().await;
    let seen = driver.run("print!(\"{:?}\", std::env::var(\"LD_LIBRARY_PATH\"));").await;
    let wanted = format!("{:?}", std::env::var("LD_LIBRARY_PATH"));
    assert_eq!(seen.out(), wanted);
}
