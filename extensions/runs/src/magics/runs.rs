//! `%runs`: the runs of an experiment as a frame, and the best of them.
use super::variable;
use crate::begin::now_ms;
use crate::failures::of_tracking;
use crate::live::number;
use crate::runs::Runs;
use crate::table::Table;
use ochre_api::*;
use ochre_link::Stream;
use ochre_tracking::{Query, Run, Tracking};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The magic.
pub(crate) struct List(pub(crate) Arc<Runs>);

/// Runs that are read without `--max`.
const MOST: usize = 10_000;
/// Rows of the text form (the engine evcxr has no frames).
const PLAIN_ROWS: usize = 50;
/// Words in the names of metrics of which less is better.
const LESS_IS_BETTER: [&str; 10] = ["loss", "error", "err", "mse", "rmse", "mae", "perplexity", "time", "seconds", "cost"];

static SPEC: Spec = Spec {
    name: "runs",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[
        Argument::option("experiment", Value::Text, "of this experiment; `all` is all; the chosen one by default").short('e'),
        Argument::option("best", Value::Text, "METRIC, METRIC:min or METRIC:max: sorts by it, and keeps the best run in `best_run`").short('b'),
        Argument::option("filter", Value::Text, "MLflow's filter: \"metrics.loss < 0.1 and params.model = 'tree'\"").short('f'),
        Argument::option("max", Value::Number, "at most so many; 10000 by default"),
        Argument::flag("system", "with the system metrics"),
        Argument::option("output", Value::Text, "keeps the frame in this variable").short('o'),
    ],
    summary: "lists runs as a frame with all params and metrics, and finds the best",
    help: "The value is a polars frame, the latest run first: keep it with `-o runs`, then filter and sort it as any other. Columns are run_id, run_name, experiment, \
           status, start_time (UTC), seconds, params.…, metrics.… (the latest value of each) and tags.…; params that are all numbers are numbers.\n\n\
           With `--best` the variable `best_run` holds the best run's row, and the word `best_run` names it in `%watch`, `%compare` and `%start_run --resume`.",
    examples: &[
        Example { text: "%runs", does: "runs of the experiment" },
        Example { text: "%runs --best val_acc:max", does: "the best on top, and in `best_run`" },
        Example { text: "%runs --experiment all --filter \"params.model = 'forest'\" -o forests", does: "filtered by the store, kept in `forests`" },
    ],
};

#[async_trait]
impl Magic for List {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        match argument.name {
            "experiment" => self.0.state().experiments.iter().filter(|name| name.starts_with(prefix)).cloned().collect(),
            "best" => {
                let last = self.0.state().last.clone();
                let keys = last.and_then(|id| self.0.live.seen(&id)).map(|seen| seen.order).unwrap_or_default();
                keys.into_iter().filter(|key| key.starts_with(prefix) && !key.starts_with("system/")).collect()
            }
            _ => Vec::new(),
        }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        let output = arguments.value("output").map(variable).transpose()?;
        let best = arguments.value("best").map(direction).transpose()?;
        let tracking = self.0.tracking().await?;
        let experiments: BTreeMap<String, String> = tracking.experiments().await.map_err(of_tracking)?.into_iter().map(|e| (e.id, e.name)).collect();
        self.0.state().experiments = experiments.values().cloned().collect();
        let chosen = self.chosen(arguments.value("experiment"), &experiments)?;
        let most = arguments.value("max").and_then(|n| n.parse().ok()).unwrap_or(MOST);
        let query = Query { experiments: chosen, filter: arguments.value("filter").unwrap_or_default().to_owned(), ..Query::default() };
        let mut runs = all(&*tracking, query, best.as_ref(), most).await?;
        let found = match &best {
            Some(best) => Some(self.best(best, &mut runs, session).await?),
            None => None,
        };
        self.0.state().seen = runs.iter().rev().map(|run| run.name.clone()).collect();
        let table = Table::of_runs(&runs, &experiments, arguments.has("system"), now_ms());
        if session.engine() != "ochre" {
            let text = table.plain(PLAIN_ROWS);
            return Ok(MagicOutcome::text(if runs.is_empty() { "no runs".to_owned() } else { text }));
        }
        let id = self.0.tables.keep(table);
        let asked = |rows: &str| format!("ochre::__frames::asked(\"runs\", r#\"{{\"table\":{{\"id\":{id}{rows}}}}}\"#)?");
        let mut code = String::new();
        if found.is_some() {
            code.push_str(&format!("let best_run = {};\n", asked(",\"rows\":1")));
        }
        match output {
            Some(name) => code.push_str(&format!("let {name} = {};\n{name}", asked(""))),
            None => code.push_str(&asked("")),
        }
        session.run_rust(&code, call.place).await.map(|value| MagicOutcome { value })
    }
}

impl List {
    /// Ids of the experiments that are meant.
    fn chosen(&self, named: Option<&str>, experiments: &BTreeMap<String, String>) -> Result<Vec<String>, Failure> {
        if named == Some("all") {
            return Ok(experiments.keys().cloned().collect());
        }
        let name = named.map_or_else(|| self.0.experiment(), str::to_owned);
        let ids: Vec<String> = experiments.iter().filter(|(_, n)| **n == name).map(|(id, _)| id.clone()).collect();
        if ids.is_empty() && named.is_some() {
            let names: Vec<String> = experiments.values().cloned().collect();
            return Err(Failure::usage(format!("there is no experiment `{name}`")).hint(format!("there are: {}", super::listed(&names, 20))));
        }
        Ok(ids)
    }

    /// Puts the best on top and says which it is.
    async fn best(&self, (metric, max): &(String, bool), runs: &mut [Run], session: &mut dyn SessionAccess) -> Result<String, Failure> {
        let value = |run: &Run| run.metrics.get(metric).map(|m| m.value).filter(|v| v.is_finite());
        // Runs without the metric come last, in their order.
        runs.sort_by(|a, b| match (value(a), value(b)) {
            (Some(a), Some(b)) if *max => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        let Some((run, best)) = runs.first().and_then(|run| Some((run, value(run)?))) else {
            let mut keys: Vec<String> = runs.iter().flat_map(|run| run.metrics.keys()).filter(|k| !k.starts_with("system/")).cloned().collect();
            keys.sort();
            keys.dedup();
            let hint = if keys.is_empty() { "they have no metrics yet".to_owned() } else { format!("their metrics are {}", super::listed(&keys, 20)) };
            return Err(Failure::usage(format!("no run has a value of `{metric}`")).hint(hint));
        };
        self.0.state().best = Some(run.id.clone());
        let word = if *max { "highest" } else { "lowest" };
        session.write(Stream::Stdout, &format!("best_run is {} with the {word} {metric}: {}\n", run.name, number(best))).await;
        Ok(run.id.clone())
    }
}

/// `val_acc:max` as the metric and whether more is better.
fn direction(text: &str) -> Result<(String, bool), Failure> {
    match text.rsplit_once(':') {
        Some((metric, "max")) if !metric.is_empty() => Ok((metric.to_owned(), true)),
        Some((metric, "min")) if !metric.is_empty() => Ok((metric.to_owned(), false)),
        Some((_, other)) if !other.contains('/') => Err(Failure::usage(format!("`{other}` is neither min nor max")).hint("write `--best loss:min` or `--best val_acc:max`")),
        _ => {
            let words = text.to_lowercase();
            let less = words.split(['_', '/', '-', '.', ' ']).any(|word| LESS_IS_BETTER.contains(&word));
            Ok((text.to_owned(), !less))
        }
    }
}

/// All runs of a query, page by page.
async fn all(tracking: &dyn Tracking, mut query: Query, best: Option<&(String, bool)>, most: usize) -> Result<Vec<Run>, Failure> {
    if let Some((metric, max)) = best {
        // The store sorts, so that the best is among those that are read.
        query.order_by = vec![format!("metrics.`{metric}` {}", if *max { "DESC" } else { "ASC" })];
    }
    let mut runs = Vec::new();
    if query.experiments.is_empty() {
        return Ok(runs);
    }
    loop {
        query.max = most - runs.len();
        let page = tracking.search(&query).await.map_err(of_tracking)?;
        runs.extend(page.items);
        query.page = page.next;
        if query.page.is_none() || runs.len() >= most {
            return Ok(runs);
        }
    }
}
