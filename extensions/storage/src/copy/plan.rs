//! What is to be copied under which names: lists the source, and what is there at the destination.
use super::{Blob, Known, Wish, seconds};
use crate::Storage;
use crate::failures::of_blob;
use crate::spot::Spot;
use crate::target::{Target, blocking, folder};
use crate::web::WebFile;
use futures::StreamExt;
use ochre_api::Failure;
use ochre_blobs::{BlobError, Container, Location, Meta};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file to copy.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) from: Source,
    /// Below the destination.
    pub(super) name: String,
    /// `None` where a web server does not say.
    pub(super) known: Option<Known>,
}

/// Where one file comes from.
#[derive(Clone)]
pub(super) enum Source {
    Local(PathBuf),
    Blob(Blob),
    Web(Arc<WebFile>),
}

/// All that is to be done.
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) target: Target,
    /// What is at the destination under the items' names.
    pub(super) present: HashMap<String, Known>,
}

pub(super) async fn plan(storage: &Arc<Storage>, from: &Spot, to: &Spot, wish: Wish) -> Result<Plan, Failure> {
    let items = match from {
        Spot::Local { path, .. } => local_items(path.clone(), wish.recursive).await?,
        Spot::Store { location, directory } => store_items(storage, location, *directory, wish.recursive).await?,
        Spot::Web(url) => {
            let file = WebFile::open(url).await?;
            let known = file.length().map(|size| Known { size, modified: None });
            vec![Item { from: Source::Web(Arc::new(file)), name: from.name(), known }]
        }
    };
    if wish.recursive {
        let target = storage.target(to, wish.mode()).await?;
        let present = present(&target, None).await?;
        return Ok(Plan { items, target, present });
    }
    let [item] = <[Item; 1]>::try_from(items).map_err(|_| Failure::bug("one file became several"))?;
    single(storage, item, to, wish).await
}

/// The destination of a single file: its own name, or below a directory.
async fn single(storage: &Arc<Storage>, mut item: Item, to: &Spot, wish: Wish) -> Result<Plan, Failure> {
    let (parent, name) = match to {
        Spot::Web(_) => return Err(storage.no_web_target(to)),
        Spot::Local { path, directory } => {
            let inside = *directory || path.is_dir();
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).filter(|_| !inside);
            let parent = if inside { path.clone() } else { path.parent().unwrap_or(Path::new("/")).to_owned() };
            (Spot::Local { path: parent, directory: true }, name)
        }
        Spot::Store { location, directory } => {
            let inside = *directory || location.path.is_empty() || is_folder(&storage.open(location).await?, &location.path).await?;
            let (parent, name) = match location.path.rsplit_once('/') {
                _ if inside => (location.clone(), None),
                Some((parent, name)) => (location.root().child(parent), Some(name.to_owned())),
                None => (location.root(), Some(location.path.clone())),
            };
            (Spot::Store { location: parent, directory: true }, name)
        }
    };
    if let Some(name) = name {
        item.name = name;
    }
    if item.name.is_empty() {
        return Err(Failure::usage("the source has no name of its own").hint("write the name at the end of the destination"));
    }
    let target = storage.target(&parent, wish.mode()).await?;
    let present = present(&target, Some(&item.name)).await?;
    Ok(Plan { items: vec![item], target, present })
}

/// What lies at the destination: one name, or all of it.
async fn present(target: &Target, name: Option<&str>) -> Result<HashMap<String, Known>, Failure> {
    match (target, name) {
        (Target::Directory { root, .. }, Some(name)) => {
            let meta = std::fs::metadata(root.join(name)).ok().filter(|m| m.is_file());
            Ok(meta.map(|m| (name.to_owned(), of_file(&m))).into_iter().collect())
        }
        (Target::Directory { root, .. }, None) => {
            let root = root.clone();
            let files = blocking(move || walk(&root, false)).await?;
            Ok(files.into_iter().filter_map(|item| Some((item.name, item.known?))).collect())
        }
        (Target::Store { container, location, .. }, Some(name)) => match container.stat(&location.child(name).path).await {
            Ok(meta) => Ok(HashMap::from([(name.to_owned(), of_meta(&meta))])),
            Err(BlobError::NotFound { .. }) => Ok(HashMap::new()),
            Err(error) => Err(of_blob(error)),
        },
        (Target::Store { container, location, .. }, None) => {
            let items = match listed(container, &folder(&location.path)).await {
                Err(BlobError::NotFound { .. }) => Vec::new(),
                other => other.map_err(of_blob)?,
            };
            Ok(items.into_iter().filter_map(|item| Some((item.name, item.known?))).collect())
        }
    }
}

async fn local_items(path: PathBuf, recursive: bool) -> Result<Vec<Item>, Failure> {
    let shown = path.display().to_string();
    let meta = std::fs::metadata(&path).map_err(|e| Failure::io(format!("cannot read {shown}"), e).hint("is the path right? `!ls` shows what is there"))?;
    match (meta.is_dir(), recursive) {
        (false, _) => {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            Ok(vec![Item { from: Source::Local(path), name, known: Some(of_file(&meta)) }])
        }
        (true, true) => blocking(move || walk(&path, true)).await,
        (true, false) => Err(Failure::usage(format!("{shown} is a directory")).hint("add `--recursive` to copy all that is in it")),
    }
}

/// All files below a directory. Links are followed to files and not to directories, which could lead round in a circle.
fn walk(root: &Path, must: bool) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(prefix) = waiting.pop() {
        let directory = root.join(&prefix);
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(e) if !must && e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(Failure::io(format!("cannot list {}", directory.display()), e).hint("may you read it?")),
        };
        for entry in entries.flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(format!("{name}/")),
                Ok(_) => {
                    if let Some(meta) = std::fs::metadata(entry.path()).ok().filter(|m| m.is_file()) {
                        items.push(Item { from: Source::Local(entry.path()), name, known: Some(of_file(&meta)) });
                    }
                }
                // It was removed meanwhile.
                Err(_) => {}
            }
        }
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(items)
}

async fn store_items(storage: &Arc<Storage>, location: &Location, directory: bool, recursive: bool) -> Result<Vec<Item>, Failure> {
    let container = storage.open(location).await?;
    if !directory && !location.path.is_empty() {
        match container.stat(&location.path).await {
            Ok(meta) => {
                let from = Source::Blob(Blob { container, path: location.path.clone() });
                return Ok(vec![Item { from, name: location.name().to_owned(), known: Some(of_meta(&meta)) }]);
            }
            Err(BlobError::NotFound { .. }) if recursive || is_folder(&container, &location.path).await? => {}
            Err(error) => return Err(of_blob(error)),
        }
    }
    if !recursive {
        return Err(Failure::usage(format!("{location} is a folder")).hint("add `--recursive` to copy all that is in it"));
    }
    let items = listed(&container, &folder(&location.path)).await.map_err(of_blob)?;
    if items.is_empty() {
        return Err(Failure::usage(format!("there is nothing below {location}")).hint("`%ls` of the folder above shows what is there"));
    }
    Ok(items)
}

async fn is_folder(container: &Container, path: &str) -> Result<bool, Failure> {
    match container.list(&folder(path)).next().await {
        Some(Ok(_)) => Ok(true),
        None | Some(Err(BlobError::NotFound { .. })) => Ok(false),
        Some(Err(error)) => Err(of_blob(error)),
    }
}

/// All blobs below a prefix, named from behind it. What stands for an empty directory is left out.
async fn listed(container: &Container, prefix: &str) -> Result<Vec<Item>, BlobError> {
    let mut items = Vec::new();
    let mut list = container.list(prefix);
    while let Some(meta) = list.next().await {
        let meta = meta?;
        let name = meta.path.strip_prefix(prefix).unwrap_or(&meta.path).to_owned();
        if name.is_empty() || name.ends_with('/') {
            continue;
        }
        items.push(Item { known: Some(of_meta(&meta)), from: Source::Blob(Blob { container: container.clone(), path: meta.path }), name });
    }
    Ok(items)
}

fn of_meta(meta: &Meta) -> Known {
    Known { size: meta.size, modified: u64::try_from(meta.modified.timestamp()).ok() }
}

fn of_file(meta: &std::fs::Metadata) -> Known {
    Known { size: meta.len(), modified: meta.modified().ok().and_then(seconds) }
}
