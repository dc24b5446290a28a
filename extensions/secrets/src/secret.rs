//! A value that must not be seen: it can be handed on and used, and nothing that prints, logs or serialises can reach it. Every crate that holds
//! a key, a token or a password holds it as this.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A secret value. Clones share it; its memory is overwritten when the last one is dropped.
///
/// There is no `Display`, no `Serialize` and no `Deref`: the one way to the value is [`Secret::expose`], which is easy to find in a review.
/// `Debug` prints the name alone: `Secret(SCOPE/KEY)`, or `Secret(…)` where it has none.
#[derive(Clone)]
pub struct Secret {
    value: Arc<Zeroizing<String>>,
    name: Option<Arc<str>>,
}

impl Secret {
    /// A value without a name.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: Arc::new(Zeroizing::new(value.into())), name: None }
    }

    /// A value that is known to users as `SCOPE/KEY`.
    #[must_use]
    pub fn named(name: &str, value: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::new(value) }
    }

    /// The value itself. Hand it to what needs it, and keep it in no `String` of your own.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// `SCOPE/KEY`, for a value that came out of a store of secrets.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Secret({})", self.name().unwrap_or("…"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_its_name_and_nothing_else() {
        let plain = Secret::from("pa55word".to_owned());
        let named = Secret::named("shop/db", "pa55word");
        assert_eq!(format!("{plain:?} {named:?} {:#?}", Some(&plain)), "Secret(…) Secret(shop/db) Some(\n    Secret(…),\n)");
        assert_eq!((plain.expose(), named.expose(), named.name()), ("pa55word", "pa55word", Some("shop/db")));
    }
}
