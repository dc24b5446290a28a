//! rustc's JSON messages as data. Lenient: a line that is not understood never hides the others.
use serde::Deserialize;

/// One message of `rustc --error-format=json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RustcMessage {
    pub message: String,
    #[serde(default)]
    pub code: Option<Code>,
    /// `error`, `warning`, `note`, `help`, `failure-note` or `error: internal compiler error`.
    #[serde(default)]
    pub level: String,
    #[serde(default)]
    pub spans: Vec<Span>,
    #[serde(default)]
    pub children: Vec<RustcMessage>,
    /// rustc's own drawing, kept for the log.
    #[serde(default)]
    pub rendered: Option<String>,
}

/// `E0382`, or the name of a lint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Code {
    pub code: String,
}

/// A place in a file, with what is to be said or replaced there. Bytes count in the file as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Span {
    pub file_name: String,
    pub byte_start: usize,
    pub byte_end: usize,
    pub line_start: usize,
    #[serde(default)]
    pub is_primary: bool,
    #[serde(default)]
    pub text: Vec<SpanLine>,
    #[serde(default)]
    pub label: Option<String>,
    #[serde(default)]
    pub suggested_replacement: Option<String>,
    #[serde(default)]
    pub expansion: Option<Box<Expansion>>,
}

/// A line that a span touches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SpanLine {
    pub text: String,
}

/// The macro call that made the text of a span.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Expansion {
    pub span: Span,
    #[serde(default)]
    pub macro_decl_name: String,
}

/// Level of what rustc wrote outside of JSON: a crash of the compiler, a word of the linker or the loader.
pub(super) const OUTSIDE: &str = "outside of JSON";

/// The diagnostics among the lines of rustc's standard error.
///
/// Artifact notices are skipped. Lines that are no JSON are joined to one last message of their own, which is
/// shown only when there is no other error.
pub fn parse(json_lines: &str) -> Vec<RustcMessage> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "$message_type")]
        kind: Option<String>,
    }
    let mut messages = Vec::new();
    let mut outside = String::new();
    for line in json_lines.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let Ok(Kind { kind }) = serde_json::from_str(line) else {
            outside.push_str(line);
            outside.push('\n');
            continue;
        };
        if kind.is_none_or(|kind| kind == "diagnostic") {
            messages.extend(serde_json::from_str::<RustcMessage>(line).ok());
        }
    }
    if !outside.is_empty() {
        messages.push(RustcMessage {
            message: outside.lines().next().unwrap_or_default().to_owned(),
            level: OUTSIDE.to_owned(),
            rendered: Some(outside),
            ..RustcMessage::default()
        });
    }
    messages
}
