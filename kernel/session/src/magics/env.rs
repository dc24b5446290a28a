//! `%env`: environment variables of cells and commands.
use ochre_api::*;
use std::collections::BTreeMap;

/// The magic.
pub(crate) struct Env;

const SPEC: Spec = Spec {
    name: "env",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[
        Argument::flag("unset", "removes the variable").short('u'),
        Argument::flag("pass", "hands a credential of the kernel's own environment to cells and commands"),
        Argument::rest("assignment", Value::Text, "NAME shows one, NAME=VALUE sets it; nothing lists all"),
    ],
    summary: "shows or sets environment variables",
    help: "What is set here holds for cells (`std::env::var`) and for commands. In the list, values of variables that look like secrets \
           are hidden, because the list is saved with the notebook. Variables that hold credentials (AWS_SECRET_ACCESS_KEY, …_TOKEN, …_PASSWORD and so on) are not handed to \
           cells and commands unless they are set or passed here.",
    examples: &[
        Example { text: "%env RUST_LOG=debug", does: "sets a variable" },
        Example { text: "%env HOME", does: "shows one" },
        Example { text: "%env --unset RUST_LOG", does: "removes it" },
        Example { text: "%env --pass HF_TOKEN", does: "lets cells and commands see a credential" },
    ],
};

/// Parts of names whose values are not listed, beside those that hold credentials.
const SECRET_MARKS: &[&str] = &["KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "CONNECTION_STRING", "SAS"];

#[async_trait]
impl Magic for Env {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let text = call.arguments.rest();
        if call.arguments.has("unset") {
            session.set_env(checked(text)?, None).await?;
            return Ok(MagicOutcome::none());
        }
        if call.arguments.has("pass") {
            let value = std::env::var(checked(text)?).map_err(|_| Failure::usage(format!("{text} is not set where the kernel was started")).hint(format!("set it with `%env {text}=VALUE`")))?;
            session.set_env(text, Some(&value)).await?;
            return Ok(MagicOutcome::none());
        }
        if text.is_empty() {
            return Ok(MagicOutcome::text(list(&environment(session))));
        }
        // `%env NAME VALUE` is how some write it.
        if let Some((name, value)) = text.split_once('=').or_else(|| text.split_once(char::is_whitespace)) {
            session.set_env(checked(name.trim())?, Some(unquoted(value.trim()))).await?;
            return Ok(MagicOutcome::none());
        }
        match environment(session).get(text) {
            Some(value) => Ok(MagicOutcome::text(value.clone())),
            None => Err(Failure::usage(format!("{text} is not set")).hint(format!("set it with `%env {text}=VALUE`"))),
        }
    }
}

/// The kernel's environment with what `%env` changed.
fn environment(session: &dyn SessionAccess) -> BTreeMap<String, String> {
    let text = |part: std::ffi::OsString| part.to_string_lossy().into_owned();
    let mut all: BTreeMap<String, String> = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
    for (name, value) in session.environment() {
        match value {
            Some(value) => drop(all.insert(name, value)),
            None => drop(all.remove(&name)),
        }
    }
    all
}

fn list(all: &BTreeMap<String, String>) -> String {
    let secret = |name: &str| ochre_secrets::environment::is_credential(name) || SECRET_MARKS.iter().any(|mark| name.to_uppercase().contains(mark));
    let lines = all.iter().map(|(name, value)| format!("{name}={}", if secret(name) { "…" } else { value }));
    lines.collect::<Vec<_>>().join("\n")
}

/// Names that no system takes would end the process that sets them.
fn checked(name: &str) -> Result<&str, Failure> {
    if name.is_empty() || name.contains(['=', '\0']) || name.contains(char::is_whitespace) {
        return Err(Failure::usage(format!("`{name}` is no name of a variable")).hint("write `%env NAME=VALUE`"));
    }
    Ok(name)
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}
