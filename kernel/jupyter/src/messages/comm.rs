//! `comm_open`, `comm_msg`, `comm_close` both ways, and `comm_info`.
use super::mime;
use crate::fields::Fields;
use crate::wire::{Message, Request};
use jupyter_protocol::{CommClose, CommId, CommInfo, CommInfoReply, CommMsg, CommOpen, JupyterMessageContent, ReplyStatus};
use ochre_link::{Comm, CommAction};

/// A comm message of a client.
pub(crate) fn parse(request: &Request, content: &Fields) -> Result<Comm, String> {
    let action = match request.kind.as_str() {
        "comm_open" => CommAction::Open { target: content.text("target_name")?.into() },
        "comm_close" => CommAction::Close,
        _ => CommAction::Message,
    };
    Ok(Comm {
        id: content.text("comm_id")?.into(),
        action,
        data: content.json("data"),
        metadata: request.metadata.to_json(),
        buffers: request.buffers.iter().map(|buffer| buffer.to_vec()).collect(),
    })
}

/// A comm message to the clients.
pub(crate) fn message(comm: Comm) -> Message {
    let (comm_id, data) = (CommId(comm.id), mime::object(&comm.data));
    let content: JupyterMessageContent = match comm.action {
        CommAction::Open { target } => CommOpen { comm_id, target_name: target, data, target_module: None }.into(),
        CommAction::Message => CommMsg { comm_id, data }.into(),
        CommAction::Close => CommClose { comm_id, data }.into(),
    };
    let buffers = comm.buffers.into_iter().map(Into::into).collect();
    Message { content, metadata: mime::object(&comm.metadata), buffers }
}

/// What tells a client that a comm which it opened or uses is not there.
pub(crate) fn closed(id: &str) -> Message {
    message(Comm {
        id: id.into(),
        action: CommAction::Close,
        data: "{}".into(),
        metadata: "{}".into(),
        buffers: Vec::new(),
    })
}

/// `comm_info_reply`: the comms of one target, or all.
pub(crate) fn info(content: &Fields, comms: Vec<(String, String)>) -> CommInfoReply {
    let wanted = content.text("target_name").ok();
    let comms = comms.into_iter().filter(|(_, target)| wanted.is_none_or(|wanted| wanted == target));
    let comms = comms.map(|(id, target_name)| (CommId(id), CommInfo { target_name })).collect();
    CommInfoReply { status: ReplyStatus::Ok, comms, error: None }
}
