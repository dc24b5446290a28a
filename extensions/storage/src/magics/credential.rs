//! `%credential`: which account or container is opened with what.
use super::{urls, words};
use crate::accounts::{Place, Scope, kind};
use crate::failures::of_blob;
use crate::{Storage, endpoint, size, table};
use ochre_api::*;
use ochre_blobs::Location;
use std::sync::Arc;
use std::time::Duration;

/// The magic.
pub(crate) struct CredentialMagic(pub(crate) Arc<Storage>);

const SPEC: Spec = Spec {
    name: "credential",
    aliases: &["credentials"],
    area: "storage",
    form: Form::Line,
    arguments: &[
        Argument::positional("url", Value::Text, "a container or account: az://container@account, az://@account, s3://bucket, s3://; without it, lists all"),
        Argument::positional("word", Value::Text, "secret:SCOPE/KEY, anonymous, cli, managed-identity[:CLIENT_ID], workload-identity, service-principal:TENANT/CLIENT/secret:SCOPE/KEY, device-code[:TENANT], environment, auto"),
        Argument::option("endpoint", Value::Text, "address of an emulator or of a service that speaks the same language"),
        Argument::option("region", Value::Text, "region of an S3 bucket"),
    ],
    summary: "chooses what a storage account or bucket is opened with",
    help: "Holds for %mount, %ls, %cp, %unzip, ochre::store and polars (scan_parquet(\"az://…\")), until the kernel ends. Nothing is put into the \
           environment, and no value is ever shown.\n\n\
           secret:SCOPE/KEY is a secret of `%secret set`: an account key, a SAS, a connection string, a service principal's JSON, AWS keys as \
           id:key[:token], or Google's JSON; which of them is found by its form. auto looks, for Azure, at the environment, the workspace, workload \
           identity, managed identity and the Azure CLI, in this order, and never waits for an address that is not there.\n\n\
           What is chosen for one container of an Azure account serves the account's other containers too, unless they have their own.",
    examples: &[
        Example { text: "%credential az://pictures@myaccount secret:azure/myaccount", does: "an account key, SAS or connection string from a secret" },
        Example { text: "%credential az://@myaccount cli", does: "for all containers of an account: who is signed in with `az login`" },
        Example { text: "%credential s3://bucket secret:aws/keys --region eu-central-1", does: "keys for a bucket" },
        Example { text: "%credential az://c@devstoreaccount1 secret:azurite/key --endpoint http://127.0.0.1:10000/devstoreaccount1", does: "an emulator" },
        Example { text: "%credential", does: "lists what is used for what, without values" },
    ],
};

#[async_trait]
impl Magic for CredentialMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        match argument.name {
            "url" => urls(&self.0, prefix),
            "word" => words(prefix),
            _ => Vec::new(),
        }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let Some(url) = call.arguments.value("url") else { return Ok(list(&self.0)) };
        let scope = Scope::parse(url).map_err(of_blob)?;
        let word = call.arguments.value("word").unwrap_or("auto");
        let place = place(&call.arguments)?;
        configure(&self.0, scope.clone(), word, place, session).await.map(|text| MagicOutcome::text(format!("{scope}: {text}")))
    }
}

/// What `--endpoint` and `--region` say, checked.
pub(super) fn place(arguments: &Arguments) -> Result<Place, Failure> {
    let endpoint = arguments.value("endpoint").map(endpoint::checked).transpose()?;
    Ok(Place { endpoint, region: arguments.value("region").map(str::to_owned) })
}

/// Configures a scope, and makes a first grant, so that a mistake shows here and not in a later cell. Gives what was found.
pub(super) async fn configure(storage: &Arc<Storage>, scope: Scope, word: &str, place: Place, session: &mut dyn SessionAccess) -> Result<String, Failure> {
    let source = storage.source(word, session).await?;
    let shown = source.word();
    let sample = Location {
        scheme: scope.scheme,
        account: scope.account.clone(),
        // Identities give the same for every container; a name is needed for the question only.
        container: scope.container.clone().unwrap_or_default(),
        path: String::new(),
    };
    let located = sample.account.is_some() || sample.scheme != ochre_blobs::Scheme::Azure;
    let first = match located {
        true => tokio::select! {
            first = source.grant(&sample, &place, false) => Some(first?),
            () = session.interrupted() => return Err(Failure::interrupted().hint("nothing was changed")),
        },
        false => None,
    };
    storage.accounts().configure(scope, source, place);
    Ok(match first {
        Some(grant) => format!("{shown} ({}) is used from now on", kind(&grant.credential)),
        None => format!("{shown} is used from now on"),
    })
}

fn list(storage: &Storage) -> MagicOutcome {
    let all = storage.accounts().list();
    if all.is_empty() {
        return MagicOutcome::text("no credential was chosen yet: `auto` is used, which looks at the environment, the workspace and identities. `%credential?` shows how to choose");
    }
    let rows = all.into_iter().map(|l| {
        let expires = l.expires_in.map(|s| size::clock(Duration::from_secs(s))).unwrap_or_default();
        vec![l.scope, l.word, l.kind.unwrap_or("not used yet").to_owned(), expires, l.endpoint.unwrap_or_default()]
    });
    MagicOutcome::value(table::bundle(&["for", "credential", "kind", "renewed in", "endpoint"], rows))
}
