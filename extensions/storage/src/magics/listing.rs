//! `%ls`: what a store or directory holds, as a frame.
use super::urls;
use crate::spot::Spot;
use crate::{Storage, size, table};
use ochre_api::*;
use futures::StreamExt;
use std::sync::Arc;

/// The magic.
pub(crate) struct Ls(pub(crate) Arc<Storage>);

const SPEC: Spec = Spec {
    name: "ls",
    aliases: &[],
    area: "storage",
    form: Form::Line,
    arguments: &[
        Argument::positional("url", Value::Path, "a store's URL, or a directory; without it, the session's directory"),
        Argument::flag("recursive", "all that is below, folders within it included").short('r'),
        Argument::option("output", Value::Text, "keeps the frame in this variable").short('o'),
    ],
    summary: "lists a store or a directory as a frame with name, size and time",
    help: "The value is a polars frame: keep it with `-o files`, then filter and sort it as any other. A folder's name ends with `/`. Sizes are \
           bytes, times UTC.",
    examples: &[
        Example { text: "%ls az://pictures@myaccount/cats", does: "what is directly in a folder" },
        Example { text: "%ls s3://bucket --recursive -o files", does: "all of a bucket, kept in `files`" },
        Example { text: "%ls azureml://datastores/workspaceblobstore/paths/data", does: "a datastore of the workspace" },
        Example { text: "%ls data", does: "a directory, mounted or not" },
    ],
};

/// Names that the text form shows at most (the engine evcxr has no frames).
const MAX_NAMES: usize = 1000;

#[async_trait]
impl Magic for Ls {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        if argument.name == "url" { urls(&self.0, prefix) } else { Vec::new() }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let text = call.arguments.value("url").unwrap_or(".");
        let typed = Spot::read(text, &session.directory(), &self.0).await?;
        // A mount is listed as cells see it.
        let spot = if text.contains("://") { typed } else { Spot::Local { path: crate::spot::local(text, &session.directory()), directory: true } };
        let recursive = call.arguments.has("recursive");
        let url = match &spot {
            Spot::Web(_) => return Err(Failure::usage("web servers do not say what they hold").hint("`%cp` copies a file from its address")),
            Spot::Store { location, .. } => location.to_string(),
            Spot::Local { path, .. } => {
                if !path.exists() {
                    return Err(Failure::usage(format!("{} does not exist", path.display())).hint("`%cd` says where the session is, and `%mounts` what is mounted"));
                }
                let location = ochre_blobs::Location { scheme: ochre_blobs::Scheme::File, account: None, container: String::new(), path: path.to_string_lossy().trim_matches('/').to_owned() };
                location.to_string()
            }
        };
        if session.engine() != "ochre" {
            return plain(&self.0, &spot, recursive).await;
        }
        let frame = format!("ochre::__stores::listing({url:?}, {recursive})?");
        let code = match call.arguments.value("output") {
            Some(name) => format!("let {} = {frame};\n{name}", variable(name)?),
            None => frame,
        };
        session.run_rust(&code, call.place).await.map(|value| MagicOutcome { value })
    }
}

/// A name that Rust takes for a variable.
fn variable(name: &str) -> Result<&str, Failure> {
    let first = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    match first && name != "_" && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        true => Ok(name),
        false => Err(Failure::usage(format!("`{name}` is no name of a variable")).hint("write `-o files`")),
    }
}

/// A text, where cells have no frames (the engine evcxr).
async fn plain(storage: &Arc<Storage>, spot: &Spot, recursive: bool) -> Result<MagicOutcome, Failure> {
    let mut rows = Vec::new();
    match spot {
        Spot::Store { location, .. } => {
            let container = storage.open(location).await?;
            let blob = crate::failures::of_blob;
            if recursive {
                let mut list = container.list(&location.path);
                while let Some(meta) = list.next().await.filter(|_| rows.len() < MAX_NAMES) {
                    let meta = meta.map_err(blob)?;
                    rows.push(vec![meta.path, size::text(meta.size), meta.modified.format("%Y-%m-%d %H:%M:%S").to_string()]);
                }
            } else {
                let (blobs, folders) = container.list_directory(&location.path).await.map_err(blob)?;
                rows.extend(folders.into_iter().map(|f| vec![format!("{}/", f.trim_end_matches('/')), String::new(), String::new()]));
                rows.extend(blobs.into_iter().map(|m| vec![m.path, size::text(m.size), m.modified.format("%Y-%m-%d %H:%M:%S").to_string()]));
            }
        }
        Spot::Local { path, .. } => {
            let entries = std::fs::read_dir(path).map_err(|e| Failure::io(format!("cannot list {}", path.display()), e).hint("may you read it?"))?;
            for entry in entries.flatten().take(MAX_NAMES) {
                let meta = entry.metadata().ok();
                let directory = meta.as_ref().is_some_and(std::fs::Metadata::is_dir);
                let name = entry.file_name().to_string_lossy().into_owned();
                rows.push(vec![if directory { format!("{name}/") } else { name }, meta.filter(|_| !directory).map(|m| size::text(m.len())).unwrap_or_default(), String::new()]);
            }
        }
        Spot::Web(_) => {}
    }
    rows.sort();
    rows.truncate(MAX_NAMES);
    Ok(if rows.is_empty() { MagicOutcome::text("nothing is there") } else { MagicOutcome::value(table::bundle(&["name", "size", "time"], rows)) })
}
