//! Errors as content: of a cell, and of a request that cannot be answered.
use ochre_session::front::Report;
use serde_json::{Value, json};

/// `error` on iopub.
pub(crate) fn content(report: &Report) -> Value {
    json!({ "ename": report.name, "evalue": report.message, "traceback": report.traceback })
}

/// A reply that says why there is no answer.
pub(crate) fn reply(report: &Report) -> Value {
    json!({ "status": "error", "ename": report.name, "evalue": report.message, "traceback": report.traceback })
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
