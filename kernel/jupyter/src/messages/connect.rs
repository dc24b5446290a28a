//! `connect_request`, `connect_reply`: deprecated, and answered.
use crate::connection::ConnectionFile;
use crate::wire::other;
use jupyter_protocol::JupyterMessageContent;
use serde_json::json;

pub(crate) fn reply(ports: &ConnectionFile) -> JupyterMessageContent {
    let content = json!({
        "status": "ok",
        "shell_port": ports.shell_port,
        "iopub_port": ports.iopub_port,
        "stdin_port": ports.stdin_port,
        "control_port": ports.control_port,
        "hb_port": ports.hb_port,
    });
    other("connect_reply", content)
}
