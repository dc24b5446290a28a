//! Credentials that renew themselves: one [`Renewal`] per open store asks its [`Grants`] for another before the held one ends and after the service
//! refused it. object_store asks a [`Provider`] for every request, so a renewed credential is used at once.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use object_store::azure::{AzureAccessKey, AzureCredential};
use object_store::gcp::GcpCredential;
use tokio::sync::Mutex;

use crate::error::Ours;
use crate::location::decode;
use crate::{BlobError, Credential, Grant, Grants, Location, Result};

/// A credential is renewed this long before it ends, or after three quarters of its life where that is later: services count a token as ended
/// early when clocks differ, and a part in flight must not outlive it.
const EARLY: Duration = Duration::from_secs(300);
/// Refusals within this time of a renewal do not renew again: the credential is not allowed to, and a fresh one of the same identity will not be
/// either. Only one that the user has named meanwhile is worth a try.
const PAUSE: Duration = Duration::from_secs(10);

/// The grant of one open store.
pub(crate) struct Renewal {
    grants: Arc<dyn Grants>,
    location: Location,
    held: Mutex<Option<Held>>,
}

struct Held {
    grant: Arc<Grant>,
    number: u64,
    renew_at: Option<SystemTime>,
    got: Instant,
}

impl Held {
    fn new(grant: Grant, number: u64) -> Self {
        let now = SystemTime::now();
        let renew_at = grant.expires.map(|seconds| {
            let end = UNIX_EPOCH + Duration::from_secs(seconds);
            let life = end.duration_since(now).unwrap_or_default();
            end - EARLY.min(life / 4)
        });
        Self { grant: Arc::new(grant), number, renew_at, got: Instant::now() }
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Renewal({})", self.location)
    }
}

impl Renewal {
    pub(crate) fn new(grants: Arc<dyn Grants>, location: Location) -> Self {
        Self { grants, location, held: Mutex::new(None) }
    }

    /// The grant of now.
    pub(crate) async fn grant(&self) -> Result<Arc<Grant>> {
        Ok(self.current().await?.0)
    }

    /// The grant and its number, which grows with each renewal.
    async fn current(&self) -> Result<(Arc<Grant>, u64)> {
        let mut held = self.held.lock().await;
        let due = match held.as_ref() {
            None => {
                let grant = self.grants.grant(&self.location, false).await?;
                *held = Some(Held::new(grant, 1));
                false
            }
            Some(held) => held.renew_at.is_some_and(|at| SystemTime::now() >= at),
        };
        if due {
            self.renew(&mut held).await?;
        }
        let held = held.as_ref().expect("filled above");
        Ok((Arc::clone(&held.grant), held.number))
    }

    /// Replaces what is held. While the old one has not ended, a failure to renew is no failure.
    async fn renew(&self, held: &mut Option<Held>) -> Result<()> {
        let number = held.as_ref().map_or(0, |held| held.number);
        match self.grants.grant(&self.location, true).await {
            Ok(grant) => *held = Some(Held::new(grant, number + 1)),
            Err(error) => {
                let now = SystemTime::now();
                let alive = held.as_ref().and_then(|held| held.grant.expires).is_some_and(|end| UNIX_EPOCH + Duration::from_secs(end) > now);
                if !alive {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The service refused what is held: gets another. `false` if that was done just now, or cannot be. An error if nothing was used because nothing
    /// was found: then where it was looked for says more than the service's refusal.
    ///
    /// `sent`: when the refused request began. What was renewed since then is worth a try as it is: all parts in flight are refused together.
    pub(crate) async fn refused(&self, sent: Instant) -> object_store::Result<bool> {
        let mut held = self.held.lock().await;
        if let Some(last) = held.as_ref().filter(|held| held.number > 1) {
            if last.got > sent {
                return Ok(true);
            }
            if last.got.elapsed() < PAUSE {
                let Ok(grant) = self.grants.grant(&self.location, false).await else { return Ok(false) };
                let another = !same(&last.grant.credential, &grant.credential);
                if another {
                    let number = last.number + 1;
                    *held = Some(Held::new(grant, number));
                }
                return Ok(another);
            }
        }
        let before = held.as_ref().map(|held| Arc::clone(&held.grant));
        if let Err(error) = self.renew(&mut held).await {
            let nothing = before.is_some_and(|grant| matches!(grant.credential, Credential::Anonymous));
            return if nothing { Err(Ours::Grant(Box::new(error)).into_store()) } else { Ok(false) };
        }
        let now = held.as_ref().map(|held| Arc::clone(&held.grant));
        // The same key again is refused again.
        Ok(!matches!((before, now), (Some(before), Some(now)) if same(&before.credential, &now.credential)))
    }
}

fn same(a: &Credential, b: &Credential) -> bool {
    match (a, b) {
        (Credential::Anonymous, Credential::Anonymous) => true,
        (Credential::AzureKey(a), Credential::AzureKey(b))
        | (Credential::AzureSas(a), Credential::AzureSas(b))
        | (Credential::AzureToken(a), Credential::AzureToken(b))
        | (Credential::GcsToken(a), Credential::GcsToken(b))
        | (Credential::GcsServiceAccount(a), Credential::GcsServiceAccount(b)) => a.expose() == b.expose(),
        (Credential::AwsKeys { key: a, token: s, .. }, Credential::AwsKeys { key: b, token: t, .. }) => {
            a.expose() == b.expose() && s.as_ref().map(ochre_secrets::Secret::expose) == t.as_ref().map(ochre_secrets::Secret::expose)
        }
        _ => false,
    }
}

/// A credential of object_store's, made of a grant. For those who have stores of their own, such as polars.
pub trait FromGrant: Sized {
    /// The credential, or why the grant is none of this kind; the words do not repeat it.
    ///
    /// # Errors
    /// A fragment that says what is wrong.
    fn from_grant(grant: &Grant) -> std::result::Result<Self, &'static str>;
}

impl FromGrant for AzureCredential {
    fn from_grant(grant: &Grant) -> std::result::Result<Self, &'static str> {
        match &grant.credential {
            Credential::AzureKey(key) => {
                AzureAccessKey::try_new(key.expose().trim()).map(Self::AccessKey).map_err(|_| "the account key is not base64")
            }
            Credential::AzureSas(sas) => {
                let text = sas.expose().trim();
                let query = text.split_once('?').map_or(text, |(_, query)| query);
                let pairs: Option<Vec<(String, String)>> =
                    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').and_then(|(name, value)| Some((decode(name)?, decode(value)?)))).collect();
                pairs.map(Self::SASToken).ok_or("the shared access signature has a part without `=`")
            }
            Credential::AzureToken(token) => Ok(Self::BearerToken(token.expose().to_owned())),
            _ => Err("it is not Azure's"),
        }
    }
}

impl FromGrant for AwsCredential {
    fn from_grant(grant: &Grant) -> std::result::Result<Self, &'static str> {
        match &grant.credential {
            Credential::AwsKeys { id, key, token } => Ok(Self {
                key_id: id.expose().to_owned(),
                secret_key: key.expose().to_owned(),
                token: token.as_ref().map(|token| token.expose().to_owned()),
            }),
            _ => Err("it is not S3's"),
        }
    }
}

impl FromGrant for GcpCredential {
    fn from_grant(grant: &Grant) -> std::result::Result<Self, &'static str> {
        match &grant.credential {
            Credential::GcsToken(token) => Ok(Self { bearer: token.expose().to_owned() }),
            _ => Err("it is not Google's"),
        }
    }
}

/// A [`Renewal`] as object_store wants it.
pub(crate) struct Provider<C> {
    renewal: Arc<Renewal>,
    made: Mutex<Option<(u64, Arc<C>)>>,
    of: PhantomData<C>,
}

impl<C> Provider<C> {
    pub(crate) fn new(renewal: Arc<Renewal>) -> Self {
        Self { renewal, made: Mutex::new(None), of: PhantomData }
    }
}

impl<C> fmt::Debug for Provider<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Provider({:?})", self.renewal)
    }
}

#[async_trait]
impl<C: FromGrant + Send + Sync> CredentialProvider for Provider<C> {
    type Credential = C;

    async fn get_credential(&self) -> object_store::Result<Arc<C>> {
        let (grant, number) = self.renewal.current().await.map_err(|error| Ours::Grant(Box::new(error)).into_store())?;
        let mut made = self.made.lock().await;
        if let Some((of, credential)) = made.as_ref() {
            if *of == number {
                return Ok(Arc::clone(credential));
            }
        }
        let credential = C::from_grant(&grant).map_err(|why| {
            let error = BlobError::BadCredential { at: self.renewal.location.root().to_string(), why: why.to_owned() };
            Ours::Grant(Box::new(error)).into_store()
        })?;
        let credential = Arc::new(credential);
        *made = Some((number, Arc::clone(&credential)));
        Ok(credential)
    }
}
