//! `is_complete_request`, `is_complete_reply`.
use super::error;
use jupyter_protocol::{IsCompleteReply, JupyterMessageContent};
use ochre_session::front::{Completeness, Report};

pub(crate) fn reply(completeness: Completeness) -> IsCompleteReply {
    match completeness {
        Completeness::Complete => IsCompleteReply::complete(),
        Completeness::Incomplete { indent } => IsCompleteReply::incomplete(indent),
        Completeness::Invalid => IsCompleteReply::invalid(),
    }
}

/// This reply has no `error` among its states.
pub(crate) fn refused(report: &Report) -> JupyterMessageContent {
    error::with_status("is_complete_reply", "unknown", report)
}
