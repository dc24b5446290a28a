//! Every place that hands out identities, on one port: Entra (client secret, workload assertion, device code, refresh), IMDS of Azure, AWS
//! (version 2) and Google, App Service, Azure ML's compute, ECS, STS with a web identity, and Google's token endpoint.
//!
//! ```text
//! Entra {url}/TENANT/oauth2/v2.0/token · IMDS {url}/metadata/identity/oauth2/token · App Service {url}/msi/token
//! Azure ML {url}/MSI/auth/ · AWS {url}/latest/… · ECS {url}/ecs/credentials · STS POST {url}/ · Google {url}/computeMetadata/v1/…, {url}/token
//! ```
use crate::http::{Answering, Ending, Exchange, HttpServer, Reply, Request, lock};
use crate::tls::Certificate;
use base64::Engine as _;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How it behaves; can be changed while it runs.
#[derive(Clone, Debug)]
pub struct IdentityOptions {
    /// Refuses whoever asks, as its kind does.
    pub refuse: bool,
    /// Never answers.
    pub hang: bool,
    /// Waited before every answer.
    pub latency: Duration,
    /// Answers 429 or 503 so many times first (IMDS does that when it is busy).
    pub busy: usize,
    /// A device code is pending for so many polls, …
    pub pending: usize,
    /// … of which the first answers `slow_down`.
    pub slow_down: bool,
    /// Seconds between polls that a device code asks for.
    pub interval: u64,
    /// Life of a token, in seconds.
    pub expires_in: u64,
}

impl Default for IdentityOptions {
    fn default() -> Self {
        Self { refuse: false, hang: false, latency: Duration::ZERO, busy: 0, pending: 0, slow_down: false, interval: 0, expires_in: 3600 }
    }
}

/// The running server.
pub struct Identity {
    http: HttpServer,
    service: Arc<Service>,
}

#[derive(Default)]
struct Service {
    options: Mutex<IdentityOptions>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    issued: Vec<String>,
    polls: usize,
    /// What the last device code was asked for; the poll need not repeat it.
    device_scope: String,
    busy: usize,
}

impl Identity {
    pub const TENANT: &str = "7e4a0000-0000-4000-8000-000000000001";
    pub const CLIENT: &str = "c11e0000-0000-4000-8000-000000000002";
    /// The secret of `CLIENT`.
    pub const SECRET: &str = "Ent~8Q.ochre-test-client-secret_0001";
    /// A user-assigned identity; any other is unknown.
    pub const USER_ASSIGNED: &str = "0de00000-0000-4000-8000-000000000003";
    /// The header value that App Service and Azure ML want.
    pub const HEADER: &str = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a";
    /// What a workload's token file must hold.
    pub const ASSERTION: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6b2NocmUifQ.c2ln";
    /// The code that a user types.
    pub const USER_CODE: &str = "OCHRE1234";
    /// AWS keys that the metadata service hands out.
    pub const AWS_ID: &str = "ASIAOCHREINSTANCE001";
    pub const AWS_KEY: &str = "ochre/instance/secret/key/of/nothing/001";
    pub const AWS_TOKEN: &str = "IQoJb2NocmUtc2Vzc2lvbi10b2tlbi0wMDE=";

    /// Over http.
    pub fn start(options: IdentityOptions) -> std::io::Result<Self> {
        Self::over(options, None)
    }

    /// Over https with a fresh certificate (Microsoft's SDKs take an authority only over https).
    pub fn start_tls(options: IdentityOptions) -> std::io::Result<Self> {
        Self::over(options, Some(Certificate::new()?))
    }

    fn over(options: IdentityOptions, certificate: Option<Certificate>) -> std::io::Result<Self> {
        let service = Arc::new(Service { options: Mutex::new(options), ..Service::default() });
        Ok(Self { http: HttpServer::start(service.clone(), certificate)?, service })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// What a client has to trust.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.http.certificate()
    }

    /// Behaves otherwise from now on.
    pub fn set(&self, options: IdentityOptions) {
        *lock(&self.service.options) = options;
        let mut state = lock(&self.service.state);
        (state.polls, state.busy) = (0, 0);
    }

    /// Every token so far.
    pub fn issued(&self) -> Vec<String> {
        lock(&self.service.state).issued.clone()
    }

    /// Everything that was asked, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.exchanges().into_iter().map(|e| e.request).collect()
    }

    /// The same with the status of each answer.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.http.exchanges()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.http.forget();
    }
}

impl Answering for Service {
    fn answer(&self, request: &Request) -> Reply {
        let options = lock(&self.options).clone();
        if options.hang {
            return Reply::status(200).ending(Ending::Hang);
        }
        let busy = {
            let mut state = lock(&self.state);
            state.busy += 1;
            state.busy <= options.busy
        };
        let reply = if busy { Reply::json(429, &json!({ "error": "too_many_requests" })).with("Retry-After", "0") } else { self.route(request, &options) };
        reply.after(options.latency)
    }
}

impl Service {
    fn route(&self, request: &Request, options: &IdentityOptions) -> Reply {
        let path = request.path.as_str();
        match (request.method.as_str(), path) {
            // Google's libraries look for the header before they ask for a token.
            ("GET", "/") => Reply::new(200, "application/text", "computeMetadata/\n").with("Metadata-Flavor", "Google"),
            ("POST", "/token") => self.google_oauth(request, options),
            ("POST", "/") => sts(request, options),
            ("POST", _) if path.ends_with("/oauth2/v2.0/token") => self.entra(request, options),
            ("POST", _) if path.ends_with("/oauth2/v2.0/devicecode") => {
                lock(&self.state).device_scope = request.field("scope").unwrap_or_default();
                device_code(request, options)
            }
            ("GET", _) if path.ends_with("/.well-known/openid-configuration") => openid(request),
            ("GET", "/common/discovery/instance") => Reply::json(200, &json!({ "tenant_discovery_endpoint": format!("{}/{}/v2.0/.well-known/openid-configuration", origin(request), Identity::TENANT), "api-version": "1.1", "metadata": [] })),
            ("GET", "/metadata/identity/oauth2/token") => self.imds(request, options),
            ("GET", "/msi/token" | "/MSI/auth" | "/MSI/auth/") => self.endpoint(request, options),
            ("GET", "/ecs/credentials") => aws_credentials(options),
            ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") => self.google_metadata(request, options),
            ("PUT", "/latest/api/token") => Reply::new(200, "text/plain", "AQAEA-imds-session-token==").with("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
            ("GET", _) if path.starts_with("/latest/meta-data/iam/security-credentials") => aws_metadata(request, options),
            _ => Reply::json(404, &json!({ "error": "not_found", "error_description": format!("{} {path}", request.method) })),
        }
    }

    /// A token in the form of a JWT for an audience; Azurite with `--oauth basic` takes it. The signature is none.
    fn token(&self, audience: &str, options: &IdentityOptions) -> String {
        let now = chrono::Utc::now().timestamp();
        let mut state = lock(&self.state);
        let claims = json!({
            "aud": audience.trim_end_matches("/.default"), "iss": format!("https://sts.windows.net/{}/", Identity::TENANT), "tid": Identity::TENANT,
            "iat": now - 60, "nbf": now - 60, "exp": now + options.expires_in as i64, "oid": Identity::CLIENT, "number": state.issued.len(),
        });
        let token = format!("{}.{}.b2NocmUtbm8tc2lnbmF0dXJl", base64_json(&json!({ "alg": "RS256", "typ": "JWT" })), base64_json(&claims));
        state.issued.push(token.clone());
        token
    }

    fn entra(&self, request: &Request, options: &IdentityOptions) -> Reply {
        let field = |name: &str| request.field(name).unwrap_or_default();
        if options.refuse {
            return entra_error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.", 7_000_215);
        }
        let accepted = match field("grant_type").as_str() {
            "client_credentials" if field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" => field("client_assertion").trim() == Identity::ASSERTION,
            "client_credentials" => field("client_id") == Identity::CLIENT && field("client_secret") == Identity::SECRET,
            "refresh_token" => field("refresh_token") == "refresh-0001",
            "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => match self.poll(options) {
                Some(refusal) => return refusal,
                None => true,
            },
            other => return entra_error(400, "unsupported_grant_type", &format!("AADSTS70003: The app requested an unsupported grant type '{other}'."), 70_003),
        };
        if !accepted {
            return entra_error(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.", 7_000_215);
        }
        let scope = if field("device_code").is_empty() { field("scope") } else { lock(&self.state).device_scope.clone() };
        let resource = scope.split(' ').find(|s| s.contains("://")).unwrap_or(&scope).to_string();
        let mut answer = json!({ "token_type": "Bearer", "expires_in": options.expires_in, "ext_expires_in": options.expires_in, "access_token": self.token(&resource, options) });
        if scope.contains("offline_access") {
            answer["refresh_token"] = "refresh-0001".into();
            answer["id_token"] = id_token(&field("client_id")).into();
            answer["client_info"] = base64_json(&json!({ "uid": Identity::CLIENT, "utid": Identity::TENANT })).into();
            answer["scope"] = scope.into();
        }
        Reply::json(200, &answer)
    }

    /// The refusal of a poll for a device code, while it is pending.
    fn poll(&self, options: &IdentityOptions) -> Option<Reply> {
        let mut state = lock(&self.state);
        state.polls += 1;
        match state.polls {
            1 if options.slow_down => Some(entra_error(400, "slow_down", "AADSTS70019: Polling too fast.", 70_019)),
            n if n <= options.pending => Some(entra_error(400, "authorization_pending", "AADSTS70016: The user has not signed in yet.", 70_016)),
            _ => None,
        }
    }

    fn imds(&self, request: &Request, options: &IdentityOptions) -> Reply {
        if request.header("metadata") != Some("true") || request.header("x-forwarded-for").is_some() {
            return Reply::json(400, &json!({ "error": "bad_request_102", "error_description": "Required metadata header not specified" }));
        }
        let known = request.query("client_id").is_none_or(|id| id == Identity::USER_ASSIGNED);
        let Some(resource) = request.query("resource").filter(|_| known && !options.refuse) else {
            return Reply::json(400, &json!({ "error": "invalid_request", "error_description": "Identity not found" }));
        };
        let expires = chrono::Utc::now().timestamp() + options.expires_in as i64;
        // Numbers as texts, as the service sends them.
        let life = options.expires_in.to_string();
        Reply::json(200, &json!({ "access_token": self.token(resource, options), "client_id": Identity::CLIENT, "expires_in": life, "ext_expires_in": life, "expires_on": expires.to_string(), "not_before": "1", "resource": resource, "token_type": "Bearer" }))
    }

    /// App Service (2019-08-01, `X-IDENTITY-HEADER`) and Azure ML's compute (2017-09-01, `Secret`).
    fn endpoint(&self, request: &Request, options: &IdentityOptions) -> Reply {
        let machine_learning = request.path.starts_with("/MSI");
        let (header, version) = if machine_learning { ("secret", "2017-09-01") } else { ("x-identity-header", "2019-08-01") };
        if request.query("api-version") != Some(version) {
            return Reply::json(400, &json!({ "statusCode": 400, "message": format!("api-version must be {version}") }));
        }
        let id = request.query(if machine_learning { "clientid" } else { "client_id" });
        if request.header(header) != Some(Identity::HEADER) || options.refuse || id.is_some_and(|id| id != Identity::USER_ASSIGNED) {
            return Reply::json(if options.refuse { 400 } else { 401 }, &json!({ "statusCode": 400, "message": "No managed identity was found for the specified id or header" }));
        }
        let resource = request.query("resource").unwrap_or_default();
        let expires = chrono::Utc::now().timestamp() + options.expires_in as i64;
        Reply::json(200, &json!({ "access_token": self.token(resource, options), "expires_on": expires.to_string(), "resource": resource, "token_type": "Bearer", "client_id": Identity::CLIENT }))
    }

    fn google_metadata(&self, request: &Request, options: &IdentityOptions) -> Reply {
        if request.header("metadata-flavor") != Some("Google") || options.refuse {
            return Reply::status(403).with("Metadata-Flavor", "Google");
        }
        Reply::json(200, &json!({ "access_token": self.token("https://storage.googleapis.com", options), "expires_in": options.expires_in, "token_type": "Bearer" })).with("Metadata-Flavor", "Google")
    }

    fn google_oauth(&self, request: &Request, options: &IdentityOptions) -> Reply {
        let assertion = request.field("assertion").unwrap_or_default();
        if options.refuse || request.field("grant_type").as_deref() != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") || assertion.split('.').count() != 3 {
            return Reply::json(400, &json!({ "error": "invalid_grant", "error_description": "Invalid JWT Signature." }));
        }
        Reply::json(200, &json!({ "access_token": self.token("https://storage.googleapis.com", options), "expires_in": options.expires_in, "token_type": "Bearer" }))
    }
}

fn base64_json(value: &Value) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Who signed in, for a client that asked with `openid`.
fn id_token(client: &str) -> String {
    let now = chrono::Utc::now().timestamp();
    let claims = json!({
        "iss": format!("https://login.microsoftonline.com/{}/v2.0", Identity::TENANT), "aud": client, "sub": "ada", "oid": Identity::CLIENT, "tid": Identity::TENANT,
        "preferred_username": "ada@example.org", "iat": now - 60, "nbf": now - 60, "exp": now + 3600, "ver": "2.0",
    });
    format!("{}.{}.b2NocmU", base64_json(&json!({ "alg": "RS256", "typ": "JWT" })), base64_json(&claims))
}

fn device_code(request: &Request, options: &IdentityOptions) -> Reply {
    if options.refuse {
        return entra_error(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory.", 700_016);
    }
    let message = format!("To sign in, open {}/device and enter the code {} to authenticate.", origin(request), Identity::USER_CODE);
    Reply::json(200, &json!({ "user_code": Identity::USER_CODE, "device_code": "device-code-0001", "verification_uri": format!("{}/device", origin(request)), "expires_in": 900, "interval": options.interval, "message": message }))
}

fn entra_error(status: u16, error: &str, description: &str, code: u32) -> Reply {
    Reply::json(status, &json!({ "error": error, "error_description": description, "error_codes": [code], "trace_id": "0", "correlation_id": "0" }))
}

/// What Microsoft's SDKs read before they ask for a token.
fn openid(request: &Request) -> Reply {
    let base = format!("{}/{}", origin(request), Identity::TENANT);
    Reply::json(200, &json!({
        "issuer": format!("{base}/v2.0"), "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"), "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"), "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_types_supported": ["code"], "subject_types_supported": ["pairwise"], "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

/// Where the client believes us to be. Microsoft's SDKs take an authority only over https.
fn origin(request: &Request) -> String {
    format!("https://{}", request.header("host").unwrap_or_default())
}

fn aws_metadata(request: &Request, options: &IdentityOptions) -> Reply {
    if request.header("x-aws-ec2-metadata-token") != Some("AQAEA-imds-session-token==") || options.refuse {
        return Reply::new(401, "text/plain", "401 - Unauthorized");
    }
    match request.path.trim_start_matches("/latest/meta-data/iam/security-credentials").trim_matches('/') {
        "" => Reply::new(200, "text/plain", "ochre-role"),
        "ochre-role" => aws_credentials(options),
        _ => Reply::new(404, "text/plain", "404 - Not Found"),
    }
}

fn aws_credentials(options: &IdentityOptions) -> Reply {
    if options.refuse {
        return Reply::new(401, "text/plain", "401 - Unauthorized");
    }
    let expiration = chrono::Utc::now() + chrono::Duration::seconds(options.expires_in as i64);
    let time = |t: chrono::DateTime<chrono::Utc>| t.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    Reply::json(200, &json!({ "Code": "Success", "LastUpdated": time(chrono::Utc::now()), "Type": "AWS-HMAC", "AccessKeyId": Identity::AWS_ID, "SecretAccessKey": Identity::AWS_KEY, "Token": Identity::AWS_TOKEN, "Expiration": time(expiration) }))
}

/// AssumeRoleWithWebIdentity.
fn sts(request: &Request, options: &IdentityOptions) -> Reply {
    let of = |name: &str| request.field(name).or_else(|| request.query(name).map(str::to_string)).unwrap_or_default();
    if options.refuse || of("Action") != "AssumeRoleWithWebIdentity" || of("WebIdentityToken") != Identity::ASSERTION {
        return Reply::new(400, "text/xml", "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>the token is none</Message></Error></ErrorResponse>");
    }
    let expiration = (chrono::Utc::now() + chrono::Duration::seconds(options.expires_in as i64)).format("%Y-%m-%dT%H:%M:%SZ");
    Reply::new(200, "text/xml", format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        Identity::AWS_ID, Identity::AWS_KEY, Identity::AWS_TOKEN
    ))
}
