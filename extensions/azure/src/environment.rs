//! The environment variables and the home directory that identities are looked for in. A value of its own, so that tests give their own and
//! never change the process's.
use ochre_secrets::Secret;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Variables as they were when it was made.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, Secret>,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))))
    }

    /// These variables and no others.
    pub fn of(variables: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        Self { variables: variables.into_iter().map(|(k, v)| (k.into(), Secret::new(v.into()))).collect() }
    }

    /// The variable, when it is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(Secret::expose).filter(|v| !v.is_empty())
    }

    /// The same, for what must not be seen.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.variables.get(name).filter(|v| !v.is_empty()).cloned()
    }

    /// The first of these that is set.
    #[must_use]
    pub fn first<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    /// The user's home directory.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.first(&["HOME", "USERPROFILE"]).map(|(_, home)| PathBuf::from(home))
    }

    /// `name` as a path, with a leading `~/` read as the home directory.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let text = self.get(name)?;
        match (text.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(PathBuf::from(text)),
        }
    }

    /// All of it, for a child process that must see the same.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(k, v)| (k.as_str(), v.expose()))
    }
}

/// The `key = value` lines of a section of an INI file, as `.databrickscfg` and AWS's files are written: comments with `#` or `;`, keys in any case,
/// no nesting.
#[must_use]
pub fn ini_section(text: &str, section: &str) -> Option<Vec<(String, String)>> {
    let mut found: Option<Vec<(String, String)>> = None;
    let mut inside = false;
    for line in text.lines() {
        let plain = line.trim();
        if let Some(name) = plain.strip_prefix('[').and_then(|l| l.split(']').next()) {
            inside = name.trim() == section;
            if inside {
                found.get_or_insert_default();
            }
        } else if let (true, false, Some((key, value))) = (inside, plain.starts_with(['#', ';']) || line.starts_with([' ', '\t']), plain.split_once('=')) {
            found.get_or_insert_default().push((key.trim().to_ascii_lowercase(), value.trim().to_string()));
        }
    }
    found
}

impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_an_ini_file() {
        let text = "# a\n[DEFAULT]\nhost = https://x\nToken=t=1\n; no\n[profile b]\nk = v\ns3 =\n  nested = 1\n[empty]\n";
        let pairs = |name| ini_section(text, name).map(|s| s.into_iter().map(|(k, v)| format!("{k}:{v}")).collect::<Vec<_>>().join(" "));
        assert_eq!(pairs("DEFAULT").as_deref(), Some("host:https://x token:t=1"));
        assert_eq!(pairs("profile b").as_deref(), Some("k:v s3:"));
        assert_eq!(pairs("empty").as_deref(), Some(""));
        assert_eq!(pairs("none"), None);
    }

    #[test]
    fn empty_is_unset_and_values_are_not_printed() {
        let env = Environment::of([("A", ""), ("B", "hunter22"), ("HOME", "/home/ada"), ("F", "~/x")]);
        assert_eq!((env.get("A"), env.get("B"), env.get("C")), (None, Some("hunter22"), None));
        assert_eq!(env.path("F"), Some(PathBuf::from("/home/ada/x")));
        assert!(!format!("{env:?}").contains("hunter22"));
    }
}
