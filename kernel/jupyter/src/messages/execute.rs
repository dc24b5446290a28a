//! `execute_request`, `execute_reply`.
use super::{error, mime};
use crate::fields::Fields;
use crate::wire::Request;
use ochre_link::Bundle;
use ochre_session::front::{Execute, Executed, Payload, Report, Status};
use serde_json::{Map, Value, json};

/// Only the code must be there; the rest has the protocol's defaults.
pub(crate) fn parse(request: &Request, content: &Fields) -> Result<Execute, String> {
    let silent = content.flag("silent", false);
    let expressions = content.object("user_expressions").into_iter().flatten();
    Ok(Execute {
        code: content.text("code")?.into(),
        silent,
        store_history: !silent && content.flag("store_history", true),
        user_expressions: expressions.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.into()))).collect(),
        allow_stdin: content.flag("allow_stdin", true),
        stop_on_error: content.flag("stop_on_error", true),
        cell_id: request.metadata.text("cellId").ok().map(str::to_owned),
    })
}

pub(crate) fn reply(executed: &Executed) -> Value {
    let mut content = match &executed.status {
        Status::Ok => json!({ "status": "ok" }),
        Status::Error(report) => error::reply(report),
        Status::Aborted => json!({ "status": "aborted" }),
    };
    let expressions = executed.user_expressions.iter().map(|(name, result)| (name.clone(), expression(result)));
    content["execution_count"] = executed.count.into();
    content["user_expressions"] = Value::Object(expressions.collect());
    content["payload"] = executed.payloads.iter().map(payload).collect();
    content
}

/// For a request that was not executed: malformed, or queued behind a cell that failed.
pub(crate) fn not_run(status: Status, count: u32) -> Value {
    reply(&Executed { count, status, user_expressions: Vec::new(), payloads: Vec::new() })
}

fn expression(result: &Result<Bundle, Report>) -> Value {
    match result {
        Ok(bundle) => {
            let (data, metadata) = mime::parts(bundle);
            json!({ "status": "ok", "data": data, "metadata": metadata })
        }
        Err(report) => error::reply(report),
    }
}

fn payload(payload: &Payload) -> Value {
    let mut content = Map::new();
    match payload {
        Payload::Page(bundle) => {
            content.insert("source".into(), "page".into());
            content.insert("data".into(), Value::Object(mime::parts(bundle).0));
            content.insert("start".into(), 0.into());
        }
        Payload::NextInput { text, replace } => {
            content.insert("source".into(), "set_next_input".into());
            content.insert("text".into(), text.as_str().into());
            content.insert("replace".into(), (*replace).into());
        }
    }
    Value::Object(content)
}
