//! `%workspace` against a scripted resource manager and the identity server.
use super::*;
use crate::Storage;
use crate::double::{Double, Listed};
use ochre_api::{Fault, Place};
use ochre_azure::{Environment, Finder, Http};
use ochre_blobs::Location;
use ochre_secrets::Redactor;
use ochre_servers::{Identity, IdentityOptions, Reply, Request, Stub};
use serde_json::{Value as Json, json};

const SHOP: &str = "/subscriptions/sub-1/resourceGroups/shop-rg/providers/Microsoft.MachineLearningServices/workspaces/shop";
const FILE: &str = r#"{"subscription_id": "sub-1", "resource_group": "shop-rg", "workspace_name": "shop"}"#;

fn workspace() -> Json {
    json!({"name": "shop", "location": "westeurope", "properties": {
        "storageAccount": "/subscriptions/sub-1/resourceGroups/shop-rg/providers/Microsoft.Storage/storageAccounts/shopstorage",
        "mlFlowTrackingUri": "azureml://westeurope.api.azureml.ms/mlflow/v2.0/x", "provisioningState": "Succeeded"}})
}

struct Desk {
    storage: Arc<Storage>,
    session: Double,
    arm: Stub,
    entra: Identity,
    directory: tempfile::TempDir,
}

impl Desk {
    /// A session whose environment holds a service principal, and a resource manager with one workspace.
    fn new() -> Self {
        let (arm, entra) = (Stub::start().expect("a server"), Identity::start(IdentityOptions::default()).expect("a server"));
        arm.on("GET", SHOP, Reply::json(200, &workspace()));
        let datastores = json!({"value": [{"name": "workspaceblobstore", "properties": {"datastoreType": "AzureBlob", "isDefault": true}}, {"name": "files", "properties": {"datastoreType": "AzureFile"}}]});
        arm.on("GET", &format!("{SHOP}/datastores"), Reply::json(200, &datastores));
        let variables = [
            ("AZURE_AUTHORITY_HOST", entra.url()),
            ("AZURE_RESOURCE_MANAGER_ENDPOINT", arm.url()),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", entra.url()),
            ("AZURE_TENANT_ID", Identity::TENANT.into()),
            ("AZURE_CLIENT_ID", Identity::CLIENT.into()),
            ("AZURE_CLIENT_SECRET", Identity::SECRET.into()),
        ];
        let finder = Finder::new(Http::new().expect("a client"), Environment::of(variables)).expect("a cloud");
        let storage = Storage::with(finder, Arc::new(Listed(Default::default())), Redactor::default(), "/nonexistent".into(), Vec::new());
        let directory = tempfile::tempdir().expect("a directory");
        let session = Double::new(&storage, directory.path());
        Self { storage, session, arm, entra, directory }
    }

    async fn run(&mut self, line: &str) -> Result<String, Failure> {
        let storage = &self.storage;
        let magic = WorkspaceMagic { credentials: storage.credentials.clone(), workspaces: storage.workspaces.clone(), accounts: storage.accounts.clone() };
        let call = Call { arguments: magic.parse(line, false)?, body: None, place: Place { line: 1, column: 1 } };
        let ended = tokio::time::timeout(crate::double::BOUND, magic.run(call, &mut self.session)).await.expect("ends");
        Ok(ended?.value.and_then(|b| b.text().map(str::to_owned)).unwrap_or_default())
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).expect("writes");
    }

    /// Where a URL without an account is, now.
    fn completed(&self, url: &str) -> Option<String> {
        self.storage.accounts.complete(Location::parse(url).expect("a location")).ok().map(|l| l.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_storage_account_and_identity_become_the_defaults() {
    // **`%workspace config.json` makes the workspace's storage account the one that URLs without an account mean, and the identity that chose it the default.**
    let mut desk = Desk::new();
    desk.write("config.json", FILE);
    let said = desk.run("config.json").await.expect("is chosen");
    assert_eq!(
        said,
        "workspace shop (resource group shop-rg, subscription sub-1) in westeurope, as environment\n\
         storage account shopstorage: az://CONTAINER/PATH means az://CONTAINER@shopstorage/PATH\n\
         tracking azureml://westeurope.api.azureml.ms/mlflow/v2.0/x\n\
         datastores: workspaceblobstore (default) (azureml://datastores/NAME/paths/…)"
    );
    let asked: Vec<Request> = desk.arm.requests();
    assert!(asked[0].header("authorization").is_some_and(|a| desk.entra.issued().iter().any(|t| a == format!("Bearer {t}"))));
    assert_eq!(desk.completed("az://pics/a").as_deref(), Some("az://pics@shopstorage/a"));
    assert_eq!(desk.run("").await.expect("shows it"), said.rsplit_once('\n').expect("lines").0);
    assert_eq!(desk.run("local").await.expect("leaves"), "left the workspace shop; none is chosen now");
    assert!(desk.storage.workspaces.current().is_none());
    // Alone it finds the file.
    assert!(desk.run("").await.expect("finds it").starts_with("workspace shop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_leaves_what_was_chosen_before() {
    let mut desk = Desk::new();
    desk.write("config.json", FILE);
    desk.write("other.json", &FILE.replace("\"shop\"", "\"gone\""));
    desk.write("bad.json", "{");
    desk.run("config.json").await.expect("is chosen");
    desk.arm.when(|r| r.path.ends_with("/workspaces/gone").then(|| Reply::json(404, &missing_body())));
    for (line, part) in [("other.json", "status 404 ResourceNotFound"), ("bad.json", "is no workspace file"), ("none.json", "cannot read"), ("config.json --credential anonymous", "is nobody"), ("config.json x", "one word too many")] {
        let failure = desk.run(line).await.expect_err(line);
        assert!(failure.one_line().contains(part) && failure.hint.is_some(), "{line}: {failure}");
        assert_eq!(desk.storage.workspaces.current().expect("still chosen").workspace.id.name, "shop", "{line}");
    }
    desk.entra.set(IdentityOptions { refuse: true, ..Default::default() });
    let failure = desk.run("config.json --credential managed-identity").await.expect_err("has none");
    assert!(failure.one_line().contains("this virtual machine has no managed identity"), "{failure}");
}

fn missing_body() -> Json {
    json!({"error": {"code": "ResourceNotFound", "message": "The Resource was not found."}})
}

/// A subscription in which things can be made.
fn makeable(desk: &Desk, group_is_there: bool) {
    let group = "/subscriptions/sub-1/resourceGroups/new-rg";
    desk.arm.on("GET", "/subscriptions/sub-1", Reply::json(200, &json!({"tenantId": Identity::TENANT})));
    let there = if group_is_there { Reply::json(200, &json!({"location": "northeurope"})) } else { Reply::json(404, &missing_body()) };
    desk.arm.on("GET", group, there);
    desk.arm.when(move |r| {
        let made = r.method == "PUT" && r.path.starts_with(group);
        // Made at once, but for the workspace, which is looked at until it is there.
        made.then(|| Reply::json(201, &json!({"name": "x", "properties": {"provisioningState": if r.path.ends_with("/fresh") { "Creating" } else { "Succeeded" }}})).with("Retry-After", "0"))
    });
    let fresh = |state: &str| {
        let mut value = workspace();
        value["properties"]["provisioningState"] = state.into();
        Reply::json(200, &value).with("Retry-After", "0")
    };
    let path = format!("{group}/providers/Microsoft.MachineLearningServices/workspaces/fresh");
    desk.arm.in_turn("GET", &path, vec![fresh("Creating"), fresh("Succeeded")]);
}

fn puts(desk: &Desk) -> Vec<String> {
    let puts = desk.arm.requests().into_iter().filter(|r| r.method == "PUT");
    puts.map(|r| r.path.rsplit('/').nth(1).unwrap_or_default().to_string()).collect()
}

const CREATE: &str = "create fresh --resource-group new-rg --location westeurope --subscription sub-1";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_workspace_says_its_cost_first_and_is_made_step_by_step() {
    // **`%workspace create` says what it makes and what that costs before it makes anything.**
    let mut desk = Desk::new();
    makeable(&desk, false);
    assert_eq!(desk.run(&format!("{CREATE} --dry-run")).await.expect("plans"), "nothing was made (--dry-run)");
    for part in ["resource group new-rg", "storage account freshstorage", "key vault freshvault", "workspace fresh", "nothing of this costs by the hour"] {
        assert!(desk.session.written.contains(part), "{}", desk.session.written);
    }
    let failure = desk.run(CREATE).await.expect_err("nobody can be asked");
    assert_eq!(failure.hint.as_deref(), Some("add --yes where nobody can be asked"));
    assert_eq!(puts(&desk), [""; 0], "nothing was made without an answer");
    let said = desk.run(&format!("{CREATE} --yes")).await.expect("is made");
    assert_eq!(puts(&desk), ["resourceGroups", "storageAccounts", "vaults", "workspaces"]);
    assert!(said.starts_with("workspace fresh") && said.contains("wrote "), "{said}");
    let written = std::fs::read_to_string(desk.directory.path().join("config.json")).expect("was written");
    assert_eq!(WorkspaceId::read_config(&written).expect("a workspace file").name, "fresh");
    assert_eq!(desk.storage.workspaces.current().expect("is chosen").workspace.id.name, "fresh");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_kept_and_a_failed_step_is_named() {
    let mut desk = Desk::new();
    makeable(&desk, true);
    desk.arm.when(|r| {
        let body = json!({"error": {"code": "VaultAlreadyExists", "message": "The vault name is already in use."}});
        (r.method == "PUT" && r.path.contains("Microsoft.KeyVault")).then(|| Reply::json(409, &body))
    });
    let failure = desk.run(&format!("{CREATE} --yes")).await.expect_err("the name is taken");
    assert!(failure.message.starts_with("making the key vault freshvault") && failure.message.contains("409 VaultAlreadyExists"), "{failure}");
    assert_eq!(puts(&desk), ["storageAccounts", "vaults"], "the group was there");
    assert!(desk.storage.workspaces.current().is_none());
    let vault = "/subscriptions/sub-1/resourceGroups/o/providers/Microsoft.KeyVault/vaults/mine";
    desk.arm.forget();
    desk.run(&format!("{CREATE} --yes --key-vault {vault}")).await.expect("is made");
    assert_eq!(puts(&desk), ["storageAccounts", "workspaces"]);
    let last = desk.arm.requests().into_iter().rfind(|r| r.method == "PUT").expect("a PUT").json();
    assert_eq!(last["properties"]["keyVault"], vault);
    for (line, part) in [("create", "needs a name"), ("create x --location y", "--resource-group is missing"), ("create x -g y", "--location is missing"), ("create x/y -g g -l l", "is no name of a workspace")] {
        let line = if line == "create" { line.to_string() } else { format!("{line} --subscription s") };
        let failure = desk.run(&line).await.expect_err(&line);
        assert!(failure.message.contains(part), "{line}: {failure}");
        assert_eq!(failure.fault, Fault::YourCode);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_azure_can_be_interrupted() {
    let mut desk = Desk::new();
    makeable(&desk, true);
    let never = format!("{}/fresh", "/subscriptions/sub-1/resourceGroups/new-rg/providers/Microsoft.MachineLearningServices/workspaces");
    desk.arm.on("GET", &never, Reply::json(200, &json!({"properties": {"provisioningState": "Creating"}})).with("Retry-After", "30"));
    let interrupt = desk.session.interrupt.clone();
    let (ended, ()) = tokio::join!(desk.run("create fresh -g new-rg -l westeurope --subscription sub-1 --yes"), async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        interrupt.send_replace(true);
    });
    let failure = ended.expect_err("is interrupted");
    assert_eq!(failure.fault, Fault::Interrupted);
    assert!(failure.hint.is_some_and(|h| h.contains("goes on there")));
}
