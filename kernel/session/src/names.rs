//! What [`parts::cut`](crate::parts::cut) asks, answered from the registry and the session's names.
use crate::front::Completion;
use crate::magics::evcxr;
use crate::parts::Names;
use ochre_api::Registry;
use ochre_link::Variable;

/// Names of one moment.
pub(crate) struct SessionNames<'a> {
    magics: &'a Registry,
    variables: &'a [Variable],
    items: &'a [Completion],
}

impl<'a> SessionNames<'a> {
    pub(crate) fn new(magics: &'a Registry, variables: &'a [Variable], items: &'a [Completion]) -> Self {
        Self { magics, variables, items }
    }
}

impl Names for SessionNames<'_> {
    fn is_magic(&self, name: &str) -> bool {
        self.magics.get(name).is_some()
    }
    fn takes_code(&self, name: &str) -> bool {
        self.magics.get(name).is_some_and(|m| m.spec().takes_code())
    }
    fn is_command(&self, name: &str) -> bool {
        evcxr::is_command(name)
    }
    fn is_rust_name(&self, name: &str) -> bool {
        self.variables.iter().any(|v| v.name == name) || self.items.iter().any(|i| i.text == name)
    }
}
