//! `%%writefile`: the cell's text into a file.
use ochre_api::*;
use std::io::Write;

/// The magic.
pub(crate) struct WriteFile;

const SPEC: Spec = Spec {
    name: "writefile",
    aliases: &["file"],
    area: "session",
    form: Form::Cell,
    arguments: &[
        Argument::positional("file", Value::Path, "the file, made or replaced").required(),
        Argument::flag("append", "adds to the file").short('a'),
    ],
    summary: "writes the cell into a file",
    help: "Nothing is run. Directories must exist.",
    examples: &[
        Example { text: "%%writefile data.csv\na,b\n1,2", does: "makes or replaces data.csv" },
        Example { text: "%%writefile --append notes.txt\none more line", does: "adds to it" },
    ],
};

#[async_trait]
impl Magic for WriteFile {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let file = call.arguments.value("file").unwrap_or("");
        let path = super::resolve(file, session.directory());
        let append = call.arguments.has("append");
        let existed = path.exists();
        let body = call.body.unwrap_or_default();
        write(&path, append, body.as_bytes()).map_err(|e| Failure::io(format!("cannot write {file}"), e).hint("does its directory exist, and may you write there?"))?;
        let done = match (append, existed) {
            (true, true) => "added to",
            (false, true) => "replaced",
            (_, false) => "wrote",
        };
        Ok(MagicOutcome::text(format!("{done} {file}")))
    }
}

fn write(path: &std::path::Path, append: bool, text: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(append).write(!append).truncate(!append);
    options.open(path)?.write_all(text)
}
