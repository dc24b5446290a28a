//! Which account or container has which credential, and grants made of them. The magics, the cells' service and the mounts' supervisor ask here;
//! nothing here is written anywhere, and a restart forgets it.
//!
//! ```text
//! %credential, %mount --credential --> Entry(scope, source) --grant()--> kept until shortly before it expires
//! location --container, account, scheme, workspace, auto--> Entry
//! ```
use crate::failures::to_blob;
use async_trait::async_trait;
use ochre_api::Failure;
use ochre_blobs::{BlobError, Credential, Grant, Grants, Location, Scheme};
use ochre_secrets::{Redactor, Secret};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A grant is replaced this long before it expires, seconds: longer than any request that begins with it.
const MARGIN: u64 = 300;
/// A grant that was just made is not made again because several parts of one transfer were refused at once.
const JUST_MADE: Duration = Duration::from_secs(3);
/// Longest time in which a source must answer: a token service that is not there must not hold a cell.
const SOURCE_LIMIT: Duration = Duration::from_secs(60);

/// Something that makes grants: an identity, a key from a vault, nothing at all.
#[async_trait]
pub(crate) trait GrantSource: Send + Sync {
    /// As it was typed; never a secret.
    fn word(&self) -> String;
    /// A grant for the container. `refresh`: nothing that was kept may be given.
    async fn grant(&self, location: &Location, place: &Place, refresh: bool) -> Result<Grant, Failure>;
}

/// What `--endpoint` and `--region` said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
}

/// What a credential is for: the narrower one counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    pub(crate) scheme: Scheme,
    pub(crate) account: Option<String>,
    pub(crate) container: Option<String>,
}

impl Scope {
    /// `az://container@account`, `az://@account` (all of it), `s3://` (all buckets).
    pub(crate) fn parse(text: &str) -> Result<Self, BlobError> {
        let all = |scheme, account: Option<&str>| Self { scheme, account: account.map(str::to_owned), container: None };
        match text.trim_end_matches('/').split_once(':') {
            Some(("az" | "abfs" | "abfss", "")) => return Ok(all(Scheme::Azure, None)),
            Some(("s3", "")) => return Ok(all(Scheme::S3, None)),
            Some(("gs", "")) => return Ok(all(Scheme::Gcs, None)),
            _ => {}
        }
        if let Some(account) = text.strip_prefix("az://@").map(|a| a.trim_end_matches('/')).filter(|a| !a.is_empty() && !a.contains(['/', '@', '?'])) {
            return Ok(all(Scheme::Azure, Some(account)));
        }
        Ok(Self::of(&Location::parse(text)?))
    }

    /// The container of a location.
    pub(crate) fn of(location: &Location) -> Self {
        Self { scheme: location.scheme, account: location.account.clone(), container: Some(location.container.clone()) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.word(), self.container.as_deref().unwrap_or(""))?;
        match &self.account {
            Some(account) => write!(f, "@{account}"),
            None => Ok(()),
        }
    }
}

/// What a grant was made of, for `%credential`.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) scope: String,
    pub(crate) word: String,
    /// `account key`, `token`, …; nothing before it was used.
    pub(crate) kind: Option<&'static str>,
    /// Seconds until the present grant ends.
    pub(crate) expires_in: Option<u64>,
    pub(crate) endpoint: Option<String>,
}

/// One credential with what was made of it.
struct Entry {
    source: Arc<dyn GrantSource>,
    place: Place,
    /// By container: a source may give each its own.
    kept: tokio::sync::Mutex<BTreeMap<String, Kept>>,
    /// The order in which they were configured: the newest of an account serves its other containers.
    number: u64,
}

#[derive(Clone)]
struct Kept {
    grant: Grant,
    made: Instant,
    lifetime: Option<u64>,
}

/// Makes the credential that is used where none was configured.
pub(crate) type Fallback = Box<dyn Fn(&Location) -> Arc<dyn GrantSource> + Send + Sync>;
/// The account that Azure URLs without one mean.
pub(crate) type DefaultAccount = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// The table. Shared by all that need grants.
pub(crate) struct Accounts {
    entries: Mutex<BTreeMap<Scope, Arc<Entry>>>,
    /// Those that were found and not configured.
    found: Mutex<BTreeMap<Scope, Arc<Entry>>>,
    fallback: Fallback,
    default_account: DefaultAccount,
    redactor: Redactor,
    source_limit: Duration,
}

impl Accounts {
    pub(crate) fn new(fallback: Fallback, default_account: DefaultAccount, redactor: Redactor) -> Self {
        Self { entries: Mutex::default(), found: Mutex::default(), fallback, default_account, redactor, source_limit: SOURCE_LIMIT }
    }

    /// From now on this credential serves the scope.
    pub(crate) fn configure(&self, scope: Scope, source: Arc<dyn GrantSource>, place: Place) {
        let mut entries = lock(&self.entries);
        let number = entries.values().map(|e| e.number + 1).max().unwrap_or(0);
        entries.insert(scope, Arc::new(Entry { source, place, kept: tokio::sync::Mutex::default(), number }));
        // What was found before may have been found in its place.
        lock(&self.found).clear();
    }

    /// What was found without being configured may be another now (`%workspace`).
    pub(crate) fn forget_found(&self) {
        lock(&self.found).clear();
    }

    /// The location with its account, where the URL did not say: the workspace's, or the one that is configured.
    pub(crate) fn complete(&self, location: Location) -> Result<Location, BlobError> {
        if location.scheme != Scheme::Azure || location.account.is_some() {
            return Ok(location);
        }
        let mut configured: Vec<String> = lock(&self.entries).keys().filter_map(|s| s.account.clone()).collect();
        configured.dedup();
        let only = if let [one] = configured.as_slice() { Some(one.clone()) } else { None };
        match (self.default_account)().or(only).or_else(|| std::env::var("AZURE_STORAGE_ACCOUNT").ok().filter(|a| !a.is_empty())) {
            Some(account) => Ok(location.or_account(Some(&account))),
            None => {
                let why = "it names no storage account, and there is no default one".to_owned();
                Err(BlobError::BadLocation { url: location.to_string(), why, hint: Some("write az://container@account/path, or choose a workspace with `%workspace config.json`") })
            }
        }
    }

    /// True when a credential was configured that serves this location.
    pub(crate) fn configured(&self, location: &Location) -> bool {
        self.find(location).is_some()
    }

    fn find(&self, location: &Location) -> Option<Arc<Entry>> {
        let entries = lock(&self.entries);
        let exact = Scope::of(location);
        let account = Scope { container: None, ..exact.clone() };
        let scheme = Scope { account: None, ..account.clone() };
        let sibling = || {
            let same = |scope: &&Scope| scope.scheme == Scheme::Azure && location.account.is_some() && scope.account == location.account;
            entries.iter().filter(|(scope, _)| same(scope)).max_by_key(|(_, entry)| entry.number).map(|(_, entry)| entry)
        };
        entries.get(&exact).or_else(|| entries.get(&account)).or_else(sibling).or_else(|| entries.get(&scheme)).cloned()
    }

    fn entry(&self, location: &Location) -> Arc<Entry> {
        if let Some(entry) = self.find(location) {
            return entry;
        }
        let mut found = lock(&self.found);
        let make = || Arc::new(Entry { source: (self.fallback)(location), place: Place::default(), kept: tokio::sync::Mutex::default(), number: 0 });
        found.entry(Scope::of(location)).or_insert_with(make).clone()
    }

    /// A grant for the location's container: a kept one that is good for a while, or a new one.
    pub(crate) async fn grant(&self, location: &Location, refresh: bool) -> Result<Grant, Failure> {
        let location = self.complete(location.clone()).map_err(crate::failures::of_blob)?;
        let entry = self.entry(&location);
        // One at a time for each credential: who comes second finds what the first has made.
        let mut kept = entry.kept.lock().await;
        if let Some(kept) = kept.get(&location.container)
            && usable(kept, refresh)
        {
            return Ok(kept.grant.clone());
        }
        let made = tokio::time::timeout(self.source_limit, entry.source.grant(&location.root(), &entry.place, refresh)).await;
        let mut grant = made.unwrap_or_else(|_| {
            let message = format!("the credential `{}` for {} was not there within {} s", entry.source.word(), Scope::of(&location), self.source_limit.as_secs());
            Err(Failure::remote(message).hint("choose one that does not wait: `%credential URL secret:SCOPE/KEY`"))
        })?;
        grant.account = grant.account.or_else(|| location.account.clone());
        grant.endpoint = entry.place.endpoint.clone().or(grant.endpoint);
        grant.region = entry.place.region.clone().or(grant.region);
        for secret in secrets(&grant.credential) {
            self.redactor.know(secret);
        }
        let lifetime = grant.expires.map(|expires| expires.saturating_sub(now()));
        kept.insert(location.container.clone(), Kept { grant: grant.clone(), made: Instant::now(), lifetime });
        Ok(grant)
    }

    /// All that is configured or was found, for the user.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let mut all: Vec<(String, Arc<Entry>)> = lock(&self.entries).iter().map(|(scope, entry)| (scope.to_string(), entry.clone())).collect();
        all.extend(lock(&self.found).iter().map(|(scope, entry)| (scope.to_string(), entry.clone())));
        all.into_iter().map(|(scope, entry)| listed(scope, &entry)).collect()
    }
}

fn listed(scope: String, entry: &Entry) -> Listed {
    // A source that is at work right now has nothing to tell yet.
    let kept = entry.kept.try_lock().ok().and_then(|kept| kept.values().last().cloned());
    Listed {
        scope,
        word: entry.source.word(),
        kind: kept.as_ref().map(|k| kind(&k.grant.credential)),
        expires_in: kept.and_then(|k| k.grant.expires).map(|at| at.saturating_sub(now())),
        endpoint: entry.place.endpoint.clone(),
    }
}

/// What a credential is, without its value.
pub(crate) fn kind(credential: &Credential) -> &'static str {
    match credential {
        Credential::Anonymous => "anonymous",
        Credential::AzureKey(_) => "account key",
        Credential::AzureSas(_) => "SAS",
        Credential::AzureToken(_) => "Entra token",
        Credential::AwsKeys { token: None, .. } => "access key",
        Credential::AwsKeys { token: Some(_), .. } => "temporary access key",
        Credential::GcsToken(_) => "token",
        Credential::GcsServiceAccount(_) => "service account",
    }
}

/// The values in it, which must not be seen anywhere.
fn secrets(credential: &Credential) -> Vec<&Secret> {
    match credential {
        Credential::Anonymous => Vec::new(),
        Credential::AzureKey(value) | Credential::AzureSas(value) | Credential::AzureToken(value) | Credential::GcsToken(value) | Credential::GcsServiceAccount(value) => vec![value],
        // An access key's id is no secret: services and logs show it.
        Credential::AwsKeys { key, token, .. } => std::iter::once(key).chain(token).collect(),
    }
}

fn usable(kept: &Kept, refresh: bool) -> bool {
    // Nothing was found and public access was refused: the source is asked again, and says where it has looked.
    let nothing = matches!(kept.grant.credential, Credential::Anonymous);
    if refresh && (nothing || kept.made.elapsed() > JUST_MADE) {
        return false;
    }
    // Short lives are used for four fifths.
    let margin = kept.lifetime.map_or(0, |lifetime| MARGIN.min(lifetime / 5));
    kept.grant.expires.is_none_or(|at| at > now() + margin)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Grants for Accounts {
    async fn grant(&self, location: &Location, refresh: bool) -> Result<Grant, BlobError> {
        Accounts::grant(self, location, refresh).await.map_err(|failure| to_blob(&failure, location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts how often it was asked; its grants live for some seconds.
    struct Counted {
        word: &'static str,
        lifetime: Option<u64>,
        asked: AtomicU64,
    }

    impl Counted {
        fn new(word: &'static str, lifetime: Option<u64>) -> Arc<Self> {
            Arc::new(Self { word, lifetime, asked: AtomicU64::new(0) })
        }
    }

    #[async_trait]
    impl GrantSource for Counted {
        fn word(&self) -> String {
            self.word.to_owned()
        }
        async fn grant(&self, _: &Location, _: &Place, _: bool) -> Result<Grant, Failure> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Ok(Grant { expires: self.lifetime.map(|l| now() + l), region: Some(self.word.to_owned()), ..Grant::new(Credential::AzureToken(Secret::new("a token of no account"))) })
        }
    }

    fn table() -> Accounts {
        Accounts::new(Box::new(|_| Counted::new("auto", None)), Box::new(|| None), Redactor::default())
    }

    fn at(url: &str) -> Location {
        Location::parse(url).expect("a location")
    }

    fn scope(url: &str) -> Scope {
        Scope::parse(url).expect("a scope")
    }

    #[tokio::test]
    async fn the_narrower_credential_counts() {
    // The narrower credential counts.
        let accounts = table();
        for (url, word) in [("az://pictures@acct/x", "pictures"), ("s3://", "buckets"), ("s3://mine/a/b", "mine"), ("az://@other", "other")] {
            accounts.configure(scope(url), Counted::new(word, None), Place::default());
        }
        for (url, expected) in [
            ("az://pictures@acct/y/z", "pictures"),
            ("az://sounds@acct", "pictures"),
            ("az://a@other/b", "other"),
            ("az://a@third", "auto"),
            ("s3://mine/c", "mine"),
            ("s3://theirs/c", "buckets"),
            ("gs://b/c", "auto"),
        ] {
            let grant = accounts.grant(&at(url), false).await.expect("a grant");
            assert_eq!(grant.region.as_deref(), Some(expected), "credential of {url}");
        }
        assert_eq!(accounts.list().iter().map(|l| (l.scope.as_str(), l.word.as_str())).collect::<Vec<_>>()[..3], [("az://pictures@acct", "pictures"), ("az://@other", "other"), ("s3://", "buckets")]);
    }

    #[tokio::test]
    async fn a_grant_is_kept_until_shortly_before_it_expires() {
    // A credential is renewed before it ends.
        let accounts = table();
        let (long, short, over) = (Counted::new("long", Some(3600)), Counted::new("short", Some(100)), Counted::new("over", Some(0)));
        for (url, source) in [("az://c@long", &long), ("az://c@short", &short), ("az://c@over", &over)] {
            accounts.configure(scope(url), source.clone(), Place::default());
            for _ in 0..3 {
                accounts.grant(&at(url), false).await.expect("a grant");
            }
        }
        assert_eq!([&long, &short, &over].map(|s| s.asked.load(Ordering::SeqCst)), [1, 1, 3]);
    }

    #[tokio::test]
    async fn a_refused_grant_is_made_again_once_for_all_who_ask() {
        let accounts = table();
        let source = Counted::new("s", Some(3600));
        accounts.configure(scope("az://c@a"), source.clone(), Place::default());
        accounts.grant(&at("az://c@a"), false).await.expect("a grant");
        lock(&accounts.entries).values().for_each(|e| e.kept.try_lock().expect("free").values_mut().for_each(|k| k.made -= JUST_MADE * 2));
        for _ in 0..5 {
            accounts.grant(&at("az://c@a"), true).await.expect("a grant");
        }
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn an_account_is_filled_in_where_only_one_can_be_meant() {
        let accounts = table();
        if std::env::var_os("AZURE_STORAGE_ACCOUNT").is_none() {
            let error = accounts.complete(at("az://c/x")).expect_err("none is known");
            assert!(error.to_string().contains("names no storage account") && error.hint().is_some(), "{error}");
        }
        accounts.configure(scope("az://c@acct"), Counted::new("s", None), Place::default());
        assert_eq!(accounts.complete(at("az://d/x")).expect("the only one").to_string(), "az://d@acct/x");
        let workspace = Accounts::new(Box::new(|_| Counted::new("auto", None)), Box::new(|| Some("ws".to_owned())), Redactor::default());
        assert_eq!(workspace.complete(at("az://d/x")).expect("the workspace's").to_string(), "az://d@ws/x");
        assert_eq!(workspace.complete(at("s3://d/x")).expect("has none").to_string(), "s3://d/x");
    }

    #[tokio::test]
    async fn a_source_that_never_answers_is_given_up() {
        struct Silent;
        #[async_trait]
        impl GrantSource for Silent {
            fn word(&self) -> String {
                "managed-identity".into()
            }
            async fn grant(&self, _: &Location, _: &Place, _: bool) -> Result<Grant, Failure> {
                std::future::pending().await
            }
        }
        let accounts = Accounts { source_limit: Duration::from_millis(1), ..table() };
        accounts.configure(scope("az://c@a"), Arc::new(Silent), Place::default());
        let failure = accounts.grant(&at("az://c@a"), false).await.expect_err("nothing came");
        assert_eq!(failure.message, "the credential `managed-identity` for az://c@a was not there within 0 s");
    }
}
