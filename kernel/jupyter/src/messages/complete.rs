//! `complete_request`, `complete_reply`.
use super::inspect::code_and_cursor;
use crate::fields::Fields;
use ochre_session::front::Completions;
use jupyter_protocol::{CompleteReply, ReplyStatus};
use serde_json::{Map, Value};

/// Code and cursor (code points).
pub(crate) fn parse(content: &Fields) -> Result<(&str, usize), String> {
    code_and_cursor(content)
}

/// The experimental field is what JupyterLab and VS Code take kinds and signatures from.
pub(crate) fn reply(completions: Completions) -> CompleteReply {
    let (start, end) = (completions.start, completions.end);
    let types = completions.items.iter().map(|item| {
        let mut typed = Map::new();
        typed.insert("start".into(), start.into());
        typed.insert("end".into(), end.into());
        typed.insert("text".into(), item.text.as_str().into());
        typed.insert("type".into(), item.kind.as_str().into());
        if let Some(signature) = &item.signature {
            typed.insert("signature".into(), signature.as_str().into());
        }
        Value::Object(typed)
    });
    let metadata = Map::from_iter([("_jupyter_types_experimental".to_owned(), types.collect())]);
    CompleteReply {
        matches: completions.items.into_iter().map(|item| item.text).collect(),
        cursor_start: start,
        cursor_end: end,
        metadata,
        status: ReplyStatus::Ok,
        error: None,
    }
}
