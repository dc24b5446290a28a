//! Outputs of a cell: `execute_input`, `stream`, `display_data`, `update_display_data`, `execute_result`,
//! `error`, `clear_output`, `comm_*`.
use super::{comm, error, mime};
use crate::wire::Message;
use ochre_link::{Bundle, Stream};
use ochre_session::front::Output;
use serde_json::json;

/// The message of an output; none for a question, which goes to one client only.
pub(crate) fn message(output: Output) -> Option<Message> {
    Some(match output {
        Output::Started { code, count } => {
            Message::new("execute_input", json!({ "code": code, "execution_count": count }))
        }
        Output::Stream { stream: which, text } => stream(which, &text),
        Output::Display { bundle, id, update } => display(&bundle, id, update),
        Output::Result { bundle, count } => result(&bundle, count),
        Output::Error(report) => Message::new("error", error::content(&report)),
        Output::Clear { wait } => Message::new("clear_output", json!({ "wait": wait })),
        Output::Comm(message) => comm::message(message),
        Output::Input { .. } => return None,
    })
}

pub(crate) fn stream(stream: Stream, text: &str) -> Message {
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    Message::new("stream", json!({ "name": name, "text": text }))
}

fn display(bundle: &Bundle, id: Option<String>, update: bool) -> Message {
    let kind = if update { "update_display_data" } else { "display_data" };
    let (data, metadata) = mime::parts(bundle);
    let transient = id.map_or_else(|| json!({}), |id| json!({ "display_id": id }));
    Message::new(kind, json!({ "data": data, "metadata": metadata, "transient": transient }))
}

fn result(bundle: &Bundle, count: u32) -> Message {
    let (data, metadata) = mime::parts(bundle);
    Message::new("execute_result", json!({ "execution_count": count, "data": data, "metadata": metadata }))
}
