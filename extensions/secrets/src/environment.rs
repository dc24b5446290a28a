//! Which environment variables hold credentials: they stay with the kernel and are not handed to the programs that it starts.
//!
//! The list is by name, and stated in SEMANTICS.md. A path or a profile's name is no credential; a value shorter than six bytes is a switch.

use std::ffi::OsString;

use crate::Secret;
use crate::redactor::is_looked_for;

/// Names as they are.
const NAMES: &[&str] = &[
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_PASSWORD", "AZURE_STORAGE_KEY", "IDENTITY_HEADER", "MSI_SECRET",
    "PGPASSWORD", "MYSQL_PWD", "REDISCLI_AUTH", "NETRC", "SSHPASS", "ANTHROPIC_API_KEY", "OPENAI_API_KEY",
];
/// Ends of names.
const ENDS: &[&str] = &[
    "_TOKEN", "_SECRET", "_SECRETS", "_PASSWORD", "_PASSWD", "_PASSPHRASE", "_PASS", "_API_KEY", "_APIKEY", "_ACCESS_KEY", "_SECRET_KEY", "_ACCOUNT_KEY", "_STORAGE_KEY", "_PRIVATE_KEY", "_AUTH_KEY",
    "_CONNECTION_STRING", "_SAS", "_SAS_TOKEN", "_SAS_KEY", "_CREDENTIAL", "_CREDENTIALS_JSON",
];
/// Beginnings of names: all of them.
const BEGINNINGS: &[&str] = &["OCHRE_SECRET_"];

/// Whether a variable of this name holds a credential.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    NAMES.contains(&name.as_str())
        || ENDS.iter().any(|end| name.ends_with(end) || name == end[1..])
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// The credentials in this process's environment, by name.
#[must_use]
pub fn credentials() -> Vec<(OsString, Secret)> {
    let found = std::env::vars_os().filter(|(name, value)| name.to_str().is_some_and(is_credential) && value.to_str().is_none_or(is_looked_for));
    let mut found: Vec<_> = found.map(|(name, value)| (name, Secret::from(value.to_string_lossy().into_owned()))).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// A program that is about to be started is not handed this process's credentials. Call it before setting variables on purpose.
pub fn withhold(command: &mut std::process::Command) {
    for (name, _) in credentials() {
        command.env_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_from_settings() {
        for name in ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "HF_TOKEN", "AZURE_CLIENT_SECRET", "AZURE_STORAGE_CONNECTION_STRING", "DB_PASSWORD", "OCHRE_SECRET_SHOP_DB", "token", "My_Api_Key"] {
            assert!(is_credential(name), "{name}");
        }
        for name in ["AWS_PROFILE", "AWS_REGION", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "GOOGLE_APPLICATION_CREDENTIALS", "PATH", "TOKENIZERS_PARALLELISM", "SSH_AUTH_SOCK", "GPG_KEY", "OCHRE_SECRETS_DIR", "COMPASS"] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn a_program_gets_no_credentials() {
        let mut command = std::process::Command::new("env");
        withhold(&mut command);
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name.to_owned()).collect();
        let held: Vec<_> = credentials().into_iter().map(|(name, _)| name).collect();
        assert_eq!(removed, held);
    }
}
