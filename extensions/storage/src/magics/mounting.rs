//! `%mount`, `%unmount` and `%mounts`.
use super::credential::{configure, place};
use super::{urls, words};
use crate::accounts::Scope;
use crate::mounts::{Mounted, Row, Wanted};
use crate::spot::{Spot, local};
use crate::{Storage, size, table};
use ochre_api::*;
use ochre_mount::WayName;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// `%mount`.
pub(crate) struct Mount(pub(crate) Arc<Storage>);
/// `%unmount`.
pub(crate) struct Unmount(pub(crate) Arc<Storage>);
/// `%mounts`.
pub(crate) struct MountList(pub(crate) Arc<Storage>);

const MOUNT: Spec = Spec {
    name: "mount",
    aliases: &[],
    area: "storage",
    form: Form::Line,
    arguments: &[
        Argument::positional("url", Value::Text, "a container, or a folder in it").required(),
        Argument::positional("dir", Value::Directory, "where it appears: an empty directory, or one that is not there yet").required(),
        Argument::flag("read-only", "nothing can be written"),
        Argument::flag("overwrite", "files that are there may be replaced, renamed and deleted"),
        Argument::option("cache", Value::Text, "keeps this much of what was read on disk, such as 10GB"),
        Argument::option("credential", Value::Text, "what it is opened with; `%credential?` lists the words"),
        Argument::option("endpoint", Value::Text, "address of an emulator or of a service that speaks the same language"),
        Argument::option("region", Value::Text, "region of an S3 bucket"),
        Argument::option("way", Value::Choice(&["fuse", "seccomp", "synced"]), "the one way to use, instead of the first that works"),
    ],
    summary: "shows a container or a folder of it as a directory",
    help: "Every program that reads files can read it: cells, `!commands`, libraries. The first way that works here is taken, and said: FUSE; where the \
           host forbids that, the opens of cells and commands are trapped (seccomp); else a synced folder.\n\n\
           Files are written from beginning to end and are there when they are closed; errors come at close. Replacing and deleting need \
           `--overwrite`. Mounting again what is mounted is harmless. It ends with `%unmount DIR` or with the kernel.",
    examples: &[
        Example { text: "%mount az://pictures@myaccount data --read-only", does: "a container" },
        Example { text: "%mount az://pictures@myaccount/cats cats --credential secret:azure/myaccount", does: "a folder, with a key from a secret" },
        Example { text: "%mount s3://bucket/tables tables --cache 10GB", does: "with a disk cache" },
        Example { text: "%mount azureml://datastores/workspaceblobstore/paths/ data", does: "a datastore of the workspace" },
    ],
};

#[async_trait]
impl Magic for Mount {
    fn spec(&self) -> &'static Spec {
        &MOUNT
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        match argument.name {
            "url" => urls(&self.0, prefix),
            "credential" => words(prefix),
            _ => Vec::new(),
        }
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let arguments = &call.arguments;
        let text = arguments.value("url").unwrap_or_default();
        let location = match Spot::read(text, &session.directory(), &self.0).await? {
            Spot::Store { location, .. } => location,
            Spot::Web(_) => match ochre_blobs::Location::parse(text) {
                // A blob's address without a configured credential.
                Ok(location) => location,
                Err(_) => return Err(Failure::usage("a web server cannot be mounted").hint("`%cp` copies a file from its address")),
            },
            Spot::Local { .. } => return Err(Failure::usage(format!("`{text}` is on this machine already")).hint("mount a store: az://container@account, s3://bucket, gs://bucket")),
        };
        let wanted = Wanted {
            location,
            directory: absolute(&local(arguments.value("dir").unwrap_or_default(), &session.directory())),
            read_only: arguments.has("read-only"),
            overwrite: arguments.has("overwrite"),
            cache: cache(arguments)?,
        };
        if wanted.read_only && wanted.overwrite {
            return Err(Failure::usage("--read-only and --overwrite contradict each other").hint("leave one of them out"));
        }
        let place = place(arguments)?;
        if arguments.has("credential") || place != Default::default() {
            configure(&self.0, Scope::of(&wanted.location), arguments.value("credential").unwrap_or("auto"), place, session).await?;
        }
        let way = arguments.value("way").map(|way| match way {
            "fuse" => WayName::Fuse,
            "seccomp" => WayName::Seccomp,
            _ => WayName::Synced,
        });
        let mut mounted = self.mount(&wanted, way, session).await?;
        if let Mounted::New { way: WayName::Seccomp, .. } = mounted
            && let Err(failure) = self.0.trapping().begin(&wanted.directory, session).await
        {
            self.0.trapping().end(&wanted.directory);
            self.0.mounts().unmount(&wanted.directory).await?;
            if way.is_some() || failure.fault == Fault::Interrupted {
                return Err(failure);
            }
            let why = format!("neither FUSE nor trapped opens work here ({})", failure.one_line());
            mounted = match self.mount(&wanted, Some(WayName::Synced), session).await? {
                Mounted::New { way, .. } => Mounted::New { way, why },
                other => other,
            };
        }
        Ok(MagicOutcome::text(said(&wanted, &mounted)))
    }
}

impl Mount {
    /// Mounts, unless the user interrupts.
    async fn mount(&self, wanted: &Wanted, way: Option<WayName>, session: &mut dyn SessionAccess) -> Result<Mounted, Failure> {
        tokio::select! {
            mounted = self.0.mounts().mount(wanted.clone(), way) => mounted,
            () = session.interrupted() => {
                self.0.mounts().forget_starting(&wanted.directory);
                Err(Failure::interrupted().hint("nothing is mounted"))
            }
        }
    }
}

fn cache(arguments: &Arguments) -> Result<u64, Failure> {
    let Some(text) = arguments.value("cache") else { return Ok(0) };
    size::parse(text).ok_or_else(|| Failure::usage(format!("`{text}` is no size")).hint("write `--cache 10GB`"))
}

/// One line: what, where, which way and why.
fn said(wanted: &Wanted, mounted: &Mounted) -> String {
    let rights = match (wanted.read_only, wanted.overwrite) {
        (true, _) => ", read-only",
        (_, true) => ", with overwriting",
        _ => "",
    };
    let (location, directory) = (&wanted.location, wanted.directory.display());
    match mounted {
        Mounted::New { way, why } => format!("{location} is mounted at {directory}{rights}, by {way}: {why}"),
        Mounted::Elsewhere { way } => format!("{location} is mounted at {directory} by another process, by {way}; when that one ends, this session's takes its place"),
        Mounted::Before { way } => format!("{location} is mounted at {directory} already, by {way}"),
    }
}

/// Without `.` and `..`, and with links of its parents resolved: mounts are compared by their paths.
fn absolute(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    match (clean.parent().and_then(|p| p.canonicalize().ok()), clean.file_name()) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => clean,
    }
}

const UNMOUNT: Spec = Spec {
    name: "unmount",
    aliases: &["umount"],
    area: "storage",
    form: Form::Line,
    arguments: &[
        Argument::positional("dir", Value::Directory, "where it is mounted"),
        Argument::flag("all", "all mounts of this session"),
    ],
    summary: "ends a mount",
    help: "What is being written is closed first; what could not be written is said.",
    examples: &[Example { text: "%unmount data", does: "one" }, Example { text: "%unmount --all", does: "all of this session" }],
};

#[async_trait]
impl Magic for Unmount {
    fn spec(&self) -> &'static Spec {
        &UNMOUNT
    }

    fn complete(&self, argument: &Argument, prefix: &str) -> Vec<String> {
        if argument.name != "dir" {
            return Vec::new();
        }
        self.0.mounts().directories().into_iter().filter(|d| d.starts_with(prefix)).collect()
    }

    async fn run(&self, call: Call, session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let directories: Vec<PathBuf> = match (call.arguments.value("dir"), call.arguments.has("all")) {
            (Some(directory), _) => vec![absolute(&local(directory, &session.directory()))],
            (None, true) => self.0.mounts().directories().into_iter().map(PathBuf::from).collect(),
            (None, false) => return Err(Failure::usage("%unmount needs DIR: where it is mounted").hint("`%mounts` lists them; `%unmount --all` ends all")),
        };
        let mut lines = Vec::new();
        for directory in directories {
            let ended = tokio::select! {
                ended = self.0.mounts().unmount(&directory) => ended?,
                () = session.interrupted() => return Err(Failure::interrupted().hint("it may still be ending: `%mounts` shows it")),
            };
            self.0.trapping().end(&directory);
            lines.push(format!("{} is unmounted from {}", ended.location, directory.display()));
        }
        Ok(MagicOutcome::text(if lines.is_empty() { "nothing is mounted".to_owned() } else { lines.join("\n") }))
    }
}

const MOUNTS: Spec = Spec {
    name: "mounts",
    aliases: &[],
    area: "storage",
    form: Form::Line,
    arguments: &[],
    summary: "lists what is mounted, how, and with which rights",
    help: "Credentials are never shown.",
    examples: &[Example { text: "%mounts", does: "a table" }],
};

#[async_trait]
impl Magic for MountList {
    fn spec(&self) -> &'static Spec {
        &MOUNTS
    }

    async fn run(&self, _call: Call, _session: &mut dyn SessionAccess) -> Result<MagicOutcome, Failure> {
        let rows = self.0.mounts().rows();
        if rows.is_empty() {
            return Ok(MagicOutcome::text("nothing is mounted: `%mount URL DIR` mounts a container"));
        }
        let header = ["directory", "location", "state", "way", "rights", "disk cache"];
        Ok(MagicOutcome::value(table::bundle(&header, rows.into_iter().map(cells))))
    }
}

fn cells(row: Row) -> Vec<String> {
    let rights = match (row.wanted.read_only, row.wanted.overwrite) {
        (true, _) => "read-only",
        (_, true) => "overwrite",
        _ => "new files",
    };
    let cache = if row.wanted.cache == 0 { String::new() } else { size::text(row.wanted.cache) };
    vec![
        row.wanted.directory.display().to_string(),
        row.wanted.location.to_string(),
        row.state,
        row.way.map(|w| w.to_string()).unwrap_or_default(),
        rights.to_owned(),
        cache,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_their_dots() {
        assert_eq!(absolute(Path::new("/nowhere/a/./b/../data")), Path::new("/nowhere/a/data"));
        let root = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink(root.path(), root.path().join("link")).expect("a link");
        let real = root.path().canonicalize().expect("is there");
        assert_eq!(absolute(&root.path().join("link/data")), real.join("data"));
    }
}
