//! What is known to be secret, and texts without it.

use std::sync::{Arc, RwLock};

use crate::Secret;

/// What stands where a secret stood.
pub const REDACTED: &str = "[REDACTED]";

/// Knows values that must not be seen, and takes them out of texts. Clones share what is known.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Vec<Secret>>>,
}

impl Redactor {
    /// From now on this value is taken out of everything, in all its forms.
    pub fn know(&self, secret: &Secret) {
        self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(secret.clone());
    }

    /// The text without what is known.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret.expose(), REDACTED))
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Redactor(…)")
    }
}
