//! Copying: what is to be copied, where to, and what is there already. `%cp` calls this; `one` does a single file.
//!
//! ```text
//! Spot, Spot --plan--> [Item] --skip what is there--> one(), many at a time --> Copied
//! ```
mod one;
mod plan;

use crate::failures::of_blob;
use crate::progress::Gauge;
use crate::spot::Spot;
use crate::target::Target;
use crate::{Storage, size};
use ochre_api::Failure;
use ochre_blobs::{Container, Location, Mode};
use plan::Item;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Files in flight, weighted: a large file has parts in parallel of its own.
const WEIGHT: u32 = 16;
/// A file of at least this many bytes counts for [`LARGE_WEIGHT`].
const LARGE: u64 = 8 << 20;
const LARGE_WEIGHT: u32 = 4;
/// Names of files in the way that an error lists.
const SHOWN: usize = 3;
/// Clocks of machines and stores differ by this many seconds and more.
const CLOCKS: u64 = 2;

/// What was asked for besides from and to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) create: bool,
    pub(crate) overwrite: bool,
    pub(crate) recursive: bool,
}

impl Wish {
    pub(crate) fn mode(self) -> Mode {
        if self.overwrite { Mode::Overwrite } else { Mode::Create }
    }
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Files that were there already.
    pub(crate) present: u64,
    /// Bytes that an earlier, cut run had copied.
    pub(crate) resumed: u64,
    /// What was compared at the end.
    pub(crate) checks: Checks,
}

/// What was compared of a copy with its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Checks {
    /// The service copied within itself, by its own means.
    Service,
    #[default]
    Length,
    LengthAndVersion,
    LengthAndChecksum,
}

impl Checks {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Checks::Service => "copied within the service",
            Checks::Length => "length verified",
            Checks::LengthAndVersion => "length and version verified",
            Checks::LengthAndChecksum => "length and checksum verified",
        }
    }
}

/// A file's length, and when it was changed where that is known (seconds since 1970).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) size: u64,
    pub(crate) modified: Option<u64>,
}

/// Copies; dropping the future stops all of it.
pub(crate) async fn copy(storage: Arc<Storage>, from: Spot, to: Spot, wish: Wish, gauge: Arc<Gauge>) -> Result<Copied, Failure> {
    if let (Spot::Store { location, .. }, true) = (&to, wish.create) {
        create_container(&storage, location).await?;
    }
    let plan = plan::plan(&storage, &from, &to, wish).await?;
    let (items, mut copied) = without_present(plan.items, &plan.present, wish)?;
    gauge.set_total(items.iter().map(|i| i.known.map_or(0, |k| k.size)).sum());
    if items.len() > 1 {
        gauge.set_files(items.len() as u64);
    }
    if items.iter().any(|i| i.known.is_none()) && items.len() == 1 {
        gauge.set_total(u64::MAX);
    }
    let done = all(items, plan.target, wish, &gauge).await?;
    copied.files = done.files;
    copied.bytes = done.bytes;
    copied.resumed = done.resumed;
    copied.checks = done.checks;
    Ok(copied)
}

async fn create_container(storage: &Storage, location: &Location) -> Result<(), Failure> {
    let container = storage.open(location).await?;
    match container.create().await {
        Ok(()) | Err(ochre_blobs::BlobError::Exists { .. }) => Ok(()),
        Err(error) => Err(of_blob(error)),
    }
}

/// Leaves out what is there already with the same length and no older than its source; anything else in the way is an error.
fn without_present(items: Vec<Item>, present: &HashMap<String, Known>, wish: Wish) -> Result<(Vec<Item>, Copied), Failure> {
    if wish.overwrite {
        return Ok((items, Copied::default()));
    }
    let mut wanted = Vec::new();
    let mut other = Vec::new();
    let mut copied = Copied::default();
    for item in items {
        match present.get(&item.name) {
            None => wanted.push(item),
            Some(there) if same(item.known, *there) => copied.present += 1,
            Some(_) => other.push(item.name),
        }
    }
    if other.is_empty() {
        return Ok((wanted, copied));
    }
    let more = if other.len() > SHOWN { format!(" and {} more", size::grouped((other.len() - SHOWN) as u64)) } else { String::new() };
    let names: Vec<String> = other.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    let failure = Failure::usage(format!("{}{more} {} there already and {} another content", names.join(", "), are(other.len()), have(other.len())));
    Err(failure.hint("nothing was copied; add `--overwrite` to replace, or choose another destination"))
}

fn are(n: usize) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

fn have(n: usize) -> &'static str {
    if n == 1 { "has" } else { "have" }
}

fn same(source: Option<Known>, there: Known) -> bool {
    let Some(source) = source else { return false };
    let newer = matches!((source.modified, there.modified), (Some(source), Some(there)) if source > there + CLOCKS);
    source.size == there.size && !newer
}

async fn all(items: Vec<Item>, target: Target, wish: Wish, gauge: &Arc<Gauge>) -> Result<Copied, Failure> {
    let room = Arc::new(Semaphore::new(WEIGHT as usize));
    let mut tasks = JoinSet::new();
    let mut total = Copied { checks: Checks::LengthAndChecksum, ..Copied::default() };
    for item in items {
        let weight = if item.known.is_none_or(|k| k.size >= LARGE) { LARGE_WEIGHT } else { 1 };
        let room = room.clone().acquire_many_owned(weight).await.map_err(|e| Failure::bug("copying ended early").because(e))?;
        // Errors of those that have ended are heard here, so that nothing more is begun.
        while let Some(end) = tasks.try_join_next() {
            add(&mut total, joined(end)?);
        }
        let (target, gauge) = (target.clone(), gauge.clone());
        tasks.spawn(async move {
            let done = one::copy(&item, &target, wish, &gauge).await;
            gauge.add_file();
            drop(room);
            done
        });
    }
    while let Some(end) = tasks.join_next().await {
        add(&mut total, joined(end)?);
    }
    Ok(total)
}

fn joined(end: Result<Result<one::Done, Failure>, tokio::task::JoinError>) -> Result<one::Done, Failure> {
    end.unwrap_or_else(|e| Err(Failure::bug("copying panicked").because(e)))
}

fn add(total: &mut Copied, done: one::Done) {
    total.files += 1;
    total.bytes += done.bytes;
    total.resumed += done.resumed;
    total.checks = total.checks.min(done.checks);
}

/// Seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|d| d.as_secs())
}

/// A container and the path in it.
#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) container: Container,
    pub(crate) path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, size: u64, modified: u64) -> Item {
        Item { from: plan::Source::Local(name.into()), name: name.into(), known: Some(Known { size, modified: Some(modified) }) }
    }

    #[test]
    fn what_is_there_is_not_copied_again_and_what_differs_is_not_lost() {
        let present = HashMap::from([("a".to_owned(), Known { size: 5, modified: Some(100) }), ("b".to_owned(), Known { size: 6, modified: None })]);
        let names = |items: Vec<Item>| items.into_iter().map(|i| i.name).collect::<Vec<_>>();
        let (left, copied) = without_present(vec![item("a", 5, 90), item("b", 6, 999), item("c", 1, 1)], &present, Wish::default()).map(|(l, c)| (names(l), c)).expect("some are there");
        assert_eq!((left, copied.present), (vec!["c".to_owned()], 2));
        let newer = without_present(vec![item("a", 5, 103)], &present, Wish::default()).err().expect("newer");
        assert_eq!(newer.message, "`a` is there already and has another content");
        let longer = without_present(vec![item("a", 6, 1), item("b", 1, 1)], &present, Wish::default()).err().expect("longer");
        assert_eq!(longer.message, "`a`, `b` are there already and have another content");
        assert!(longer.hint.is_some_and(|h| h.contains("--overwrite")));
        let all = without_present(vec![item("a", 6, 1)], &present, Wish { overwrite: true, ..Wish::default() }).map(|(l, _)| l.len());
        assert_eq!(all.ok(), Some(1));
    }
}
