//! `%watch`: charts of a run that stay up to date.
use super::run_names;
use crate::live::{Picture, Target, Wanted, Watching, load};
use crate::runs::Runs;
use ochre_api::*;
use ochre_link::{Bundle, Stream};
use std::sync::Arc;

/// The magic.
pub(crate) struct Watch(pub(crate) Arc<Runs>);

static SPEC: Spec = Spec {
    name: "watch",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[
        Argument::positional("run", Value::Text, "its name or id, `last` or `best_run`; without it, the active run, or the next one of this cell"),
        Argument::option("metrics", Value::Text, "only these, separated by commas").short('m'),
        Argument::flag("system", "with the system metrics"),
    ],
    summary: "shows a run's charts, status and params, and keeps them up to date",
    help: "One display that is updated in place, about twice a second at most, while cells run and after. Put it before the code that logs, in the same cell or an earlier \
           one. Metrics such as train_loss and val_loss share a chart. Front ends that do not draw vega-lite show the picture beside it, and so does a saved notebook.\n\n\
           A run of another session or program is read from the store every two seconds.",
    examples: &[
        Example { text: "%watch", does: "the active run, or the one that begins in this cell" },
        Example { text: "%watch brave-owl-17 --metrics loss,val_loss", does: "two metrics of a run" },
        Example { text: "%watch last --system", does: "the last run, with CPU, memory, disk, network and GPU" },
    ],
};

#[async_trait]
impl Magic for Watch {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        if argument.name == "run" { run_names(&self.0, prefix) } else { Vec::new() }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let wanted = Wanted { metrics: metrics(call.arguments.value("metrics")), system: call.arguments.has("system") };
        let target = match (call.arguments.value("run"), self.0.active()) {
            (Some(word), _) => {
                let run = self.0.find(word).await?;
                load(&self.0, &run).await?;
                Target::Runs { ids: vec![run.id], compared: false }
            }
            (None, Some(active)) => Target::Runs { ids: vec![active.id.clone()], compared: false },
            (None, None) => Watching::next(&self.0),
        };
        show(&self.0, target, wanted, session).await;
        Ok(MagicOutcome::none())
    }
}

/// `a,b` as names.
pub(super) fn metrics(text: Option<&str>) -> Vec<String> {
    text.into_iter().flat_map(|text| text.split(',')).map(|m| m.trim().to_owned()).filter(|m| !m.is_empty()).collect()
}

/// Shows a view and keeps it up to date.
pub(super) async fn show(runs: &Arc<Runs>, target: Target, wanted: Wanted, session: &mut dyn SessionAccess) {
    if let Target::Runs { ids, .. } = &target {
        let pages: Vec<(String, String)> = ids.iter().filter_map(|id| runs.live.seen(id)).filter_map(|seen| Some((seen.facts.name, seen.facts.page?))).collect();
        for (name, page) in pages {
            session.write(Stream::Stdout, &format!("{name}: {page}\n")).await;
        }
    }
    let screen = runs.state().screen.clone();
    let mut view = Watching { runs: Arc::downgrade(runs), target, wanted, screen, id: format!("ochre-watch-{:016x}", crate::names::unique()), picture: Picture::default() };
    let bundle: Bundle = view.bundle(runs, true).await;
    session.display(bundle, Some(&view.id), false).await;
    view.start(runs);
}
