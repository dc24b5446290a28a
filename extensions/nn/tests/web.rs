//! Data from http addresses: once, through the proxy of the environment, whole or not at all. The server is one of the test's own.
#![cfg(feature = "web")]
use ochre_nn::data::local;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

const SIZE: usize = 3_000_000;

fn content() -> Vec<u8> {
    (0..SIZE).map(|i| (i * 31 % 251) as u8).collect()
}

/// Answers every request by its path; gives its port and what it was asked.
fn server() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let noted = noted.clone();
            std::thread::spawn(move || answer(stream, &noted));
        }
    });
    (port, asked)
}

fn answer(mut stream: std::net::TcpStream, noted: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
    let Some(Ok(first)) = lines.next() else { return };
    lines.by_ref().take_while(|l| l.as_ref().is_ok_and(|l| !l.is_empty())).for_each(drop);
    noted.lock().expect("a list").push(first.clone());
    let body = content();
    let head = |status: &str, length: usize| format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // Who was asked has left when the test is over: what cannot be written concerns nobody.
    let _ = if first.contains("/missing") {
        stream.write_all(head("404 Not Found", 0).as_bytes())
    } else if first.contains("/cut") {
        stream.write_all(head("200 OK", body.len()).as_bytes()).and_then(|()| stream.write_all(&body[..1_000_000]))
    } else {
        stream.write_all(head("200 OK", body.len()).as_bytes()).and_then(|()| stream.write_all(&body))
    };
}

/// Fetches in a process of its own, whose environment names cache and proxy. Gives the path, or the error.
fn fetched(address: &str, cache: &Path, proxy: Option<&str>) -> Result<String, String> {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "the_fetching_process", "--nocapture"]).env("TEST_ADDRESS", address).env("OCHRE_CACHE", cache);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    if let Some(proxy) = proxy {
        command.env("http_proxy", proxy);
    }
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = |mark: &str| text.lines().find_map(|l| l.split_once(mark).map(|(_, rest)| rest.to_owned()));
    found("PATH ").ok_or_else(|| found("ERROR ").unwrap_or_else(|| format!("{text}\n{}", String::from_utf8_lossy(&output.stderr))))
}

/// What the other tests run in an environment of its own; by itself it has nothing to fetch.
#[test]
fn the_fetching_process() {
    let Ok(address) = std::env::var("TEST_ADDRESS") else { return };
    match local(&address) {
        Ok(path) => println!("PATH {}", path.display()),
        Err(error) => println!("ERROR {error}"),
    }
}

fn files_below(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|e| if e.path().is_dir() { files_below(&e.path()) } else { 1 }).sum()
}

#[test]
fn a_file_is_fetched_once() {
    let (port, asked) = server();
    let cache = tempfile::tempdir().expect("a folder");
    let address = format!("http://127.0.0.1:{port}/sets/cifar-10%20binary.tar.gz");
    let path = fetched(&address, cache.path(), None).expect("fetched");
    assert!(path.ends_with(".tar.gz"), "{path}");
    let mut bytes = Vec::new();
    std::fs::File::open(&path).and_then(|mut f| f.read_to_end(&mut bytes)).expect("read");
    assert!(bytes == content());
    assert_eq!(fetched(&address, cache.path(), None).expect("fetched"), path);
    let asked = asked.lock().expect("a list").clone();
    assert_eq!(asked, ["GET /sets/cifar-10%20binary.tar.gz HTTP/1.1"], "once");
}

#[test]
fn an_addresss_query_goes_with_it_and_is_not_told() {
    let (port, asked) = server();
    let cache = tempfile::tempdir().expect("a folder");
    let signed = |name: &str| format!("http://127.0.0.1:{port}/{name}?sv=2024-11-04&sr=b&sig=s%2Bcret%3D#top");
    let path = fetched(&signed("set/a.bin"), cache.path(), None).expect("fetched");
    assert!(path.ends_with("/a.bin"), "{path}");
    assert_eq!(asked.lock().expect("a list").clone(), ["GET /set/a.bin?sv=2024-11-04&sr=b&sig=s%2Bcret%3D HTTP/1.1"]);
    for name in ["missing.bin", "cut.bin"] {
        let error = fetched(&signed(name), cache.path(), None).expect_err("an error");
        assert!(error.contains(name) && !error.contains("cret"), "a signature is not told: {error}");
    }
}

#[test]
fn the_environments_proxy_is_used() {
    let (port, asked) = server();
    let cache = tempfile::tempdir().expect("a folder");
    fetched("http://data.example/digits.csv.gz", cache.path(), Some(&format!("http://127.0.0.1:{port}"))).expect("fetched");
    assert_eq!(asked.lock().expect("a list").clone(), ["GET http://data.example/digits.csv.gz HTTP/1.1"]);
}

#[test]
fn what_cannot_be_fetched_leaves_nothing() {
    let (port, _) = server();
    let cache = tempfile::tempdir().expect("a folder");
    let missing = fetched(&format!("http://127.0.0.1:{port}/missing.bin"), cache.path(), None).expect_err("an error");
    assert!(missing.contains("no such file") && missing.contains("missing.bin"), "{missing}");
    let cut = fetched(&format!("http://127.0.0.1:{port}/cut.bin"), cache.path(), None).expect_err("an error");
    assert!(cut.contains("cut.bin could not be fetched"), "{cut}");
    assert_eq!(files_below(cache.path()), 0);
}
