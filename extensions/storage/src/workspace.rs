//! `%workspace`: the Azure ML workspace whose identity and storage account are the defaults of everything after it.
//!
//! [`Workspaces`] is the state, which accounts and credentials read; the magic computes a candidate (the file is read, the workspace is asked for
//! as the identity) and then commits it, so that a failure leaves what was chosen before. `create.rs` makes a new one.
mod config;
mod create;

use crate::accounts::Accounts;
use crate::credentials::{Credentials, Word, of_azure};
use async_trait::async_trait;
use ochre_api::{Argument, Call, Example, Failure, Form, Magic, MagicOutcome, SessionAccess, Spec, Value};
use ochre_azure::{Arm, TokenSource, Workspace, WorkspaceId};
use std::sync::{Arc, PoisonError, RwLock};

/// The workspace that was chosen.
pub(crate) struct Current {
    pub(crate) workspace: Workspace,
    /// Who chose it: this identity asks for everything in it.
    pub(crate) identity: Arc<dyn TokenSource>,
    pub(crate) arm: Arm,
}

/// Which workspace is chosen. One for a session.
#[derive(Default)]
pub(crate) struct Workspaces {
    current: RwLock<Option<Arc<Current>>>,
}

impl Workspaces {
    /// The one that is chosen.
    pub(crate) fn current(&self) -> Option<Arc<Current>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The account that `az://container/path` means.
    pub(crate) fn default_account(&self) -> Option<String> {
        Some(self.current()?.workspace.storage_account.as_ref()?.name.clone())
    }

    pub(crate) fn set(&self, current: Option<Arc<Current>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }
}

/// `%workspace`.
pub(crate) struct WorkspaceMagic {
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) workspaces: Arc<Workspaces>,
    pub(crate) accounts: Arc<Accounts>,
}

static SPEC: Spec = Spec {
    name: "workspace",
    aliases: &[],
    area: "workspace",
    form: Form::Line,
    arguments: &[
        Argument::positional("file", Value::Path, "Azure ML's config.json (found by itself when it is here or above), or `create`, or `local`"),
        Argument::positional("name", Value::Text, "with `create`: the new workspace's name"),
        Argument::option("credential", Value::Text, "who asks: auto (default), cli, device-code, managed-identity, service-principal:…, environment"),
        Argument::option("resource-group", Value::Text, "with `create`: made when it is not there").short('g'),
        Argument::option("location", Value::Text, "with `create`: Azure's region, such as westeurope").short('l'),
        Argument::option("subscription", Value::Text, "with `create`: its id; else that of the present workspace or AZURE_SUBSCRIPTION_ID"),
        Argument::option("storage-account", Value::Text, "with `create`: the path (/subscriptions/…) of an account to use instead of a new one"),
        Argument::option("key-vault", Value::Text, "with `create`: the path of a key vault to use instead of a new one"),
        Argument::flag("yes", "with `create`: does not ask"),
        Argument::flag("dry-run", "with `create`: shows what would be made, and makes nothing"),
    ],
    summary: "chooses the Azure ML workspace that storage, runs and compute use",
    help: "Reads the workspace file that the Azure portal and Azure ML's notebooks give (`subscription_id`, `resource_group`, `workspace_name`), signs in, \
        and asks for the workspace. From then on its storage account is meant where an az:// URL names none, its identity is used where no other was \
        configured, and azureml://datastores/NAME/paths/… is a place that can be listed, copied and mounted.\n\n\
        `%workspace local` goes back. `%workspace` alone shows the present one, or looks for config.json here and above. `%workspace create` first says \
        what it makes and what that costs.",
    examples: &[
        Example { text: "%workspace config.json", does: "chooses the workspace of that file" },
        Example { text: "%workspace --credential device-code", does: "the same, signing in with a code" },
        Example { text: "%workspace create shop --resource-group shop-rg --location westeurope --dry-run", does: "shows what would be made" },
        Example { text: "%workspace local", does: "goes back to none" },
    ],
};

#[async_trait]
impl Magic for WorkspaceMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        let words: &[&str] = match argument.name {
            "file" => &["create", "local", "config.json"],
            "credential" => &crate::credentials::WORDS,
            _ => &[],
        };
        words.iter().filter(|w| w.starts_with(prefix)).map(ToString::to_string).collect()
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        let said = match (arguments.value("file"), arguments.value("name")) {
            (Some("create"), Some(name)) => {
                let order = create::Order::read(name, arguments, &self.workspaces, self.credentials.finder())?;
                create::create(self, order, session).await?
            }
            (Some("create"), None) => {
                let failure = Failure::usage("the new workspace needs a name");
                return Err(failure.hint("%workspace create NAME --resource-group GROUP --location REGION"));
            }
            (Some(_), Some(name)) => return Err(Failure::usage(format!("`{name}` is one word too many")).hint("only `create` takes a name")),
            (Some("local"), None) => self.leave(),
            (None, None) if self.workspaces.current().is_some() && !arguments.has("credential") => self.show(),
            (file, None) => {
                let (id, origin) = config::find(file, &session.directory(), &self.credentials.finder().environment)?;
                self.choose(&id, &origin, arguments.value("credential"), session).await?
            }
            (None, Some(_)) => return Err(Failure::bug("a second positional without a first")),
        };
        Ok(MagicOutcome::text(said))
    }
}

impl WorkspaceMagic {
    /// Who asks.
    async fn identity(&self, word: Option<&str>, session: &mut dyn SessionAccess) -> Result<Arc<dyn TokenSource>, Failure> {
        match word {
            // Not that of the workspace before: another one may be of another tenant.
            None => Ok(self.credentials.found_identity()),
            Some(word) => self.credentials.identity(&Word::parse(word)?, session).await,
        }
    }

    /// Asks for a workspace and makes it the chosen one.
    async fn choose(&self, id: &WorkspaceId, origin: &str, word: Option<&str>, session: &mut dyn SessionAccess) -> Result<String, Failure> {
        let identity = self.identity(word, session).await?;
        let finder = self.credentials.finder();
        let arm = Arm::new(&finder.http, &finder.cloud, identity.clone());
        let found = async {
            let workspace = arm.workspace(id).await?;
            // What is shown beside it; whoever may read the workspace may not always read these.
            let datastores = arm.datastores(id).await.unwrap_or_default();
            Ok::<_, ochre_azure::AzureError>((workspace, datastores))
        };
        let (workspace, datastores) = tokio::select! {
            found = found => found.map_err(|error| in_file(error, origin))?,
            () = session.interrupted() => return Err(Failure::interrupted()),
        };
        let names: Vec<String> = datastores.iter().filter(|d| d.is_blobs()).map(|d| format!("{}{}", d.name, if d.is_default { " (default)" } else { "" })).collect();
        self.commit(Some(Arc::new(Current { workspace, identity, arm })));
        let mut said = self.show();
        if !names.is_empty() {
            said.push_str(&format!("\ndatastores: {} (azureml://datastores/NAME/paths/…)", names.join(", ")));
        }
        Ok(said)
    }

    fn commit(&self, current: Option<Arc<Current>>) {
        self.workspaces.set(current);
        // What was found without being configured was found with another identity.
        self.accounts.forget_found();
    }

    fn leave(&self) -> String {
        let had = self.workspaces.current();
        self.commit(None);
        match had {
            Some(current) => format!("left the workspace {}; none is chosen now", current.workspace.id.name),
            None => "no workspace is chosen".into(),
        }
    }

    fn show(&self) -> String {
        let Some(current) = self.workspaces.current() else { return "no workspace is chosen".into() };
        let workspace = &current.workspace;
        let mut lines = vec![format!("workspace {} in {}, as {}", workspace.id, workspace.location, current.identity.name())];
        if let Some(account) = &workspace.storage_account {
            lines.push(format!("storage account {0}: az://CONTAINER/PATH means az://CONTAINER@{0}/PATH", account.name));
        }
        if let Some(uri) = &workspace.tracking_uri {
            lines.push(format!("tracking {uri}"));
        }
        lines.join("\n")
    }
}

/// The failure, with where the names came from: a wrong one is corrected there.
fn in_file(error: ochre_azure::AzureError, origin: &str) -> Failure {
    let missing = error.status() == Some(404);
    let failure = of_azure(error);
    if missing { failure.hint(format!("the names are from {origin}: check them, and that this identity sees the subscription")) } else { failure }
}

#[cfg(test)]
#[path = "workspace/tests.rs"]
mod tests;
