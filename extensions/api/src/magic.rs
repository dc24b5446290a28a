//! The trait that every magic implements, what it is called with and what it gives.
use crate::parse::Arguments;
use crate::session::SessionAccess;
use crate::spec::{Argument, Spec};
use crate::Failure;
use async_trait::async_trait;
use ochre_link::Bundle;

/// A magic: what it is ([`Spec`]) and what it does.
#[async_trait]
pub trait Magic: Send + Sync {
    /// Name, arguments, help, examples.
    fn spec(&self) -> &'static Spec;

    /// Reads the text after the name; only a magic with a syntax of its own has another way.
    fn parse(&self, line: &str, has_body: bool) -> Result<Arguments, Failure> {
        crate::parse::parse(self.spec(), line, has_body)
    }

    /// Values for `argument` that begin with `prefix`, beyond what its [`crate::Value`] says already.
    /// Called while the user types: it must not wait for anything.
    fn complete(&self, _argument: &Argument, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    /// Does it. Arguments were checked against the spec; `--help` never comes here.
    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure>;
}

/// Where a text stands in the user's cell: 1-based line and column (characters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// One call of a magic.
#[derive(Clone, Debug)]
pub struct Call {
    pub arguments: Arguments,
    /// The rest of the cell, for `%%name`.
    pub body: Option<String>,
    /// Where [`Arguments::rest`] (or with `%%` the body) stands, for diagnostics in the user's lines.
    pub place: Place,
}

impl Call {
    /// The code of a magic that takes it on its line or as its cell: the body when there is one.
    pub fn code(&self) -> &str {
        self.body.as_deref().unwrap_or_else(|| self.arguments.rest())
    }
}

/// What a magic gives: a value that is shown like that of an expression, or nothing.
#[derive(Clone, Debug, Default)]
pub struct MagicOutcome {
    pub value: Option<Bundle>,
}

impl MagicOutcome {
    /// Nothing to show.
    pub fn none() -> Self {
        Self::default()
    }
    /// A text to show.
    pub fn text(text: impl Into<String>) -> Self {
        Self { value: Some(Bundle::plain(text)) }
    }
    /// A value to show.
    pub fn value(bundle: Bundle) -> Self {
        Self { value: Some(bundle) }
    }
}
