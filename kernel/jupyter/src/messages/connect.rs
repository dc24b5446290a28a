//! `connect_request`, `connect_reply`: deprecated, and answered.
use crate::connection::ConnectionFile;
use serde_json::{Value, json};

pub(crate) fn reply(ports: &ConnectionFile) -> Value {
    json!({
        "status": "ok",
        "shell_port": ports.shell_port,
        "iopub_port": ports.iopub_port,
        "stdin_port": ports.stdin_port,
        "control_port": ports.control_port,
        "hb_port": ports.hb_port,
    })
}
