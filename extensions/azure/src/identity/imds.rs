//! The Instance Metadata Service of Azure's virtual machines, at an address that elsewhere does not answer at all.
//!
//! So it is probed first, with a request that no IMDS grants and every one answers at once, and the result is remembered by all clones: a laptop
//! loses [`PROBE`] once per process. Other clouds answer at the same address and are told apart.
use super::MANAGED;
use crate::http::{Answer, Ask};
use crate::token::{TokenAnswer, resource};
use crate::{AzureError, Environment, Http, Token};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use url::Url;

/// Bound of the probe. IMDS is a process on the host of the machine, and answers in milliseconds.
const PROBE: Duration = Duration::from_secs(1);
/// Bound of a request for a token, which IMDS may have to fetch from Entra.
const BOUND: Duration = Duration::from_secs(10);
/// Requests for a token: IMDS is busy or updated now and then.
const TRIES: u32 = 3;
/// First wait between them; doubles. Microsoft's SDKs begin with the same.
const PAUSE: Duration = Duration::from_millis(800);

const ADDRESS: &str = "http://169.254.169.254";
const PATH: &str = "/metadata/identity/oauth2/token";

/// The service, and whether it is there.
#[derive(Clone, Debug)]
pub struct Imds {
    address: Result<Url, String>,
    /// Why it is not there.
    probed: Arc<OnceCell<Option<String>>>,
}

impl Imds {
    /// At its address, or that of `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let base = environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or(ADDRESS).trim_end_matches('/');
        let address = Url::parse(&format!("{base}{PATH}")).map_err(|e| format!("AZURE_POD_IDENTITY_AUTHORITY_HOST: {e}"));
        Self { address, probed: Arc::new(OnceCell::new()) }
    }

    /// A token of the machine's identity, or of the user-assigned one with this client id.
    pub(super) async fn token(&self, http: &Http, scope: &str, client: Option<&str>) -> Result<Token, AzureError> {
        let address = self.address.as_ref().map_err(|why| absent(why.clone()))?;
        if let Some(why) = self.probed.get_or_init(|| probe(http, address)).await {
            return Err(absent(why.clone()));
        }
        let ask = Ask::get(address.clone(), "IMDS").query(&[("api-version", "2018-02-01"), ("resource", resource(scope))]);
        let ask = client.map_or(ask.clone(), |id| ask.query(&[("client_id", id)])).header("metadata", "true");
        let answer = patient(http, &ask).await?;
        match answer.status {
            200..300 => Ok(answer.json::<TokenAnswer>()?.token()),
            // Said for "no identity is assigned" and "none of that client id".
            400 => Err(absent(format!("this virtual machine has no {}: {}", whose(client), answer.refusal().1))),
            status => Err(absent(format!("IMDS answered {status}: {}", answer.refusal().1))),
        }
    }
}

fn whose(client: Option<&str>) -> String {
    client.map_or("managed identity".into(), |id| format!("managed identity with the client id {id}"))
}

fn absent(why: String) -> AzureError {
    AzureError::NotSetUp { identity: MANAGED, why }
}

/// Asks without the header that IMDS demands. Gives why there is none.
async fn probe(http: &Http, address: &Url) -> Option<String> {
    let ask = Ask::get(address.clone(), "IMDS").query(&[("api-version", "2018-02-01")]);
    match http.ask_metadata(&ask, PROBE).await {
        Ok(answer) => not_azure(&answer),
        Err(_) => Some(format!("no metadata service answered within {} s", PROBE.as_secs())),
    }
}

/// Whether somebody else lives at the address.
fn not_azure(answer: &Answer) -> Option<String> {
    let other = if answer.header("metadata-flavor").is_some_and(|f| f.eq_ignore_ascii_case("google")) {
        "Google Cloud"
    } else if answer.header("server").is_some_and(|s| s.contains("EC2")) || answer.status == 401 {
        "AWS"
    } else if answer.status == 403 || answer.status >= 500 {
        // Docker Desktop and other proxies answer for addresses that they cannot reach.
        "a proxy, not Azure"
    } else {
        return None;
    };
    Some(format!("the metadata service of this host is that of {other}"))
}

/// As often as IMDS asks for.
async fn patient(http: &Http, ask: &Ask) -> Result<Answer, AzureError> {
    let mut tries = 1;
    loop {
        let answer = http.ask_metadata(ask, BOUND).await;
        let again = answer.as_ref().is_ok_and(|a| matches!(a.status, 404 | 410 | 429 | 500..));
        if !again || tries == TRIES {
            return answer;
        }
        tokio::time::sleep(PAUSE * 2u32.pow(tries - 1)).await;
        tries += 1;
    }
}
