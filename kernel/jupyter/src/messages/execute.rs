//! `execute_request`, `execute_reply`.
use super::{error, mime};
use crate::fields::Fields;
use crate::wire::Request;
use jupyter_protocol::{ExecuteReply, ExecutionCount, ExpressionResult, ReplyError, ReplyStatus};
use ochre_link::Bundle;
use ochre_session::front::{Execute, Executed, Payload, Report, Status};

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

pub(crate) fn reply(executed: &Executed) -> ExecuteReply {
    let (status, error) = match &executed.status {
        Status::Ok => (ReplyStatus::Ok, None),
        Status::Error(report) => (ReplyStatus::Error, Some(Box::new(error::part(report)))),
        Status::Aborted => (ReplyStatus::Aborted, None),
    };
    let expressions = executed.user_expressions.iter().map(|(name, result)| (name.clone(), expression(result)));
    ExecuteReply {
        status,
        execution_count: ExecutionCount(executed.count as usize),
        payload: executed.payloads.iter().map(payload).collect(),
        // An empty map, because the crate writes none as null.
        user_expressions: Some(expressions.collect()),
        error,
    }
}

/// For a request that was not executed: malformed, or queued behind a cell that failed.
pub(crate) fn not_run(status: Status, count: u32) -> ExecuteReply {
    reply(&Executed { count, status, user_expressions: Vec::new(), payloads: Vec::new() })
}

fn expression(result: &Result<Bundle, Report>) -> ExpressionResult {
    match result {
        Ok(bundle) => {
            let (data, metadata) = mime::parts(bundle);
            ExpressionResult::Ok { data, metadata }
        }
        Err(report) => {
            let ReplyError { ename, evalue, traceback } = error::part(report);
            ExpressionResult::Error { ename, evalue, traceback }
        }
    }
}

fn payload(payload: &Payload) -> jupyter_protocol::Payload {
    match payload {
        Payload::Page(bundle) => jupyter_protocol::Payload::Page { data: mime::parts(bundle).0, start: 0 },
        Payload::NextInput { text, replace } => {
            jupyter_protocol::Payload::SetNextInput { text: text.clone(), replace: *replace }
        }
    }
}
