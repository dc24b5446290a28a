//! One cell from text to outcome.
use super::{OchreEngine, report, say, text};
use crate::desk::{Desk, Ran, follow};
use crate::engine::{Context, Outcome};
use crate::front::Report;
use ochre_cells::diagnostics::{PanicReport, render_panic};
use ochre_cells::{Bound, Compiled, Library, Refused};
use ochre_link::{CellId, End, Run};
use std::collections::BTreeSet;
use std::time::Instant;

impl OchreEngine {
    pub(super) async fn run_cell(&mut self, code: &str, context: &Context) -> Outcome {
        self.take_late();
        let source = self.source(code, context);
        let started = Instant::now();
        let mut stop = self.controls.stop();
        let compiled = match self.notebook.compile(source.clone(), &mut stop).await {
            Ok(compiled) => compiled,
            Err(refused) => return Outcome::Error(self.refused(refused, context).await),
        };
        self.timing.compile = started.elapsed();
        self.timing.cached = compiled.cached;
        self.timing.run = Default::default();
        self.last_text = Some(compiled.text.clone());
        for warning in &compiled.warnings {
            say(&context.output, &format!("{}\n", warning.text)).await;
        }
        if compiled.entry.is_none() {
            // Definitions only: nothing runs, the worker gets them with the first cell that uses them.
            let names = self.stored();
            self.journal.defined(&source, &compiled);
            self.notebook.commit(compiled, true, &names);
            return Outcome::Ok(None);
        }
        let started = Instant::now();
        let ran = self.run_compiled(&compiled, context, false).await;
        self.timing.run = started.elapsed();
        match ran {
            Ok(ran) => self.settle(compiled, &source, ran, context).await,
            Err(report) => Outcome::Error(report),
        }
    }

    fn stored(&self) -> BTreeSet<String> {
        self.variables.iter().map(|v| v.name.clone()).collect()
    }

    /// Hands the libraries to the worker and passes on what it says until it has finished.
    pub(super) async fn run_compiled(&mut self, compiled: &Compiled, context: &Context, replaying: bool) -> Result<Ran, Report> {
        let Some(entry) = compiled.entry.clone() else { return Err(report::bug("a cell without code was run")) };
        self.run_libraries(&compiled.load, &entry, context, replaying).await
    }

    pub(super) async fn run_libraries(&mut self, load: &[Library], entry: &Library, context: &Context, replaying: bool) -> Result<Ran, Report> {
        let cell = CellId(self.next_cell);
        self.next_cell += 1;
        let mut libraries = load.to_vec();
        libraries.push(entry.clone());
        let run = Run {
            cell, load: load.iter().map(|l| l.file.clone()).collect(), library: entry.file.clone(),
            allow_stdin: context.allow_stdin, replaying,
        };
        let places = self.notebook.places();
        let desk = self.desk(&context.output).await?;
        let events = desk.run(libraries, run, context.output.clone()).await;
        Ok(follow(desk, cell, events, &context.output, |_, _| (), |text| places.reword(text)).await)
    }

    /// Commits what the cell changed and says how it ended.
    async fn settle(&mut self, compiled: Compiled, source: &ochre_cells::diagnostics::CellSource, ran: Ran, context: &Context) -> Outcome {
        let (end, value, variables) = match ran {
            Ran::Finished { end, value, variables } => (end, value, variables),
            Ran::WorkerEnded(ended) => {
                let words = ended.words();
                let names = self.stored();
                self.notebook.commit(compiled, false, &names);
                let report = report::worker_ended(&ended, &words, self.controls.interrupted(), source, &self.notebook);
                self.lose_worker(&words);
                return Outcome::Error(report);
            }
        };
        self.variables = variables;
        let completed = matches!(end, End::Completed);
        let names: BTreeSet<String> = self.variables.iter().filter(|v| v.available).map(|v| v.name.clone()).collect();
        if completed {
            self.explain_unkept(&compiled, context).await;
            if !context.silent {
                self.journal.ran(source, &compiled, self.timing.run);
            }
        }
        if matches!(end, End::Detached) {
            self.hold(&compiled);
        }
        self.notebook.commit(compiled, completed, &names);
        for name in self.held.keys() {
            let text = format!("`{name}` is held by a cell that goes on in the background; it comes back when that cell ends");
            self.notebook.model.gone.insert(name.clone(), text);
        }
        self.give_back();
        match end {
            End::Completed => Outcome::Ok(value),
            other => Outcome::Error(self.ended(other, source)),
        }
    }

    /// A detached cell keeps what it took, and what it makes comes when it ends.
    fn hold(&mut self, compiled: &Compiled) {
        for name in &compiled.takes {
            if let Some(variable) = self.notebook.model.variables.get(name) {
                self.held.insert(name.clone(), variable.clone());
            }
        }
        self.held.extend(compiled.makes());
    }

    /// A detached cell has ended: what it held is there again.
    fn take_late(&mut self) {
        if let Some(variables) = self.desk.as_ref().and_then(Desk::late) {
            self.variables = variables;
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        let back: Vec<String> = self.variables.iter().filter(|v| v.available && self.held.contains_key(&v.name)).map(|v| v.name.clone()).collect();
        for name in back {
            if let Some(variable) = self.held.remove(&name) {
                self.notebook.model.gone.remove(&name);
                self.notebook.model.variables.insert(name, variable);
            }
        }
    }

    /// A value that no other cell can have is said at once, not when somebody misses it.
    async fn explain_unkept(&self, compiled: &Compiled, context: &Context) {
        if context.silent {
            return;
        }
        for (binding, bound) in &compiled.bound {
            let why = match bound {
                Bound::Unkept(why) | Bound::Stored(Err(why)) => why,
                _ => continue,
            };
            // `_guard` says by its name that nobody will ask for it.
            if !binding.name.starts_with('_') {
                say(&context.output, &format!("\x1b[33mnote\x1b[0m: {}.\n", why.sentence(&binding.name))).await;
            }
        }
    }

    fn ended(&self, end: End, source: &ochre_cells::diagnostics::CellSource) -> Report {
        match end {
            End::Failed { message, debug, type_name } => report::failed(&message, &debug, &type_name, source),
            End::Panicked { message, place, backtrace, thread } => {
                let panic = PanicReport { message: &message, place: place.as_ref(), backtrace: &backtrace, thread: &thread };
                let rendered = render_panic(&panic, &self.notebook.names(), &|file| self.notebook.map_of(file));
                report::panicked(&message, &rendered)
            }
            End::Interrupted => report::interrupted("the cell stopped; variables keep the values they had when it stopped"),
            End::Detached => report::detached(),
            End::Broken { message } => report::bug(&message),
            End::Completed | End::Rejected { .. } => report::bug("an end that this engine does not know"),
        }
    }

    async fn refused(&mut self, refused: Refused, context: &Context) -> Report {
        match refused {
            Refused::Errors { errors, warnings } => {
                for warning in &warnings {
                    say(&context.output, &format!("{}\n", warning.text)).await;
                }
                report::compile_errors(&errors)
            }
            Refused::Compiler(ochre_cells::rustc::RustcError::Interrupted) => report::interrupted("the compilation stopped; nothing has changed"),
            other => report::of_error("the cell could not be compiled", &other),
        }
    }

    /// The type of an expression: compiled, never run.
    pub(super) async fn probe_type(&mut self, expression: &str) -> Result<String, Report> {
        let code = format!("let ochre_type_probe = ::ochre::__rt::ty(&({}));", expression.trim().trim_end_matches(';'));
        let source = std::sync::Arc::new(ochre_cells::diagnostics::CellSource { label: "expression".into(), text: code, id: self.next_cell });
        let mut stop = self.controls.stop();
        match self.notebook.compile(source, &mut stop).await {
            Ok(compiled) => {
                let bound = compiled.bound.into_iter().next().map(|(_, b)| b);
                match bound {
                    Some(Bound::Stored(Ok(ty))) => Ok(text::short_type(ty.text.strip_prefix("*const ").unwrap_or(&ty.text))),
                    Some(Bound::Stored(Err(why)) | Bound::Unkept(why)) => Err(report::usage(why.sentence(expression))),
                    _ => Err(report::bug("the type did not come back")),
                }
            }
            Err(Refused::Errors { errors, .. }) => Err(report::compile_errors(&errors)),
            Err(other) => Err(report::of_error("the expression could not be compiled", &other)),
        }
    }
}
