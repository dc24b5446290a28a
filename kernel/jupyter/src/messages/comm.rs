//! `comm_open`, `comm_msg`, `comm_close` both ways, and `comm_info`.
use super::mime;
use crate::fields::Fields;
use crate::wire::{Message, Request};
use ochre_link::{Comm, CommAction};
use serde_json::{Map, Value, json};

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
    let mut content = Map::new();
    content.insert("comm_id".into(), comm.id.into());
    let kind = match comm.action {
        CommAction::Open { target } => {
            content.insert("target_name".into(), target.into());
            "comm_open"
        }
        CommAction::Message => "comm_msg",
        CommAction::Close => "comm_close",
    };
    content.insert("data".into(), serde_json::from_str(&comm.data).unwrap_or_else(|_| json!({})));
    Message {
        kind: kind.into(),
        content: Value::Object(content),
        metadata: mime::object(&comm.metadata),
        buffers: comm.buffers.into_iter().map(Into::into).collect(),
    }
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
pub(crate) fn info(content: &Fields, comms: Vec<(String, String)>) -> Value {
    let wanted = content.text("target_name").ok();
    let comms: Map<String, Value> = comms
        .into_iter()
        .filter(|(_, target)| wanted.is_none_or(|wanted| wanted == target))
        .map(|(id, target)| (id, json!({ "target_name": target })))
        .collect();
    json!({ "status": "ok", "comms": comms })
}
