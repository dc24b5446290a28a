//! `kernel_info_request`, `kernel_info_reply`.
use crate::kernel::About;
use crate::wire::PROTOCOL;
use serde_json::{Value, json};

pub(crate) fn reply(about: &About) -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL,
        "implementation": about.implementation,
        "implementation_version": about.implementation_version,
        "language_info": {
            "name": "rust",
            "version": about.language_version,
            "mimetype": "text/rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
            "nbconvert_exporter": "script",
        },
        "banner": about.banner,
        "debugger": false,
        "supported_features": ["kernel subshells"],
        "help_links": [
            { "text": "Rust", "url": "https://doc.rust-lang.org/std/" },
            { "text": "Polars", "url": "https://docs.rs/polars/latest/polars/" },
        ],
    })
}
