//! Credential words and the search without one, against the identity server and scripted services; nothing of this machine is looked at.
use super::*;
use crate::accounts::Place;
use crate::double::{Double, Listed, storage};
use crate::workspace::Current;
use ochre_api::Fault;
use ochre_azure::{Arm, Environment, Http, WorkspaceId};
use ochre_servers::{Identity, IdentityOptions, Reply, Stub};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Every address at one server, and a home directory with nothing in it.
fn addresses(url: &str, home: &Path) -> Vec<(String, String)> {
    let host = url.trim_start_matches("http://");
    let pairs = [
        ("AZURE_AUTHORITY_HOST", url),
        ("AZURE_RESOURCE_MANAGER_ENDPOINT", url),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", url),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url),
        ("AWS_ENDPOINT_URL_STS", url),
        ("GCE_METADATA_HOST", host),
        ("HOME", &home.display().to_string()),
        ("PATH", "/nonexistent"),
    ];
    pairs.map(|(k, v)| (k.to_string(), v.to_string())).to_vec()
}

fn credentials(variables: Vec<(String, String)>, secrets: &[(&str, &str)]) -> (Credentials, Arc<Workspaces>) {
    let finder = Finder::new(Http::new().expect("a client"), Environment::of(variables)).expect("a cloud");
    let workspaces = Arc::new(Workspaces::default());
    let secrets = secrets.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    (Credentials::new(finder, Arc::new(Listed(secrets)), workspaces.clone()), workspaces)
}

fn at(url: &str) -> Location {
    Location::parse(url).expect("a location")
}

async fn found(credentials: &Credentials, url: &str, refresh: bool) -> Result<Grant, Failure> {
    credentials.fallback(&at(url)).grant(&at(url), &Place::default(), refresh).await
}

/// What a grant is, in a word.
fn kind(grant: &Grant) -> String {
    match &grant.credential {
        Credential::AwsKeys { id, token, .. } => format!("{}{}", id.expose(), if token.is_some() { "+token" } else { "" }),
        Credential::GcsToken(_) => "gcs token".into(),
        Credential::GcsServiceAccount(_) => "gcs file".into(),
        other => crate::accounts::kind(other).into(),
    }
}

/// A person's session, for words that need one.
fn session() -> Double {
    let (storage, _) = storage(&[], Path::new("/nonexistent"));
    Double::new(&storage, Path::new("/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_looks_where_awss_tools_look_in_their_order() {
    // **The search goes through the places of the clouds' own tools in their order, and the first that is set up counts.**
    let (server, home) = (Identity::start(IdentityOptions::default()).expect("a server"), tempfile::tempdir().expect("a directory"));
    let token = home.path().join("token");
    std::fs::write(&token, Identity::ASSERTION).expect("writes");
    std::fs::create_dir(home.path().join(".aws")).expect("makes");
    let steps: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("AKIAENV", vec![("AWS_ACCESS_KEY_ID", "AKIAENV".into()), ("AWS_SECRET_ACCESS_KEY", "k".into())]),
        ("AKIAFILE+token", vec![("AWS_SHARED_CREDENTIALS_FILE", home.path().join("keys").display().to_string())]),
        ("ASIAOCHREINSTANCE001+token", vec![("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string()), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r".into())]),
        ("ASIAOCHREINSTANCE001+token", vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/ecs/credentials", server.url()))]),
        ("ASIAOCHREINSTANCE001+token", vec![]),
    ];
    std::fs::write(home.path().join("keys"), "[default]\naws_access_key_id=AKIAFILE\naws_secret_access_key=k\naws_session_token=t\nregion=eu-north-1\n").expect("writes");
    // The last request of each step: none, none, the token service, the container's, the instance's.
    let asked = [None, None, Some("/"), Some("/ecs/credentials"), Some("/latest/meta-data/iam/security-credentials/ochre-role")];
    for (at_step, expected) in asked.iter().enumerate() {
        let mut variables = addresses(&server.url(), home.path());
        variables.extend(steps[at_step..].iter().flat_map(|(_, set)| set.iter().map(|(k, v)| (k.to_string(), v.clone()))));
        server.forget();
        let grant = found(&credentials(variables, &[]).0, "s3://bucket/x", false).await.expect("a grant");
        assert_eq!(kind(&grant), steps[at_step].0, "step {at_step}");
        assert_eq!(server.requests().last().map(|r| r.path.clone()).as_deref(), *expected, "step {at_step}");
        assert_eq!(grant.expires.is_some(), at_step >= 2, "temporary keys say when they end");
        assert_eq!(grant.region.as_deref(), (at_step <= 1).then_some("eu-north-1"), "the profile's region counts wherever its file is named");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_that_names_a_program_gets_its_keys_from_it() {
    let home = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(home.path().join(".aws")).expect("makes");
    let config = home.path().join(".aws/config");
    let program = home.path().join("keys.json");
    std::fs::write(&program, r#"{"Version": 1, "AccessKeyId": "AKIAPROG", "SecretAccessKey": "k", "SessionToken": "t", "Expiration": "2099-01-01T00:00:00Z"}"#).expect("writes");
    std::fs::write(&config, format!("[default]\ncredential_process = /bin/cat \"{}\"\n", program.display())).expect("writes");
    let (found_keys, _) = credentials(addresses("http://127.0.0.1:9", home.path()), &[]);
    let grant = found(&found_keys, "s3://b/x", false).await.expect("keys");
    assert_eq!((kind(&grant).as_str(), grant.expires), ("AKIAPROG+token", Some(4_070_908_800)));
    std::fs::write(&config, "[default]\ncredential_process = /bin/false\n").expect("writes");
    let failure = found(&found_keys, "s3://b/x", false).await.expect_err("it fails, and is meant");
    assert!(failure.message.starts_with("credential_process of the profile `default` failed"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gcs_looks_where_googles_tools_look_in_their_order() {
    let (server, home) = (Identity::start(IdentityOptions::default()).expect("a server"), tempfile::tempdir().expect("a directory"));
    let gcloud = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).expect("makes");
    std::fs::write(gcloud.join("application_default_credentials.json"), r#"{"type": "service_account", "private_key": "x"}"#).expect("writes");
    let named = home.path().join("named.json");
    std::fs::write(&named, r#"{"type": "external_account"}"#).expect("writes");
    let mut variables = addresses(&server.url(), home.path());
    assert_eq!(kind(&found(&credentials(variables.clone(), &[]).0, "gs://b/x", false).await.expect("the file")), "gcs file");
    std::fs::remove_dir_all(&gcloud).expect("removes");
    let grant = found(&credentials(variables.clone(), &[]).0, "gs://b/x", false).await.expect("the server");
    assert_eq!((kind(&grant).as_str(), grant.expires.is_some()), ("gcs token", true));
    variables.push(("GOOGLE_APPLICATION_CREDENTIALS".into(), named.display().to_string()));
    let failure = found(&credentials(variables, &[]).0, "gs://b/x", false).await.expect_err("is of another kind");
    assert!(failure.message.contains("kind `external_account`, which is not supported"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_takes_the_accounts_own_key_then_the_workspace_then_an_identity() {
    let (server, home) = (Identity::start(IdentityOptions::default()).expect("a server"), tempfile::tempdir().expect("a directory"));
    let mut variables = addresses(&server.url(), home.path());
    variables.extend([("AZURE_STORAGE_ACCOUNT", "shop"), ("AZURE_STORAGE_KEY", KEY)].map(|(k, v)| (k.to_string(), v.to_string())));
    let (all, workspaces) = credentials(variables, &[]);
    assert_eq!(kind(&found(&all, "az://c@shop/x", false).await.expect("the key")), "account key");
    // Another account has no key there: the machine's identity.
    let grant = found(&all, "az://c@other/x", false).await.expect("a token");
    assert_eq!((kind(&grant).as_str(), grant.expires.is_some()), ("Entra token", true));
    assert_eq!(server.requests().last().expect("asked").query("resource"), Some("https://storage.azure.com"));
    // With a workspace it is the one that chose it.
    let mine = all.finder().service_principal(Identity::TENANT, Identity::CLIENT, Identity::SECRET.into()).expect("ids");
    workspaces.set(Some(current(&all, mine)));
    server.forget();
    found(&all, "az://c@other/x", false).await.expect("a token");
    let asked: Vec<_> = server.requests().into_iter().map(|r| r.method).collect();
    assert_eq!(asked, ["POST"], "Entra was asked, IMDS was not");
}

fn current(credentials: &Credentials, identity: Arc<dyn TokenSource>) -> Arc<Current> {
    let finder = credentials.finder();
    let id = WorkspaceId::new("sub-1", "g", "w").expect("names");
    let storage = ochre_azure::arm::ResourceId::parse("/subscriptions/sub-1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/own").expect("a path");
    let workspace = ochre_azure::Workspace { id, location: "westeurope".into(), storage_account: Some(storage), key_vault: None, container_registry: None, tracking_uri: None, discovery_url: None };
    Arc::new(Current { workspace, arm: Arm::new(&finder.http, &finder.cloud, identity.clone()), identity })
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_set_up_public_data_is_tried_and_then_said_where_was_looked() {
    // **Where nothing is set up, access without a credential is tried, for public data; if that is refused, the error lists where was looked and why not.**
    let home = tempfile::tempdir().expect("a directory");
    let (none, _) = credentials(addresses("http://127.0.0.1:9", home.path()), &[]);
    let expected = [
        ("az://c@a/x", "no credential of Azure was found; looked, in this order, at: storage key in the environment (AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN and AZURE_STORAGE_CONNECTION_STRING are not set); environment (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are not set); workload identity (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are not set); managed identity (no metadata service answered within 1 s); Azure CLI (`az` is not installed)"),
        ("s3://b/x", "no credential of AWS was found; looked, in this order, at: environment (AWS_ACCESS_KEY_ID is not set); profile (there is no ~/.aws/credentials or ~/.aws/config); web identity (AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not set); container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set); EC2 instance (no metadata service of AWS's answered within 1 s)"),
    ];
    for (url, message) in expected {
        assert_eq!(kind(&found(&none, url, false).await.expect("tries")), "anonymous");
        let failure = found(&none, url, true).await.expect_err("was refused");
        assert_eq!((failure.message.as_str(), failure.fault), (message, Fault::YourConfiguration));
        assert!(failure.hint.is_some());
    }
    let failure = found(&none, "gs://b/x", true).await.expect_err("was refused");
    assert!(failure.message.contains("GOOGLE_APPLICATION_CREDENTIALS (is not set); gcloud's application default credentials (there is no "), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_read_of_private_data_says_where_was_looked() {
    // End to end: the container is opened without a credential, the service refuses, and the search's report is what the user reads.
    let (service, home) = (Stub::start().expect("a server"), tempfile::tempdir().expect("a directory"));
    let denied = "<?xml version=\"1.0\"?><Error><Code>NoAuthenticationInformation</Code><Message>Server failed to authenticate the request.</Message></Error>";
    service.when(move |_| Some(Reply::new(401, "application/xml", denied)));
    let (none, _) = credentials(addresses("http://127.0.0.1:9", home.path()), &[]);
    let (storage, _) = storage(&[], Path::new("/nonexistent"));
    let place = Place { endpoint: Some(format!("{}/acct", service.url())), region: None };
    for (word, part) in [("auto", "no credential of Azure was found; looked, in this order, at: storage key in the environment"), ("anonymous", "access is denied")] {
        let source = none.source(word, &mut session()).await.expect("a word");
        storage.accounts.configure(crate::accounts::Scope::parse("az://c@acct").expect("a scope"), source, place.clone());
        let container = ochre_blobs::Container::open(&at("az://c@acct"), storage.accounts.clone()).await.expect("opens");
        let error = container.stat("x").await.expect_err("is refused");
        assert!(error.to_string().contains(part), "{word}: {error}");
    }
}

#[test]
fn a_missing_role_is_named() {
    let error = |detail: &str| ochre_blobs::BlobError::Denied { doing: "reading", at: "az://c@a/x".into(), detail: detail.into() };
    let hint = |detail: &str| crate::failures::of_blob(error(detail)).hint.expect("a hint");
    assert!(hint("AuthorizationPermissionMismatch: This request is not authorized").contains("Storage Blob Data Contributor"));
    assert!(!hint("AuthorizationFailure: x").contains("Storage Blob Data Contributor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_metadata_address_costs_a_second_and_is_remembered() {
    // **The search never hangs: a metadata address that does not answer costs one second for each cloud, once in a session.**
    let (server, home) = (Identity::start(IdentityOptions { hang: true, ..Default::default() }).expect("a server"), tempfile::tempdir().expect("a directory"));
    let (silent, _) = credentials(addresses(&server.url(), home.path()), &[]);
    for url in ["az://c@a/x", "s3://b/x", "gs://b/x"] {
        let began = Instant::now();
        found(&silent, url, false).await.expect("anonymous");
        let first = began.elapsed();
        assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&first), "{url}: {first:?}");
        let began = Instant::now();
        found(&silent, url, true).await.expect_err("nothing was found");
        assert!(began.elapsed() < Duration::from_millis(500), "{url}, again: {:?}", began.elapsed());
    }
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_up_and_refused_is_said_and_nothing_else_is_tried() {
    // **What is set up and refused ends the search with its error.**
    let (server, home) = (Identity::start(IdentityOptions { refuse: true, ..Default::default() }).expect("a server"), tempfile::tempdir().expect("a directory"));
    let token = home.path().join("token");
    std::fs::write(&token, Identity::ASSERTION).expect("writes");
    let mut variables = addresses(&server.url(), home.path());
    let principal = [("AZURE_TENANT_ID", Identity::TENANT), ("AZURE_CLIENT_ID", Identity::CLIENT), ("AZURE_CLIENT_SECRET", Identity::SECRET)];
    let role = [("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().expect("text")), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
    variables.extend(principal.into_iter().chain(role).map(|(k, v)| (k.to_string(), v.to_string())));
    let (refused, _) = credentials(variables, &[]);
    for (url, part) in [("az://c@a/x", "AADSTS7000215"), ("s3://b/x", "refused the web identity: 400 InvalidIdentityToken")] {
        let failure = found(&refused, url, false).await.expect_err("refused");
        let text = failure.lines().concat();
        assert!(text.contains(part) && failure.hint.is_some(), "{text}");
        assert!(!text.contains(Identity::SECRET) && !text.contains(Identity::ASSERTION), "{text}");
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_word_gives_its_credential() {
    let (server, home) = (Identity::start(IdentityOptions::default()).expect("a server"), tempfile::tempdir().expect("a directory"));
    let principal = format!(r#"{{"appId": "{}", "password": "{}", "tenant": "{}"}}"#, Identity::CLIENT, Identity::SECRET, Identity::TENANT);
    let secrets = [
        ("s/key", KEY),
        ("s/sas", "?sv=2024&se=2099-01-01&sig=abc"),
        ("s/connection", "AccountName=shop;AccountKey=a2V5LWtleS1rZXkta2V5LWtleS1rZXkta2V5LWtleQ==;EndpointSuffix=core.windows.net"),
        ("s/principal", principal.as_str()),
        ("s/sp", Identity::SECRET),
        ("s/aws", "AKIAX:secret-of-aws"),
        ("s/gcs", r#"{"type": "service_account", "private_key": "x"}"#),
        ("s/bad", "what is this"),
    ];
    let (words, _) = credentials(addresses(&server.url(), home.path()), &secrets);
    let sp = format!("service-principal:{}/{}/secret:s/sp", Identity::TENANT, Identity::CLIENT);
    for (word, url, expected) in [
        ("anonymous", "az://c@a", "anonymous"),
        ("auto", "az://c@a", "Entra token"),
        ("managed-identity", "az://c@a", "Entra token"),
        (&format!("managed-identity:{}", Identity::USER_ASSIGNED), "az://c@a", "Entra token"),
        (&sp, "az://c@a", "Entra token"),
        ("secret:s/key", "az://c@a", "account key"),
        ("secret:s/sas", "az://c@a", "SAS"),
        ("secret:s/connection", "az://c@a", "account key"),
        ("secret:s/principal", "az://c@a", "Entra token"),
        ("secret:s/aws", "s3://b", "AKIAX"),
        ("secret:s/gcs", "gs://b", "gcs file"),
    ] {
        let source = words.source(word, &mut session()).await.unwrap_or_else(|f| panic!("{word}: {f}"));
        let grant = source.grant(&at(url), &Place::default(), false).await.unwrap_or_else(|f| panic!("{word}: {f}"));
        assert_eq!(kind(&grant), expected, "{word}");
        assert_eq!(source.word(), word);
    }
    for (word, part) in [
        ("secret:s/bad", "the secret s/bad cannot be used as a credential"),
        ("secret:s/none", "there is no secret s/none"),
        ("workload-identity", "AZURE_FEDERATED_TOKEN_FILE"),
        (KEY, "that is no credential word"),
    ] {
        let failure = words.source(word, &mut session()).await.err().unwrap_or_else(|| panic!("{word} is accepted"));
        let text = failure.lines().concat();
        assert!(text.contains(part) && !text.contains("what is this") && !text.contains(KEY) && failure.hint.is_some(), "{text}");
    }
    // An identity of Azure's is none for S3, and `environment` looks at nothing but the environment.
    let refused = words.source("managed-identity", &mut session()).await.expect("a word").grant(&at("s3://b"), &Place::default(), false).await;
    assert!(refused.expect_err("not for S3").message.contains("which s3:// does not know"));
    server.forget();
    let only = words.source("environment", &mut session()).await.expect("a word");
    for url in ["az://c@a", "s3://b", "gs://b"] {
        assert!(only.grant(&at(url), &Place::default(), false).await.is_err(), "{url}");
    }
    assert_eq!(server.requests().len(), 0, "no metadata address is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_code_is_shown_and_waited_for_until_an_interrupt() {
    let (server, home) = (Identity::start(IdentityOptions { pending: 1, interval: 1, ..Default::default() }).expect("a server"), tempfile::tempdir().expect("a directory"));
    let (words, _) = credentials(addresses(&server.url(), home.path()), &[]);
    let mut person = session();
    let source = words.source("device-code", &mut person).await.expect("signs in");
    assert!(person.written.contains(Identity::USER_CODE) && person.written.ends_with("signed in\n"), "{}", person.written);
    assert_eq!(kind(&source.grant(&at("az://c@a"), &Place::default(), false).await.expect("a token")), "Entra token");
    server.set(IdentityOptions { pending: 1000, interval: 60, ..Default::default() });
    let mut person = session();
    let interrupt = person.interrupt.clone();
    let began = Instant::now();
    let (ended, ()) = tokio::join!(words.source("device-code", &mut person), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        interrupt.send_replace(true);
    });
    assert_eq!(ended.err().expect("interrupted").fault, Fault::Interrupted);
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// A resource manager with a workspace, a datastore and an account.
fn resource_manager() -> Stub {
    let stub = Stub::start().expect("a server");
    let workspace = "/subscriptions/sub-1/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w";
    let account = "/subscriptions/sub-1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts";
    let datastore = |kind: &str, credential: &str| json!({"name": "d", "properties": {"datastoreType": kind, "accountName": "own", "containerName": "pics", "endpoint": "core.windows.net", "credentials": {"credentialsType": credential, "tenantId": Identity::TENANT, "clientId": Identity::CLIENT}}});
    for (name, value) in [("key", datastore("AzureBlob", "AccountKey")), ("sas", datastore("AzureBlob", "Sas")), ("me", datastore("AzureDataLakeGen2", "None")), ("share", datastore("AzureFile", "None"))] {
        stub.on("GET", &format!("{workspace}/datastores/{name}"), Reply::json(200, &value));
    }
    // The name that a datastore has in its own description is the one that its secrets are asked by.
    stub.on("POST", &format!("{workspace}/datastores/d/listSecrets"), Reply::json(200, &json!({"secretsType": "AccountKey", "key": KEY})));
    stub.on("POST", &format!("{account}/own/listKeys"), Reply::json(200, &json!({"keys": [{"keyName": "key1", "value": KEY}]})));
    stub.on("POST", &format!("{account}/far/listKeys"), Reply::json(403, &json!({"error": {"code": "AuthorizationFailed", "message": "The client 'x' does not have authorization to perform action 'listKeys'."}})));
    let listed = json!({"value": [{"id": format!("{account}/own")}, {"id": format!("{account}/far")}]});
    stub.on("GET", "/subscriptions/sub-1/providers/Microsoft.Storage/storageAccounts", Reply::json(200, &listed));
    stub
}

/// Whoever holds a token already.
struct Me;

#[async_trait]
impl TokenSource for Me {
    fn name(&self) -> String {
        "me".into()
    }
    async fn token(&self, _: &str) -> Result<ochre_azure::Token, AzureError> {
        Ok(ochre_azure::Token { secret: "t".into(), expires: 4_102_444_800 })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_key_is_asked_for_only_by_its_word() {
    let (stub, home) = (resource_manager(), tempfile::tempdir().expect("a directory"));
    let (words, workspaces) = credentials(addresses(&stub.url(), home.path()), &[]);
    workspaces.set(Some(current(&words, Arc::new(Me))));
    let grant = found(&words, "az://c@own/x", false).await.expect("a token");
    assert_eq!((kind(&grant).as_str(), stub.requests().len()), ("Entra token", 0));
    let source = words.source("account-key", &mut session()).await.expect("a word");
    let ask = |url: &'static str| {
        let source = source.clone();
        async move { source.grant(&at(url), &Place::default(), false).await }
    };
    assert_eq!(kind(&ask("az://c@own").await.expect("the key")), "account key");
    assert_eq!(stub.requests().len(), 1, "the workspace's own account need not be looked for");
    let failure = ask("az://c@far").await.expect_err("may not");
    assert!(failure.message.contains("reading the keys of the storage account far as me was refused: status 403 AuthorizationFailed"), "{failure}");
    let failure = ask("az://c@nowhere").await.expect_err("is none");
    assert!(failure.message.contains("has no storage account nowhere that me may see"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datastore_leads_to_its_container_with_its_credential() {
    let (stub, home) = (resource_manager(), tempfile::tempdir().expect("a directory"));
    let (words, workspaces) = credentials(addresses(&stub.url(), home.path()), &[]);
    let failure = words.datastore("azureml://datastores/key/paths/x").await.err().expect("no workspace");
    assert!(failure.message.contains("names no workspace, and none is chosen"), "{failure}");
    workspaces.set(Some(current(&words, Arc::new(Me))));
    let (location, source) = words.datastore("azureml://datastores/key/paths/a/b.png").await.expect("resolves");
    assert_eq!((location.to_string().as_str(), source.word().as_str()), ("az://pics@own/a/b.png", "datastore d"));
    assert_eq!(kind(&source.grant(&location, &Place::default(), false).await.expect("a key")), "account key");
    let long = "azureml://subscriptions/sub-1/resourcegroups/g/workspaces/w/datastores/me/paths/z/";
    let (location, source) = words.datastore(long).await.expect("resolves");
    assert_eq!((location.to_string().as_str(), kind(&source.grant(&location, &Place::default(), false).await.expect("a token"))), ("az://pics@own/z", "Entra token".into()));
    let failure = words.datastore("azureml://datastores/share/paths/x").await.err().expect("no blobs");
    assert!(failure.message.contains("is of the kind AzureFile, not blobs"), "{failure}");
}
