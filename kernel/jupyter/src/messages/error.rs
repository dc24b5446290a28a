//! Errors as content: of a cell, and of a request that cannot be answered.
use crate::wire::other;
use jupyter_protocol::{ErrorOutput, JupyterMessageContent, ReplyError};
use ochre_session::front::Report;
use serde_json::json;

/// `error` on iopub.
pub(crate) fn output(report: Report) -> ErrorOutput {
    ErrorOutput { ename: report.name, evalue: report.message, traceback: report.traceback }
}

/// The part of a reply that says what went wrong.
pub(crate) fn part(report: &Report) -> ReplyError {
    ReplyError { ename: report.name.clone(), evalue: report.message.clone(), traceback: report.traceback.clone() }
}

/// A reply that says why there is no answer, and nothing else: the crate's types want the answer's fields too.
pub(crate) fn reply(kind: &str, report: &Report) -> JupyterMessageContent {
    with_status(kind, "error", report)
}

pub(super) fn with_status(kind: &str, status: &str, report: &Report) -> JupyterMessageContent {
    let (name, message, traceback) = (&report.name, &report.message, &report.traceback);
    other(kind, json!({ "status": status, "ename": name, "evalue": message, "traceback": traceback }))
}

/// The sender made a mistake.
pub(crate) fn malformed(what: &str) -> Report {
    Report { name: "malformed message".into(), message: format!("the request was not understood: {what}"), traceback: vec![] }
}

/// We made one.
pub(crate) fn bug(what: &str) -> Report {
    let message = format!("a bug in Ochre's kernel: {what}; the session goes on");
    Report { name: "kernel bug".into(), traceback: vec![message.clone()], message }
}
