//! One request on shell or control, from busy to idle: every one is answered, whatever is in it.
use crate::execute;
use crate::fields::Fields;
use crate::messages::{comm, complete, connect, error, execute as execution, history, inspect, is_complete, kernel_info, usage};
use crate::server::{Ended, KERNEL_SHUTDOWN, Shared};
use crate::wire::{Message, Request, other};
use jupyter_protocol::{InterruptReply, JupyterMessageContent, ReplyStatus, ShutdownReply};
use ochre_link::CommAction;
use ochre_session::front::{Report, Status};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::JoinSet;

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Shell,
    Control,
}

/// What is sent back, and what else follows.
#[derive(Debug)]
pub(crate) struct Answer {
    /// None for messages that have no reply (`comm_msg`).
    pub(crate) reply: Option<JupyterMessageContent>,
    pub(crate) effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// A cell failed: cells that wait behind it in its lane are not run.
    AbortQueued,
    Shutdown { restart: bool },
}

impl Answer {
    pub(crate) fn reply(content: impl Into<JupyterMessageContent>) -> Self {
        Self { reply: Some(content.into()), effect: Effect::None }
    }
}

/// Says busy.
pub(crate) fn begin(shared: &Shared, request: &Request) {
    shared.iopub.status(jupyter_protocol::Status::busy(), Some(&request.header));
}

/// Finds the answer, also when that panics.
pub(crate) async fn answer(shared: &Arc<Shared>, channel: Channel, request: &Arc<Request>) -> Answer {
    let (shared, request) = (shared.clone(), request.clone());
    // A set of one: unlike a task alone, it is gone when this future is dropped.
    let mut task = JoinSet::new();
    task.spawn({
        let (shared, request) = (shared.clone(), request.clone());
        async move { find(&shared, channel, &request).await }
    });
    let report = match task.join_next().await {
        Some(Ok(Ok(answer))) => return answer,
        Some(Ok(Err(malformed))) => error::malformed(&malformed),
        _ => error::bug(&format!("answering `{}` panicked", request.kind)),
    };
    refuse(&shared, &request, report)
}

/// Sends the reply and says idle.
pub(crate) fn finish(shared: &Shared, channel: Channel, request: &Request, answer: Answer) {
    let parent = Some(&request.header);
    if let Some(content) = answer.reply {
        let message = Message::new(content);
        let frames = [request.route.clone(), shared.codec.encode(&message, parent)].concat();
        let router = match channel {
            Channel::Shell => &shared.shell,
            Channel::Control => &shared.control,
        };
        // A client that is gone needs no reply.
        router.send(&request.identity, &frames);
        if matches!(answer.effect, Effect::Shutdown { .. }) {
            shared.iopub.send(&message, parent);
        }
    }
    shared.iopub.status(jupyter_protocol::Status::idle(), parent);
    if let Effect::Shutdown { restart } = answer.effect {
        // Full: another client has asked before.
        let _ = shared.end.try_send(Ended::Shutdown { restart });
    }
}

/// An error as the answer, where the sender waits for one.
pub(crate) fn refuse(shared: &Shared, request: &Request, report: Report) -> Answer {
    let reply = match request.kind.as_str() {
        "execute_request" => Some(execution::not_run(Status::Error(report), shared.count.load(Ordering::Relaxed)).into()),
        "is_complete_request" => Some(is_complete::refused(&report)),
        kind => kind.strip_suffix("_request").map(|kind| error::reply(&format!("{kind}_reply"), &report)),
    };
    Answer { reply, effect: Effect::None }
}

/// The table of messages. An error means that the request is malformed.
async fn find(shared: &Arc<Shared>, channel: Channel, request: &Arc<Request>) -> Result<Answer, String> {
    let (kernel, content) = (&shared.kernel, request.content.as_ref().map_err(String::clone)?);
    let reply: JupyterMessageContent = match request.kind.as_str() {
        "kernel_info_request" => kernel_info::reply(&kernel.about()),
        "execute_request" if channel == Channel::Shell => return execute::run(shared, request, content).await,
        "execute_request" => return Err("cells are executed on the shell channel, not on control".into()),
        "complete_request" => {
            let (code, cursor) = complete::parse(content)?;
            complete::reply(kernel.complete(code, cursor).await).into()
        }
        "inspect_request" => {
            let (code, cursor, detail) = inspect::parse(content)?;
            inspect::reply(kernel.inspect(code, cursor, detail).await.as_ref()).into()
        }
        "is_complete_request" => is_complete::reply(kernel.is_complete(content.text("code")?)).into(),
        "history_request" => history::reply(content, kernel.history(history::parse(content)?).await).into(),
        "comm_info_request" => comm::info(content, kernel.comms()).into(),
        "comm_open" | "comm_msg" | "comm_close" => return take_comm(shared, request, content),
        "connect_request" => connect::reply(&shared.connection),
        "usage_request" => usage::reply(&kernel.usage().await),
        "interrupt_request" => {
            kernel.interrupt();
            InterruptReply::new().into()
        }
        "create_subshell_request" => {
            let id = shared.lanes.create(shared).ok_or("there are too many subshells")?;
            other("create_subshell_reply", json!({ "status": "ok", "subshell_id": id }))
        }
        "delete_subshell_request" => {
            let id = content.text("subshell_id")?;
            shared.lanes.delete(id).then_some(()).ok_or_else(|| format!("there is no subshell `{id}`"))?;
            other("delete_subshell_reply", json!({ "status": "ok" }))
        }
        "list_subshell_request" => other("list_subshell_reply", json!({ "status": "ok", "subshell_id": shared.lanes.list() })),
        "shutdown_request" => {
            let restart = content.flag("restart", false);
            // A kernel that does not end in time is ended with the process.
            let _ = tokio::time::timeout(KERNEL_SHUTDOWN, kernel.shutdown(restart)).await;
            let reply = ShutdownReply { restart, status: ReplyStatus::Ok, error: None };
            return Ok(Answer { reply: Some(reply.into()), effect: Effect::Shutdown { restart } });
        }
        kind => return Err(format!("this kernel does not know messages of the type `{kind:.100}`")),
    };
    Ok(Answer::reply(reply))
}

/// A comm that nobody here serves is closed, so that the client does not wait for it.
fn take_comm(shared: &Shared, request: &Request, content: &Fields) -> Result<Answer, String> {
    let message = comm::parse(request, content)?;
    match &message.action {
        CommAction::Open { target } if !shared.kernel.serves(target) => {
            shared.iopub.send(&comm::closed(&message.id), Some(&request.header));
        }
        _ => shared.kernel.comm(message),
    }
    Ok(Answer { reply: None, effect: Effect::None })
}
