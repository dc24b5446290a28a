//! `%workspace create`: says what it makes and what that costs, asks, makes it step by step, and chooses it.
use super::{Current, WorkspaceMagic, Workspaces};
use crate::credentials::of_azure;
use ochre_api::{Arguments, Failure, SessionAccess};
use ochre_azure::arm::{NewWorkspace, ResourceId, Step};
use ochre_azure::{Arm, Finder, WorkspaceId};
use ochre_link::Stream;
use std::sync::Arc;

/// What a workspace costs, from Azure's public price list (East US, pay as you go). Prices differ by region and change.
const COSTS: &str = "\
what it costs (Azure's list prices in East US; they differ by region and change):
  workspace          nothing by itself; compute that you start in it costs by the hour
  storage account    about $0.02 per GB and month, and $0.05 per 10,000 writes (hot, locally redundant)
  key vault          about $0.03 per 10,000 operations
  resource group     nothing
nothing of this costs by the hour; deleting the resource group ends all of it";

/// What was ordered.
pub(super) struct Order {
    new: NewWorkspace,
    credential: Option<String>,
    yes: bool,
    dry_run: bool,
}

impl Order {
    pub fn read(name: &str, arguments: &Arguments, workspaces: &Workspaces, finder: &Finder) -> Result<Self, Failure> {
        let needed = |option: &str, example: &str| {
            arguments.value(option).ok_or_else(|| Failure::usage(format!("--{option} is missing")).hint(format!("for example --{option} {example}")))
        };
        let current = workspaces.current();
        let present = current.as_ref().map(|c| c.workspace.id.subscription.as_str());
        let subscription = arguments.value("subscription").or(present).or_else(|| finder.environment.get("AZURE_SUBSCRIPTION_ID"));
        let subscription = subscription.ok_or_else(|| Failure::usage("--subscription is missing").hint("`!az account list --output table` shows the ids"))?;
        let id = WorkspaceId::new(subscription, needed("resource-group", "my-group")?, name).map_err(of_azure)?;
        let resource = |option: &str, kind: &str| match arguments.value(option).map(ResourceId::parse).transpose().map_err(of_azure)? {
            Some(id) if !id.kind.eq_ignore_ascii_case(kind) => Err(Failure::usage(format!("--{option} is a {}, not a {kind}", id.kind))),
            found => Ok(found),
        };
        let location = needed("location", "westeurope")?.replace(' ', "").to_ascii_lowercase();
        let new = NewWorkspace {
            id,
            location,
            storage_account: resource("storage-account", "Microsoft.Storage/storageAccounts")?,
            key_vault: resource("key-vault", "Microsoft.KeyVault/vaults")?,
        };
        Ok(Self { new, credential: arguments.value("credential").map(str::to_string), yes: arguments.has("yes"), dry_run: arguments.has("dry-run") })
    }
}

/// Makes it, unless the user says no.
pub(super) async fn create(magic: &WorkspaceMagic, order: Order, session: &mut dyn SessionAccess) -> Result<String, Failure> {
    let identity = magic.identity(order.credential.as_deref(), session).await?;
    let finder = magic.credentials.finder();
    let arm = Arm::new(&finder.http, &finder.cloud, identity.clone());
    let steps = stoppable(session, plan(&arm, &order.new)).await?;
    let list: Vec<String> = steps.iter().map(|step| format!("  {}", step.what)).collect();
    let plan = format!("makes in {}, as {}:\n{}\n{COSTS}\n", order.new.location, identity.name(), list.join("\n"));
    session.write(Stream::Stdout, &plan).await;
    if order.dry_run {
        return Ok("nothing was made (--dry-run)".into());
    }
    if !order.yes && !agreed(session).await? {
        return Ok("nothing was made".into());
    }
    for step in &steps {
        session.write(Stream::Stdout, &format!("{} … ", step.what)).await;
        stoppable(session, async { arm.make(step).await.map(drop).map_err(of_azure) }).await?;
        session.write(Stream::Stdout, "made\n").await;
    }
    let workspace = stoppable(session, async { arm.made(&order.new).await.map_err(of_azure) }).await?;
    let file = keep(session, &order.new.id);
    magic.commit(Some(Arc::new(Current { workspace, identity, arm })));
    Ok(format!("{}\n{file}", magic.show()))
}

/// The steps that are needed: a resource group that is there is left as it is.
async fn plan(arm: &Arm, new: &NewWorkspace) -> Result<Vec<Step>, Failure> {
    let tenant = arm.tenant(&new.id.subscription).await.map_err(of_azure)?;
    let mut steps = new.steps(&tenant);
    if arm.has_group(&new.id).await.map_err(of_azure)? {
        steps.remove(0);
    }
    Ok(steps)
}

async fn agreed(session: &mut dyn SessionAccess) -> Result<bool, Failure> {
    let answer = session.ask("make these? [y/N] ", false).await;
    let answer = answer.map_err(|failure| failure.hint("add --yes where nobody can be asked"))?;
    Ok(answer.is_some_and(|a| matches!(a.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
}

/// Writes the workspace file where there is none, so that the next notebook finds it.
fn keep(session: &mut dyn SessionAccess, id: &WorkspaceId) -> String {
    let path = session.directory().join("config.json");
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(&path).and_then(|mut file| {
        use std::io::Write as _;
        file.write_all(id.to_config().as_bytes())
    });
    match written {
        Ok(()) => format!("wrote {}", path.display()),
        Err(error) => format!("{} was not written ({error}); `%workspace` needs it next time:\n{}", path.display(), id.to_config()),
    }
}

/// Work that an interrupt ends. What Azure has begun to make it goes on making; a second run finds it.
async fn stoppable<T>(session: &mut dyn SessionAccess, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        ended = work => ended,
        () = session.interrupted() => Err(Failure::interrupted().hint("what was begun in Azure goes on there; the same line run again finds it")),
    }
}
