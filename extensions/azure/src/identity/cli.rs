//! Whoever is signed in with the Azure CLI: `az account get-access-token`.
use super::CLI;
use crate::http::first_lines;
use crate::token::{moment, resource};
use crate::{AzureError, Environment, Token, TokenSource};
use async_trait::async_trait;
use ochre_secrets::Secret;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// `az` is Python and takes 1 to 5 s; the first start on a cold disk took 14.
const BOUND: Duration = Duration::from_secs(30);

/// The Azure CLI's identity.
#[derive(Clone, Debug)]
pub struct Cli {
    environment: Environment,
    tenant: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(rename = "accessToken")]
    token: String,
    /// Unix seconds; the CLI has it since 2.54.
    #[serde(default)]
    expires_on: serde_json::Value,
    /// Local time without a zone.
    #[serde(default, rename = "expiresOn")]
    local: String,
}

impl Cli {
    /// With this environment, in whose `PATH` `az` is looked for. A tenant other than the signed-in one may be asked for.
    #[must_use]
    pub fn new(environment: &Environment, tenant: Option<&str>) -> Self {
        Self { environment: environment.clone(), tenant: tenant.map(str::to_string) }
    }

    async fn run(&self, scope: &str) -> Result<Output, AzureError> {
        let program = find(&self.environment).ok_or_else(|| absent("`az` is not installed"))?;
        let mut command = Command::new(program);
        command.args(["account", "get-access-token", "--output", "json", "--resource", resource(scope)]);
        command.args(self.tenant.iter().flat_map(|tenant| ["--tenant", tenant.as_str()]));
        command.env_clear().envs(self.environment.all().filter(|(name, _)| !is_secret(name))).env("AZURE_CORE_NO_COLOR", "true");
        // A directory that belongs to the system: `az` loads what lies beside it.
        command.current_dir(if Path::new("/bin").is_dir() { "/bin" } else { "." });
        command.stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(BOUND, command.output()).await;
        let ended = ended.map_err(|_| AzureError::TimedOut { what: "`az account get-access-token`".into(), seconds: BOUND.as_secs() })?;
        ended.map_err(|e| absent(format!("`az` could not be started: {e}")))
    }
}

#[async_trait]
impl TokenSource for Cli {
    fn name(&self) -> String {
        CLI.into()
    }

    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        let output = self.run(scope).await?;
        if !output.status.success() {
            return Err(failed(&String::from_utf8_lossy(&output.stderr)));
        }
        let said: Said = serde_json::from_slice(&output.stdout).map_err(|_| absent("`az` printed something that is no token"))?;
        let expires = moment(&said.expires_on).or_else(|| local_time(&said.local)).ok_or_else(|| absent("`az` printed a token without its end"))?;
        Ok(Token { secret: Secret::new(said.token), expires })
    }
}

/// The program, in the `PATH` of the environment alone.
fn find(environment: &Environment) -> Option<PathBuf> {
    let names: &[&str] = if cfg!(windows) { &["az.cmd", "az.exe"] } else { &["az"] };
    let directories: Vec<PathBuf> = std::env::split_paths(environment.get("PATH")?).filter(|d| d.is_absolute()).collect();
    directories.iter().flat_map(|d| names.iter().map(move |n| d.join(n))).find(|p| p.is_file())
}

/// Ends of the names of variables that hold secrets. `az` has its own sign-in and needs none of them.
const SECRETS: [&str; 6] = ["_KEY", "_SECRET", "_TOKEN", "_PASSWORD", "_CONNECTION_STRING", "_HEADER"];

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|end| name.to_ascii_uppercase().ends_with(end))
}

fn absent(why: impl Into<String>) -> AzureError {
    AzureError::NotSetUp { identity: CLI, why: why.into() }
}

/// What `az` says when it fails, in one line.
fn failed(said: &str) -> AzureError {
    if said.contains("az login") && !said.contains("AADSTS") || said.contains("az account set") {
        return absent("nobody is signed in with `az login`");
    }
    let line = said.lines().map(str::trim).find(|l| l.starts_with("ERROR") || l.contains("AADSTS")).unwrap_or(said);
    absent(first_lines(line.trim_start_matches("ERROR:").trim()))
}

/// Before 2.54: the machine's local time.
fn local_time(text: &str) -> Option<u64> {
    let naive = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    u64::try_from(naive.and_local_timezone(chrono::Local).earliest()?.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_az_says_is_told_in_one_line() {
        assert_eq!(failed("ERROR: Please run 'az login' to setup account.\n").to_string(), "Azure CLI: nobody is signed in with `az login`");
        let expired = "ERROR: AADSTS700082: The refresh token has expired due to inactivity. Trace ID: 1\nTo re-authenticate, please run:\naz login";
        assert_eq!(failed(expired).to_string(), "Azure CLI: AADSTS700082: The refresh token has expired due to inactivity.");
    }

    #[tokio::test]
    async fn without_az_it_says_so() {
        let cli = Cli::new(&Environment::of([("PATH", "/nonexistent")]), None);
        assert_eq!(cli.token("https://x/.default").await.expect_err("no az").to_string(), "Azure CLI: `az` is not installed");
    }
}
