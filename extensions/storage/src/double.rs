//! A session for the tests of magics: it remembers what was shown, answers questions from a list, records Rust instead of running it, and can be
//! interrupted.
use crate::Storage;
use crate::credentials::Secrets;
use ochre_api::*;
use ochre_link::{Bundle, Stream, Variable};
use ochre_secrets::{Redactor, Secret};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// No test waits longer for one magic.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Secrets from a list.
pub(crate) struct Listed(pub(crate) BTreeMap<String, String>);

#[async_trait]
impl Secrets for Listed {
    async fn get(&self, name: &str) -> Result<Secret, Failure> {
        let value = self.0.get(name).ok_or_else(|| Failure::configuration(format!("there is no secret {name}")).hint("`%secret set`"))?;
        Ok(Secret::named(name, value.clone()))
    }
}

/// Storage with these secrets, nothing of this machine's environment, and a program for `mount`.
pub(crate) fn storage(secrets: &[(&str, &str)], program: &Path) -> (Arc<Storage>, Redactor) {
    let none = ochre_azure::Environment::of([("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")]);
    let finder = ochre_azure::Finder::new(ochre_azure::Http::new().expect("http"), none).expect("a finder");
    let redactor = Redactor::default();
    let secrets = secrets.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    (Storage::with(finder, Arc::new(Listed(secrets)), redactor.clone(), program.to_owned(), Vec::new()), redactor)
}

/// The session.
pub(crate) struct Double {
    magics: Arc<Registry>,
    directory: PathBuf,
    pub(crate) engine: &'static str,
    /// Text on the streams.
    pub(crate) written: String,
    /// What was shown: id, whether it was an update, text.
    pub(crate) shown: Vec<(String, bool, String)>,
    /// Rust that was run.
    pub(crate) ran: Vec<String>,
    pub(crate) interrupt: Arc<watch::Sender<bool>>,
    /// Interrupts at the first display.
    pub(crate) interrupt_when_shown: bool,
}

impl Double {
    pub(crate) fn new(storage: &Arc<Storage>, directory: &Path) -> Self {
        let mut magics = Registry::default();
        magics.add(crate::magics::all(storage)).expect("their names differ");
        let interrupt = Arc::new(watch::Sender::new(false));
        Self { magics: Arc::new(magics), directory: directory.to_owned(), engine: "ochre", written: String::new(), shown: Vec::new(), ran: Vec::new(), interrupt, interrupt_when_shown: false }
    }

    /// Runs a line such as `%cp a b` and gives the text of its value.
    pub(crate) async fn run(&mut self, line: &str) -> Result<String, Failure> {
        let (name, rest) = line.trim_start_matches('%').split_once(' ').unwrap_or((line.trim_start_matches('%'), ""));
        let magic = self.magics.get(name).expect("a magic of this name").clone();
        let call = Call { arguments: magic.parse(rest, false)?, body: None, place: Place { line: 1, column: 1 } };
        let outcome = tokio::time::timeout(BOUND, magic.run(call, self)).await.unwrap_or_else(|_| panic!("{line} did not end within {BOUND:?}; shown: {:?}", self.shown.last()))?;
        Ok(outcome.value.and_then(|b| b.text().map(str::to_owned)).unwrap_or_default())
    }

    /// Runs a line that must fail; gives all that the user would read.
    pub(crate) async fn refused(&mut self, line: &str) -> String {
        match self.run(line).await {
            Ok(text) => panic!("{line} was not refused: {text}"),
            Err(failure) => {
                assert!(failure.hint.is_some(), "{line}: a failure without a hint: {failure}");
                assert_ne!(failure.fault, Fault::Bug, "{line}: {failure}");
                failure.lines().join("\n")
            }
        }
    }
}

#[async_trait]
impl SessionAccess for Double {
    async fn write(&mut self, _: Stream, text: &str) {
        self.written.push_str(text);
    }
    async fn display(&mut self, bundle: Bundle, id: Option<&str>, update: bool) {
        self.shown.push((id.unwrap_or_default().to_owned(), update, bundle.text().unwrap_or_default().to_owned()));
        if self.interrupt_when_shown {
            self.interrupt.send_replace(true);
        }
    }
    async fn ask(&mut self, _: &str, _: bool) -> Result<Answer, Failure> {
        Err(Failure::configuration("nobody can be asked"))
    }
    fn next_input(&mut self, _: String, _: bool) {}
    async fn interrupted(&mut self) {
        let mut interrupt = self.interrupt.subscribe();
        if interrupt.wait_for(|i| *i).await.is_err() {
            std::future::pending::<()>().await;
        }
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
        1
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
    fn directory(&self) -> PathBuf {
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

/// Bytes that look like data: every part differs, and they do not compress well.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}

