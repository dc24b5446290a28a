//! How a user's interrupt reaches long operations.
//!
//! Who hosts the cells sets the question (`set_check`); operations and their parallel loops ask it (`check`). Nobody set: never interrupted.
use crate::error::Result;
use crate::{Dims, TensorError};
use std::cell::RefCell;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

static ASK: OnceLock<fn() -> bool> = OnceLock::new();
static UNWIND: OnceLock<fn()> = OnceLock::new();

/// Sets what says whether the user has interrupted. The first one stays.
pub fn set_check(ask: fn() -> bool) {
    let _ = ASK.set(ask);
}

/// Sets what ends an interrupted cell its host's way (by unwinding), before the plain methods would panic. The first one stays.
pub fn set_unwind(unwind: fn()) {
    let _ = UNWIND.set(unwind);
}

/// Whether the user has interrupted.
#[inline]
pub fn interrupted() -> bool {
    HELD.load(Ordering::Relaxed) == 0 && ASK.get().is_some_and(|ask| ask())
}

/// How many pieces of work run that must not be left half done.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Ends when it is dropped.
pub struct Held(());

/// Until the result is dropped no operation of this process ends by an interrupt, on whatever thread it runs: for what must not be left half done, as
/// an optimiser's step, and takes milliseconds. Who holds asks afterwards.
#[must_use]
pub fn hold() -> Held {
    HELD.fetch_add(1, Ordering::Relaxed);
    Held(())
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
    }
}

thread_local! {
    /// Which layers are computed on this thread, the outermost first, and what they were given.
    static PLACES: RefCell<Vec<(Arc<str>, Dims)>> = const { RefCell::new(Vec::new()) };
}

/// Ends when it is dropped.
pub struct Within(());

/// Until the result is dropped, what fails on this thread says that it was in `place` (`layer 2, Linear(…)`), which was given `shape`.
#[must_use]
pub fn within(place: &Arc<str>, shape: &[usize]) -> Within {
    PLACES.with_borrow_mut(|places| places.push((place.clone(), shape.into())));
    Within(())
}

impl Drop for Within {
    fn drop(&mut self) {
        PLACES.with_borrow_mut(|places| _ = places.pop());
    }
}

/// Where this thread is, a line for each layer, the innermost first; empty outside of layers.
fn places() -> String {
    PLACES.with_borrow(|places| {
        places.iter().rev().fold(String::new(), |mut text, (place, shape)| {
            let _ = write!(text, "\n  in {place}, which was given {shape:?}");
            text
        })
    })
}

/// `Interrupted` if the user has interrupted. A few nanoseconds.
#[inline]
pub fn check(operation: &'static str) -> Result<()> {
    if interrupted() { Err(TensorError::Interrupted { operation }) } else { Ok(()) }
}

/// Turns a failed operation into the panic that the plain methods promise; an interrupted one ends the cell as its host wants.
pub(crate) trait OrPanic {
    type Value;
    #[track_caller]
    fn or_panic(self) -> Self::Value;
}

impl<T> OrPanic for Result<T> {
    type Value = T;
    #[track_caller]
    #[inline]
    fn or_panic(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => fail(&error),
        }
    }
}

/// Panics with an error's text; an interrupt ends the cell as its host wants. For crates that stand on this one.
#[track_caller]
#[cold]
pub fn fail(error: &TensorError) -> ! {
    if let (TensorError::Interrupted { .. }, Some(unwind)) = (error, UNWIND.get()) {
        unwind();
    }
    panic!("{error}{}", places())
}
