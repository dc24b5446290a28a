//! `%end_run`: the run is over.
use crate::begin::now_ms;
use crate::live::duration;
use crate::runs::Runs;
use ochre_api::*;
use ochre_tracking::Status;
use std::sync::Arc;
use std::time::Duration;

/// The magic.
pub(crate) struct EndRun(pub(crate) Arc<Runs>);

/// How long the store is waited for.
const BOUND: Duration = Duration::from_secs(10);

static SPEC: Spec = Spec {
    name: "end_run",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[Argument::option("status", Value::Choice(&["FINISHED", "FAILED", "KILLED"]), "how it ended; FINISHED by default")],
    summary: "ends the run that %start_run began",
    help: "What cells log afterwards belongs to another run.",
    examples: &[Example { text: "%end_run", does: "the run is finished" }, Example { text: "%end_run --status FAILED", does: "it came to nothing" }],
};

#[async_trait]
impl Magic for EndRun {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let status = call.arguments.value("status").and_then(Status::parse).unwrap_or(Status::Finished);
        let Some(active) = self.0.active() else {
            return Err(Failure::usage("no run is active").hint("`%start_run` begins one; one that began by itself ends with its cell"));
        };
        let ending = self.0.end(&active, status);
        let told = tokio::select! {
            told = tokio::time::timeout(BOUND, ending) => matches!(told, Ok(Ok(true))),
            () = session.interrupted() => false,
        };
        let took = self.0.live.seen(&active.id).map(|seen| duration(seen.end_ms.unwrap_or_else(now_ms) - seen.facts.start_ms)).unwrap_or_default();
        let later = if told { "" } else { "\nits store does not answer now: it is told when it does" };
        let page = active.page.as_ref().map(|page| format!(": {page}")).unwrap_or_default();
        Ok(MagicOutcome::text(format!("run {} is {} after {took}{page}{later}", active.name, status.name().to_lowercase())))
    }
}
