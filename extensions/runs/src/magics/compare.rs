//! `%compare`: runs over each other.
use super::run_names;
use super::watch::{metrics, show};
use crate::live::{Target, Wanted, load};
use crate::runs::Runs;
use futures::future::try_join_all;
use ochre_api::*;
use std::sync::Arc;

/// The magic.
pub(crate) struct Compare(pub(crate) Arc<Runs>);

static SPEC: Spec = Spec {
    name: "compare",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[
        Argument::positional("run", Value::Text, "names or ids, `last`, `best_run`").required().repeated(),
        Argument::option("metrics", Value::Text, "only these, separated by commas").short('m'),
        Argument::flag("system", "with the system metrics"),
    ],
    summary: "lays runs over each other, a chart for each metric",
    help: "A colour for each run; params are named where the runs differ. Runs that still go on are kept up to date, as by `%watch`.",
    examples: &[
        Example { text: "%compare brave-owl-17 calm-fox-3", does: "two runs" },
        Example { text: "%compare best_run last --metrics val_acc", does: "the best and the last by one metric" },
    ],
};

#[async_trait]
impl Magic for Compare {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        if argument.name == "run" { run_names(&self.0, prefix) } else { Vec::new() }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let words: Vec<&str> = call.arguments.values("run").collect();
        let found = try_join_all(words.iter().map(|word| self.0.find(word))).await?;
        let mut ids: Vec<String> = Vec::new();
        for run in &found {
            load(&self.0, run).await?;
            if !ids.contains(&run.id) {
                ids.push(run.id.clone());
            }
        }
        if ids.len() < 2 {
            return Err(Failure::usage("two runs or more can be compared").hint("`%runs` lists them; `%watch RUN` shows one"));
        }
        let wanted = Wanted { metrics: metrics(call.arguments.value("metrics")), system: call.arguments.has("system") };
        show(&self.0, Target::Runs { ids, compared: true }, wanted, session).await;
        Ok(MagicOutcome::none())
    }
}
