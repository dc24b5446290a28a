//! What the tests of this crate share: the far end of the SDKs, a fake `az`, a token service.
#![allow(dead_code)]
use ochre_servers::{Reply, Stub};
use serde_json::{Value, json};
use std::path::Path;

/// Far in the future, so that nothing is renewed.
pub const LATER: u64 = 4_102_444_800;

/// A directory's `az`, first in the path, that notes its arguments in `az.log`.
pub fn with_az(directory: &Path) -> Vec<(String, String)> {
    let az = directory.join("az");
    if !az.exists() {
        std::fs::write(&az, include_str!("../fake_az")).expect("writes");
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&az, std::fs::Permissions::from_mode(0o755)).expect("may be run");
    }
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default());
    vec![("PATH".into(), path), ("FAKE_AZ_LOG".into(), directory.join("az.log").display().to_string())]
}

const WORKSPACE: &str = "/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.MachineLearningServices/workspaces/shop";
const ACCOUNT: &str = "/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.Storage/storageAccounts";

fn workspace() -> Value {
    json!({
        "id": WORKSPACE, "name": "shop", "type": "Microsoft.MachineLearningServices/workspaces", "location": "westeurope",
        "properties": {
            "storageAccount": format!("{ACCOUNT}/own"), "keyVault": "/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.KeyVault/vaults/own",
            "mlFlowTrackingUri": "azureml://westeurope.api.azureml.ms/mlflow/v1.0/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.MachineLearningServices/workspaces/shop",
            "discoveryUrl": "https://westeurope.api.azureml.ms/discovery", "provisioningState": "Succeeded",
        },
    })
}

fn datastore() -> Value {
    json!({
        "id": format!("{WORKSPACE}/datastores/pictures"), "name": "pictures", "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "properties": {
            "datastoreType": "AzureBlob", "accountName": "own", "containerName": "pics", "endpoint": "core.windows.net", "protocol": "https",
            "isDefault": true, "credentials": { "credentialsType": "AccountKey" },
        },
    })
}

fn account(name: &str) -> Value {
    json!({ "id": format!("{ACCOUNT}/{name}"), "name": name, "location": "westeurope", "kind": "StorageV2", "sku": { "name": "Standard_LRS" }, "properties": { "provisioningState": "Succeeded" } })
}

/// A TLS server that answers all operations of `sdk.py` in the form that the services' specifications have.
pub fn sdk_stub() -> Stub {
    let stub = Stub::start_tls().expect("a server");
    let base = stub.url();
    stub.when(|r| r.path.starts_with("/mark/").then(|| Reply::status(200)));
    entra(&stub, &base);
    platforms(&stub);
    resource_manager(&stub, &base);
    vault(&stub, &base);
    databricks(&stub);
    counted_rules(&stub);
    stub
}

/// Rules whose answers change from call to call.
pub fn counted_rules(stub: &Stub) {
    let pending = Reply::json(400, &json!({"error": "authorization_pending", "error_description": "AADSTS70016: pending", "error_codes": [70016]}));
    let given = Reply::json(200, &json!({"access_token": "entra-token", "token_type": "Bearer", "expires_in": 3599, "refresh_token": "refresh-1",
        "id_token": id_token(), "client_info": base64(&json!({"uid": "user-1", "utid": "tenant-1"}))}));
    let replies = std::sync::Mutex::new(vec![given, pending]);
    stub.when(move |r| {
        let device = r.method == "POST" && r.path == "/tenant-1/oauth2/v2.0/token" && r.field("grant_type").is_some_and(|g| g.ends_with("device_code"));
        let mut replies = replies.lock().ok()?;
        device.then(|| if replies.len() > 1 { replies.pop() } else { replies.last().cloned() }).flatten()
    });
    let unfinished = Reply::json(202, &json!({"status": "InProgress"}));
    let operation = format!("{}/operations/1", stub.url());
    let accepted = Reply::json(202, &json!({"name": "shop", "properties": {"provisioningState": "Creating"}})).with("Azure-AsyncOperation", operation.clone());
    let retry = |reply: Reply| reply.with("Retry-After", "0");
    stub.in_turn("PUT", WORKSPACE, vec![retry(accepted)]);
    stub.in_turn("GET", "/operations/1", vec![retry(unfinished), Reply::json(200, &json!({"status": "Succeeded"}))]);
    let location = format!("{}/operations/2", stub.url());
    stub.in_turn("PUT", &format!("{ACCOUNT}/new"), vec![retry(Reply::status(202)).with("Location", location)]);
    stub.in_turn("GET", "/operations/2", vec![retry(Reply::status(202)), Reply::json(200, &account("new"))]);
    stub.on("GET", &format!("{ACCOUNT}/new"), Reply::json(200, &account("new")));
}

/// An unsigned token about whoever signed in; MSAL makes its record of the account from it.
fn id_token() -> String {
    let claims = json!({"iss": "https://login.microsoftonline.com/tenant-1/v2.0", "sub": "s", "aud": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "tid": "tenant-1", "oid": "user-1",
        "preferred_username": "ada@example.com", "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": LATER});
    format!("{}.{}.", base64(&json!({"alg": "none", "typ": "JWT"})), base64(&claims))
}

fn base64(value: &Value) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}

fn entra(stub: &Stub, base: &str) {
    let at = |leaf: &str| format!("{base}/tenant-1/oauth2/v2.0/{leaf}");
    let configuration = json!({
        "token_endpoint": at("token"), "authorization_endpoint": at("authorize"), "device_authorization_endpoint": at("devicecode"),
        "issuer": format!("{base}/tenant-1/v2.0"),
    });
    stub.on("GET", "/tenant-1/v2.0/.well-known/openid-configuration", Reply::json(200, &configuration));
    stub.on("POST", "/tenant-1/oauth2/v2.0/token", Reply::json(200, &json!({"access_token": "entra-token", "token_type": "Bearer", "expires_in": 3599})));
    let code = json!({
        "device_code": "device-1", "user_code": "ABCD1234", "verification_uri": "https://microsoft.com/devicelogin", "expires_in": 900, "interval": 1,
        "message": "To sign in, use a web browser to open the page https://microsoft.com/devicelogin and enter the code ABCD1234 to authenticate.",
    });
    stub.on("POST", "/tenant-1/oauth2/v2.0/devicecode", Reply::json(200, &code));
}

fn platforms(stub: &Stub) {
    let token = |name: &str| Reply::json(200, &json!({"access_token": name, "expires_on": LATER.to_string(), "expires_in": "86399", "resource": "https://storage.azure.com", "token_type": "Bearer"}));
    stub.on("GET", "/msi/token", token("app-service-token"));
    stub.on("GET", "/MSI/auth", token("azure-ml-token"));
    stub.on("POST", "/cloudshell", token("cloud-shell-token"));
    let refused = Reply::json(400, &json!({"error": "invalid_request", "error_description": "Required metadata header not specified"}));
    stub.on("GET", "/metadata/identity/oauth2/token", refused);
    let given = token("imds-token");
    stub.when(move |r| (r.path == "/metadata/identity/oauth2/token" && r.header("metadata") == Some("true")).then(|| given.clone()));
}

fn resource_manager(stub: &Stub, base: &str) {
    stub.on("GET", WORKSPACE, Reply::json(200, &workspace()));
    let list = "/subscriptions/sub-1/providers/Microsoft.MachineLearningServices/workspaces";
    stub.on("GET", list, Reply::json(200, &json!({"value": [workspace()]})));
    let next = format!("{base}{WORKSPACE}/datastores?api-version=2025-12-01&$skip=1");
    let (first, second) = (json!({"value": [datastore()], "nextLink": next}), json!({"value": [datastore()]}));
    stub.when(move |r| {
        let page = if r.query("$skip").is_some() { &second } else { &first };
        (r.method == "GET" && r.path == format!("{WORKSPACE}/datastores")).then(|| Reply::json(200, page))
    });
    stub.on("GET", &format!("{WORKSPACE}/datastores/pictures"), Reply::json(200, &datastore()));
    let secrets = json!({"secretsType": "AccountKey", "key": "ZGF0YXN0b3JlLWtleQ=="});
    stub.on("POST", &format!("{WORKSPACE}/datastores/pictures/listSecrets"), Reply::json(200, &secrets));
    stub.on("GET", "/subscriptions/sub-1/providers/Microsoft.Storage/storageAccounts", Reply::json(200, &json!({"value": [account("own"), account("new")]})));
    let keys = json!({"keys": [{"keyName": "key1", "value": "YWNjb3VudC1rZXk=", "permissions": "FULL"}, {"keyName": "key2", "value": "b3RoZXI=", "permissions": "FULL"}]});
    stub.on("POST", &format!("{ACCOUNT}/own/listKeys"), Reply::json(200, &keys));
    let containers = json!({"value": [{"id": format!("{ACCOUNT}/own/blobServices/default/containers/pics"), "name": "pics", "type": "x", "properties": {}}]});
    stub.on("GET", &format!("{ACCOUNT}/own/blobServices/default/containers"), Reply::json(200, &containers));
}

fn vault(stub: &Stub, base: &str) {
    let bundle = json!({"id": format!("{base}/secrets/db-key/v1"), "value": "the value", "attributes": {"enabled": true, "created": 1, "updated": 1, "recoveryLevel": "Purgeable"}});
    let item = |name: &str| json!({"id": format!("{base}/secrets/{name}"), "attributes": {"enabled": true, "updated": 1}});
    let deleted = json!({"id": format!("{base}/secrets/db-key/v1"), "attributes": {"enabled": true}, "recoveryId": format!("{base}/deletedsecrets/db-key"), "deletedDate": 1, "scheduledPurgeDate": 2});
    let (first, second) = (json!({"value": [item("a"), item("b")], "nextLink": format!("{base}/secrets?api-version=7.4&$skiptoken=x")}), json!({"value": [item("c")], "nextLink": null}));
    let challenge = r#"Bearer authorization="https://login.microsoftonline.com/tenant-1", resource="https://vault.azure.net""#;
    stub.when(move |r| {
        let name = r.path.strip_prefix("/secrets")?.trim_matches('/');
        if r.header("authorization").is_none() {
            return Some(Reply::status(401).with("WWW-Authenticate", challenge));
        }
        let body = match (r.method.as_str(), name) {
            ("GET", "") if r.query("$skiptoken").is_some() => &second,
            ("GET", "") => &first,
            ("GET" | "PUT", "db-key") => &bundle,
            ("DELETE", "db-key") => &deleted,
            _ => return None,
        };
        Some(Reply::json(200, body))
    });
    stub.on("GET", "/deletedsecrets/db-key", Reply::json(200, &json!({"id": format!("{base}/secrets/db-key/v1"), "attributes": {"enabled": true}})));
}

fn databricks(stub: &Stub) {
    let at = |leaf: &str| format!("/api/2.0/secrets/{leaf}");
    stub.on("GET", &at("scopes/list"), Reply::json(200, &json!({"scopes": [{"name": "team scope", "backend_type": "DATABRICKS"}, {"name": "b"}]})));
    stub.on("GET", &at("list"), Reply::json(200, &json!({"secrets": [{"key": "db/key", "last_updated_timestamp": 1}]})));
    stub.on("GET", &at("get"), Reply::json(200, &json!({"key": "db/key", "value": "cGEkJCB3w7ZyZA=="})));
    for leaf in ["put", "delete", "scopes/create"] {
        stub.on("POST", &at(leaf), Reply::json(200, &json!({})));
    }
}
