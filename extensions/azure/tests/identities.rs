//! Identities against a token service and metadata addresses of our own: what they ask, what they make of answers, how long they wait, what their
//! errors say and never say.
mod support;

use ochre_azure::identity::{Chain, ClientSecret, Cli, DeviceCode, Imds, ManagedIdentity, WorkloadIdentity};
use ochre_azure::{AzureError, Environment, Finder, Http, TokenSource};
use ochre_servers::{Ending, Reply, Stub};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{LATER, with_az};

const STORAGE: &str = "https://storage.azure.com/.default";
const ARM: &str = "https://management.azure.com/.default";
const TOKEN: &str = "/tenant-1/oauth2/v2.0/token";
const IMDS: &str = "/metadata/identity/oauth2/token";

fn http() -> Http {
    Http::new().expect("a client")
}

fn given(token: &str) -> Reply {
    Reply::json(200, &json!({"access_token": token, "token_type": "Bearer", "expires_in": 3599}))
}

fn url(stub: &Stub) -> url::Url {
    format!("{}/", stub.url()).parse().expect("a URL")
}

async fn value(source: &dyn TokenSource, scope: &str) -> String {
    source.token(scope).await.expect("a token").secret.expose().to_string()
}

fn imds(stub: &Stub) -> (Environment, Imds) {
    let env = Environment::of([("AZURE_POD_IDENTITY_AUTHORITY_HOST", stub.url())]);
    let imds = Imds::of(&env);
    (env, imds)
}

fn on_this_machine(stub: &Stub, client: Option<&str>) -> ManagedIdentity {
    let (env, imds) = imds(stub);
    ManagedIdentity::of_environment(&http(), &env, &imds, client).expect("is set up")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_secret_is_explained_and_not_repeated() {
    let stub = Stub::start().expect("a server");
    let said = "AADSTS7000215: Invalid client secret provided: 's3cr3t-value'. Trace ID: 0 Timestamp: 1\r\nTrace ID: 0";
    stub.on("POST", TOKEN, Reply::json(401, &json!({"error": "invalid_client", "error_description": said, "error_codes": [7000215]})));
    let identity = ClientSecret::new(&http(), &url(&stub), "tenant-1", "client-1", "s3cr3t-value".into()).expect("ids");
    let error = identity.token(STORAGE).await.expect_err("refused");
    assert_eq!(error.to_string(), "service principal: the sign-in was refused: AADSTS7000215: Invalid client secret provided: '…'.");
    assert!(error.hint().contains("give its value, not its id"), "{}", error.hint());
    for text in [format!("{error:?}"), format!("{identity:?}")] {
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_token_service_is_asked_again_and_a_broken_one_reported() {
    let stub = Stub::start().expect("a server");
    let busy = Reply::status(503).with("Retry-After", "0");
    stub.in_turn("POST", TOKEN, vec![busy.clone(), Reply::status(429).with("Retry-After", "0"), given("t")]);
    let identity = ClientSecret::new(&http(), &url(&stub), "tenant-1", "c", "s".into()).expect("ids");
    assert_eq!(value(&identity, STORAGE).await, "t");
    assert_eq!(stub.requests().len(), 3);
    stub.on("POST", TOKEN, busy);
    assert_eq!(identity.token(STORAGE).await.expect_err("stays busy").to_string(), "signing in (service principal) was refused: status 503");
    assert_eq!(stub.requests().len(), 6);
    stub.on("POST", TOKEN, Reply::new(200, "text/html", "<html>Sign in to the hotel's network"));
    let error = identity.token(STORAGE).await.expect_err("no token");
    assert!(matches!(&error, AzureError::BadAnswer { .. }) && error.hint().contains("login page"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_federated_token_is_read_anew_each_time() {
    let stub = Stub::start().expect("a server");
    stub.on("POST", TOKEN, given("t"));
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    let env = Environment::of([("AZURE_TENANT_ID", "tenant-1"), ("AZURE_CLIENT_ID", "c"), ("AZURE_FEDERATED_TOKEN_FILE", &file.display().to_string())]);
    let identity = WorkloadIdentity::of_environment(&http(), &url(&stub), &env).expect("is set up");
    assert!(matches!(identity.token(STORAGE).await, Err(AzureError::File { .. })));
    for text in ["first", "second\n"] {
        std::fs::write(&file, text).expect("writes");
        value(&identity, STORAGE).await;
    }
    let sent: Vec<_> = stub.requests().iter().filter_map(|r| r.field("client_assertion")).collect();
    assert_eq!(sent, ["first", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn imds_is_probed_once_and_then_asked() {
    let stub = Stub::start().expect("a server");
    stub.when(|r| {
        let reply = if r.header("metadata") == Some("true") { Reply::json(200, &json!({"access_token": "vm", "expires_on": LATER.to_string()})) } else { Reply::status(400) };
        (r.path == IMDS).then_some(reply)
    });
    let identity = on_this_machine(&stub, Some("id-1"));
    assert_eq!((value(&identity, STORAGE).await, value(&identity, ARM).await), ("vm".into(), "vm".into()));
    let asked: Vec<_> = stub.requests().iter().map(|r| (r.header("metadata").is_some(), r.query("resource").unwrap_or("-").to_string(), r.query("client_id").unwrap_or("-").to_string())).collect();
    let vm = |resource: &str| (true, resource.to_string(), "id-1".to_string());
    assert_eq!(asked, [(false, "-".into(), "-".into()), vm("https://storage.azure.com"), vm("https://management.azure.com")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_else_lives_at_the_metadata_address_is_told_apart() {
    let cases = [
        (Reply::status(404).with("Metadata-Flavor", "Google"), "is that of Google Cloud"),
        (Reply::status(401).with("Server", "EC2ws"), "is that of AWS"),
        (Reply::status(403), "is that of a proxy, not Azure"),
        (Reply::status(400).ending(Ending::Lost), "no metadata service answered within 1 s"),
    ];
    for (reply, expected) in cases {
        let stub = Stub::start().expect("a server");
        stub.on("GET", IMDS, reply);
        let error = on_this_machine(&stub, None).token(STORAGE).await.expect_err("not Azure's");
        assert!(error.is_absence() && error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_an_identity_is_told_from_one_without_that_client() {
    let stub = Stub::start().expect("a server");
    stub.on("GET", IMDS, Reply::json(400, &json!({"error": "invalid_request", "error_description": "Identity not found"})));
    for (client, expected) in [(None, "has no managed identity: Identity not found"), (Some("x"), "has no managed identity with the client id x")] {
        let error = on_this_machine(&stub, client).token(STORAGE).await.expect_err("none");
        assert!(error.is_absence() && error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_refuses_is_heard_without_its_header() {
    let stub = Stub::start().expect("a server");
    stub.on("GET", "/msi", Reply::json(400, &json!({"message": "no identity for header h3ader-secret", "statusCode": 400})));
    let env = Environment::of([("IDENTITY_ENDPOINT", format!("{}/msi", stub.url())), ("IDENTITY_HEADER", "h3ader-secret".into())]);
    let identity = ManagedIdentity::of_environment(&http(), &env, &Imds::of(&env), None).expect("is set up");
    let error = identity.token(STORAGE).await.expect_err("refused");
    assert_eq!(error.to_string(), "managed identity: the sign-in was refused: App Service answered 400  no identity for header …");
    assert!(!format!("{identity:?}{env:?}").contains("h3ader"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_a_code_and_every_scope_follows() {
    let stub = Stub::start().expect("a server");
    let code = json!({"device_code": "d3vice", "user_code": "ABCD", "verification_uri": "https://microsoft.com/devicelogin", "expires_in": 900, "interval": 2});
    stub.on("POST", "/organizations/oauth2/v2.0/devicecode", Reply::json(200, &code));
    let wait = |what: &str| Reply::json(400, &json!({"error": what, "error_description": "AADSTS70016: not yet"}));
    let signed_in = json!({"access_token": "first", "expires_in": 3599, "refresh_token": "r3fresh"});
    let token = "/organizations/oauth2/v2.0/token";
    stub.in_turn("POST", token, vec![wait("authorization_pending"), wait("slow_down"), Reply::json(200, &signed_in), given("second")]);
    let device = DeviceCode::new(&http(), &url(&stub), None).expect("a tenant").paced(Duration::from_millis(10));
    assert!(matches!(device.token(STORAGE).await, Err(AzureError::SignInNeeded)));
    let prompt = device.begin(STORAGE).await.expect("a code");
    assert_eq!(prompt.message, "To sign in, open https://microsoft.com/devicelogin in a browser and enter the code ABCD.");
    assert!(!format!("{prompt:?}").contains("d3vice"));
    let began = Instant::now();
    assert_eq!(device.finish(prompt).await.expect("signs in").secret.expose(), "first");
    // Twice the interval of 2, and after `slow_down` 5 more.
    assert!(began.elapsed() >= Duration::from_millis(110), "{:?}", began.elapsed());
    assert_eq!(value(&device, ARM).await, "second");
    let last = stub.requests().last().cloned().expect("a request");
    assert_eq!((last.field("grant_type").as_deref(), last.field("refresh_token").as_deref()), (Some("refresh_token"), Some("r3fresh")));
    assert!(last.field("scope").is_some_and(|s| s.starts_with(ARM)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_when_it_is_declined_expires_or_is_given_up() {
    for (what, expected) in [("authorization_declined", "was declined"), ("expired_token", "has expired"), ("invalid_grant", "invalid_grant")] {
        let stub = Stub::start().expect("a server");
        stub.on("POST", "/t/oauth2/v2.0/devicecode", Reply::json(200, &json!({"device_code": "d", "user_code": "U", "verification_uri": "https://x", "expires_in": 9})));
        stub.on("POST", "/t/oauth2/v2.0/token", Reply::json(400, &json!({"error": what})));
        let device = DeviceCode::new(&http(), &url(&stub), Some("t")).expect("a tenant").paced(Duration::from_millis(1));
        let prompt = device.begin(STORAGE).await.expect("a code");
        let error = device.finish(prompt).await.expect_err("ends");
        assert!(error.to_string().contains(expected), "{error}");
        // Given up: the future is dropped in the middle of a wait, as an interrupt does it.
        stub.on("POST", "/t/oauth2/v2.0/token", Reply::json(400, &json!({"error": "authorization_pending"})));
        let prompt = device.begin(STORAGE).await.expect("a code");
        assert!(tokio::time::timeout(Duration::from_millis(50), device.finish(prompt)).await.is_err());
        assert!(!device.is_signed_in());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cli_is_asked_and_what_it_says_is_understood() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut variables = with_az(directory.path());
    let cli = Cli::new(&Environment::of(variables.clone()), Some("contoso.com"));
    assert_eq!(value(&cli, STORAGE).await, "cli-token");
    let asked = std::fs::read_to_string(directory.path().join("az.log")).expect("az ran");
    assert_eq!(asked, "account get-access-token --output json --resource https://storage.azure.com --tenant contoso.com\n");
    variables.push(("AZURE_CLIENT_SECRET".into(), "s".into()));
    variables.push(("AWS_SECRET_ACCESS_KEY".into(), "k".into()));
    variables.push(("AZURE_CONFIG_DIR".into(), "/elsewhere".into()));
    value(&Cli::new(&Environment::of(variables.clone()), None), STORAGE).await;
    let names = std::fs::read_to_string(directory.path().join("az.log.names")).expect("az noted them");
    assert!(names.contains("AZURE_CONFIG_DIR") && !names.contains("AZURE_CLIENT_SECRET") && !names.contains("AWS_SECRET_ACCESS_KEY"), "{names}");
    variables.push(("FAKE_AZ_SAYS".into(), "ERROR: Please run 'az login' to setup account.".into()));
    let error = Cli::new(&Environment::of(variables), None).token(STORAGE).await.expect_err("nobody");
    assert!(error.is_absence());
    assert_eq!(error.to_string(), "Azure CLI: nobody is signed in with `az login`");
}

/// All that a chain may look at, each with the token that it would give.
fn everything(stub: &Stub, directory: &std::path::Path) -> Vec<(&'static str, Vec<(String, String)>)> {
    stub.when(|r| {
        let secret = r.field("client_secret").map(|_| "secret");
        let name = secret.or_else(|| r.field("client_assertion").map(|_| "federated"))?;
        (r.path == TOKEN).then(|| given(name))
    });
    stub.on("GET", "/msi", Reply::json(200, &json!({"access_token": "platform", "expires_on": LATER})));
    std::fs::write(directory.join("federated"), "f").expect("writes");
    let set = |pairs: &[(&str, String)]| pairs.iter().map(|(k, v)| (k.to_string(), v.clone())).collect::<Vec<_>>();
    vec![
        ("secret", set(&[("AZURE_CLIENT_SECRET", "s".into())])),
        ("federated", set(&[("AZURE_FEDERATED_TOKEN_FILE", directory.join("federated").display().to_string())])),
        ("platform", set(&[("MSI_ENDPOINT", format!("{}/msi", stub.url())), ("MSI_SECRET", "m".into())])),
        ("cli-token", with_az(directory)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_that_is_set_up_counts() {
    let (stub, directory) = (Stub::start().expect("a server"), tempfile::tempdir().expect("a directory"));
    let all = everything(&stub, directory.path());
    // Each step is taken away in turn; the next one answers.
    for at in 0..all.len() {
        let mut variables: Vec<(String, String)> = all[at..].iter().flat_map(|(_, set)| set.clone()).collect();
        variables.extend([("AZURE_TENANT_ID", "tenant-1"), ("AZURE_CLIENT_ID", "c")].map(|(k, v)| (k.to_string(), v.to_string())));
        variables.push(("AZURE_AUTHORITY_HOST".into(), stub.url()));
        variables.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST".into(), "http://127.0.0.1:1".into()));
        let finder = Finder::new(http(), Environment::of(variables)).expect("a cloud");
        let auto = finder.auto();
        assert_eq!(value(auto.as_ref(), STORAGE).await, all[at].0);
        assert_ne!(auto.name(), "auto", "the one that was found is named");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_up_and_refused_ends_the_search() {
    let (stub, directory) = (Stub::start().expect("a server"), tempfile::tempdir().expect("a directory"));
    let all = everything(&stub, directory.path());
    stub.on("POST", TOKEN, Reply::json(401, &json!({"error": "invalid_client", "error_description": "AADSTS7000222: expired."})));
    let mut variables: Vec<(String, String)> = all.into_iter().flat_map(|(_, set)| set).collect();
    variables.extend([("AZURE_TENANT_ID", "tenant-1"), ("AZURE_CLIENT_ID", "c")].map(|(k, v)| (k.to_string(), v.to_string())));
    variables.push(("AZURE_AUTHORITY_HOST".into(), stub.url()));
    let finder = Finder::new(http(), Environment::of(variables)).expect("a cloud");
    let error = finder.auto().token(STORAGE).await.expect_err("refused");
    assert_eq!(error.to_string(), "environment: the sign-in was refused: AADSTS7000222: expired.");
    assert!(!directory.path().join("az.log").exists(), "nobody else was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metadata_address_that_never_answers_costs_a_second_once() {
    let stub = Stub::start().expect("a server");
    stub.on("GET", IMDS, Reply::status(200).ending(Ending::Hang));
    let env = Environment::of([("AZURE_POD_IDENTITY_AUTHORITY_HOST", stub.url()), ("PATH", "/nonexistent".into())]);
    let finder = Finder::new(http(), env).expect("a cloud");
    let auto = finder.auto();
    let began = Instant::now();
    let error = auto.token(STORAGE).await.expect_err("nothing is there");
    let first = began.elapsed();
    assert_eq!(
        error.to_string(),
        "no Azure identity was found; looked, in this order, at: \
         environment (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are not set); \
         workload identity (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are not set); \
         managed identity (no metadata service answered within 1 s); \
         Azure CLI (`az` is not installed)"
    );
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&first), "{first:?}");
    // Remembered, also by other identities of the session.
    let began = Instant::now();
    assert!(auto.token(ARM).await.is_err());
    assert!(finder.managed(None).expect("may be tried").token(STORAGE).await.is_err());
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_kept_to() {
    let stub = Stub::start().expect("a server");
    stub.on("POST", TOKEN, given("t"));
    let secret = ClientSecret::new(&http(), &url(&stub), "tenant-1", "c", "s".into()).expect("ids");
    let missing = || Err(AzureError::NotSetUp { identity: "environment", why: "x".into() });
    let chain = Chain::new(vec![("environment", missing()), ("service principal", Ok(Arc::new(secret)))]);
    assert_eq!(chain.name(), "auto");
    assert_eq!(value(&chain, STORAGE).await, "t");
    assert_eq!(chain.name(), "service principal");
}
