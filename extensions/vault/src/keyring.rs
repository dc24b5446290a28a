//! The keyring of the desktop: the Secret Service of GNOME Keyring, KWallet or KeePassXC, over D-Bus.
//!
//! Reference: freedesktop.org, Secret Service API 0.2. A session of the kind `plain` is used: the bus is a socket of this user alone. Every call is
//! bounded in time, because a service that shows a dialogue on a screen that nobody sees answers never.
use crate::VaultError;
use crate::backend::{Backend, Place};
use async_trait::async_trait;
use futures::StreamExt;
use ochre_secrets::Secret;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;
use zbus::zvariant::{DynamicType, ObjectPath, OwnedObjectPath, OwnedValue, Type, Value};
use zbus::{Connection, MatchRule, MessageStream};

const SERVICE: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
/// One call; the service may have to be started.
const CALL: Duration = Duration::from_secs(5);
/// A person types the password of the keyring.
const PROMPT: Duration = Duration::from_secs(60);

/// The keyring of this user.
#[derive(Default)]
pub struct Keyring {
    /// Address of the bus; that of the session when it is not given.
    address: Option<String>,
    open: Mutex<Option<Open>>,
}

/// A conversation with the service.
#[derive(Clone)]
struct Open {
    bus: Connection,
    session: OwnedObjectPath,
}

/// Session, parameters (none for `plain`), value, content type.
type Wire<'a> = (ObjectPath<'a>, Vec<u8>, Vec<u8>, &'a str);
type OwnedWire = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

impl Keyring {
    /// That of the bus at an address, such as `unix:path=/run/user/1000/bus`.
    #[must_use]
    pub fn at(address: &str) -> Self {
        Self { address: Some(address.to_owned()), open: Mutex::default() }
    }

    async fn open(&self) -> Result<Open, VaultError> {
        let mut open = self.open.lock().await;
        if let Some(open) = &*open {
            return Ok(open.clone());
        }
        let connecting = async {
            match &self.address {
                Some(address) => zbus::connection::Builder::address(address.as_str())?.build().await,
                None => Connection::session().await,
            }
        };
        let bus = timeout(CALL, connecting).await.map_err(|_| why("the session bus does not answer"))?.map_err(|_| why("there is no session bus (D-Bus) here"))?;
        let (_, session): (OwnedValue, OwnedObjectPath) = call(&bus, ROOT, "Service", "OpenSession", &("plain", Value::from(""))).await?;
        let made = Open { bus, session };
        *open = Some(made.clone());
        Ok(made)
    }

    /// The collection that new secrets go into.
    async fn collection(&self) -> Result<(Open, OwnedObjectPath), VaultError> {
        let open = self.open().await?;
        let path: OwnedObjectPath = call(&open.bus, ROOT, "Service", "ReadAlias", &("default",)).await?;
        if path.as_str() != "/" {
            return Ok((open, path));
        }
        // GNOME's sets the alias late, or never when it was asked too early; its collection `login` is there all the same.
        let get = ("org.freedesktop.Secret.Service", "Collections");
        let all: OwnedValue = request(&open.bus, ROOT, "org.freedesktop.DBus.Properties", "Get", &get).await?;
        let all: Vec<OwnedObjectPath> = all.try_into().map_err(|_| why("its collections cannot be read"))?;
        let login = all.into_iter().find(|path| path.as_str().ends_with("/login"));
        login.map(|path| (open, path)).ok_or_else(|| why("it has no default collection"))
    }

    /// Paths of our items with these attributes, all unlocked.
    async fn items(&self, open: &Open, attributes: &HashMap<&str, &str>) -> Result<Vec<OwnedObjectPath>, VaultError> {
        let (mut found, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = call(&open.bus, ROOT, "Service", "SearchItems", &(attributes,)).await?;
        if !locked.is_empty() {
            self.unlock(open, &locked).await?;
            found.extend(locked);
        }
        Ok(found)
    }

    async fn unlock(&self, open: &Open, paths: &[OwnedObjectPath]) -> Result<(), VaultError> {
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = call(&open.bus, ROOT, "Service", "Unlock", &(paths,)).await?;
        self.prompted(open, &prompt).await
    }

    /// Has the service ask its question on the screen, if it has one.
    async fn prompted(&self, open: &Open, prompt: &OwnedObjectPath) -> Result<(), VaultError> {
        if prompt.as_str() == "/" {
            return Ok(());
        }
        let failed = |_: zbus::Error| why("its question cannot be followed");
        let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).interface("org.freedesktop.Secret.Prompt").map_err(failed)?;
        let rule = rule.member("Completed").map_err(failed)?.path(prompt.as_str()).map_err(failed)?.build();
        let mut answers = MessageStream::for_match_rule(rule, &open.bus, Some(1)).await.map_err(failed)?;
        let () = call(&open.bus, prompt.as_str(), "Prompt", "Prompt", &("",)).await?;
        let answer = timeout(PROMPT, answers.next()).await.map_err(|_| why("it is locked, and nobody answered its question on the screen"))?;
        let (dismissed, _): (bool, OwnedValue) = answer.and_then(Result::ok).and_then(|m| m.body().deserialize().ok()).ok_or_else(|| why("its question was given up"))?;
        if dismissed { Err(why("it is locked, and its question was dismissed")) } else { Ok(()) }
    }
}

fn why(text: impl Into<String>) -> VaultError {
    VaultError::Keyring { why: text.into() }
}

/// One call of an interface `org.freedesktop.Secret.…`, within the bound.
async fn call<B, R>(bus: &Connection, path: &str, interface: &str, method: &str, body: &B) -> Result<R, VaultError>
where
    B: serde::Serialize + DynamicType + Sync,
    R: serde::de::DeserializeOwned + Type,
{
    let interface = format!("org.freedesktop.Secret.{interface}");
    request(bus, path, &interface, method, body).await
}

async fn request<B, R>(bus: &Connection, path: &str, interface: &str, method: &str, body: &B) -> Result<R, VaultError>
where
    B: serde::Serialize + DynamicType + Sync,
    R: serde::de::DeserializeOwned + Type,
{
    let calling = bus.call_method(Some(SERVICE), path, Some(interface), method, body);
    let reply = timeout(CALL, calling).await.map_err(|_| why(format!("no answer within {} s", CALL.as_secs())))?;
    let reply = reply.map_err(|error| why(match error {
        // The service's own words; they hold no secret.
        zbus::Error::MethodError(name, text, _) => text.unwrap_or_else(|| name.to_string()),
        other => other.to_string(),
    }))?;
    reply.body().deserialize().map_err(|_| why(format!("its answer to {method} cannot be read")))
}

fn attributes<'a>(scope: &'a str, key: &'a str) -> HashMap<&'static str, &'a str> {
    HashMap::from([("application", "ochre"), ("scope", scope), ("key", key)])
}

impl Keyring {
    /// After a failure the conversation begins anew: the service may have been restarted, and forgets its sessions then.
    async fn settled<T>(&self, result: Result<T, VaultError>) -> Result<T, VaultError> {
        if result.is_err() {
            *self.open.lock().await = None;
        }
        result
    }

    async fn value(&self, scope: &str, key: &str) -> Result<Option<Secret>, VaultError> {
        let open = self.open().await?;
        let Some(item) = self.items(&open, &attributes(scope, key)).await?.into_iter().next() else { return Ok(None) };
        let mut found: HashMap<OwnedObjectPath, OwnedWire> = call(&open.bus, ROOT, "Service", "GetSecrets", &(vec![&item], &open.session)).await?;
        let Some((_, _, value, _)) = found.remove(&item) else { return Ok(None) };
        let text = String::from_utf8(value).map_err(|_| why(format!("`{scope}/{key}` is no text")))?;
        Ok(Some(Secret::named(&format!("{scope}/{key}"), text)))
    }

    async fn keep(&self, scope: &str, key: &str, value: &Secret) -> Result<(), VaultError> {
        let (open, collection) = self.collection().await?;
        self.unlock(&open, std::slice::from_ref(&collection)).await?;
        let label = format!("Ochre: {scope}/{key}");
        let properties = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Value::from(label.as_str())),
            ("org.freedesktop.Secret.Item.Attributes", Value::from(attributes(scope, key))),
        ]);
        let wire: Wire<'_> = (open.session.as_ref(), Vec::new(), value.expose().into(), "text/plain; charset=utf8");
        let (_, prompt): (OwnedObjectPath, OwnedObjectPath) = call(&open.bus, collection.as_str(), "Collection", "CreateItem", &(properties, wire, true)).await?;
        self.prompted(&open, &prompt).await
    }

    async fn forget(&self, scope: &str, key: &str) -> Result<bool, VaultError> {
        let open = self.open().await?;
        let items = self.items(&open, &attributes(scope, key)).await?;
        for item in &items {
            let prompt: OwnedObjectPath = call(&open.bus, item.as_str(), "Item", "Delete", &()).await?;
            self.prompted(&open, &prompt).await?;
        }
        Ok(!items.is_empty())
    }

    /// Also of a locked keyring: names need no key.
    async fn names(&self) -> Result<Vec<(String, String)>, VaultError> {
        let open = self.open().await?;
        let ours = HashMap::from([("application", "ochre")]);
        let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = call(&open.bus, ROOT, "Service", "SearchItems", &(&ours,)).await?;
        let mut found = Vec::new();
        for item in unlocked.iter().chain(&locked) {
            let get = ("org.freedesktop.Secret.Item", "Attributes");
            let value: OwnedValue = request(&open.bus, item.as_str(), "org.freedesktop.DBus.Properties", "Get", &get).await?;
            let attributes: HashMap<String, String> = value.try_into().map_err(|_| why("its attributes cannot be read"))?;
            if let (Some(scope), Some(key)) = (attributes.get("scope"), attributes.get("key")) {
                found.push((scope.clone(), key.clone()));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl Backend for Keyring {
    fn name(&self) -> &'static str {
        "keyring"
    }
    async fn place(&self) -> Place {
        match self.settled(self.collection().await).await {
            Ok(_) => Place { text: "the system keyring (Secret Service)".into(), writable: true },
            Err(VaultError::Keyring { why }) => Place { text: format!("the system keyring: {why}"), writable: false },
            Err(error) => Place { text: error.to_string(), writable: false },
        }
    }
    async fn get(&self, scope: &str, key: &str) -> Result<Option<Secret>, VaultError> {
        self.settled(self.value(scope, key).await).await
    }
    async fn set(&self, scope: &str, key: &str, value: &Secret) -> Result<(), VaultError> {
        self.settled(self.keep(scope, key, value).await).await
    }
    async fn delete(&self, scope: &str, key: &str) -> Result<bool, VaultError> {
        self.settled(self.forget(scope, key).await).await
    }
    async fn list(&self) -> Result<Vec<(String, String)>, VaultError> {
        self.settled(self.names().await).await
    }
}
