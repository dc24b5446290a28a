//! `%start_run`: a run over several cells.
use super::{pair, run_names};
use crate::active::Origin;
use crate::begin::Order;
use crate::runs::Runs;
use ochre_api::*;
use ochre_tracking::{Status, tag};
use std::sync::Arc;
use std::time::Duration;

/// The magic.
pub(crate) struct StartRun(pub(crate) Arc<Runs>);

static SPEC: Spec = Spec {
    name: "start_run",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[
        Argument::positional("name", Value::Text, "what it is called; without it, a name is made"),
        Argument::option("resume", Value::Text, "goes on with this run (its name or id) instead of beginning one"),
        Argument::option("parent", Value::Text, "the run (name or id) that it is a part of"),
        Argument::option("tag", Value::Text, "name=value; may be given several times").repeated(),
        Argument::option("note", Value::Text, "Markdown that the run's page shows"),
        Argument::option("system", Value::Text, "system metrics every so many seconds, or `off`; every 10 by default"),
    ],
    summary: "begins a run, which lasts until %end_run",
    help: "What cells log with `ochre::run::log_metric` and its like belongs to it until `%end_run` or the end of the session. Without a run, one begins by itself \
           when a cell logs something, and ends with the cell.\n\nA run that was open is ended as finished. A cell that logs to the run and fails sets its status to \
           FAILED (KILLED when it was interrupted); it goes on with the next call. The run keeps the cells' text, git's commit, versions, `:dep`s, host and GPU.",
    examples: &[
        Example { text: "%start_run baseline", does: "begins a run" },
        Example { text: "%start_run --tag data=v2 --system 2", does: "with a tag, and system metrics every 2 seconds" },
        Example { text: "%start_run --resume baseline", does: "goes on with it" },
    ],
};

#[async_trait]
impl Magic for StartRun {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        if ["resume", "parent"].contains(&argument.name) { run_names(&self.0, prefix) } else { Vec::new() }
    }

    async fn run(&self, call: Call, _: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        let name = arguments.value("name").map(str::to_owned);
        let mut tags = arguments.values("tag").map(|word| pair(word)).collect::<Result<Vec<_>, _>>()?;
        tags.extend(arguments.value("note").map(|note| (tag::NOTE.to_owned(), note.to_owned())));
        let system = match arguments.value("system") {
            None => self.0.setup.system_every(),
            Some("off") => None,
            Some(text) => Some(seconds(text)?),
        };
        let resume = match arguments.value("resume") {
            Some(_) if name.is_some() => return Err(Failure::usage("a run that is gone on with has its name").hint("`%start_run --resume RUN` alone")),
            Some(word) => Some(self.0.find(word).await?.id),
            None => None,
        };
        let parent = match arguments.value("parent") {
            Some(word) => Some(self.0.find(word).await?.id),
            None => None,
        };
        if let Some(active) = self.0.active().filter(|active| resume.as_ref() == Some(&active.id)) {
            return Ok(MagicOutcome::text(format!("run {} is active already", active.described())));
        }
        let _one = self.0.beginning.lock().await;
        let before = self.0.active();
        let resumed = resume.is_some();
        let active = self.0.begin(Order { name, origin: Origin::User, parent, resume, tags, system }).await?;
        let mut text = String::new();
        if let Some(before) = before {
            self.0.end(&before, Status::Finished);
            text.push_str(&format!("run {} is finished\n", before.name));
        }
        text.push_str(&format!("run {} {}", active.described(), if resumed { "goes on" } else { "has begun" }));
        Ok(MagicOutcome::text(text))
    }
}

fn seconds(text: &str) -> Result<Duration, Failure> {
    let wrong = || Failure::usage(format!("`{text}` is no number of seconds")).hint("write `--system 5`, or `--system off`");
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|d| *d >= Duration::from_millis(100)).ok_or_else(wrong)
}
