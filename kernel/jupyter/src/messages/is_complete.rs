//! `is_complete_request`, `is_complete_reply`.
use super::error;
use ochre_session::front::{Completeness, Report};
use serde_json::{Value, json};

pub(crate) fn reply(completeness: &Completeness) -> Value {
    match completeness {
        Completeness::Complete => json!({ "status": "complete" }),
        Completeness::Incomplete { indent } => json!({ "status": "incomplete", "indent": indent }),
        Completeness::Invalid => json!({ "status": "invalid" }),
    }
}

/// This reply has no `error` among its states.
pub(crate) fn refused(report: &Report) -> Value {
    let mut content = error::reply(report);
    content["status"] = "unknown".into();
    content
}
