//! `%history`: earlier cells.
use ochre_api::*;

/// The magic.
pub(crate) struct History;

/// Matches of a search that are shown, newest last.
const MAX_MATCHES: usize = 100;

const SPEC: Spec = Spec {
    name: "history",
    aliases: &["hist"],
    area: "session",
    form: Form::Line,
    arguments: &[
        Argument::positional("range", Value::Text, "cells such as 3, 2-5 or ~1/2-5 (of the session before); ~1/ is all of it").repeated(),
        Argument::option("grep", Value::Text, "cells of all sessions that contain this; * and ? stand for anything").short('g'),
        Argument::option("last", Value::Number, "only the last ones").short('l'),
        Argument::flag("numbers", "numbers before the cells").short('n'),
        Argument::flag("outputs", "values below the cells").short('o'),
    ],
    summary: "shows earlier cells of this and other sessions",
    help: "Only cells that were run to their end, or failed, are there; not the one that runs.",
    examples: &[
        Example { text: "%history", does: "all cells of this session" },
        Example { text: "%history -n 2-5", does: "cells 2 to 5, with numbers" },
        Example { text: "%history -g scan_parquet", does: "all cells that contain scan_parquet" },
        Example { text: "%history ~1/", does: "the session before" },
    ],
};

#[async_trait]
impl Magic for History {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        let mut cells = match arguments.value("grep") {
            Some(pattern) => session.search_history(&format!("*{pattern}*"), MAX_MATCHES).await,
            None => ranges(arguments, session).await?,
        };
        if let Some(last) = arguments.parsed::<usize>("last")? {
            cells.drain(..cells.len().saturating_sub(last));
        }
        if cells.is_empty() {
            return Ok(MagicOutcome::text("no such cells"));
        }
        // Only one session needs no number before each line.
        let several = cells.iter().any(|c| c.session != cells[0].session) || arguments.has("grep");
        let (numbers, outputs) = (arguments.has("numbers") || several, arguments.has("outputs"));
        let texts: Vec<String> = cells.iter().map(|cell| text(cell, numbers, several, outputs)).collect();
        Ok(MagicOutcome::text(texts.join("\n")))
    }
}

async fn ranges(arguments: &Arguments, session: &mut dyn SessionAccess) -> Result<Vec<PastCell>, Failure> {
    let typed: Vec<&str> = arguments.values("range").collect();
    if typed.is_empty() {
        return Ok(session.history(0, 1, None).await);
    }
    let mut cells = Vec::new();
    for text in typed {
        let Range { session: of, start, stop } = Range::read(text)?;
        cells.extend(session.history(of, start, stop).await);
    }
    Ok(cells)
}

fn text(cell: &PastCell, numbers: bool, several: bool, outputs: bool) -> String {
    let number = match (numbers, several) {
        (false, _) => String::new(),
        (true, false) => format!("[{}] ", cell.line),
        (true, true) => format!("[{}/{}] ", cell.session, cell.line),
    };
    let mut text = format!("{number}{}", cell.input.trim_end());
    if let (true, Some(output)) = (outputs, &cell.output) {
        text.push_str(&format!("\n// {}", output.replace('\n', "\n// ")));
    }
    text
}

/// Cells `start..stop` of a session.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    session: i64,
    start: i64,
    stop: Option<i64>,
}

impl Range {
    /// IPython's form: `3`, `2-5` (both ends), `~1/2-5`, `~1/`, `12/3` (session 12).
    fn read(text: &str) -> Result<Self, Failure> {
        let wrong = || Failure::usage(format!("`{text}` is no range of cells")).hint("write 3, 2-5, ~1/2-5 or ~1/");
        let number = |text: &str| text.parse::<i64>().ok().filter(|n| *n >= 0).ok_or_else(wrong);
        let (session, lines) = match text.split_once('/') {
            Some((session, lines)) => match session.strip_prefix('~') {
                Some(back) => (-number(back)?, lines),
                None => (number(session)?, lines),
            },
            None => (0, text),
        };
        let (start, stop) = match lines.split_once('-') {
            _ if lines.is_empty() => (1, None),
            Some((start, "")) => (number(start)?, None),
            Some((start, end)) => (number(start)?, Some(number(end)? + 1)),
            None => (number(lines)?, Some(number(lines)? + 1)),
        };
        Ok(Self { session, start, stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_ipython_writes_them() {
        let range = |session, start, stop| Range { session, start, stop };
        assert_eq!(Range::read("3").expect("reads"), range(0, 3, Some(4)));
        assert_eq!(Range::read("2-5").expect("reads"), range(0, 2, Some(6)));
        assert_eq!(Range::read("2-").expect("reads"), range(0, 2, None));
        assert_eq!(Range::read("~1/").expect("reads"), range(-1, 1, None));
        assert_eq!(Range::read("12/3-4").expect("reads"), range(12, 3, Some(5)));
        assert!(Range::read("x").is_err() && Range::read("-").is_err() && Range::read("~/1").is_err());
    }
}
