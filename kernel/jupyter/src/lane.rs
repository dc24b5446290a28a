//! The shell channel: a lane for the main shell and one for each subshell. In a lane one request follows
//! the other; lanes do not wait for each other (cells of all lanes are run one after the other by the session).
use crate::messages::{error, execute};
use crate::request::{self, Answer, Channel, Effect};
use crate::server::Shared;
use crate::wire::Request;
use crate::zmtp::Received;
use ochre_session::front::Status;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Requests that wait in a lane; a notebook queues as many as it has cells.
const QUEUED_REQUESTS: usize = 10_000;
/// Subshells at a time; JupyterLab makes one per comm target.
const MAX_SUBSHELLS: usize = 100;
/// The lane of requests that name no subshell.
const MAIN: &str = "";

/// The lanes by id of their subshell.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    by_id: Mutex<HashMap<String, Lane>>,
}

#[derive(Debug)]
struct Lane {
    queue: mpsc::Sender<Arc<Request>>,
    task: AbortHandle,
}

impl Lanes {
    /// A new subshell; none when there are too many.
    pub(crate) fn create(&self, shared: &Arc<Shared>) -> Option<String> {
        if self.list().len() >= MAX_SUBSHELLS {
            return None;
        }
        let id = uuid::Uuid::new_v4().to_string();
        self.open(&id, shared);
        Some(id)
    }

    fn open(&self, id: &str, shared: &Arc<Shared>) {
        let (queue, requests) = mpsc::channel(QUEUED_REQUESTS);
        let task = tokio::spawn(run(shared.clone(), requests)).abort_handle();
        crate::lock(&self.by_id).insert(id.into(), Lane { queue, task });
    }

    /// A deleted subshell still answers what waits in it.
    pub(crate) fn delete(&self, id: &str) -> bool {
        id != MAIN && crate::lock(&self.by_id).remove(id).is_some()
    }

    pub(crate) fn list(&self) -> Vec<String> {
        let mut ids: Vec<String> = crate::lock(&self.by_id).keys().filter(|id| *id != MAIN).cloned().collect();
        ids.sort();
        ids
    }

    /// Ends all lanes, whatever they do.
    pub(crate) fn end(&self) {
        for (_, lane) in crate::lock(&self.by_id).drain() {
            lane.task.abort();
        }
    }

    /// Puts a request into its lane, or says why it cannot be there.
    fn put(&self, request: &Arc<Request>) -> Result<(), String> {
        let id = request.subshell.as_deref().unwrap_or(MAIN);
        match crate::lock(&self.by_id).get(id).map(|lane| lane.queue.try_send(request.clone())) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(format!("more than {QUEUED_REQUESTS} requests are waiting")),
            None => Err(format!("there is no subshell `{id:.100}`")),
        }
    }
}

/// Sorts what comes in on shell into lanes.
pub(crate) async fn dispatch(shared: Arc<Shared>, mut incoming: mpsc::Receiver<Received>) {
    shared.lanes.open(MAIN, &shared);
    while let Some(received) = incoming.recv().await {
        let Some(request) = shared.decode("shell", received).map(Arc::new) else { continue };
        if let Err(reason) = shared.lanes.put(&request) {
            request::begin(&shared, &request);
            let answer = request::refuse(&shared, &request, error::malformed(&reason));
            request::finish(&shared, Channel::Shell, &request, answer);
        }
    }
}

/// A request that was taken out of the queue early.
struct Waiting {
    request: Arc<Request>,
    /// A cell before it failed.
    aborted: bool,
}

async fn run(shared: Arc<Shared>, mut requests: mpsc::Receiver<Arc<Request>>) {
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    loop {
        let next = match waiting.pop_front() {
            Some(next) => next,
            None => match requests.recv().await {
                Some(request) => Waiting { request, aborted: false },
                None => return,
            },
        };
        let request = &next.request;
        request::begin(&shared, request);
        let answer = if next.aborted {
            Answer::reply(execute::not_run(Status::Aborted, shared.count.load(Ordering::Relaxed)))
        } else {
            request::answer(&shared, Channel::Shell, request).await
        };
        // Before the reply: what a client sends after it has seen the error shall run.
        if answer.effect == Effect::AbortQueued {
            while let Ok(request) = requests.try_recv() {
                waiting.push_back(Waiting { request, aborted: false });
            }
            for waiting in waiting.iter_mut().filter(|waiting| waiting.request.kind == "execute_request") {
                waiting.aborted = true;
            }
        }
        request::finish(&shared, Channel::Shell, request, answer);
    }
}
