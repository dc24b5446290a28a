//! Names of secrets: `SCOPE/KEY`, with a backend before it where one is meant.
use crate::VaultError;
use std::fmt;

/// Longest scope or key, in bytes: what every backend takes.
const LONGEST: usize = 127;

/// A name as typed, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// `keyvault` of `keyvault:NAME/KEY`.
    pub backend: Option<String>,
    pub scope: String,
    pub key: String,
}

impl Name {
    /// Reads `SCOPE/KEY` or `BACKEND:SCOPE/KEY`; `secret:` before it is what other magics write.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        // What was typed may be the secret itself, in the wrong place: it is not repeated when it looks like one.
        let bad = || VaultError::BadName { name: if text.len() <= 48 { text.to_owned() } else { format!("{}…", text.chars().take(8).collect::<String>()) } };
        let rest = text.strip_prefix("secret:").unwrap_or(text);
        let (backend, path) = match rest.split_once(':') {
            Some((backend, path)) => (Some(backend.to_owned()), path),
            None => (None, rest),
        };
        let (scope, key) = path.split_once('/').ok_or_else(bad)?;
        if [scope, key].iter().all(|part| is_part(part)) { Ok(Self { backend, scope: scope.into(), key: key.into() }) } else { Err(bad()) }
    }

    /// `SCOPE/KEY`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.scope, self.key)
    }
}

/// Whether it can be a scope or a key. `..` would leave a directory.
fn is_part(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) && text.bytes().any(|b| b != b'.')
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(backend) = &self.backend {
            write!(out, "{backend}:")?;
        }
        write!(out, "{}/{}", self.scope, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for text in ["shop/db", "keyvault:my-vault/db-key", "a.b/c_d-1"] {
            assert_eq!(Name::parse(text).expect("a name").to_string(), text);
        }
        assert_eq!(Name::parse("secret:a/b").expect("a name").to_string(), "a/b");
        for text in ["", "a", "a/", "/b", "a/b/c", "../b", "a/..", "a b/c", "x:/b"] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }
}
