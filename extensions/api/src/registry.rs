//! All magics by name; refuses two of one name, suggests the nearest for an unknown one.
use crate::suggest::nearest;
use crate::{Magic, Spec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why a magic could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("two magics are called %{name}")]
    Twice { name: &'static str },
    #[error("two services answer requests for `{topic}`")]
    TopicTwice { topic: &'static str },
}

/// The magics of a session.
#[derive(Clone, Default)]
pub struct Registry {
    magics: Vec<Arc<dyn Magic>>,
    by_name: BTreeMap<&'static str, usize>,
}

impl Registry {
    /// Adds magics; names and aliases must be free.
    pub fn add(&mut self, magics: impl IntoIterator<Item = Arc<dyn Magic>>) -> Result<(), RegistryError> {
        for magic in magics {
            let spec = magic.spec();
            for name in std::iter::once(spec.name).chain(spec.aliases.iter().copied()) {
                if self.by_name.insert(name, self.magics.len()).is_some() {
                    return Err(RegistryError::Twice { name });
                }
            }
            self.magics.push(magic);
        }
        Ok(())
    }

    /// The magic of this name or alias.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Magic>> {
        self.by_name.get(name).map(|at| &self.magics[*at])
    }

    /// All, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Magic>> {
        self.magics.iter()
    }

    /// What they are, by name.
    pub fn specs(&self) -> Vec<&'static Spec> {
        let mut specs: Vec<_> = self.magics.iter().map(|m| m.spec()).collect();
        specs.sort_by_key(|s| s.name);
        specs
    }

    /// The name nearest to a mistyped one.
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        let known: Vec<&'static str> = self.by_name.keys().copied().collect();
        nearest(name, known)
    }
}
