//! `%load`: a file into the cell.
use ochre_api::*;

/// The magic.
pub(crate) struct Load;

/// Longest file that is put into a cell, bytes: more than anybody reads in one.
const MAX_FILE_BYTES: u64 = 1 << 20;

const SPEC: Spec = Spec {
    name: "load",
    aliases: &["loadpy"],
    area: "session",
    form: Form::Line,
    arguments: &[
        Argument::positional("file", Value::Path, "a text, such as a .rs file").required(),
        Argument::option("lines", Value::Text, "only these lines, such as 10-20"),
    ],
    summary: "puts a file into the cell, to be edited and run",
    help: "Nothing is run. %run runs a file.",
    examples: &[Example { text: "%load helpers.rs", does: "the whole file" }, Example { text: "%load helpers.rs --lines 10-20", does: "a part of it" }],
};

#[async_trait]
impl Magic for Load {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let file = call.arguments.value("file").unwrap_or("");
        let path = super::resolve(file, session.directory());
        let text = read(&path, file)?;
        let text = match call.arguments.value("lines") {
            Some(range) => part(&text, range)?,
            None => text,
        };
        session.next_input(format!("// %load {file}\n{text}"), true);
        Ok(MagicOutcome::none())
    }
}

/// Reads a text of reasonable length.
pub(super) fn read(path: &std::path::Path, typed: &str) -> Result<String, Failure> {
    let cannot = |e| Failure::io(format!("cannot read {typed}"), e).hint("is the path right? `%cd` says where the session is, and `!ls` what is there");
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > MAX_FILE_BYTES {
        return Err(Failure::configuration(format!("{typed} is too long for a cell: {}", crate::limits::size(length as usize))).hint("read it with `std::fs::read_to_string`"));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|_| Failure::configuration(format!("{typed} is no text")).hint("read it with `std::fs::read`"))
}

fn part(text: &str, range: &str) -> Result<String, Failure> {
    let wrong = || Failure::usage(format!("`{range}` is no range of lines")).hint("write --lines 10-20");
    let (start, end) = range.split_once('-').unwrap_or((range, range));
    let start: usize = start.trim().parse().map_err(|_| wrong())?;
    let end: usize = if end.trim().is_empty() { usize::MAX } else { end.trim().parse().map_err(|_| wrong())? };
    let lines: Vec<&str> = text.lines().skip(start.saturating_sub(1)).take(end.saturating_sub(start.max(1)).saturating_add(1)).collect();
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_count_from_one_and_include_both_ends() {
        let text = "a\nb\nc\nd";
        assert_eq!(part(text, "2-3").expect("reads"), "b\nc");
        assert_eq!(part(text, "3-").expect("reads"), "c\nd");
        assert_eq!(part(text, "1").expect("reads"), "a");
        assert!(part(text, "x").is_err());
    }
}
