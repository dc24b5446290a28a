//! `%log`: values by hand.
use super::pair;
use crate::begin::now_ms;
use crate::runs::Runs;
use ochre_api::*;
use ochre_spool::{Metric, Record};
use std::sync::Arc;
use std::time::Duration;

/// The magic.
pub(crate) struct Log(pub(crate) Arc<Runs>);

/// How long the store is waited for before it is said that values wait.
const BOUND: Duration = Duration::from_secs(3);

static SPEC: Spec = Spec {
    name: "log",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[
        Argument::positional("name=value", Value::Text, "numbers are metrics, texts are params").required().repeated(),
        Argument::option("step", Value::Text, "the metrics' step, a whole number; one after the last by default"),
        Argument::flag("param", "numbers are params too"),
        Argument::flag("tag", "all are tags, which may be changed later"),
    ],
    summary: "logs metrics, params or tags to the active run",
    help: "The same as `ochre::run::log_metric`, `log_param` and `log_tag` in cells. A param keeps its first value. Without an active run one begins, and ends with the cell.",
    examples: &[
        Example { text: "%log accuracy=0.93", does: "a metric" },
        Example { text: "%log model=forest depth=8 --param", does: "two params" },
        Example { text: "%log loss=0.5 --step 100", does: "a metric at a step" },
        Example { text: "%log verdict=\"too slow\" --tag", does: "a tag" },
    ],
};

#[async_trait]
impl Magic for Log {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, _: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        let step: Option<i64> = match arguments.value("step") {
            Some(text) => Some(text.parse().map_err(|_| Failure::usage(format!("`{text}` is no step")).hint("a step is a whole number: `--step 100`"))?),
            None => None,
        };
        let pairs = arguments.values("name=value").map(|word| pair(word)).collect::<Result<Vec<_>, _>>()?;
        let active = self.0.active_for_cell().await?;
        let timestamp_ms = now_ms();
        for (name, value) in pairs {
            let key = ochre_spool::limits::key(&name).into_owned();
            if key != name {
                self.0.warn(&format!("`{name}` is logged as `{key}`: names have letters, digits, _ - . : / and spaces")).await;
            }
            let number = value.parse::<f64>().ok().filter(|_| !arguments.has("tag") && !arguments.has("param"));
            let record = match number {
                Some(number) => {
                    let after = || self.0.live.next_step(&active.id, &key).or_else(|| active.steps.get(&key).map(|step| step + 1));
                    let metric = Metric { step: step.or_else(after).unwrap_or(0), key, value: number, timestamp_ms };
                    self.0.live.metric(&active.id, &metric);
                    Record::Metric(metric)
                }
                None if arguments.has("tag") => Record::Tag { key, value },
                None => {
                    self.0.live.param(&active.id, &key, &value);
                    Record::Param { key, value }
                }
            };
            active.outbox.add(record);
        }
        if active.outbox.flushed(BOUND).await { Ok(MagicOutcome::none()) } else { Ok(MagicOutcome::text("it is kept on this disk until the store answers: `%tracking` shows what waits")) }
    }
}
