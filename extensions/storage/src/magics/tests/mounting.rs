//! `%mount` and its kin over a mount process of a few lines of shell, which says and does what each test needs. The real one is tested in
//! `ochre-mount`, and both together by `tests/clients/storage_tests.py`.
use crate::Storage;
use crate::double::{Double, storage};
use ochre_api::Observer;
use ochre_servers::BlobServer;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const READY: &str = r#"echo '{"say":"ready","way":"fuse","why":"/dev/fuse is there","already":false}'"#;
/// Until told to end, or the pipe ends.
const UNTIL_END: &str = r#"while read -r line; do case "$line" in *'"end"'*) break;; esac; done; echo '{"say":"ended","error":null}'"#;

struct Bench {
    root: tempfile::TempDir,
    storage: Arc<Storage>,
    session: Double,
}

impl Bench {
    /// A mount process that does `script` after it has read its configuration into `config`.
    async fn new(script: &str) -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let program = root.path().join("ochre");
        let text = format!("#!/bin/sh\ncd '{}'\n[ \"$1\" = mount ] || exit 9\nread -r config\nenv > environment\necho \"$config\" > config\necho run >> runs\n{script}\n", root.path().display());
        std::fs::write(&program, text).expect("writes");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("may be run");
        let (storage, _) = storage(&[("test/key", BlobServer::KEY)], &program);
        let session = Double::new(&storage, root.path());
        let mut bench = Self { root, storage, session };
        bench.run("%credential az://c@a secret:test/key").await;
        bench
    }

    async fn run(&mut self, line: &str) -> String {
        self.session.run(line).await.unwrap_or_else(|failure| panic!("{line}: {}", failure.lines().join("\n")))
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.root.path().join(name)).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().expect("is there").join(name)
    }
}

/// Waits for a condition; what it saw last is in the panic.
async fn until<T: std::fmt::Debug>(what: &str, mut look: impl FnMut() -> Result<(), T>) {
    let began = Instant::now();
    loop {
        match look() {
            Ok(()) => return,
            Err(last) if began.elapsed() > Duration::from_secs(20) => panic!("{what}: last seen {last:?}"),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_is_made_listed_and_ended() {
    // Mounting what is mounted is harmless.
    let mut bench = Bench::new(&format!("{READY}\n{UNTIL_END}")).await;
    let said = bench.run("%mount az://c@a/cats data --read-only --cache 5GB").await;
    assert_eq!(said, format!("az://c@a/cats is mounted at {}, read-only, by FUSE: /dev/fuse is there", bench.path("data").display()));
    let config: serde_json::Value = serde_json::from_str(&bench.file("config")).expect("one line of JSON");
    assert_eq!((&config["location"], &config["read_only"], &config["cache"]), (&"az://c@a/cats".into(), &true.into(), &5_000_000_000u64.into()));
    assert_eq!(config["grant"]["credential"]["key"], BlobServer::KEY);
    let list = bench.run("%mounts").await;
    assert!(list.contains("az://c@a/cats") && list.contains("mounted") && list.contains("FUSE") && list.contains("read-only") && !list.contains(BlobServer::KEY), "{list}");
    // Run All twice: harmless, and no second process.
    let again = bench.run("%mount az://c@a/cats data --read-only --cache 5GB").await;
    assert!(again.ends_with("already, by FUSE") && bench.file("runs") == "run\n", "{again}");
    for (line, expected) in [
        ("%mount az://c@a/cats data", "is mounted already, with other options"),
        ("%mount az://c@a/dogs data", "holds a mount of az://c@a/cats already"),
        ("%mount az://c@a/dogs data/below", "lies within another mount"),
        ("%unmount elsewhere", "nothing is mounted at"),
    ] {
        let refused = bench.session.refused(line).await;
        assert!(refused.contains(expected), "{line}: {refused}");
    }
    assert_eq!(bench.run("%unmount data").await, format!("az://c@a/cats is unmounted from {}", bench.path("data").display()));
    assert!(bench.run("%mounts").await.starts_with("nothing is mounted"));
    assert_eq!(bench.run("%unmount --all").await, "nothing is mounted");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_questions_are_answered_for_its_own_container_only() {
    // A mount process gets its credential through a pipe, and for its own container only.
    let ask = r#"echo '{"say":"ask","id":7,"grant":"az://c@a/x","refresh":false}'; read -r one
echo '{"say":"ask","id":8,"grant":"az://other@a/x","refresh":false}'; read -r two; echo "$one" > answers; echo "$two" >> answers"#;
    let mut bench = Bench::new(&format!("{ask}\n{READY}\n{UNTIL_END}")).await;
    bench.run("%mount az://c@a data").await;
    let answers = bench.file("answers");
    let lines: Vec<serde_json::Value> = answers.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!((&lines[0]["do"], &lines[0]["id"], &lines[0]["grant"]["credential"]["kind"]), (&"grant".into(), &7.into(), &"azure-key".into()));
    assert_eq!((&lines[1]["do"], &lines[1]["error"]), (&"refuse".into(), &"it is not the mounted container".into()));
    bench.run("%unmount data").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_mounted_says_why() {
    let failed = r#"echo '{"say":"failed","error":"no way to mount works here: FUSE: no /dev/fuse","hint":"ask for a directory"}'"#;
    let mut bench = Bench::new(failed).await;
    let said = bench.session.refused("%mount az://c@a data").await;
    assert!(said.contains("no way to mount works here") && said.contains("ask for a directory"), "{said}");
    let mut bench = Bench::new("echo 'out of luck' >&2; exit 3").await;
    let said = bench.session.refused("%mount az://c@a data").await;
    assert!(said.contains("its process ended with exit status 3 (out of luck)"), "{said}");
    assert!(bench.run("%mounts").await.starts_with("nothing is mounted"));
    let (storage, _) = storage(&[], Path::new("/nonexistent/ochre"));
    let mut session = Double::new(&storage, Path::new("/tmp"));
    session.run("%credential az://c@a anonymous").await.expect("configures");
    assert!(session.refused("%mount az://c@a data").await.contains("cannot start /nonexistent/ochre"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_dies_is_told_in_the_next_cell_and_can_be_made_again() {
    // A mount that dies is told in the next cell.
    let script = format!("{READY}\nif [ -e once ]; then {UNTIL_END}\nelse touch once; read -r line; fi; kill -9 $$");
    let mut bench = Bench::new(&script).await;
    bench.run("%mount az://c@a data").await;
    let supervisor = crate::supervisor::Supervisor(bench.storage.clone());
    assert_eq!(supervisor.notices(), [""; 0]);
    // Any line ends it.
    for row in bench.storage.mounts().rows() {
        assert_eq!(row.state, "mounted");
    }
    bench.storage.mounts().poke(&bench.path("data"));
    let (storage, mut told) = (bench.storage.clone(), Vec::new());
    until("the news", || {
        told.extend(supervisor.notices());
        if told.is_empty() { Err(storage.mounts().rows()) } else { Ok(()) }
    })
    .await;
    let expected = format!("the mount {} of az://c@a/ is gone: its process was ended by signal 9; run its `%mount` again", bench.path("data").display());
    assert_eq!(told, [expected]);
    assert!(bench.run("%mounts").await.contains("ended: its process was ended by signal 9"));
    assert!(bench.run("%mount az://c@a data").await.contains("is mounted at"));
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_at_the_end_are_failures_and_warnings_are_told() {
    let script = format!("{READY}\necho '{{\"say\":\"warning\",\"text\":\"x.csv was lost\"}}'\nread -r line; echo '{{\"say\":\"ended\",\"error\":\"y.csv was not written\"}}'");
    let mut bench = Bench::new(&script).await;
    bench.run("%mount az://c@a data").await;
    let supervisor = crate::supervisor::Supervisor(bench.storage.clone());
    let mut told = Vec::new();
    until("the warning", || {
        told.extend(supervisor.notices());
        if told.is_empty() { Err(()) } else { Ok(()) }
    })
    .await;
    assert!(told[0].ends_with("data: x.csv was lost"), "{told:?}");
    let said = bench.session.refused("%unmount data").await;
    assert!(said.contains("was unmounted, but y.csv was not written"), "{said}");
    assert!(bench.run("%mounts").await.starts_with("nothing is mounted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_session_ends_all_mounts() {
    let mut bench = Bench::new(&format!("{READY}\n{UNTIL_END}; touch over")).await;
    bench.run("%mount az://c@a data").await;
    crate::supervisor::Supervisor(bench.storage.clone()).session_ended(false);
    let over = bench.root.path().join("over");
    until("the process ends", || if over.exists() { Ok(()) } else { Err("it runs") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_what_was_starting() {
    let mut bench = Bench::new("read -r line; touch over").await;
    bench.session.interrupt.send_replace(true);
    let failure = bench.session.run("%mount az://c@a data").await.expect_err("interrupted");
    assert_eq!(failure.name, "interrupted");
    bench.session.interrupt.send_replace(false);
    assert!(bench.run("%mounts").await.starts_with("nothing is mounted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_process_inherits_nothing_that_could_be_a_credential() {
    let mut bench = Bench::new(&format!("{READY}\n{UNTIL_END}")).await;
    bench.run("%mount az://c@a data").await;
    let environment = bench.file("environment");
    let names: Vec<&str> = environment.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n).collect();
    assert!(names.contains(&"PATH"), "{names:?}");
    for mark in ["AZURE_", "AWS_", "GOOGLE_", "CARGO", "KEY", "TOKEN", "SECRET"] {
        assert!(!names.iter().any(|n| n.contains(mark)), "{mark}: {names:?}");
    }
    bench.run("%unmount data").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_below_a_mount_go_to_the_store_behind_it() {
    let server = BlobServer::start(Default::default()).expect("a server");
    server.create_container("c");
    let mut bench = Bench::new(&format!("{READY}\n{UNTIL_END}")).await;
    bench.run(&format!("%credential az://c@{} secret:test/key --endpoint {}", BlobServer::ACCOUNT, server.azure_endpoint())).await;
    bench.run(&format!("%mount az://c@{}/top data", BlobServer::ACCOUNT)).await;
    std::fs::write(bench.root.path().join("x.txt"), "content").expect("writes");
    bench.run("%cp x.txt data/sub/").await;
    assert_eq!(server.names("c"), ["top/sub/x.txt"]);
    bench.run("%cp data/sub/x.txt y.txt").await;
    assert_eq!(bench.file("y.txt"), "content");
    bench.run("%unmount data").await;
    bench.run(&format!("%mount az://c@{}/top data --read-only", BlobServer::ACCOUNT)).await;
    let refused = bench.session.refused("%cp x.txt data/z.txt").await;
    assert!(refused.contains("is mounted read-only"), "{refused}");
    bench.run("%unmount data").await;
}
