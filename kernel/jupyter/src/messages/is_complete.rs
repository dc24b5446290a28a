//! `is_complete_request`, `is_complete_reply`.
use ochre_session::front::Completeness;
use serde_json::{Value, json};

pub(crate) fn reply(completeness: &Completeness) -> Value {
    match completeness {
        Completeness::Complete => json!({ "status": "complete" }),
        Completeness::Incomplete { indent } => json!({ "status": "incomplete", "indent": indent }),
        Completeness::Invalid => json!({ "status": "invalid" }),
    }
}
