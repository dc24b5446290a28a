//! How a user's interrupt reaches long operations.
//!
//! Who hosts the cells sets the question (`set_check`); operations and their parallel loops ask it (`check`). Nobody set: never interrupted.
use crate::TensorError;
use crate::error::Result;
use std::sync::OnceLock;

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
    ASK.get().is_some_and(|ask| ask())
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
    panic!("{error}")
}
