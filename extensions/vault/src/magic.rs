//! `%secret`: keeps, lists and deletes secrets. Values are asked for through the front end's password prompt and never shown.
use crate::sealed::Needs;
use crate::vault::Listed;
use crate::{Name, Vault};
use ochre_api::*;
use ochre_link::Stream;
use ochre_secrets::{SHORTEST, Secret, is_looked_for};

/// The magic.
pub(crate) struct SecretMagic(pub(crate) Vault);

const SPEC: Spec = Spec {
    name: "secret",
    aliases: &["secrets"],
    area: "secrets",
    form: Form::Line,
    arguments: &[
        Argument::positional("action", Value::Choice(&["set", "list", "delete", "get", "unlock"]), "what to do").required(),
        Argument::positional("name", Value::Text, "SCOPE/KEY, keyvault:NAME/KEY or databricks:SCOPE/KEY; for list, keyvault:NAME or databricks:"),
        Argument::option("backend", Value::Choice(&["session", "keyring", "file", "keyvault", "databricks", "environment", "files"]), "where it is kept; without it, the one that `%secret list` marks").short('b'),
        Argument::flag("key-file", "makes a key file that opens the encrypted file, in place of a passphrase"),
    ],
    summary: "keeps secrets: asks for them, lists their names, deletes them; never shows one",
    help: "A secret is used as `secret:SCOPE/KEY` wherever a magic takes a credential, and as `ochre::secret(\"SCOPE/KEY\")?` in cells. What is read from here \
           is taken out of everything that a cell shows.\n\nIt is looked for in this order: session (this kernel's memory), environment (OCHRE_SECRET_SCOPE_KEY), files (OCHRE_SECRETS_DIR, \
           /run/secrets), keyring (the desktop's), file (encrypted, below ~/.local/share/ochre). keyvault:NAME/KEY is in the Azure Key Vault NAME, and \
           databricks:SCOPE/KEY in Databricks. New ones go to the keyring where there is one, else into the encrypted file.",
    examples: &[
        Example { text: "%secret set storage/key", does: "asks for the value and keeps it" },
        Example { text: "%secret set ci/token --backend session", does: "keeps it until the kernel ends" },
        Example { text: "%secret list", does: "names, where they are, and the backends" },
        Example { text: "%secret list keyvault:my-vault", does: "names in a key vault" },
        Example { text: "%secret delete storage/key", does: "forgets it" },
    ],
};

#[async_trait]
impl Magic for SecretMagic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        match arguments.value("action").unwrap_or_default() {
            "set" => self.set(arguments, session).await,
            "delete" => self.delete(&name(arguments)?).await,
            "unlock" => self.unlock(session).await,
            "get" => {
                let name = name(arguments)?;
                Err(Failure::usage("secrets are not shown").hint(format!("use `secret:{name}` where a magic takes a credential, and `ochre::secret(\"{name}\")?` in cells")))
            }
            _ => self.list(arguments.value("name")).await,
        }
    }
}

/// The name, with the backend of `--backend` before it.
fn name(arguments: &Arguments) -> Result<Name, Failure> {
    let Some(text) = arguments.value("name") else {
        return Err(Failure::usage("which secret?").hint("write its name as SCOPE/KEY, such as `storage/key`"));
    };
    let mut name = Name::parse(text)?;
    if let Some(backend) = arguments.value("backend") {
        name.backend = Some(backend.to_owned());
    }
    Ok(name)
}

impl SecretMagic {
    async fn set(&self, arguments: &Arguments, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let name = name(arguments)?;
        let value = ask(session, &format!("{name}: ")).await?;
        let backend = match &name.backend {
            Some(backend) => backend.as_str(),
            None => self.0.default_backend().await.name(),
        };
        if backend == "file" {
            self.open_file(arguments.has("key-file"), session).await?;
        }
        let backend = self.0.set(&name, &value).await?;
        if !is_looked_for(value.expose()) {
            let text = format!("\x1b[1;33mwarning\x1b[0m: a value of fewer than {SHORTEST} bytes is too short to be taken out of what cells show\n");
            session.write(Stream::Stderr, &text).await;
        }
        Ok(MagicOutcome::text(format!("{} is kept in: {backend}", name.path())))
    }

    /// Asks for what the encrypted file needs.
    async fn open_file(&self, by_key: bool, session: &mut dyn SessionAccess) -> Result<(), Failure> {
        match self.0.needs() {
            Needs::Nothing => Ok(()),
            Needs::Passphrase => self.unlock(session).await.map(drop),
            Needs::NewPassphrase if by_key => {
                self.0.sealed().make_key()?;
                let text = format!("the key {} was made: whoever has it can read the secrets\n", self.0.sealed().key_path().display());
                session.write(Stream::Stderr, &text).await;
                Ok(())
            }
            Needs::NewPassphrase => {
                let passphrase = ask(session, &format!("a new passphrase for {}: ", self.0.sealed().path().display())).await?;
                let again = ask(session, "the same again: ").await?;
                if passphrase.expose() != again.expose() {
                    return Err(Failure::usage("the two passphrases are not the same").hint("run the cell again; nothing was kept"));
                }
                Ok(self.0.unlock(passphrase).await?)
            }
        }
    }

    async fn unlock(&self, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        if self.0.needs() != Needs::Passphrase {
            return Ok(MagicOutcome::text("the encrypted file is not locked"));
        }
        let passphrase = ask(session, &format!("passphrase of {}: ", self.0.sealed().path().display())).await?;
        self.0.unlock(passphrase).await?;
        Ok(MagicOutcome::text("the encrypted file is open until the kernel ends"))
    }

    async fn delete(&self, name: &Name) -> Result<MagicOutcome, Failure> {
        let from = self.0.delete(name).await?;
        if !from.is_empty() {
            return Ok(MagicOutcome::text(format!("{} was deleted from: {}", name.path(), from.join(", "))));
        }
        let given = self.0.list().await.into_iter().find(|(other, backend)| other.path() == name.path() && ["environment", "files"].contains(backend));
        Err(match given {
            Some((_, backend)) => Failure::usage(format!("{name} comes from outside, of the backend `{backend}`, and cannot be deleted here")).hint("take it away where the kernel is started"),
            None => Failure::usage(format!("there is no secret {name}")).hint("`%secret list` shows what there is"),
        })
    }

    async fn list(&self, of: Option<&str>) -> Result<MagicOutcome, Failure> {
        if let Some((backend, scope)) = of.and_then(|text| text.split_once(':')) {
            let names = self.0.list_remote(backend, scope.trim_end_matches('/')).await?;
            return Ok(MagicOutcome::text(if names.is_empty() { "no secrets".to_owned() } else { table(&names) }));
        }
        let mut names = self.0.list().await;
        names.retain(|(name, _)| of.is_none_or(|scope| name.scope == scope.trim_end_matches('/')));
        let chosen = self.0.default_backend().await.name();
        let mut text = if names.is_empty() { "no secrets\n".to_owned() } else { format!("{}\n", table(&names)) };
        text.push_str("\nbackends, in the order in which they are looked through:\n");
        for (name, place) in self.0.places().await {
            let mark = if name == chosen { "  <- new secrets go here" } else { "" };
            text.push_str(&format!("  {name:<12}{}{mark}\n", place.text));
        }
        text.push_str("  and by name: keyvault:NAME/KEY (Azure Key Vault), databricks:SCOPE/KEY");
        Ok(MagicOutcome::text(text))
    }
}

fn table(names: &[Listed]) -> String {
    let width = names.iter().map(|(name, _)| name.to_string().len()).max().unwrap_or(0);
    names.iter().map(|(name, backend)| format!("{:<width$}  {backend}", name.to_string())).collect::<Vec<_>>().join("\n")
}

/// Asks without echo.
async fn ask(session: &mut dyn SessionAccess, prompt: &str) -> Result<Secret, Failure> {
    let answer = session.ask(prompt, true).await?.map(Secret::from).filter(|secret| !secret.is_empty());
    answer.ok_or_else(|| Failure::usage("nothing was given").hint("run the cell again; nothing was kept"))
}
