//! `kernel_info_request`, `kernel_info_reply`.
use crate::kernel::About;
use crate::wire::{PROTOCOL, other};
use jupyter_protocol::{CodeMirrorMode, HelpLink, JupyterMessageContent, KernelInfoReply, LanguageInfo, ReplyStatus};
use serde_json::json;

pub(crate) fn reply(about: &About) -> JupyterMessageContent {
    let language = LanguageInfo {
        name: "rust".into(),
        version: about.language_version.clone(),
        mimetype: Some("text/rust".into()),
        file_extension: Some(".rs".into()),
        pygments_lexer: Some("rust".into()),
        codemirror_mode: Some(CodeMirrorMode::Simple("rust".into())),
        nbconvert_exporter: Some("script".into()),
    };
    let reply = KernelInfoReply {
        status: ReplyStatus::Ok,
        protocol_version: PROTOCOL.into(),
        implementation: about.implementation.clone(),
        implementation_version: about.implementation_version.clone(),
        language_info: language,
        banner: about.banner.clone(),
        help_links: vec![
            HelpLink { text: "Rust".into(), url: "https://doc.rust-lang.org/std/".into() },
            HelpLink { text: "Polars".into(), url: "https://docs.rs/polars/latest/polars/".into() },
        ],
        debugger: false,
        error: None,
    };
    let mut content = serde_json::to_value(reply).expect("texts are JSON");
    // Of protocol 5.5, which the crate's type does not have yet.
    content["supported_features"] = json!(["kernel subshells"]);
    other("kernel_info_reply", content)
}
