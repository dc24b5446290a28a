//! An engine that follows the words of its cells, and a bench that holds a session on it.
//!
//! A cell is one instruction per line; what is not known is compared with the variables and fails like code
//! that does not compile.
//!
//! | line | does |
//! |---|---|
//! | `let NAME` | stores a variable |
//! | `value TEXT` | is the value of the cell |
//! | `print TEXT`, `flood MEGABYTES`, `display N` | output |
//! | `ask` | asks, and prints the answer |
//! | `wait` | runs until it is interrupted |
//! | `deaf` | runs until it is interrupted twice, which kills the worker |
//! | `fail`, `boom` | ends with an error; panics inside the engine |
//! | `import …` | is what rustc calls a syntax error |
//! | `later TEXT` | prints after the cell has ended |
//! | `comm` | opens a comm |
use ochre_api::{Magic, Observer};
use ochre_link::{Bundle, Comm, CommAction, Stream, Variable};
use ochre_session::engine::{Context, Controls, Engine, Outcome, Timing};
use ochre_session::front::*;
use ochre_session::history::HistoryPlace;
use ochre_session::{Exchange, Session, SessionParts};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// How long a test waits for anything: far more than it takes, so that only a hang fails.
pub const BOUND: Duration = Duration::from_secs(20);

/// What tests look at from outside.
#[derive(Default)]
pub struct Seen {
    /// Texts that the engine was given, in order.
    pub codes: Vec<String>,
    pub dependencies: Vec<String>,
    pub settings: Vec<String>,
    pub ended: bool,
}

struct Lines {
    interrupts: watch::Sender<u64>,
    answers: mpsc::UnboundedSender<Option<String>>,
    comms: Mutex<Vec<Comm>>,
}

impl Controls for Lines {
    fn interrupt(&self) {
        self.interrupts.send_modify(|n| *n += 1);
    }
    fn answer(&self, text: Option<String>) {
        self.answers.send(text).ok();
    }
    fn comm(&self, message: Comm) {
        self.comms.lock().unwrap().push(message);
    }
    fn pids(&self) -> Vec<u32> {
        Vec::new()
    }
}

pub struct Scripted {
    name: &'static str,
    seen: Arc<Mutex<Seen>>,
    lines: Arc<Lines>,
    answers: mpsc::UnboundedReceiver<Option<String>>,
    variables: BTreeMap<String, u64>,
    next_id: u64,
    later: Arc<Notify>,
    directory: std::path::PathBuf,
}

impl Scripted {
    pub fn new(name: &'static str, seen: Arc<Mutex<Seen>>, later: Arc<Notify>) -> Self {
        let (sender, answers) = mpsc::unbounded_channel();
        let lines = Arc::new(Lines { interrupts: watch::Sender::new(0), answers: sender, comms: Mutex::default() });
        Self { name, seen, lines, answers, variables: BTreeMap::new(), next_id: 0, later, directory: std::env::current_dir().unwrap() }
    }

    /// Follows one line; `Some` ends the cell.
    async fn line(&mut self, line: &str, context: &Context, value: &mut Option<Bundle>) -> Option<Report> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let out = &context.output;
        let stream = |text: String| Output::Stream { stream: Stream::Stdout, text };
        match word {
            "let" => {
                // Ids of the engine's own, which nobody shall see.
                self.next_id += 100;
                self.variables.insert(rest.trim_end_matches(';').to_owned(), self.next_id);
            }
            "value" => *value = Some(Bundle::plain(rest)),
            "print" => drop(out.send(stream(format!("{rest}\n"))).await),
            "flood" => {
                for _ in 0..rest.parse::<usize>().unwrap() * 16 {
                    out.send(stream("x".repeat(1 << 16))).await.ok();
                }
            }
            "display" => {
                for n in 0..rest.parse::<usize>().unwrap() {
                    out.send(Output::Display { bundle: Bundle::plain(n.to_string()), id: None, update: false }).await.ok();
                }
            }
            "ask" => {
                out.send(Output::Input { prompt: "? ".into(), password: false }).await.ok();
                let answer = self.answers.recv().await.flatten();
                out.send(stream(format!("{answer:?}\n"))).await.ok();
            }
            "wait" => return Some(self.interrupted(1).await),
            "deaf" => return Some(self.interrupted(2).await),
            "fail" => return Some(report("error", "it failed")),
            "boom" => panic!("boom"),
            "later" => {
                let (out, later, text) = (out.clone(), self.later.clone(), stream(rest.to_owned()));
                tokio::spawn(async move {
                    later.notified().await;
                    out.send(text).await.ok();
                });
            }
            "comm" => {
                let action = CommAction::Open { target: "jupyter.widget".into() };
                out.send(Output::Comm(Comm { id: "c1".into(), action, data: "{}".into(), metadata: "{}".into(), buffers: vec![] })).await.ok();
            }
            name if self.variables.contains_key(name) => *value = Some(Bundle::plain(name)),
            "import" => return Some(report("compile error", "expected one of `!` or `::`")),
            _ => return Some(report("E0425", &format!("cannot find `{word}`"))),
        }
        None
    }

    async fn interrupted(&self, times: u64) -> Report {
        let mut interrupts = self.lines.interrupts.subscribe();
        let start = *interrupts.borrow_and_update();
        interrupts.wait_for(|n| *n >= start + times).await.unwrap();
        if times == 1 { report("interrupted", "interrupted") } else { report("worker died", "killed") }
    }
}

fn report(name: &str, message: &str) -> Report {
    Report { name: name.into(), message: message.into(), traceback: vec![message.into()] }
}

#[async_trait::async_trait]
impl Engine for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }
    async fn execute(&mut self, code: &str, context: &Context) -> Outcome {
        self.seen.lock().unwrap().codes.push(code.into());
        let mut value = None;
        for line in code.lines().map(str::trim).filter(|l| !l.is_empty()) {
            if let Some(report) = self.line(line, context, &mut value).await {
                return Outcome::Error(report);
            }
        }
        Outcome::Ok(value)
    }
    fn controls(&self) -> Arc<dyn Controls> {
        self.lines.clone()
    }
    fn variables(&self) -> Vec<Variable> {
        let variable = |(name, cell): (&String, &u64)| Variable {
            name: name.clone(),
            type_name: "i32".into(),
            send: true,
            size: 4,
            cell: ochre_link::CellId(*cell),
            available: true,
        };
        self.variables.iter().map(variable).collect()
    }
    fn items(&self) -> Vec<Completion> {
        vec![Completion { text: "helper".into(), kind: "function".into(), signature: Some("fn helper(x: i32) -> i32".into()) }]
    }
    fn timing(&self) -> Timing {
        Timing { compile: Duration::from_millis(56), run: Duration::from_micros(1500), cached: false }
    }
    async fn reset(&mut self, _: &Context) -> Result<(), Report> {
        self.variables.clear();
        Ok(())
    }
    async fn add_dependency(&mut self, name: &str, requirement: &str, _: &Context) -> Outcome {
        self.seen.lock().unwrap().dependencies.push(format!("{name} = {requirement}"));
        Outcome::Ok(None)
    }
    fn set_opt_level(&mut self, level: &str) -> Result<(), Report> {
        self.seen.lock().unwrap().settings.push(format!("opt {level}"));
        Ok(())
    }
    async fn recover(&mut self, dry_run: bool, _: &Context) -> Outcome {
        Outcome::Ok(Some(Bundle::plain(if dry_run { "would run 1 cell" } else { "ran 1 cell" })))
    }
    fn expand(&self) -> Option<String> {
        self.seen.lock().unwrap().codes.last().cloned()
    }
    async fn type_of(&mut self, expression: &str) -> Result<String, Report> {
        Ok(format!("type of {expression}"))
    }
    async fn set_env(&mut self, name: &str, value: Option<&str>) -> Result<(), Report> {
        self.seen.lock().unwrap().settings.push(format!("env {name}={value:?}"));
        Ok(())
    }
    async fn set_directory(&mut self, path: &str) -> Result<String, Report> {
        self.directory = std::fs::canonicalize(path).map_err(|e| report("io", &e.to_string()))?;
        Ok(self.directory.display().to_string())
    }
    async fn setting(&mut self, name: &str, value: &str) -> Result<(), Report> {
        self.seen.lock().unwrap().settings.push(format!("{name}={value}"));
        Ok(())
    }
    async fn shutdown(&mut self) {
        self.seen.lock().unwrap().ended = true;
    }
}

/// A session on scripted engines.
pub struct Bench {
    pub session: Session,
    pub seen: Arc<Mutex<Seen>>,
    /// Lets `later` print.
    pub later: Arc<Notify>,
}

/// A cell's outputs, and how it went.
pub struct Ran {
    pub outputs: Vec<Output>,
    pub executed: Executed,
}

impl Bench {
    pub fn new() -> Self {
        Self::with_history(HistoryPlace::Memory)
    }

    pub fn with_history(history: HistoryPlace) -> Self {
        Self::with(history, vec![], vec![])
    }

    pub fn with(history: HistoryPlace, magics: Vec<Arc<dyn Magic>>, observers: Vec<Arc<dyn Observer>>) -> Self {
        Self::with_engine("ochre", history, magics, observers)
    }

    pub fn with_engine(first: &str, history: HistoryPlace, magics: Vec<Arc<dyn Magic>>, observers: Vec<Arc<dyn Observer>>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let later = Arc::new(Notify::new());
        let (for_engines, for_later) = (seen.clone(), later.clone());
        let engines = Box::new(move |name: &str, _: &Exchange| -> Result<Box<dyn Engine>, Report> {
            match name {
                "ochre" => Ok(Box::new(Scripted::new("ochre", for_engines.clone(), for_later.clone()))),
                "broken" => panic!("an engine's own bug"),
                _ => Err(report("configuration", "there is no such engine here")),
            }
        });
        let parts = SessionParts { engine: first.into(), engines, magics, observers, services: vec![], redactor: Default::default(), history };
        Self { session: Session::start(parts).unwrap(), seen, later }
    }

    pub fn request(code: &str) -> Execute {
        Execute {
            code: code.into(),
            silent: false,
            store_history: true,
            user_expressions: vec![],
            allow_stdin: true,
            stop_on_error: true,
            cell_id: None,
        }
    }

    /// Runs a cell to its end.
    pub async fn run(&self, code: &str) -> Ran {
        self.execute(Self::request(code)).await
    }

    pub async fn execute(&self, request: Execute) -> Ran {
        let (sender, mut receiver) = mpsc::channel(16);
        let code = request.code.clone();
        let collect = async {
            let mut outputs = Vec::new();
            while let Some(output) = receiver.recv().await {
                outputs.push(output);
            }
            outputs
        };
        let both = async { tokio::join!(self.session.execute(request, sender), collect) };
        let (executed, outputs) = tokio::time::timeout(BOUND, both).await.unwrap_or_else(|_| panic!("the cell did not end: {code}"));
        Ran { outputs, executed }
    }

    /// Starts a cell and gives its outputs; `executed` comes from the task.
    pub fn start(&self, code: &str) -> (mpsc::Receiver<Output>, tokio::task::JoinHandle<Executed>) {
        let (sender, receiver) = mpsc::channel(16);
        let (session, request) = (self.session.clone(), Self::request(code));
        (receiver, tokio::spawn(async move { session.execute(request, sender).await }))
    }

    /// Waits until the engine has been given a text.
    pub async fn engine_has(&self, code: &str) {
        let wait = async {
            while !self.seen.lock().unwrap().codes.iter().any(|c| c == code) {
                tokio::task::yield_now().await;
            }
        };
        let seen = || self.seen.lock().unwrap().codes.clone();
        tokio::time::timeout(BOUND, wait).await.unwrap_or_else(|_| panic!("the engine never had {code:?}, only {:?}", seen()));
    }
}

impl Ran {
    /// All text of a stream.
    pub fn stream(&self, wanted: Stream) -> String {
        let text = |o: &Output| match o {
            Output::Stream { stream, text } if *stream == wanted => Some(text.clone()),
            _ => None,
        };
        self.outputs.iter().filter_map(text).collect()
    }
    pub fn stdout(&self) -> String {
        self.stream(Stream::Stdout)
    }
    /// Plain text of the value.
    pub fn value(&self) -> Option<String> {
        let shown = self.outputs.iter().find_map(|o| match o {
            Output::Result { bundle, .. } => bundle.text().map(str::to_owned),
            _ => None,
        });
        // `name?` gives a page instead.
        shown.or_else(|| {
            self.executed.payloads.iter().find_map(|p| match p {
                Payload::Page(bundle) => bundle.text().map(str::to_owned),
                Payload::NextInput { .. } => None,
            })
        })
    }
    /// Class and message of the error, and the last line of its text.
    pub fn error(&self) -> (String, String, String) {
        match &self.executed.status {
            Status::Error(r) => (r.name.clone(), r.message.clone(), r.traceback.last().cloned().unwrap_or_default()),
            other => panic!("no error but {other:?}"),
        }
    }
    #[track_caller]
    pub fn ok(&self) -> &Self {
        assert_eq!(self.executed.status, Status::Ok);
        self
    }
}
