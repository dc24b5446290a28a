//! Compiles tiny cells and drives a worker with them.
use ochre_link::{Bundle, CellId, End, FromWorker, Run, Stream, ToWorker, Variable};
use ochre_session::worker::{Connection, Ended, Event, LocalWorker, Target};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bound for one cell; on a loaded machine of two cores a crash report takes seconds.
const CELL_BOUND: Duration = Duration::from_secs(60);

static NEXT: AtomicU64 = AtomicU64::new(1);

/// The directory that holds `ochre-worker` and `libochre_runtime.so`.
pub static PRELUDE: LazyLock<PathBuf> = LazyLock::new(|| {
    // `cargo xtask test` names the installed one in OCHRE_PRELUDE.
    let named = ["OCHRE_PRELUDE_DIR", "OCHRE_PRELUDE"].into_iter().find_map(std::env::var_os).map(PathBuf::from);
    let candidates: Vec<PathBuf> = named.map_or_else(built, |dir| vec![dir]);
    candidates.iter().find(|dir| complete(dir)).cloned().unwrap_or_else(|| {
        panic!(
            "no worker found in {candidates:?}: build it with `cargo xtask build`, or by hand with \
             `RUSTFLAGS=\"-C prefer-dynamic\" cargo build --release --target x86_64-unknown-linux-gnu -p ochre-worker`, \
             and name the directory that holds ochre-worker and libochre_runtime.so in OCHRE_PRELUDE_DIR"
        )
    })
});

fn complete(dir: &Path) -> bool {
    dir.join("ochre-worker").is_file() && dir.join("libochre_runtime.so").is_file()
}

/// Where xtask builds (`build/COMPILER/prelude/TARGET/release` in the cache), then where it installs.
fn built() -> Vec<PathBuf> {
    let root = |name: &str, rest: &str| std::env::var_os(name).map(|dir| Path::new(&dir).join(rest));
    let Some(cache) = root("OCHRE_CACHE", "").or_else(|| root("XDG_CACHE_HOME", "ochre")).or_else(|| root("HOME", ".cache/ochre")) else {
        return Vec::new();
    };
    let compilers = entries(&cache.join("build")).into_iter();
    let targets = compilers.flat_map(|compiler| entries(&compiler.join("prelude")));
    targets.map(|target| target.join("release")).chain([cache.join("prelude/current")]).collect()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

static TOOLCHAIN_LIB: LazyLock<PathBuf> = LazyLock::new(|| {
    let output = Command::new("rustc").args(["--print", "target-libdir"]).output().expect("rustc runs");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
});

/// The worker of the prelude, with its temporary files in `scratch`.
pub fn local(scratch: &Path) -> LocalWorker {
    let mut worker = LocalWorker::new(&PRELUDE, &TOOLCHAIN_LIB);
    worker.environment.push(("TMPDIR".into(), scratch.display().to_string()));
    worker.directory = Some(scratch.to_owned());
    worker
}

/// What the kernel saw of one cell.
#[derive(Debug, Default)]
pub struct Seen {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Text of outputs and displays in the order in which they came.
    pub order: Vec<String>,
    pub value: Option<Bundle>,
    pub end: Option<End>,
    pub variables: Vec<Variable>,
    pub closed: Option<Ended>,
    pub other: Vec<FromWorker>,
}

impl Seen {
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    fn stream(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.order.push(String::from_utf8_lossy(&bytes).into_owned());
        match stream {
            Stream::Stdout => self.stdout.extend(bytes),
            Stream::Stderr => self.stderr.extend(bytes),
        }
    }

    /// Takes in one event; true when the cell is over.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Closed(ended) => self.closed = Some(ended),
            Event::Message(FromWorker::Stream { stream, bytes, .. }) => {
                self.stream(stream, bytes);
                return false;
            }
            Event::Message(FromWorker::Display { bundle, .. }) => {
                self.order.push(format!("<{}>", bundle.text().unwrap_or_default()));
                return false;
            }
            Event::Message(FromWorker::Finished { end, value, variables, .. }) => {
                (self.end, self.value, self.variables) = (Some(end), value, variables);
            }
            Event::Message(other) => {
                self.other.push(other);
                return false;
            }
        }
        true
    }
}

/// A worker and what is needed to give it cells.
pub struct Driver {
    pub connection: Connection,
    pub scratch: tempfile::TempDir,
}

impl Driver {
    pub async fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let target = local(scratch.path());
        Self::on(&target, scratch).await
    }

    pub async fn on(target: &dyn Target, scratch: tempfile::TempDir) -> Self {
        let connection = Connection::open(target, "test").await.unwrap_or_else(|e| panic!("{e}"));
        Self { connection, scratch }
    }

    /// Runs a body inside `cx.body`.
    pub async fn run(&mut self, body: &str) -> Seen {
        self.begin(body).await;
        self.finish().await
    }

    /// Runs a whole entry function.
    pub async fn run_entry(&mut self, entry: &str) -> Seen {
        self.begin_entry(entry, false).await;
        self.finish().await
    }

    pub async fn begin(&mut self, body: &str) -> CellId {
        self.begin_entry(&in_body(body), false).await
    }

    pub async fn begin_entry(&mut self, entry: &str, allow_stdin: bool) -> CellId {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = format!("libcell_{number}.so");
        let bytes = compile(self.scratch.path(), number, entry);
        let cell = CellId(number);
        let run = Run { cell, load: vec![], library: file.clone(), allow_stdin, replaying: false };
        self.connection.library(&file, bytes).await.expect("the worker lives");
        self.connection.send(&ToWorker::Run(run)).await.expect("the worker lives");
        cell
    }

    /// Takes events until the cell or the worker has ended.
    pub async fn finish(&mut self) -> Seen {
        let mut seen = Seen::default();
        self.finish_into(&mut seen).await;
        seen
    }

    pub async fn finish_into(&mut self, seen: &mut Seen) {
        let all = async { while !seen.take(self.connection.recv().await) {} };
        if tokio::time::timeout(CELL_BOUND, all).await.is_err() {
            panic!("the cell did not end within {CELL_BOUND:?}; seen so far: {seen:?}");
        }
    }

    /// Takes events until `done` says so.
    pub async fn until(&mut self, what: &str, done: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = Seen::default();
        let all = async {
            while !done(&seen) {
                seen.take(self.connection.recv().await);
            }
        };
        let outcome = tokio::time::timeout(CELL_BOUND, all).await;
        assert!(outcome.is_ok(), "no {what} within {CELL_BOUND:?}; seen so far: {seen:?}");
        seen
    }
}

/// An entry that runs a body as generated code does.
pub fn in_body(body: &str) -> String {
    format!("cx.body(|cx| {{ let _ = &cx; {body} }});")
}

fn compile(directory: &Path, number: u64, entry: &str) -> Vec<u8> {
    let source = format!(
        "#![allow(warnings)]\nunsafe extern \"C\" {{ fn fork() -> i32; fn close(fd: i32) -> i32; fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32; }}\n\
         #[unsafe(no_mangle)]\npub fn __ochre_entry(cx: &mut ochre::__rt::Cx) {{\n{entry}\n}}\n"
    );
    let path = directory.join(format!("cell_{number}.rs"));
    let library = directory.join(format!("libcell_{number}.so"));
    std::fs::write(&path, source).expect("written");
    let runtime = format!("ochre={}", PRELUDE.join("libochre_runtime.so").display());
    let output = Command::new("rustc")
        .args(["--edition", "2024", "--crate-type", "dylib", "-C", "prefer-dynamic", "-C", "debuginfo=1", "--crate-name"])
        .arg(format!("cell_{number}"))
        .args(["--extern", &runtime, "-o"])
        .args([&library, &path])
        .output()
        .expect("rustc runs");
    assert!(output.status.success(), "the test's cell does not compile:\n{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(library).expect("the library")
}
