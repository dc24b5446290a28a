//! Our requests beside those of Microsoft's and Databricks' own Python SDKs: the same operations against the same recording TLS server, compared in
//! method, path, query, headers and body. Every deliberate difference is in [`expected_difference`], with its reason.
mod support;

use ochre_azure::arm::{DatastoreCredential, NewWorkspace, ResourceId};
use ochre_azure::identity::{Cli, ClientSecret, DeviceCode, Imds, ManagedIdentity, WorkloadIdentity};
use ochre_azure::{Arm, AzureError, Cloud, Databricks, Environment, Http, KeyVault, Token, TokenSource, WorkspaceId};
use ochre_secrets::Secret;
use ochre_servers::{Request, Stub};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{sdk_stub, with_az};

const STORAGE: &str = "https://storage.azure.com/.default";

/// One request without what differs from run to run.
#[derive(Debug, PartialEq, Clone)]
struct Normal {
    line: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// Headers that mean something to the service. The rest are the client's name, tracing and transport.
const HEADERS: [&str; 6] = ["authorization", "metadata", "secret", "x-identity-header", "content-type", "accept"];

fn normal(request: &Request) -> Normal {
    let headers = request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    let headers = headers.filter(|(name, _)| HEADERS.contains(&name.as_str())).map(|(name, value)| {
        let value = if name == "content-type" { value.split(';').next().unwrap_or_default().to_string() } else { value };
        (name, value)
    });
    let text = request.text();
    let body = match request.header("content-type") {
        _ if text.is_empty() => Value::Null,
        Some(kind) if kind.contains("form") => request.form().into_iter().map(|(name, value)| (name, json!(value))).collect::<serde_json::Map<_, _>>().into(),
        _ => serde_json::from_str(&text).unwrap_or(json!(text)),
    };
    Normal { line: format!("{} {}", request.method, request.path), query: request.query.iter().cloned().collect(), headers: headers.collect(), body }
}

/// An SDK's request as we mean to send it, or `None` for one that we leave out; each with its reason.
fn expected_difference(operation: &str, mut theirs: Normal) -> Option<Normal> {
    // MSAL looks up the tenant's endpoints first. They are fixed (`/TENANT/oauth2/v2.0/…`), and one more address is one more to hang on.
    // Databricks' SDK likewise asks every host what kind of workspace it is.
    if theirs.line.contains("/.well-known/openid-configuration") || theirs.line.contains("/.well-known/databricks-config") {
        return None;
    }
    // Key Vault's SDK sends each first request without a token to be told tenant and scope, which are fixed for a cloud.
    if operation.starts_with("vault") && !theirs.headers.contains_key("authorization") {
        return None;
    }
    if let Value::Object(form) = &mut theirs.body {
        // MSAL asks for account data beside the token, which is for its own cache.
        form.remove("client_info");
        // MSAL hangs its name and version into the form of a device code, as it does with headers.
        form.retain(|name, _| !name.starts_with("x-client"));
    }
    if let Value::Object(form) = &mut theirs.body
        && operation == "device-code"
    {
        // MSAL repeats the device code under the name that AD FS knows.
        form.remove("code");
    }
    // What the service has by itself: pages of its own size in its own order; no Kerberos keys among an account's keys.
    for name in ["count", "orderByAsc", "$expand"] {
        theirs.query.remove(name);
    }
    if let Some(Value::Object(properties)) = theirs.body.get_mut("properties") {
        // The defaults of a workspace, which the service has too.
        properties.retain(|name, value| value != &json!(false) || !["hbiWorkspace", "allowPublicAccessWhenBehindVnet", "v1LegacyMode"].contains(&name.as_str()));
    }
    sort_scopes(&mut theirs.body);
    // A body that is empty has no type.
    if theirs.body.is_null() {
        theirs.headers.remove("content-type");
    }
    // We always say that JSON is wanted; services that have nothing else do not look.
    theirs.headers.insert("accept".into(), "application/json".into());
    Some(theirs)
}

/// The scopes that are asked of Entra are a set; MSAL writes them in an order that changes.
fn sort_scopes(body: &mut Value) {
    if let Some(Value::String(scope)) = body.get_mut("scope").filter(|s| s.as_str().is_some_and(|s| s.contains("://"))) {
        let mut words: Vec<&str> = scope.split_whitespace().collect();
        words.sort_unstable();
        *scope = words.join(" ");
    }
}

fn ours(operation: &str, request: &Request) -> Option<Normal> {
    let mut one = normal(request);
    if one.body.is_null() {
        one.headers.remove("content-type");
    }
    sort_scopes(&mut one.body);
    // Our probe of IMDS is the documented one without the header that IMDS demands; the SDK probes only within its chain.
    if operation.starts_with("imds") && !one.headers.contains_key("metadata") {
        return None;
    }
    Some(one)
}

/// Whoever asks has the SDK script's token.
struct Fixed;

#[async_trait::async_trait]
impl TokenSource for Fixed {
    fn name(&self) -> String {
        "a fixed token".into()
    }
    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        let first = scope.split("//").nth(1).and_then(|s| s.split('.').next()).unwrap_or_default();
        Ok(Token { secret: Secret::new(format!("tok-{first}")), expires: 4_102_444_800 })
    }
}

/// Our side of the operations of `sdk.py`.
struct Ours {
    http: Http,
    base: String,
    directory: std::path::PathBuf,
    az: Environment,
}

impl Ours {
    fn cloud(&self) -> Cloud {
        let mut cloud = Cloud::at("login.microsoftonline.com").expect("public");
        cloud.authority = format!("{}/", self.base).parse().expect("a URL");
        cloud.arm = cloud.authority.clone();
        cloud
    }

    async fn managed(&self, client: Option<&str>, variables: &[(&str, String)]) -> Value {
        let env = Environment::of(variables.iter().map(|(k, v)| (*k, v.clone())));
        let found = ManagedIdentity::of_environment(&self.http, &env, &Imds::of(&env), client).expect("is set up");
        token(&found).await
    }

    async fn run(&self, operation: &str) -> Value {
        let (http, cloud) = (&self.http, self.cloud());
        let arm = Arm::new(http, &cloud, Arc::new(Fixed));
        let id = WorkspaceId::new("sub-1", "group-1", "shop").expect("names");
        let resource = |kind: &str| ResourceId::parse(&format!("/subscriptions/sub-1/resourceGroups/group-1/providers/{kind}/own")).expect("a path");
        let account = resource("Microsoft.Storage/storageAccounts");
        let at = |path: &str| format!("{}{path}", self.base);
        let vault = || KeyVault::new(http, &cloud, Arc::new(Fixed), &self.base).expect("a vault");
        let databricks = || Databricks::new(http, &self.base, "dapi-1".into()).expect("a workspace");
        match operation {
            "client-secret" => token(&ClientSecret::new(http, &cloud.authority, "tenant-1", "client-1", "s3cret-value~1".into()).expect("ids")).await,
            "workload-identity" => token(&WorkloadIdentity::new(http, &cloud.authority, "tenant-1", "client-1", self.directory.join("federated")).expect("ids")).await,
            "device-code" => {
                let device = DeviceCode::new(http, &cloud.authority, Some("tenant-1")).expect("a tenant");
                let prompt = device.begin(STORAGE).await.expect("a code");
                json!(device.finish(prompt).await.expect("signed in").secret.expose())
            }
            "cli" => token(&Cli::new(&self.az, None)).await,
            "cli-tenant" => token(&Cli::new(&self.az, Some("tenant-2"))).await,
            "app-service" | "app-service-client" => {
                let client = operation.ends_with("client").then_some("id-1");
                self.managed(client, &[("IDENTITY_ENDPOINT", at("/msi/token")), ("IDENTITY_HEADER", "header-1".into())]).await
            }
            "azure-ml" | "azure-ml-client" => {
                let client = operation.ends_with("client").then_some("id-1");
                self.managed(client, &[("MSI_ENDPOINT", at("/MSI/auth")), ("MSI_SECRET", "secret-1".into())]).await
            }
            "cloud-shell" => self.managed(None, &[("MSI_ENDPOINT", at("/cloudshell"))]).await,
            "imds" | "imds-client" => {
                let client = operation.ends_with("client").then_some("id-1");
                self.managed(client, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", self.base.clone())]).await
            }
            "workspace-get" => json!(arm.workspace(&id).await.expect("is there").tracking_uri),
            "workspaces-list" => json!(arm.workspaces("sub-1").await.expect("lists").into_iter().map(|w| w.name).collect::<Vec<_>>()),
            "workspace-put" => {
                let new = NewWorkspace { id, location: "westeurope".into(), storage_account: Some(account), key_vault: Some(resource("Microsoft.KeyVault/vaults")) };
                arm.make(new.steps("tenant-1").last().expect("has steps")).await.expect("is made")["name"].clone()
            }
            "datastores-list" => json!(arm.datastores(&id).await.expect("lists").into_iter().map(|d| d.name).collect::<Vec<_>>()),
            "datastore-get" => json!(arm.datastore(&id, "pictures").await.expect("is there").container),
            "datastore-secrets" => {
                let datastore = arm.datastore(&id, "pictures").await.expect("is there");
                match arm.datastore_credential(&id, &datastore).await.expect("is told") {
                    DatastoreCredential::Key(key) => json!(key.expose()),
                    other => panic!("{other:?}"),
                }
            }
            "accounts-list" => json!(arm.storage_accounts("sub-1").await.expect("lists").into_iter().map(|a| a.id.name).collect::<Vec<_>>()),
            "account-keys" => json!(arm.storage_key(&account).await.expect("is told").expose()),
            "account-containers" => json!(arm.storage_containers(&account).await.expect("lists")),
            "account-put" => {
                let new = NewWorkspace { id, location: "westeurope".into(), storage_account: None, key_vault: None };
                let mut step = new.steps("tenant-1")[1].clone();
                step.path = account.path().replace("/own", "/new");
                arm.make(&step).await.expect("is made")["name"].clone()
            }
            "vault-get" => json!(vault().get("db-key").await.expect("is there").expose()),
            "vault-set" => vault().set("db-key", &"pa\"ss wörd".into()).await.map(|()| json!("db-key")).expect("is set"),
            "vault-list" => json!(vault().list().await.expect("lists").into_iter().map(|i| i.name).collect::<Vec<_>>()),
            "vault-delete" => vault().delete("db-key").await.map(|()| json!("db-key")).expect("is deleted"),
            "databricks-scopes" => json!(databricks().scopes().await.expect("lists")),
            "databricks-list" => json!(databricks().list("team scope").await.expect("lists")),
            // The SDK hands out the base64.
            "databricks-get" => json!(base64(databricks().get("team scope", "db/key").await.expect("is there").expose())),
            "databricks-put" => databricks().put("team scope", "db/key", &"pa$$ wörd".into()).await.map(|()| Value::Null).expect("is put"),
            "databricks-create" => databricks().create_scope("team scope").await.map(|()| Value::Null).expect("is made"),
            "databricks-delete" => databricks().delete("team scope", "db/key").await.map(|()| Value::Null).expect("is deleted"),
            other => panic!("sdk.py has an operation that sdk.rs has not: {other}"),
        }
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

async fn token(source: &dyn TokenSource) -> Value {
    json!(source.token(STORAGE).await.expect("a token").secret.expose())
}

/// What the SDKs sent, by operation.
fn segments(requests: Vec<Request>) -> BTreeMap<String, Vec<Request>> {
    let mut found: BTreeMap<String, Vec<Request>> = BTreeMap::new();
    let mut at = String::new();
    for request in requests {
        match request.path.strip_prefix("/mark/") {
            Some(name) => at = name.to_string(),
            None => found.entry(at.clone()).or_default().push(request),
        }
    }
    found
}

/// Runs sdk.py against the stub and gives what each operation returned, in order.
fn run_sdks(stub: &Stub, directory: &std::path::Path) -> Vec<(String, Value)> {
    let certificate = stub.certificate().expect("it speaks TLS");
    let python = ochre_servers::python().expect("`cargo xtask test` installs the Python SDKs");
    let mut command = std::process::Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk.py")).arg(stub.url()).arg(&certificate.pem).arg(directory);
    for (name, value) in with_az(directory) {
        command.env(name, value);
    }
    // A proxy of the machine's knows nothing of this server.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().expect("python starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "sdk.py failed:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("sdk.py prints JSON"));
    lines.map(|v| (v["name"].as_str().unwrap_or_default().to_string(), if v["error"].is_null() { v["gives"].clone() } else { v["error"].clone() })).collect()
}

fn lines(requests: &[Normal]) -> String {
    requests.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>().join("\n        ")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_those_of_the_sdks() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("federated"), "federated-token").expect("writes");
    let stub = sdk_stub();
    let theirs = run_sdks(&stub, directory.path());
    let mut recorded = segments(stub.requests());
    let log = directory.path().join("az.log");
    let their_az = std::fs::read_to_string(&log).expect("az ran");
    std::fs::remove_file(&log).expect("removes");

    let pem = std::fs::read(&stub.certificate().expect("TLS").pem).expect("reads");
    let az = Environment::of(with_az(directory.path()));
    let ours_side = Ours { http: Http::trusting(&pem).expect("a client"), base: stub.url(), directory: directory.path().to_owned(), az };
    let mut wrong = Vec::new();
    for (operation, gives) in &theirs {
        // Scripts that count begin anew for our side.
        support::counted_rules(&stub);
        stub.forget();
        let mine = ours_side.run(operation).await;
        let sent: Vec<Normal> = stub.requests().iter().filter_map(|r| ours(operation, r)).collect();
        let expected: Vec<Normal> = recorded.remove(operation).unwrap_or_default().iter().filter_map(|r| expected_difference(operation, normal(r))).collect();
        // A datastore's secret is read for a datastore that was read before.
        let sent = if operation == "datastore-secrets" { sent[1..].to_vec() } else { sent };
        if sent != expected {
            wrong.push(format!("{operation}:\n   ours {}\n theirs {}", lines(&sent), lines(&expected)));
        }
        if mine != *gives {
            wrong.push(format!("{operation}: we give {mine}, the SDK {gives}"));
        }
    }
    assert!(theirs.len() >= 30, "only {} operations ran", theirs.len());
    assert_eq!(std::fs::read_to_string(&log).expect("az ran"), their_az, "arguments of az");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
