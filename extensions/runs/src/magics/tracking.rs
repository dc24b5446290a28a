//! `%tracking`: where runs are kept.
use crate::failures::of_tracking;
use crate::runs::Runs;
use ochre_api::*;
use ochre_spool::{Most, Reader, spools};
use ochre_tracking::Kind;
use std::sync::Arc;

/// The magic.
pub(crate) struct Choose(pub(crate) Arc<Runs>);

/// Records that are counted of each queue.
const COUNTED: usize = 1_000_000;

static SPEC: Spec = Spec {
    name: "tracking",
    aliases: &[],
    area: "runs",
    form: Form::Line,
    arguments: &[
        Argument::positional("uri", Value::Text, "sqlite:///FILE, http(s)://HOST:PORT, azureml://…, databricks[://PROFILE], or `local`; without it, what is used is shown"),
        Argument::option("credential", Value::Text, "secret:SCOPE/KEY with a token or USER:PASSWORD, for an MLflow server"),
    ],
    summary: "chooses where runs are kept",
    help: "By default a file `mlflow.db` beside the notebook, with MLflow's own schema: `mlflow ui --backend-store-uri sqlite:///mlflow.db` opens it as it is. With a \
           `%workspace`, Azure ML. MLFLOW_TRACKING_URI counts too, as do MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD and MLFLOW_TRACKING_TOKEN.\n\n\
           What is logged while a store does not answer waits on this disk, and is sent when it does, also after a restart.",
    examples: &[
        Example { text: "%tracking http://127.0.0.1:5000", does: "an MLflow server" },
        Example { text: "%tracking https://mlflow.example.org --credential secret:mlflow/token", does: "one that asks for a token" },
        Example { text: "%tracking sqlite:///../runs.db", does: "a file" },
        Example { text: "%tracking local", does: "back to the file beside the notebook" },
        Example { text: "%tracking", does: "what is used, and what waits" },
    ],
};

#[async_trait]
impl Magic for Choose {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        let words: &[&str] = if argument.name == "uri" { &["local", "sqlite:///", "http://", "https://", "databricks"] } else { &["secret:"] };
        words.iter().filter(|w| w.starts_with(prefix)).map(ToString::to_string).collect()
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let Some(uri) = call.arguments.value("uri") else { return self.show().await };
        let address = match uri {
            "local" => self.0.local_address(),
            _ => absolute(uri, &session.directory()),
        };
        if let Some(word) = call.arguments.value("credential") {
            let Some(name) = word.strip_prefix("secret:") else {
                return Err(Failure::usage(format!("`{word}` is no credential of a tracking server")).hint("`%secret set mlflow/token`, then `--credential secret:mlflow/token`; its value is a token or USER:PASSWORD"));
            };
            // Asked for now, so that a wrong name is said here.
            self.0.setup.secrets.get(name).await?;
            self.0.stores.keys().name(&address, name);
            self.0.stores.forget();
        }
        let store = self.0.stores.at(&address);
        let tracking = match store.open().await {
            Ok(tracking) => tracking,
            Err(error) if error.is_away() => {
                let now = self.0.address();
                return Err(of_tracking(error).hint(format!("is it running, and is this its address? Until it answers, runs stay in {now}")));
            }
            Err(error) => return Err(of_tracking(error)),
        };
        self.0.state().address = Some(address);
        let features = tracking.features();
        let version = features.version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
        let open = self.0.active().map(|active| format!("; the run {} goes on in {}", active.name, active.store.address)).unwrap_or_default();
        Ok(MagicOutcome::text(format!("runs are kept in {} ({}{version}){open}", tracking.uri(), features.kind)))
    }
}

/// Relative files count from the session's directory.
fn absolute(uri: &str, directory: &std::path::Path) -> String {
    match uri.strip_prefix("sqlite:///") {
        Some(path) if !path.is_empty() && path != ":memory:" => format!("sqlite:///{}", directory.join(path).display()),
        _ => uri.to_owned(),
    }
}

impl Choose {
    async fn show(&self) -> Result<MagicOutcome, Failure> {
        let store = self.0.store();
        let mut lines = Vec::new();
        match store.open().await {
            Ok(tracking) => {
                let features = tracking.features();
                let version = features.version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
                lines.push(format!("runs are kept in {} ({}{version})", tracking.uri(), features.kind));
                if features.kind == Kind::Embedded {
                    lines.push(format!("`mlflow ui --backend-store-uri {}` shows them in a browser", tracking.uri()));
                }
            }
            Err(error) => {
                let failure = of_tracking(error);
                lines.push(format!("runs are kept in {}, which cannot be used now: {}", store.address, failure.one_line()));
                lines.extend(failure.hint.map(|hint| format!("  {hint}")));
            }
        }
        lines.push(match self.0.active() {
            Some(active) => format!("the active run is {}", active.described()),
            None => format!("no run is active; the next one belongs to experiment {}", self.0.experiment()),
        });
        let directory = self.0.setup.spools.clone();
        let waiting = tokio::task::spawn_blocking(move || waiting(&directory)).await.unwrap_or_default();
        lines.push(match waiting {
            0 => "nothing waits to be sent".to_owned(),
            count => format!("{count} records wait to be sent, in {}", self.0.setup.spools.display()),
        });
        Ok(MagicOutcome::text(lines.join("\n")))
    }
}

/// Records in all spools of this machine that are not delivered.
fn waiting(directory: &std::path::Path) -> usize {
    let most = Most { records: COUNTED, bytes: usize::MAX };
    let count = |path: std::path::PathBuf| Reader::look(&path).ok()?.batch(most).ok().map(|batch| batch.len());
    spools(directory).unwrap_or_default().into_iter().filter_map(count).sum()
}
