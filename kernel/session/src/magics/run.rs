//! `%run`: another notebook or a file of Rust, in this session.
use ochre_api::*;
use ochre_link::Stream;

/// The magic.
pub(crate) struct Run;

/// Longest notebook that is run, bytes: outputs with pictures make them long.
const MAX_NOTEBOOK_BYTES: u64 = 256 << 20;

const SPEC: Spec = Spec {
    name: "run",
    aliases: &[],
    area: "session",
    form: Form::Line,
    arguments: &[Argument::positional("file", Value::Path, "a notebook (.ipynb) or a file of Rust (.rs)").required()],
    summary: "runs a notebook or a .rs file in this session: its variables and items stay",
    help: "A notebook's cells run in order, magics included, and their outputs appear here; the first error ends it. Paths in it are \
           relative to this session's directory. A .rs file is run as one cell.",
    examples: &[Example { text: "%run setup.ipynb", does: "a notebook with the common beginning" }, Example { text: "%run helpers.rs", does: "functions and types" }],
};

#[async_trait]
impl Magic for Run {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let file = call.arguments.value("file").unwrap_or("");
        let path = super::resolve(file, session.directory());
        if path.extension().is_none_or(|e| e != "ipynb") {
            let text = super::load::read(&path, file)?;
            let value = session.run_cell(without_shebang(&text)).await.map_err(|failure| within(failure, file.to_owned()))?;
            return Ok(MagicOutcome { value });
        }
        let cells = cells_of(&path, file)?;
        if cells.is_empty() {
            session.write(Stream::Stderr, &format!("{file} has no cells with code\n")).await;
        }
        let last = cells.len();
        let mut value = None;
        for (number, code) in cells.into_iter().enumerate() {
            let shown = session.run_cell(&code).await.map_err(|failure| within(failure, format!("cell {} of {file}", number + 1)))?;
            match shown {
                Some(bundle) if number + 1 < last => session.display(bundle, None, false).await,
                shown => value = shown,
            }
        }
        Ok(MagicOutcome { value })
    }
}

/// Adds where it happened; the lines in the text are those of that cell.
fn within(failure: Failure, place: String) -> Failure {
    let hint = match &failure.hint {
        Some(hint) => format!("{hint} (in {place})"),
        None => format!("this happened in {place}"),
    };
    failure.hint(hint)
}

/// `#!/usr/bin/env …` is for the shell; `#![attribute]` is Rust.
fn without_shebang(text: &str) -> &str {
    match text.strip_prefix("#!") {
        Some(rest) if !rest.trim_start().starts_with('[') => &text[text.find('\n').unwrap_or(text.len())..],
        _ => text,
    }
}

/// The code cells of a notebook, in order (nbformat 4; `source` is a text or a list of lines).
fn cells_of(path: &std::path::Path, file: &str) -> Result<Vec<String>, Failure> {
    let cannot = |e| Failure::io(format!("cannot read {file}"), e).hint("is the path right? `%cd` says where the session is, and `!ls` what is there");
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > MAX_NOTEBOOK_BYTES {
        return Err(Failure::configuration(format!("{file} is too long: {}", crate::limits::size(length as usize))).hint("clear its outputs and save it"));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let no_notebook = || Failure::configuration(format!("{file} is no notebook"));
    let notebook: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| no_notebook().because(e).hint("it is not whole JSON: save it again"))?;
    let cells = notebook.get("cells").and_then(|c| c.as_array()).ok_or_else(|| no_notebook().hint("it has no cells: notebooks of format 4 are read"))?;
    let code = cells.iter().filter(|cell| cell.get("cell_type").and_then(|t| t.as_str()) == Some("code"));
    Ok(code.filter_map(|cell| source(cell.get("source")?)).filter(|text| !text.trim().is_empty()).collect())
}

fn source(source: &serde_json::Value) -> Option<String> {
    match source {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(lines) => Some(lines.iter().filter_map(|l| l.as_str()).collect()),
        _ => None,
    }
}
