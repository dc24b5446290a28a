//! `%automl`: runs `ochre::ml::automl` over a frame in the cell, then registers the best model through the store.
use crate::failures::one_line;
use crate::runs::Runs;
use ochre_api::*;
use ochre_tracking::NewModel;
use std::sync::Arc;
use std::time::Duration;

/// The magic.
pub(crate) struct Automl(pub(crate) Arc<Runs>);

/// Where the cell logs the model among the run's artifacts (`extensions/ml/src/automl.rs`).
const FOLDER: &str = "model";
/// How long the store is waited for before the model is left unregistered.
const BOUND: Duration = Duration::from_secs(30);

static SPEC: Spec = Spec {
    name: "automl",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[
        Argument::positional("frame", Value::Variable, "a frame with the rows to learn from").required(),
        Argument::positional("target", Value::Text, "target=COLUMN: what is to be predicted").required(),
        Argument::option("time", Value::Text, "for all of it: 90s, 10m (as it is unless said), 1h"),
        Argument::option("metric", Value::Text, "what is made best; accuracy for classes and r2 for numbers unless said"),
        Argument::option("task", Value::Choice(&["classification", "regression"]), "where it cannot be told from the column"),
        Argument::option("candidates", Value::Number, "at most so many models are tried; 40 unless said"),
        Argument::option("folds", Value::Number, "parts of the cross-validation; 5 unless said"),
        Argument::option("name", Value::Text, "what the model is registered as; automl-COLUMN unless said"),
        Argument::option("output", Value::Text, "keeps the result in this variable; `automl` unless said").short('o'),
    ],
    summary: "finds, trains and registers the best model for a column of a frame",
    help: "Tries linear and logistic models, random forests, extra trees and gradient boosting under cross-validation until the time is over or nothing gets better, weighs the \
           best together where that helps, and trains the winner on all rows. The leaderboard is shown while it goes on; each candidate is a run below the active one. Columns are \
           prepared by themselves: missing values filled, texts spread over columns or numbered, numbers scaled for linear models.\n\n\
           The model with its preparation is saved in `automl-COLUMN`, logged to the run, and registered. The variable `automl` has `.predict(&frame)`, `.leaderboard()`, \
           `.importance()`, `.confusion_matrix()` or `.regression_report()`, and `.model()`.",
    examples: &[
        Example { text: "%automl flowers target=species", does: "the best model within ten minutes" },
        Example { text: "%automl houses target=price --time 2m --metric mae", does: "small mean errors, in two minutes" },
        Example { text: "%automl clients target=\"has left\" --metric roc_auc --name churn", does: "registered as churn" },
    ],
};

#[async_trait]
impl Magic for Automl {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        if session.engine() != "ochre" {
            return Err(Failure::usage("the engine evcxr has no `ochre::ml`").hint("`%engine ochre` goes back"));
        }
        let target = target(call.arguments.value("target").unwrap_or_default())?;
        let code = code(&call.arguments, target)?;
        let value = session.run_rust(&code, call.place).await?;
        let name = call.arguments.value("name").map_or_else(|| format!("automl-{}", plain(target)), str::to_owned);
        self.register(&name, target).await;
        Ok(MagicOutcome { value })
    }
}

impl Automl {
    /// Registers what the cell has logged. The model is saved and logged whatever happens here, so nothing of it fails the cell.
    async fn register(&self, name: &str, target: &str) {
        // The cell has begun a run, or logged to the active one; without any it said why.
        let Some(run) = self.0.active() else { return };
        run.outbox.flushed(BOUND).await;
        let new = NewModel {
            name: name.to_owned(),
            source: format!("runs:/{}/{FOLDER}", run.id),
            run: Some(run.id.clone()),
            tags: vec![("ochre.automl.target".to_owned(), target.to_owned())],
            description: Some(format!("the best model that %automl found for `{target}`")),
            alias: None,
        };
        let registering = async { run.store.open().await?.register_model(new).await };
        let why = match tokio::time::timeout(BOUND, registering).await {
            Ok(Ok(version)) => return self.0.say(&format!("registered as {} version {}", version.name, version.version)).await,
            Ok(Err(error)) => one_line(&error),
            Err(_) => format!("the store did not answer within {} s", BOUND.as_secs()),
        };
        self.0.warn(&format!("the model is saved and logged, but not registered as {name}: {why}")).await;
    }
}

/// `target=COLUMN`.
fn target(word: &str) -> Result<&str, Failure> {
    match word.strip_prefix("target=").map(str::trim) {
        Some(column) if !column.is_empty() => Ok(column),
        _ => Err(Failure::usage(format!("`{word}` does not say which column is to be predicted")).hint("write `%automl frame target=COLUMN`")),
    }
}

/// What the cell runs.
fn code(arguments: &Arguments, target: &str) -> Result<String, Failure> {
    let frame = variable(arguments.value("frame").unwrap_or_default())?;
    let output = variable(arguments.value("output").unwrap_or("automl"))?;
    let mut code = format!("let {output} = ochre::ml::automl(&{frame}, {target:?})");
    for option in ["time", "metric"] {
        if let Some(value) = arguments.value(option) {
            code.push_str(&format!(".{option}({value:?})"));
        }
    }
    if let Some(task) = arguments.value("task") {
        code.push_str(&format!(".{task}()"));
    }
    for option in ["candidates", "folds"] {
        if let Some(value) = arguments.value(option) {
            code.push_str(&format!(".{option}({value})"));
        }
    }
    // Waits until the model has arrived, so that it can be registered.
    Ok(format!("{code}.run()?;\nlet _ = ochre::run::flush();\n{output}"))
}

/// A name that Rust takes for a variable.
fn variable(name: &str) -> Result<&str, Failure> {
    let first = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    match first && name != "_" && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        true => Ok(name),
        false => Err(Failure::usage(format!("`{name}` is no name of a variable")).hint("keep the frame in a variable first: `let frame = …;`")),
    }
}

/// A name as registries take it.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use crate::double::Double;
    use ochre_spool::wire::{Active, Request, read};
    use ochre_tracking::Source;

    #[tokio::test]
    async fn the_search_runs_in_the_cell_and_its_model_is_registered() {
        let root = tempfile::tempdir().unwrap();
        let mut session = Double::new(root.path());
        session.begin_cell("%automl");
        let answer = session.service().answer(&Request::Active { create: true }.to_bytes()).await.unwrap();
        let run = read::<Active>(&answer).unwrap().run_id;
        let tracking = session.runs.tracking().await.unwrap();
        tracking.put_artifact(&run, "model/MLmodel", Source::Bytes("flavors: {}".into())).await.unwrap();
        session.line("%automl clients target=\"has left\" --time 2m --metric roc_auc --folds 3 -o best").await.unwrap();
        assert_eq!(
            session.ran,
            ["let best = ochre::ml::automl(&clients, \"has left\").time(\"2m\").metric(\"roc_auc\").folds(3).run()?;\nlet _ = ochre::run::flush();\nbest"]
        );
        let written = session.output.written();
        assert!(written.contains("registered as automl-has_left version 1"), "{written}");
        let models = tracking.models().await.unwrap();
        assert!(models.iter().any(|m| m.name == "automl-has_left"), "{models:?}");
        session.end_cell(ochre_api::Ending::Ok);
    }

    #[tokio::test]
    async fn what_is_missing_is_said() {
        let root = tempfile::tempdir().unwrap();
        let mut session = Double::new(root.path());
        assert!(session.refused("%automl frame species").await.contains("target=COLUMN"));
        assert!(session.refused("%automl df.head() target=x").await.contains("no name of a variable"));
        assert!(session.ran.is_empty());
    }
}
