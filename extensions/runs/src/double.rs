//! A session for the tests of magics: it remembers what was shown, records Rust instead of running it, and hands its output to the runs as a screen.
use crate::setup::{Secrets, Setup};
use crate::{Extension, observer, runs::Runs};
use ochre_api::*;
use ochre_link::{Bundle, Stream, Variable};
use ochre_secrets::Secret;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// No test waits longer for one magic.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// There are none.
pub(crate) struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn get(&self, name: &str) -> Result<Secret, Failure> {
        Err(Failure::configuration(format!("there is no secret {name}")).hint("`%secret set` keeps one"))
    }
}

/// One thing that was shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) update: bool,
    pub(crate) bundle: Bundle,
}

/// The output of all cells.
#[derive(Default)]
pub(crate) struct Output {
    written: Mutex<String>,
    shown: Mutex<Vec<Shown>>,
}

impl Output {
    pub(crate) fn written(&self) -> String {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Screen for Output {
    async fn write(&self, _: Stream, text: &str) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }
    async fn display(&self, bundle: Bundle, id: Option<&str>, update: bool) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).push(Shown { id: id.unwrap_or_default().to_owned(), update, bundle });
    }
}

/// The session.
pub(crate) struct Double {
    pub(crate) runs: Arc<Runs>,
    extension: Extension,
    magics: Arc<Registry>,
    directory: std::path::PathBuf,
    pub(crate) output: Arc<Output>,
    pub(crate) engine: &'static str,
    /// Rust that was run.
    pub(crate) ran: Vec<String>,
    count: u32,
}

/// A setup whose files are below `root`, with nothing of this machine's environment.
pub(crate) fn setup(root: &Path, variables: &[(&str, &str)]) -> Setup {
    let environment = variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Setup { directory: root.to_owned(), spools: root.join("spools"), environment, ..Setup::of_process(Arc::new(NoSecrets), "prelude-1".into()) }
}

impl Double {
    pub(crate) fn new(root: &Path) -> Self {
        Self::of(setup(root, &[("USER", "ada"), ("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")]))
    }

    pub(crate) fn of(setup: Setup) -> Self {
        let directory = setup.directory.clone();
        let runs = Runs::new(setup);
        crate::sweep::start(&runs);
        let extension = Extension { magics: crate::magics::all(&runs), observers: vec![Arc::new(observer::Watcher(runs.clone()))], services: vec![Arc::new(crate::desk::Desk(runs.clone()))] };
        let mut magics = Registry::default();
        magics.add(extension.magics.clone()).expect("their names differ");
        Self { runs, extension, magics: Arc::new(magics), directory, output: Arc::default(), engine: "ochre", ran: Vec::new(), count: 0 }
    }

    fn tell(&self, what: impl Fn(&dyn Observer)) {
        self.extension.observers.iter().for_each(|observer| what(observer.as_ref()));
    }

    pub(crate) fn service(&self) -> Arc<dyn Service> {
        self.extension.services[0].clone()
    }

    /// A cell begins.
    pub(crate) fn begin_cell(&mut self, code: &str) {
        self.count += 1;
        let (screen, count): (Arc<dyn Screen>, u32) = (self.output.clone(), self.count);
        self.tell(|observer| {
            observer.screen(&screen);
            observer.cell_started(&CellStarted { count, code, cell_id: None });
        });
    }

    /// It ends.
    pub(crate) fn end_cell(&mut self, ending: Ending<'_>) {
        let count = self.count;
        self.tell(|observer| observer.cell_finished(&CellFinished { count, ending, took: Duration::from_millis(1) }));
    }

    /// The process that runs cells has ended.
    pub(crate) fn worker_ended(&self) {
        self.tell(|observer| observer.worker_ended(1));
    }

    /// Runs a line such as `%runs` within the present cell, and gives the text of its value.
    pub(crate) async fn line(&mut self, line: &str) -> Result<String, Failure> {
        let (name, rest) = line.trim_start_matches('%').split_once(' ').unwrap_or((line.trim_start_matches('%'), ""));
        let magic = self.magics.get(name).expect("a magic of this name").clone();
        let call = Call { arguments: magic.parse(rest, false)?, body: None, place: Place { line: 1, column: 1 } };
        let outcome = tokio::time::timeout(BOUND, magic.run(call, self)).await.unwrap_or_else(|_| panic!("{line} did not end within {BOUND:?}"))?;
        Ok(outcome.value.and_then(|b| b.text().map(str::to_owned)).unwrap_or_default())
    }

    /// The same as a cell of its own.
    pub(crate) async fn run(&mut self, line: &str) -> String {
        self.begin_cell(line);
        let value = self.line(line).await.unwrap_or_else(|failure| panic!("{line}: {}", failure.lines().join("\n")));
        self.end_cell(Ending::Ok);
        value
    }

    /// A line that must fail; gives all that the user would read.
    pub(crate) async fn refused(&mut self, line: &str) -> String {
        self.begin_cell(line);
        match self.line(line).await {
            Ok(text) => panic!("{line} was not refused: {text}"),
            Err(failure) => {
                self.end_cell(Ending::Error { name: &failure.name, message: &failure.message });
                assert!(failure.hint.is_some(), "{line}: a failure without a hint: {failure}");
                assert_ne!(failure.fault, Fault::Bug, "{line}: {failure}");
                failure.lines().join("\n")
            }
        }
    }

    /// The session ends as a kernel's does.
    pub(crate) async fn end(&self) {
        self.tell(|observer| observer.session_ended(false));
        for observer in &self.extension.observers {
            if let Some(left) = observer.settle() {
                tokio::time::timeout(BOUND, left).await.expect("it settles");
            }
        }
    }
}

#[async_trait]
impl SessionAccess for Double {
    async fn write(&mut self, stream: Stream, text: &str) {
        Screen::write(&*self.output, stream, text).await;
    }
    async fn display(&mut self, bundle: Bundle, id: Option<&str>, update: bool) {
        Screen::display(&*self.output, bundle, id, update).await;
    }
    async fn ask(&mut self, _: &str, _: bool) -> Result<Answer, Failure> {
        Err(Failure::configuration("nobody can be asked"))
    }
    fn next_input(&mut self, _: String, _: bool) {}
    async fn interrupted(&mut self) {
        std::future::pending::<()>().await;
    }
    async fn run_rust(&mut self, code: &str, _: Place) -> CellEnd {
        self.ran.push(code.to_owned());
        Ok(None)
    }
    async fn run_cell(&mut self, _: &str) -> CellEnd {
        Ok(None)
    }
    async fn type_of(&mut self, _: &str) -> Result<String, Failure> {
        Ok(String::new())
    }
    fn spent(&self) -> Spent {
        Spent::default()
    }
    fn count(&self) -> u32 {
        self.count
    }
    fn variables(&self) -> Vec<Variable> {
        Vec::new()
    }
    fn items(&self) -> Vec<(String, String, Option<String>)> {
        Vec::new()
    }
    fn magics(&self) -> Arc<Registry> {
        self.magics.clone()
    }
    async fn history(&mut self, _: i64, _: i64, _: Option<i64>) -> Vec<PastCell> {
        Vec::new()
    }
    async fn search_history(&mut self, _: &str, _: usize) -> Vec<PastCell> {
        Vec::new()
    }
    fn engine(&self) -> &str {
        self.engine
    }
    async fn use_engine(&mut self, _: &str) -> Result<(), Failure> {
        Ok(())
    }
    async fn reset(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    async fn add_dependency(&mut self, _: &str, _: &str) -> CellEnd {
        Ok(None)
    }
    fn dependencies(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn set_opt_level(&mut self, _: &str) -> Result<(), Failure> {
        Ok(())
    }
    async fn recover(&mut self, _: bool) -> CellEnd {
        Ok(None)
    }
    fn expand(&self) -> Option<String> {
        None
    }
    async fn setting(&mut self, _: &str, _: &str) -> Result<(), Failure> {
        Ok(())
    }
    async fn set_env(&mut self, _: &str, _: Option<&str>) -> Result<(), Failure> {
        Ok(())
    }
    fn environment(&self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }
    fn directory(&self) -> std::path::PathBuf {
        self.directory.clone()
    }
    async fn set_directory(&mut self, path: &str) -> Result<String, Failure> {
        self.directory = path.into();
        Ok(path.to_owned())
    }
    fn set_timing(&mut self, _: bool) {}
    fn timing(&self) -> bool {
        false
    }
}
