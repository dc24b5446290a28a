//! The variables of a session, by name, with their types erased.
use std::any::{Any, type_name};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::thread::ThreadId;

/// A stored value. Touched only by the thread that may: see [`Slot::usable_here`].
struct Slot {
    value: Box<dyn Any>,
    known: Known,
    owner: ThreadId,
}

// SAFETY: a value that is not `Send` is taken, replaced or dropped only on its owner's thread
// (`usable_here`); on any other thread it is leaked or left alone.
unsafe impl Send for Slot {}

impl Slot {
    fn usable_here(&self) -> bool {
        self.known.send || self.owner == std::thread::current().id()
    }
}

/// What is known of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: String,
    pub type_name: &'static str,
    pub send: bool,
    pub size: usize,
    pub cell: u64,
    /// False when the value is not `Send` and belongs to another thread than `for_thread` asked about.
    pub available: bool,
}

static STORE: LazyLock<Mutex<HashMap<String, Slot>>> = LazyLock::new(Default::default);

fn lock() -> MutexGuard<'static, HashMap<String, Slot>> {
    // A destructor that panics while the lock is held leaves the map whole.
    STORE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Takes a variable out. Small, because it is compiled into every cell.
#[inline]
pub(super) fn take<T: 'static>(name: &str) -> T {
    match take_erased(name).downcast::<T>() {
        Ok(value) => *value,
        Err(_) => wrong_type(name, type_name::<T>()),
    }
}

fn take_erased(name: &str) -> Box<dyn Any> {
    let slot = lock().remove(name);
    slot.unwrap_or_else(|| panic!("Ochre lost the variable `{name}`; this is a bug of Ochre, please report it")).value
}

#[cold]
fn wrong_type(name: &str, wanted: &str) -> ! {
    panic!("Ochre took `{name}` for a `{wanted}`, but it is something else; this is a bug of Ochre, please report it")
}

/// Stores a variable; what was there is dropped after the lock is free.
pub(super) fn put(name: &str, value: Box<dyn Any>, size: usize, type_name: &'static str, send: bool, cell: u64) {
    let known = Known { name: name.to_owned(), type_name, send, size, cell, available: true };
    let slot = Slot { value, known, owner: std::thread::current().id() };
    let before = lock().insert(name.to_owned(), slot);
    release(before);
}

/// Forgets variables: their destructors run on this thread, which must be the cell thread.
pub fn forget(names: &[String]) {
    for name in names {
        let slot = lock().remove(name);
        release(slot);
    }
}

/// All variables, sorted by name, as seen from `thread`.
pub fn all(thread: ThreadId) -> Vec<Known> {
    let mut known: Vec<Known> = lock()
        .values()
        .map(|slot| Known { available: slot.known.send || slot.owner == thread, ..slot.known.clone() })
        .collect();
    known.sort_by(|a, b| a.name.cmp(&b.name));
    known
}

fn release(slot: Option<Slot>) {
    if let Some(slot) = slot {
        if slot.usable_here() {
            drop(slot);
        } else {
            std::mem::forget(slot);
        }
    }
}
