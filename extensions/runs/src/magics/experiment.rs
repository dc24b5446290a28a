//! `%experiment`: what the next runs belong to.
use super::listed;
use crate::failures::of_tracking;
use crate::runs::Runs;
use ochre_api::*;
use ochre_tracking::Query;
use std::sync::Arc;

/// The magic.
pub(crate) struct Experiment(pub(crate) Arc<Runs>);

/// Names that are listed.
const LISTED: usize = 50;

static SPEC: Spec = Spec {
    name: "experiment",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[Argument::positional("name", Value::Text, "made when there is none of this name; without it, the experiments are listed")],
    summary: "chooses the experiment of the next runs",
    help: "An experiment is a set of runs that are compared. Without `%experiment` it is the notebook's name where the server says it, else `Default`; \
           MLFLOW_EXPERIMENT_NAME counts too.",
    examples: &[Example { text: "%experiment digits", does: "the next runs belong to `digits`" }, Example { text: "%experiment", does: "lists the experiments of the store" }],
};

#[async_trait]
impl Magic for Experiment {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, _: &Argument, prefix: &str) -> Vec<String> {
        self.0.state().experiments.iter().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    async fn run(&self, call: Call, _: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let tracking = self.0.tracking().await?;
        let all = tracking.experiments().await.map_err(of_tracking)?;
        let mut names: Vec<String> = all.iter().map(|e| e.name.clone()).collect();
        let Some(name) = call.arguments.value("name") else {
            let now = self.0.experiment();
            let text = format!("the next run belongs to {now}\nexperiments: {}", if names.is_empty() { "none yet".to_owned() } else { listed(&names, LISTED) });
            self.0.state().experiments = names;
            return Ok(MagicOutcome::text(text));
        };
        let is_new = !names.iter().any(|n| n == name);
        let experiment = tracking.experiment(name).await.map_err(of_tracking)?;
        names.extend(is_new.then(|| name.to_owned()));
        let runs = match is_new {
            true => "new".to_owned(),
            false => {
                let query = Query { experiments: vec![experiment.id.clone()], max: 1, order_by: vec!["start_time DESC".into()], ..Query::default() };
                let last = tracking.search(&query).await.map_err(of_tracking)?.items.into_iter().next();
                last.map_or_else(|| "no runs yet".to_owned(), |run| format!("its last run is {}", run.name))
            }
        };
        {
            let mut state = self.0.state();
            state.experiment = Some(name.to_owned());
            state.experiments = names;
        }
        let open = self.0.active().map(|active| format!("; the run {} goes on in {}", active.name, active.experiment)).unwrap_or_default();
        Ok(MagicOutcome::text(format!("experiment {name} ({runs}) in {}{open}", tracking.uri())))
    }
}
