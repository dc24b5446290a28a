//! What the running cell may do with the session: [`SessionAccess`] over the lent runner.
use crate::engine::{Context, Engine, Outcome};
use crate::front::{HistoryQuery, Output, Payload, Report};
use crate::names::SessionNames;
use crate::parts::{self, Line, Part};
use crate::report::failure;
use crate::runner::Runner;
use crate::switchboard::Working;
use crate::{habits, magics};
use ochre_api::{Answer, Call, CellEnd, Failure, PastCell, Place, Registry, SessionAccess, Spent, Trap, async_trait, help};
use ochre_link::{Bundle, Stream, Variable};
use std::sync::Arc;
use tokio::sync::watch;

/// How deep `%run` may run files that run files: more is a file that runs itself.
const MAX_NESTED_CELLS: usize = 16;

/// One execution's view of the runner.
pub(crate) struct Access<'a> {
    runner: &'a mut Runner,
    context: Context,
    interrupts: watch::Receiver<u64>,
    /// The count of interrupts when the cell began.
    interrupted_before: u64,
    pub(crate) payloads: Vec<Payload>,
    depth: usize,
}

impl<'a> Access<'a> {
    pub(crate) fn new(runner: &'a mut Runner, context: Context) -> Self {
        let interrupts = runner.switchboard.interrupts();
        let interrupted_before = *interrupts.borrow();
        Self { runner, context, interrupts, interrupted_before, payloads: Vec::new(), depth: 0 }
    }

    /// Runs a cell's parts in order; the value is that of the last one.
    pub(crate) async fn cell(&mut self, code: &str) -> CellEnd {
        let parts = {
            let (variables, items) = (self.runner.variables(), self.runner.items());
            parts::cut(code, &SessionNames::new(&self.runner.magics, &variables, &items))
        };
        let last = parts.len().saturating_sub(1);
        let mut value = None;
        for (at, part) in parts.into_iter().enumerate() {
            if self.was_interrupted() {
                return Err(Failure::interrupted());
            }
            value = self.part(part).await?;
            if at < last
                && let Some(bundle) = value.take()
            {
                self.display(bundle, None, false).await;
            }
        }
        Ok(value)
    }

    async fn part(&mut self, part: Part) -> CellEnd {
        match part {
            Part::Rust(text) => self.rust(&text).await,
            Part::Shell(line) => magics::shell::run(&line.rest, self).await.map(|()| None),
            // The other engine has commands that no magic stands for (`:cache`, `:toolchain`, …).
            Part::Command(line) if self.runner.name == "evcxr" && magics::evcxr::target(&line.name).is_none() => {
                self.rust(&format!(":{} {}", line.name, line.rest)).await
            }
            Part::Command(line) => {
                let line = magics::evcxr::translate(line)?;
                self.magic(line).await
            }
            Part::Magic(line) => self.magic(line).await,
            Part::Help { name } => self.help(&name),
        }
    }

    /// `name?`: a page, which front ends show in their pager or below the cell.
    fn help(&mut self, name: &str) -> CellEnd {
        let text = match self.runner.magics.get(name) {
            Some(magic) => help::long(magic.spec()),
            None => crate::inspect::name(name, &self.runner.variables(), &self.runner.items())
                .ok_or_else(|| habits::unknown_magic(name, &self.runner.magics))?,
        };
        self.payloads.push(Payload::Page(Bundle::plain(text)));
        Ok(None)
    }

    async fn magic(&mut self, line: Line) -> CellEnd {
        let Some(magic) = self.runner.magics.get(&line.name).cloned() else {
            return Err(habits::unknown_magic(&line.name, &self.runner.magics));
        };
        let spec = magic.spec();
        if line.body.is_some() && !spec.form.cell() {
            let hint = format!("write %{} with one percent sign, on a line of its own", line.name);
            return Err(Failure::usage(format!("%%{} does not take a whole cell", line.name)).hint(hint));
        }
        if line.body.is_none() && !spec.form.line() {
            let hint = format!("write %%{} on the first line of a cell, and the rest below it", line.name);
            return Err(Failure::usage(format!("%%{} takes the whole cell", line.name)).hint(hint));
        }
        let arguments = magic.parse(&line.rest, line.body.is_some())?;
        if arguments.wants_help() {
            return Ok(Some(Bundle::plain(help::long(spec))));
        }
        let place = match &line.body {
            Some(_) => Place { line: line.line + 1, column: 1 },
            None => Place { line: line.line, column: line.rest_column + arguments.rest_offset() as u32 + 1 },
        };
        let call = Call { arguments, body: line.body, place };
        Ok(magic.run(call, self).await?.value)
    }

    async fn rust(&mut self, code: &str) -> CellEnd {
        let context = self.context.clone();
        let (engine, working) = self.engine_mut()?;
        let outcome = engine.execute(code, &context).await;
        drop(working);
        self.runner.note_cell(context.count);
        let end = match outcome {
            Outcome::Ok(value) => Ok(value),
            Outcome::Error(report) => Err(habits::explain(code, report)),
        };
        if self.runner.timing && !context.silent {
            let text = format!("{}\n", magics::time::spent_text(self.spent()));
            self.write(Stream::Stderr, &text).await;
        }
        end
    }

    /// Evaluates what the front end wants to know after the cell.
    pub(crate) async fn user_expressions(&mut self, expressions: Vec<(String, String)>) -> Vec<(String, Result<Bundle, Report>)> {
        let mut values = Vec::new();
        self.context.silent = true;
        for (name, expression) in expressions {
            let value = match self.rust(&expression).await {
                Ok(value) => Ok(value.unwrap_or_else(|| Bundle::plain("()"))),
                Err(failure) => Err(failure.into()),
            };
            values.push((name, value));
        }
        values
    }

    fn was_interrupted(&self) -> bool {
        *self.interrupts.borrow() != self.interrupted_before
    }

    fn working(&self) -> Working {
        self.runner.switchboard.working()
    }

    /// The engine, ready, and the mark that an interrupt concerns it.
    fn engine_mut(&mut self) -> Result<(&mut Box<dyn Engine>, Working), Failure> {
        let working = self.working();
        Ok((self.runner.ensure_engine()?, working))
    }
}

#[async_trait]
impl SessionAccess for Access<'_> {
    async fn write(&mut self, stream: Stream, text: &str) {
        // A front end that has gone away wants nothing more: here and below.
        self.context.output.send(Output::Stream { stream, text: text.to_owned() }).await.ok();
    }

    async fn display(&mut self, bundle: Bundle, id: Option<&str>, update: bool) {
        let id = id.map(str::to_owned);
        self.context.output.send(Output::Display { bundle, id, update }).await.ok();
    }

    async fn ask(&mut self, prompt: &str, secret: bool) -> Result<Answer, Failure> {
        if !self.context.allow_stdin {
            let failure = Failure::configuration("this front end cannot ask questions");
            return Err(failure.hint("run the cell in JupyterLab or VS Code, or give the value on the line"));
        }
        let answer = self.runner.switchboard.question();
        let question = Output::Input { prompt: prompt.to_owned(), password: secret };
        self.context.output.send(question).await.ok();
        answer.await.map_err(|_| Failure::interrupted())
    }

    fn next_input(&mut self, text: String, replace: bool) {
        self.payloads.push(Payload::NextInput { text, replace });
    }

    async fn interrupted(&mut self) {
        // The change is not marked as seen, so that the rest of the cell does not run either.
        let seen = *self.interrupts.borrow();
        let start = self.interrupted_before;
        if seen == start && self.interrupts.clone().wait_for(|n| *n != start).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn run_rust(&mut self, code: &str, place: Place) -> CellEnd {
        let lines = "\n".repeat(place.line.saturating_sub(1) as usize);
        let columns = " ".repeat(place.column.saturating_sub(1) as usize);
        self.rust(&format!("{lines}{columns}{code}")).await
    }

    async fn run_cell(&mut self, code: &str) -> CellEnd {
        if self.depth >= MAX_NESTED_CELLS {
            return Err(Failure::usage("%run is nested too deeply").hint("does the file run itself?"));
        }
        self.depth += 1;
        let end = Box::pin(self.cell(code)).await;
        self.depth -= 1;
        end
    }

    async fn type_of(&mut self, expression: &str) -> Result<String, Failure> {
        let (engine, _working) = self.engine_mut()?;
        engine.type_of(expression).await.map_err(failure)
    }

    fn spent(&self) -> Spent {
        let timing = self.runner.engine.as_ref().map(|e| e.timing()).unwrap_or_default();
        Spent { compile: timing.compile, run: timing.run, cached: timing.cached }
    }

    fn count(&self) -> u32 {
        self.context.count
    }

    fn variables(&self) -> Vec<Variable> {
        self.runner.variables()
    }

    fn items(&self) -> Vec<(String, String, Option<String>)> {
        self.runner.items().into_iter().map(|c| (c.text, c.kind, c.signature)).collect()
    }

    fn magics(&self) -> Arc<Registry> {
        self.runner.magics.clone()
    }

    async fn history(&mut self, session: i64, start: i64, stop: Option<i64>) -> Vec<PastCell> {
        past(self.runner.history.query(HistoryQuery::Range { session, start, stop }).await)
    }

    async fn search_history(&mut self, pattern: &str, n: usize) -> Vec<PastCell> {
        let query = HistoryQuery::Search { pattern: pattern.to_owned(), n: Some(n), unique: false };
        past(self.runner.history.query(query).await)
    }

    fn engine(&self) -> &str {
        &self.runner.name
    }

    async fn use_engine(&mut self, name: &str) -> Result<(), Failure> {
        // The new one is made first: when that fails, the old one and its variables are still there.
        let engine = self.runner.make_engine(name)?;
        self.runner.shutdown().await;
        self.runner.switchboard.connect(Some(engine.controls()));
        self.runner.engine = Some(engine);
        self.runner.name = name.to_owned();
        self.runner.dependencies.clear();
        self.runner.counts.clear();
        match self.runner.trap.clone() {
            Some(trap) => self.trap_opens(trap).await,
            None => Ok(()),
        }
    }

    async fn reset(&mut self) -> Result<(), Failure> {
        let context = self.context.clone();
        let (engine, _working) = self.engine_mut()?;
        engine.reset(&context).await.map_err(failure)
    }

    async fn add_dependency(&mut self, name: &str, requirement: &str) -> CellEnd {
        let context = self.context.clone();
        let (engine, working) = self.engine_mut()?;
        let outcome = engine.add_dependency(name, requirement, &context).await;
        drop(working);
        let value = ended(outcome)?;
        self.runner.dependencies.insert(name.to_owned(), requirement.to_owned());
        Ok(value)
    }

    fn dependencies(&self) -> Vec<(String, String)> {
        self.runner.dependencies.iter().map(|(n, r)| (n.clone(), r.clone())).collect()
    }

    fn set_opt_level(&mut self, level: &str) -> Result<(), Failure> {
        let (engine, _working) = self.engine_mut()?;
        engine.set_opt_level(level).map_err(failure)
    }

    async fn recover(&mut self, dry_run: bool) -> CellEnd {
        let context = self.context.clone();
        let (engine, working) = self.engine_mut()?;
        let outcome = engine.recover(dry_run, &context).await;
        drop(working);
        self.runner.note_cell(context.count);
        ended(outcome)
    }

    fn expand(&self) -> Option<String> {
        self.runner.engine.as_ref().and_then(|e| e.expand())
    }

    async fn setting(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let (engine, _working) = self.engine_mut()?;
        engine.setting(name, value).await.map_err(failure)
    }

    async fn set_env(&mut self, name: &str, value: Option<&str>) -> Result<(), Failure> {
        if let Some(value) = value.filter(|_| ochre_secrets::environment::is_credential(name)) {
            self.runner.gate.know(value);
        }
        let (engine, _working) = self.engine_mut()?;
        engine.set_env(name, value).await.map_err(failure)?;
        self.runner.environment.insert(name.to_owned(), value.map(str::to_owned));
        Ok(())
    }

    fn environment(&self) -> Vec<(String, Option<String>)> {
        self.runner.environment.iter().map(|(n, v)| (n.clone(), v.clone())).collect()
    }

    fn directory(&self) -> std::path::PathBuf {
        self.runner.directory.clone()
    }

    async fn set_directory(&mut self, path: &str) -> Result<String, Failure> {
        let (engine, _working) = self.engine_mut()?;
        let now = engine.set_directory(path).await.map_err(failure)?;
        self.runner.directory = now.clone().into();
        Ok(now)
    }

    fn workers(&self) -> Vec<u32> {
        self.runner.switchboard.controls().map(|controls| controls.pids()).unwrap_or_default()
    }

    fn set_timing(&mut self, on: bool) {
        self.runner.timing = on;
    }

    fn timing(&self) -> bool {
        self.runner.timing
    }

    async fn trap_opens(&mut self, trap: Trap) -> Result<(), Failure> {
        self.runner.trap = Some(trap.clone());
        let (engine, _working) = self.engine_mut()?;
        engine.trap_opens(&trap).await.map_err(failure)
    }

    fn command_wrapper(&self) -> Vec<String> {
        self.runner.trap.as_ref().map(|trap| trap.wrapper.clone()).unwrap_or_default()
    }
}

fn ended(outcome: Outcome) -> CellEnd {
    match outcome {
        Outcome::Ok(value) => Ok(value),
        Outcome::Error(report) => Err(failure(report)),
    }
}

fn past(entries: Vec<crate::front::HistoryEntry>) -> Vec<PastCell> {
    let cell = |e: crate::front::HistoryEntry| PastCell { session: e.session, line: e.line, input: e.input, output: e.output };
    entries.into_iter().map(cell).collect()
}
