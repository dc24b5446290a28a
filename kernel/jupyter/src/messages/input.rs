//! `input_request`, `input_reply`: on the stdin socket, between the kernel and the client whose cell asks.
use crate::fields::Fields;
use crate::wire::Message;
use jupyter_protocol::InputRequest;

pub(crate) fn request(prompt: &str, password: bool) -> Message {
    Message::new(InputRequest { prompt: prompt.into(), password })
}

/// What was typed; nothing when the reply has none.
pub(crate) fn reply(content: &Fields) -> Option<String> {
    content.text("value").ok().map(str::to_owned)
}
