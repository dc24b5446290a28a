//! Who answers cells: a cell asks through `ochre_runtime::host::request`, an extension answers in the kernel.
//!
//! Called on the kernel's tokio runtime, many calls at a time, beside the session task: what a service does can
//! neither stop the session nor fail anything but the request. The session bounds how long it may take.
use crate::{Failure, Fault};
use async_trait::async_trait;
use ochre_link::{Blame, Refusal};

/// Answers requests of one topic.
#[async_trait]
pub trait Service: Send + Sync {
    /// The topic, such as `storage`; two services of one topic are refused.
    fn topic(&self) -> &'static str;
    /// Answers one request. Dropped when its worker ends, or when it takes too long.
    async fn answer(&self, payload: &[u8]) -> Result<Vec<u8>, Failure>;
}

impl From<&Failure> for Refusal {
    fn from(failure: &Failure) -> Self {
        let blame = match failure.fault {
            Fault::YourCode => Blame::Code,
            Fault::YourConfiguration => Blame::Configuration,
            Fault::Remote | Fault::Interrupted => Blame::Remote,
            Fault::Bug => Blame::Bug,
        };
        Self { blame, message: failure.one_line(), hint: failure.hint.clone() }
    }
}
