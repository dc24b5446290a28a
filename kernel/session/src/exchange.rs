//! What workers say to the session's extensions: requests, which services answer; events and their start and end,
//! which observers are told. Handed to the engines, used by the task that listens to a worker.
//!
//! ```text
//! worker --Request--> desk --spawn--> Service::answer (bounded) --Answer--> worker
//!        --Event----> desk ---------> Observer::event
//! ```
//! Nothing here waits: neither the desk nor the session task nor a front end notices a slow service.
use crate::worker::Handle;
use futures::FutureExt;
use ochre_api::{Failure, Fault, Observer, RegistryError, Service};
use ochre_link::{Answered, Refusal, ToWorker};
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a service may take: a sign-in at a slow directory with its retries is done by then, and a cell that
/// waits for one that hangs gets its error while somebody still looks.
const ANSWER_BOUND: Duration = Duration::from_secs(90);
/// Requests of one worker that are answered at a time; each waits in a thread of the worker, so only a worker that
/// does not keep our rules comes near it.
const MAX_OPEN: usize = 1024;
/// Longest answer in bytes: answers are credentials and small tables, data has ways of its own.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The extensions, as a worker may reach them.
#[derive(Clone)]
pub struct Exchange {
    services: Arc<BTreeMap<&'static str, Arc<dyn Service>>>,
    observers: Arc<[Arc<dyn Observer>]>,
    bound: Duration,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { services: Arc::default(), observers: Arc::from([]), bound: ANSWER_BOUND }
    }
}

impl Exchange {
    /// Two services of one topic are refused.
    pub fn new(services: Vec<Arc<dyn Service>>, observers: &[Arc<dyn Observer>]) -> Result<Self, RegistryError> {
        let mut by_topic = BTreeMap::new();
        for service in services {
            let topic = service.topic();
            if by_topic.insert(topic, service).is_some() {
                return Err(RegistryError::TopicTwice { topic });
            }
        }
        Ok(Self { services: Arc::new(by_topic), observers: observers.into(), bound: ANSWER_BOUND })
    }

    /// The same with another bound on how long a service may take, for tests.
    pub fn within(self, bound: Duration) -> Self {
        Self { bound, ..self }
    }

    /// Tells observers; one that panics is left to itself.
    pub(crate) fn tell(&self, what: impl Fn(&dyn Observer)) {
        for observer in self.observers.iter() {
            std::panic::catch_unwind(AssertUnwindSafe(|| what(observer.as_ref()))).ok();
        }
    }

    /// What observers still have to do when the session ends, all at once; one that panics has nothing.
    pub(crate) async fn settle(&self) {
        let settling = |observer: &Arc<dyn Observer>| std::panic::catch_unwind(AssertUnwindSafe(|| observer.settle())).ok().flatten();
        let all = self.observers.iter().filter_map(settling).map(|left| AssertUnwindSafe(left).catch_unwind());
        futures::future::join_all(all).await;
    }

    /// What observers have for the user; one that panics has nothing.
    pub(crate) fn notices(&self) -> Vec<String> {
        let notices = |observer: &Arc<dyn Observer>| std::panic::catch_unwind(AssertUnwindSafe(|| observer.notices())).unwrap_or_default();
        self.observers.iter().flat_map(notices).collect()
    }

    /// The answer to one request, within the bound, whatever the service does.
    async fn answer(self, topic: String, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let Some(service) = self.services.get(topic.as_str()) else {
            return Err(Failure::new(Fault::YourConfiguration, "request", format!("nothing in this kernel answers requests for `{topic}`")).hint("is the kernel as new as the cell's library? Run `ochre install`, then restart the kernel"));
        };
        let answering = AssertUnwindSafe(service.answer(&payload)).catch_unwind();
        let answer = match timeout(self.bound, answering).await {
            Err(_) => Err(Failure::remote(format!("no answer to a request for `{topic}` within {} seconds", self.bound.as_secs_f32())).hint("run the cell again; `%credential` shows what is asked and how")),
            Ok(Err(_)) => Err(Failure::bug(format!("the service `{topic}` panicked"))),
            Ok(Ok(answer)) => answer,
        };
        match answer {
            Ok(bytes) if bytes.len() > MAX_ANSWER_BYTES => Err(Failure::bug(format!("the service `{topic}` answers with {} bytes, more than {MAX_ANSWER_BYTES}", bytes.len()))),
            answer => answer,
        }
    }
}

/// The open requests of one worker. Dropped with the worker's task, and what is open with it.
pub(crate) struct Requests {
    exchange: Exchange,
    open: JoinSet<()>,
}

impl Requests {
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self { exchange, open: JoinSet::new() }
    }

    /// Has a request answered beside whatever else is done; the answer goes straight to the worker.
    pub(crate) fn take(&mut self, worker: Handle, id: u64, topic: String, payload: Vec<u8>) {
        while self.open.try_join_next().is_some() {}
        if self.open.len() >= MAX_OPEN {
            let failure = Failure::bug(format!("more than {MAX_OPEN} requests are open at a time"));
            return worker.post(&ToWorker::Answer { id, result: Answered::Refused(Refusal::from(&failure)) });
        }
        let exchange = self.exchange.clone();
        self.open.spawn(async move {
            let result = match exchange.answer(topic, payload).await {
                Ok(payload) => Answered::Done { payload },
                Err(failure) => Answered::Refused(Refusal::from(&failure)),
            };
            worker.post(&ToWorker::Answer { id, result });
        });
    }
}
