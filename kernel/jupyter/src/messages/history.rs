//! `history_request`, `history_reply`. Clients send only the fields that they care about.
use crate::fields::Fields;
use jupyter_protocol::{HistoryEntry as Entry, HistoryReply};
use ochre_session::front::{HistoryEntry, HistoryQuery};

/// Entries of a tail when the client does not say how many: as many as jupyter_console asks for.
const TAIL: usize = 1_000;

pub(crate) fn parse(content: &Fields) -> Result<HistoryQuery, String> {
    let n = content.number("n").map(|n| usize::try_from(n).unwrap_or(0));
    Ok(match content.text("hist_access_type")? {
        "tail" => HistoryQuery::Tail { n: n.unwrap_or(TAIL) },
        "range" => HistoryQuery::Range {
            session: content.number("session").unwrap_or(0),
            start: content.number("start").unwrap_or(0),
            stop: content.number("stop"),
        },
        "search" => HistoryQuery::Search {
            pattern: content.text("pattern").unwrap_or("*").into(),
            n,
            unique: content.flag("unique", false),
        },
        other => return Err(format!("`{other}` is not a way to ask for history")),
    })
}

/// With `output`, an entry's third part is a pair; strict clients want a text there also when there was no output.
pub(crate) fn reply(content: &Fields, entries: Vec<HistoryEntry>) -> HistoryReply {
    let with_output = content.flag("output", false);
    let history = entries.into_iter().map(|entry| {
        let HistoryEntry { input, output, .. } = entry;
        // Both are numbers that we gave, from 1.
        let (session, line) = (entry.session as usize, entry.line as usize);
        if with_output {
            Entry::InputOutput(session, line, (input, output.unwrap_or_default()))
        } else {
            Entry::Input(session, line, input)
        }
    });
    HistoryReply::new(history.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_clients_send_is_enough() {
        let query = |text: &str| parse(&Fields::parse(text.as_bytes()).unwrap());
        assert!(matches!(query(r#"{"hist_access_type":"tail","n":-3}"#), Ok(HistoryQuery::Tail { n: 0 })));
        assert!(matches!(query(r#"{"hist_access_type":"tail"}"#), Ok(HistoryQuery::Tail { n: TAIL })));
        assert!(matches!(
            query(r#"{"hist_access_type":"range","start":1}"#),
            Ok(HistoryQuery::Range { session: 0, start: 1, stop: None })
        ));
        assert!(matches!(
            query(r#"{"hist_access_type":"search","pattern":"let*","unique":true}"#),
            Ok(HistoryQuery::Search { n: None, unique: true, .. })
        ));
        assert!(query(r#"{"hist_access_type":"all"}"#).is_err());
        assert!(query("{}").is_err());
    }
}
