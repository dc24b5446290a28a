//! evcxr's evaluation of one cell after the other, and the ways to stop it.
use crate::link::Out;
use crate::relay::{RUN_MEDIA_TYPE, TOKEN_VARIABLE};
use crate::streams::Streams;
use crate::{RELAY, processes, render};
use evcxr::{CommandContext, Error, EvalCallbacks, EvalContext, EvalOutputs};
use ochre_link::{Bundle, CellId, Data, End, FromWorker, Stream, Variable, evcxr as topics};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// While a compilation is being stopped: how often it is looked for what evcxr has started now.
const STOP_TICK: Duration = Duration::from_millis(20);

/// What the evaluator is asked to do, in order.
pub enum Job {
    Evaluate { cell: CellId, code: String, allow_stdin: bool },
    /// Code of ours, whose outputs nobody waits for.
    Quiet { code: String },
    Environment { name: String, value: Option<String> },
    /// Say which variables there are.
    Variables,
    End,
}

/// Shared by the reader, the evaluator and the stopper.
pub struct Work {
    out: Out,
    streams: Streams,
    token: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    busy: bool,
    interrupted: bool,
    /// The relay; the handle stays valid when evcxr starts another.
    child: Option<Arc<Mutex<Child>>>,
    /// The process of the relay that was killed to stop this cell.
    killed: Option<u32>,
    /// An answer to the cell's question; `Some(None)` when it was given up.
    answer: Option<Option<String>>,
}

impl Work {
    pub fn new(out: Out) -> Self {
        // Not a secret: it only keeps what cells print by chance apart from the relay's lines.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        let token = format!("ochre-{:x}-{now:x} ", std::process::id());
        Self { out, streams: Streams::default(), token, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// A cell has come: from now on an interrupt concerns it, also while evcxr is still starting.
    pub fn expect_cell(&self) {
        self.change(|state| (state.busy, state.interrupted, state.killed) = (true, false, None));
    }

    /// The running cell is to stop.
    pub fn interrupt(&self) {
        self.change(|state| (state.interrupted, state.answer) = (state.busy, Some(None)));
    }

    /// The answer to the running cell's question.
    pub fn answer(&self, text: Option<String>) {
        self.change(|state| state.answer = Some(text));
    }

    /// Stops cells that were interrupted: a compilation by ending what evcxr has started for it, which loses
    /// nothing; running code by ending its process, for evcxr has no other way.
    pub fn stop_cells(&self) {
        loop {
            let waiting = self.changed.wait_while(self.lock(), |state| !(state.busy && state.interrupted));
            let child = waiting.unwrap_or_else(PoisonError::into_inner).child.clone();
            let relay = child.as_ref().map_or(0, |child| child.lock().unwrap_or_else(PoisonError::into_inner).id());
            match child {
                Some(child) if self.streams.running() => {
                    // evcxr starts the relay anew while the cell still ends: that one is not killed.
                    if *self.lock().killed.get_or_insert(relay) == relay {
                        // It may have ended by itself.
                        let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
                    }
                }
                _ => processes::kill_below_except(relay),
            }
            let busy = self.lock();
            drop(self.changed.wait_timeout_while(busy, STOP_TICK, |state| state.busy));
        }
    }

    fn ask(&self, prompt: String, password: bool, allowed: bool) -> String {
        if !allowed {
            return String::new();
        }
        self.lock().answer = None;
        self.out.send(&FromWorker::Input { cell: self.out.cell(), prompt, password });
        let waiting = self.changed.wait_while(self.lock(), |state| state.answer.is_none());
        waiting.unwrap_or_else(PoisonError::into_inner).answer.take().flatten().unwrap_or_default()
    }
}

/// Takes jobs until the last one.
pub fn run(jobs: &Receiver<Job>, work: &Arc<Work>) {
    let mut evaluator = Evaluator { work: work.clone(), context: None, origins: HashMap::new() };
    // Ready, or nearly, when the first cell comes; a failure is told then.
    let _ = evaluator.context();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Evaluate { cell, code, allow_stdin } => evaluator.cell(cell, &code, allow_stdin),
            Job::Quiet { code } => drop(evaluator.evaluate(&code, false)),
            Job::Environment { name, value } => evaluator.environment(&name, value.as_deref()),
            Job::Variables => {
                let variables = evaluator.variables(work.out.cell());
                work.out.send(&FromWorker::Variables { variables });
            }
            Job::End => return,
        }
    }
}

struct Evaluator {
    work: Arc<Work>,
    context: Option<CommandContext>,
    /// The type of each variable and the cell that stored it first with this type.
    origins: HashMap<String, (String, CellId)>,
}

impl Evaluator {
    /// evcxr, started if it is not there.
    fn context(&mut self) -> Result<&mut CommandContext, Error> {
        if self.context.is_none() {
            let (context, child) = start(&self.work)?;
            self.work.lock().child = Some(child);
            self.context = Some(context);
        }
        self.context.as_mut().ok_or_else(|| Error::Message("evcxr is gone again".into()))
    }

    fn cell(&mut self, cell: CellId, code: &str, allow_stdin: bool) {
        self.work.out.begin(cell);
        self.work.streams.begin();
        let result = self.evaluate(code, allow_stdin);
        let (end, value) = self.settle(result, code);
        self.work.change(|state| (state.busy, state.interrupted, state.answer) = (false, false, None));
        self.tell_items(cell);
        let variables = self.variables(cell);
        self.work.out.send(&FromWorker::Finished { cell, end, value, variables });
    }

    fn evaluate(&mut self, code: &str, allow_stdin: bool) -> Result<EvalOutputs, Trouble> {
        let work = self.work.clone();
        let context = self.context().map_err(|error| Trouble::NoStart(error.to_string()))?;
        let mut callbacks = EvalCallbacks { input_reader: &|request| work.ask(request.prompt, request.is_password, allow_stdin) };
        let result = catch_unwind(AssertUnwindSafe(|| context.execute_with_callbacks(code, &mut callbacks)));
        result.map_err(|_| Trouble::Panicked)?.map_err(Trouble::Evcxr)
    }

    /// How the cell ended, and its value.
    fn settle(&mut self, result: Result<EvalOutputs, Trouble>, code: &str) -> (End, Option<Bundle>) {
        let interrupted = self.work.lock().interrupted;
        let streams = &self.work.streams;
        match result {
            Ok(mut outputs) => {
                let run = outputs.content_by_mime_type.remove(RUN_MEDIA_TYPE).unwrap_or_default();
                let (number, how) = run.split_once(' ').unwrap_or_default();
                let stderr = number.parse().map(|run| streams.after_run(run)).unwrap_or_default();
                self.tell_time(&outputs);
                let end = match how {
                    "panicked" => End::Panicked { message: render::panic_message(&stderr), place: None, backtrace: Vec::new(), thread: String::new() },
                    "failed" => {
                        let message = render::returned_error(&stderr);
                        End::Failed { debug: message.clone(), message, type_name: String::new() }
                    }
                    _ => End::Completed,
                };
                (end, bundle(outputs.content_by_mime_type))
            }
            Err(Trouble::Evcxr(Error::SubprocessTerminated(words))) => {
                if interrupted {
                    return (End::Interrupted, None);
                }
                streams.after_death();
                (End::Failed { message: words.trim().to_owned(), debug: String::new(), type_name: topics::CHILD_DIED.to_owned() }, None)
            }
            Err(_) if interrupted => (End::Interrupted, None),
            Err(Trouble::Evcxr(Error::CompilationErrors(errors))) => (End::Rejected { rendered: render::errors(&errors, code) }, None),
            Err(Trouble::Evcxr(error)) => (End::Rejected { rendered: render::message(&error.to_string()) }, None),
            Err(Trouble::NoStart(error)) => (End::Broken { message: format!("evcxr could not start: {error}; it needs `cargo` and `rustc` on the PATH") }, None),
            Err(Trouble::Panicked) => {
                // Its state cannot be trusted; the next cell starts it anew.
                self.context = None;
                (End::Broken { message: "evcxr itself panicked (its words are above); it starts anew, without variables and items".into() }, None)
            }
        }
    }

    /// For the children to come and, as code, for the living one.
    fn environment(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value
            && !value.contains('\n')
        {
            let _ = self.evaluate(&format!(":env {name}={value}"), false);
        }
        let code = match value {
            Some(value) => format!("unsafe {{ std::env::set_var({name:?}, {value:?}); }}"),
            None => format!("unsafe {{ std::env::remove_var({name:?}); }}"),
        };
        let _ = self.evaluate(&code, false);
    }

    fn variables(&mut self, cell: CellId) -> Vec<Variable> {
        let Some(context) = &self.context else { return Vec::new() };
        let now: Vec<(String, String)> = context.variables_and_types().map(|(n, t)| (n.to_owned(), t.to_owned())).collect();
        self.origins.retain(|name, (ty, _)| now.iter().any(|(n, t)| n == name && t == ty));
        let mut variables: Vec<Variable> = Vec::new();
        for (name, type_name) in now {
            let (_, cell) = self.origins.entry(name.clone()).or_insert_with(|| (type_name.clone(), cell));
            // evcxr does not know sizes.
            variables.push(Variable { name, type_name, send: true, size: 0, cell: *cell, available: true });
        }
        variables.sort_by(|a, b| a.name.cmp(&b.name));
        variables
    }

    fn tell_items(&self, cell: CellId) {
        let Some(context) = &self.context else { return };
        let names: Vec<&str> = context.defined_item_names().collect();
        self.tell(cell, topics::ITEMS, names.join("\n"));
        if let Ok(source) = context.last_source() {
            self.tell(cell, topics::SOURCE, source);
        }
    }

    fn tell_time(&self, outputs: &EvalOutputs) {
        let compiling: Duration = outputs.phases.iter().filter(|p| p.name != "Execution").map(|p| p.duration).sum();
        self.tell(self.work.out.cell(), topics::COMPILED, compiling.as_micros().to_string());
    }

    fn tell(&self, cell: CellId, topic: &str, text: String) {
        self.work.out.send(&FromWorker::Event { cell, topic: topic.to_owned(), payload: text.into_bytes() });
    }
}

/// Why there are no outputs.
enum Trouble {
    NoStart(String),
    Evcxr(Error),
    /// A bug of evcxr's.
    Panicked,
}

/// Starts evcxr with the relay as its child, and the threads that read its outputs.
fn start(work: &Arc<Work>) -> Result<(CommandContext, Arc<Mutex<Child>>), Error> {
    let mut relay = Command::new(std::env::current_exe()?);
    relay.arg(RELAY).env(TOKEN_VARIABLE, &work.token);
    let started = catch_unwind(AssertUnwindSafe(|| EvalContext::with_subprocess_command(relay)));
    let (context, outputs) = started.map_err(|_| Error::Message("it panicked".into()))??;
    let (reading, printing) = (work.clone(), work.clone());
    std::thread::spawn(move || {
        for line in outputs.stderr {
            reading.streams.take(&reading.token, line, &reading.out);
        }
    });
    std::thread::spawn(move || {
        // What evcxr itself took from stdout and did not understand; an unread line would hang it.
        for line in outputs.stdout {
            printing.out.print(Stream::Stdout, format!("{line}\n").as_bytes());
        }
    });
    let context = CommandContext::with_eval_context(context);
    let child = context.process_handle();
    Ok((context, child))
}

/// A value's representations, richest first.
fn bundle(contents: HashMap<String, String>) -> Option<Bundle> {
    let mut data: Vec<(String, Data)> = contents
        .into_iter()
        .map(|(media_type, text)| {
            let json = media_type == "application/json" || media_type.ends_with("+json");
            (media_type, if json { Data::Json(text) } else { Data::Text(text) })
        })
        .collect();
    data.sort_by(|a, b| (a.0 == "text/plain", &a.0).cmp(&(b.0 == "text/plain", &b.0)));
    (!data.is_empty()).then_some(Bundle { data, metadata: None })
}
