//! One file per message pair: what comes in as [`crate::fields::Fields`] becomes a question to the session,
//! and what the session says becomes content. No file here sends anything.
pub(crate) mod comm;
pub(crate) mod complete;
pub(crate) mod connect;
pub(crate) mod error;
pub(crate) mod execute;
pub(crate) mod history;
pub(crate) mod input;
pub(crate) mod inspect;
pub(crate) mod is_complete;
pub(crate) mod kernel_info;
pub(crate) mod mime;
pub(crate) mod output;
pub(crate) mod usage;
