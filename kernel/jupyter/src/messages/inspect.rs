//! `inspect_request`, `inspect_reply`.
use super::mime;
use crate::fields::Fields;
use jupyter_protocol::{InspectReply, ReplyStatus};
use ochre_link::Bundle;

/// Code, cursor (code points) and detail level.
pub(crate) fn parse(content: &Fields) -> Result<(&str, usize, u8), String> {
    let (code, cursor) = code_and_cursor(content)?;
    Ok((code, cursor, content.number("detail_level").map_or(0, |level| level.clamp(0, 1) as u8)))
}

/// The end of the code when there is no cursor. VS Code counts in UTF-16, so a cursor may lie beyond the end.
pub(super) fn code_and_cursor(content: &Fields) -> Result<(&str, usize), String> {
    let code = content.text("code")?;
    let length = code.chars().count();
    let cursor = content.number("cursor_pos").map_or(length, |at| usize::try_from(at).unwrap_or(0).min(length));
    Ok((code, cursor))
}

pub(crate) fn reply(found: Option<&Bundle>) -> InspectReply {
    let (data, metadata) = found.map(mime::parts).unwrap_or_default();
    InspectReply { found: found.is_some(), data, metadata, status: ReplyStatus::Ok, error: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_kept_inside() {
        for (text, expected) in [
            (r#"{"code":"😀b","cursor_pos":1}"#, Ok(("😀b", 1, 0))),
            (r#"{"code":"😀b","cursor_pos":99,"detail_level":1}"#, Ok(("😀b", 2, 1))),
            (r#"{"code":"😀b","cursor_pos":-1,"detail_level":"x"}"#, Ok(("😀b", 0, 0))),
            (r#"{"code":"😀b"}"#, Ok(("😀b", 2, 0))),
            (r#"{"cursor_pos":1}"#, Err("its field `code` is missing".to_owned())),
        ] {
            assert_eq!(parse(&Fields::parse(text.as_bytes()).unwrap()), expected);
        }
    }
}
