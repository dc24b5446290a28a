//! The numbers by which the kernel knows files: one per path and kind for as long as the kernel remembers it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fuser::{Errno, INodeNo};

use crate::tree::Entry;

/// What a number stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) path: Arc<str>,
    pub(super) directory: bool,
}

struct Known {
    node: Node,
    /// How often the kernel was told; it forgets by the same count.
    told: u64,
    /// The version whose bytes the kernel's page cache may hold.
    cached: Option<Arc<str>>,
    /// Handles that read it, all of one version.
    readers: u32,
    /// That version.
    read: Option<Entry>,
}

impl Known {
    fn new(node: Node) -> Self {
        Self { node, told: 1, cached: None, readers: 0, read: None }
    }
}

#[derive(Default)]
struct Table {
    known: HashMap<u64, Known>,
    numbers: HashMap<Node, u64>,
    last: u64,
}

/// The table of numbers.
pub(super) struct Inodes {
    table: Mutex<Table>,
}

impl Inodes {
    /// A table that knows the root.
    pub(super) fn new() -> Self {
        let root = Node { path: Arc::from(""), directory: true };
        let number = INodeNo::ROOT.0;
        let table = Table {
            known: HashMap::from([(number, Known::new(root.clone()))]),
            numbers: HashMap::from([(root, number)]),
            last: number,
        };
        Self { table: Mutex::new(table) }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a path that the kernel is now told.
    pub(super) fn tell(&self, path: &str, directory: bool) -> INodeNo {
        let mut table = self.table();
        let node = Node { path: Arc::from(path), directory };
        if let Some(number) = table.numbers.get(&node).copied() {
            if let Some(known) = table.known.get_mut(&number) {
                known.told += 1;
            }
            return INodeNo(number);
        }
        table.last += 1;
        let number = table.last;
        table.numbers.insert(node.clone(), number);
        table.known.insert(number, Known::new(node));
        INodeNo(number)
    }

    /// What a number stands for; `ESTALE` for one that was forgotten.
    pub(super) fn node(&self, number: INodeNo) -> Result<Node, Errno> {
        self.table().known.get(&number.0).map(|known| known.node.clone()).ok_or(Errno::ESTALE)
    }

    /// The kernel forgets `count` tellings.
    pub(super) fn forget(&self, number: INodeNo, count: u64) {
        if number == INodeNo::ROOT {
            return;
        }
        let mut table = self.table();
        let Some(known) = table.known.get_mut(&number.0) else { return };
        known.told = known.told.saturating_sub(count);
        if known.told == 0 {
            let node = known.node.clone();
            table.known.remove(&number.0);
            if table.numbers.get(&node) == Some(&number.0) {
                table.numbers.remove(&node);
            }
        }
    }

    /// The path is free: what comes to stand there is another file with another number.
    pub(super) fn unlink(&self, path: &str, directory: bool) {
        self.table().numbers.remove(&Node { path: Arc::from(path), directory });
    }

    /// A file has another path now; what was there before is another file.
    pub(super) fn rename(&self, from: &str, to: &str) {
        let mut table = self.table();
        let (from, to) = (Node { path: Arc::from(from), directory: false }, Node { path: Arc::from(to), directory: false });
        table.numbers.remove(&to);
        if let Some(number) = table.numbers.remove(&from) {
            if let Some(known) = table.known.get_mut(&number) {
                known.node = to.clone();
            }
            table.numbers.insert(to, number);
        }
    }

    /// Notes the version that the page cache will hold from now on, and says whether it may hold that one already.
    pub(super) fn same_version(&self, number: INodeNo, etag: Option<&Arc<str>>) -> bool {
        let mut table = self.table();
        let Some(known) = table.known.get_mut(&number.0) else { return false };
        let same = etag.is_some() && known.cached.as_ref() == etag;
        known.cached = etag.cloned();
        same
    }

    /// A handle reads the file in this version.
    pub(super) fn opened(&self, number: INodeNo, entry: &Entry) {
        if let Some(known) = self.table().known.get_mut(&number.0) {
            known.readers += 1;
            known.read = Some(entry.clone());
        }
    }

    /// A handle that read it is closed.
    pub(super) fn closed(&self, number: INodeNo) {
        if let Some(known) = self.table().known.get_mut(&number.0) {
            known.readers = known.readers.saturating_sub(1);
        }
    }

    /// Whether handles read another version than `now` (`None`: one that is about to be written). Their pages and their size must stay theirs, so the
    /// path is free then: the kernel is told `ESTALE`, looks it up again and gets another number.
    pub(super) fn outdated(&self, number: INodeNo, now: Option<&Entry>) -> bool {
        let mut table = self.table();
        let Some(known) = table.known.get(&number.0).filter(|known| known.readers > 0) else { return false };
        if now.is_some_and(|now| known.read.as_ref().is_some_and(|read| read.etag == now.etag)) {
            return false;
        }
        let node = known.node.clone();
        if table.numbers.get(&node) == Some(&number.0) {
            table.numbers.remove(&node);
        }
        true
    }

    /// What is still read under a number whose path stands for another file by now.
    pub(super) fn left_behind(&self, number: INodeNo) -> Option<Entry> {
        let table = self.table();
        let known = table.known.get(&number.0).filter(|known| known.readers > 0)?;
        if table.numbers.get(&known.node) == Some(&number.0) { None } else { known.read.clone() }
    }

    /// How many numbers the kernel knows.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.table().known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_live_as_long_as_the_kernel_remembers_them() {
        let inodes = Inodes::new();
        let a = inodes.tell("a", false);
        assert_eq!((inodes.tell("a", false), inodes.tell("a", true) == a, inodes.len()), (a, false, 3));
        inodes.forget(a, 1);
        assert_eq!(&*inodes.node(a).unwrap().path, "a");
        inodes.forget(a, 1);
        assert_eq!((inodes.node(a), inodes.len()), (Err(Errno::ESTALE), 2));
        inodes.forget(INodeNo::ROOT, 5);
        assert!(inodes.node(INodeNo::ROOT).unwrap().directory);
    }

    #[test]
    fn a_new_file_at_an_old_path_is_another_file() {
        let inodes = Inodes::new();
        let (a, b) = (inodes.tell("a", false), inodes.tell("b", false));
        inodes.rename("a", "b");
        assert_eq!((&*inodes.node(a).unwrap().path, inodes.tell("b", false)), ("b", a));
        assert_ne!(inodes.tell("a", false), a);
        inodes.forget(b, 1);
        assert_eq!(inodes.tell("b", false), a);
        inodes.unlink("b", false);
        assert_ne!(inodes.tell("b", false), a);
    }

    #[test]
    fn a_version_that_is_read_keeps_its_number_and_the_next_gets_another() {
        let version = |etag: &str, size| Entry { directory: false, size, modified: std::time::SystemTime::UNIX_EPOCH, etag: Some(Arc::from(etag)) };
        let (inodes, old, new) = (Inodes::new(), version("1", 12), version("2", 3));
        let a = inodes.tell("a", false);
        assert!(!inodes.outdated(a, Some(&new)), "nobody reads it");
        inodes.opened(a, &old);
        assert!(!inodes.outdated(a, Some(&old)));
        assert_eq!(inodes.left_behind(a), None);
        assert!(inodes.outdated(a, Some(&new)));
        assert_ne!(inodes.tell("a", false), a);
        assert_eq!(inodes.left_behind(a), Some(old));
        inodes.closed(a);
        assert_eq!(inodes.left_behind(a), None);
        let b = inodes.tell("b", false);
        inodes.opened(b, &new);
        assert!(inodes.outdated(b, None), "it is about to be written");
    }
}
