//! What the session tells storage: a cell begins (news of mounts are said there), the session ends (all is unmounted).
use crate::Storage;
use ochre_api::Observer;
use std::sync::Arc;

/// Is told of the session.
pub(crate) struct Supervisor(pub(crate) Arc<Storage>);

impl Observer for Supervisor {
    fn notices(&self) -> Vec<String> {
        self.0.take_news()
    }

    fn session_ended(&self, _restart: bool) {
        self.0.mounts().end_all();
    }
}
