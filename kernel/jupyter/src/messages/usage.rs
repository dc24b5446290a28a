//! `usage_request`, `usage_reply`: not in the protocol's text; as ipykernel answers it, for the sidebar of
//! jupyter-resource-usage.
use crate::wire::other;
use jupyter_protocol::JupyterMessageContent;
use ochre_session::front::Usage;
use serde_json::json;

pub(crate) fn reply(usage: &Usage) -> JupyterMessageContent {
    let content = json!({
        "hostname": usage.host,
        "pid": usage.pid,
        "kernel_cpu": usage.cpu,
        "kernel_memory": usage.memory,
        "host_cpu_percent": usage.host_cpu_percent,
        "cpu_count": usage.cpu_count,
        "host_virtual_memory": {
            "total": usage.host_memory_total,
            "available": usage.host_memory_available,
            "used": usage.host_memory_used,
            "percent": usage.host_memory_percent,
        },
    });
    other("usage_reply", content)
}
