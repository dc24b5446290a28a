//! What generated code and the worker call; nothing in here is for users.
//!
//! A cell's library exports one symbol, [`ENTRY`], of type [`Entry`]. The worker calls [`run`] with it on
//! the long-lived cell thread. Generated code takes the variables that the cell names out of the
//! [`store`], runs the body inside [`Cx::body`], and puts back what is left of them, whatever happened.

pub mod end;
mod probed;
pub mod show;
pub mod store;

pub use crate::interrupt::{check, execution, request as request_interrupt};
pub use end::{CellEnd, Failure, PanicInfo};
pub use probed::probed;
pub use show::*;
pub use store::Known;

use crate::Mime;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Name of the symbol that a cell's library exports.
pub const ENTRY: &str = "__ochre_entry";

/// Type of that symbol (Rust's own calling convention: the same compiler built both sides).
pub type Entry = fn(&mut Cx);

/// One execution, as the generated code sees it.
pub struct Cx {
    cell: u64,
    value: Option<Mime>,
    end: Option<CellEnd>,
}

/// Type anchor: the MIR of a cell names the type of what this returns. See ARCHITECTURE.md, "Types".
#[inline(never)]
pub fn ty<T: ?Sized>(value: &T) -> *const T {
    value
}

impl Cx {
    /// Takes a stored variable out. The plan guarantees that it is there and of this type.
    pub fn take<T: 'static>(&mut self, name: &str) -> T {
        store::take(name)
    }

    /// Stores a variable under its name, replacing (and dropping) what was there.
    pub fn put<T: 'static>(&mut self, name: &str, value: T, send: bool) {
        store::put(name, Box::new(value), size_of::<T>(), std::any::type_name::<T>(), send, self.cell);
    }

    /// Runs the body of a cell that has neither `?` nor `return` with a value.
    pub fn body(&mut self, body: impl FnOnce(&mut Cx)) {
        let result = catch_unwind(AssertUnwindSafe(|| body(self)));
        self.ended(result.map(|()| CellEnd::Completed));
    }

    /// Runs a body that uses `?` on errors that are `std::error::Error`s, texts or `anyhow::Error`s.
    pub fn try_body(&mut self, body: impl FnOnce(&mut Cx) -> Result<(), Box<dyn Error>>) {
        let result = catch_unwind(AssertUnwindSafe(|| body(self)));
        self.ended(result.map(|r| r.map_or_else(|e| CellEnd::Failed(Failure::of_error(&*e)), |()| CellEnd::Completed)));
    }

    /// Runs a body that uses `?` on errors that are `Debug` only.
    pub fn debug_body(&mut self, body: impl FnOnce(&mut Cx) -> Result<(), Failure>) {
        let result = catch_unwind(AssertUnwindSafe(|| body(self)));
        self.ended(result.map(|r| r.map_or_else(CellEnd::Failed, |()| CellEnd::Completed)));
    }

    /// Keeps the value of the last expression, to be shown when the cell has ended.
    pub fn show(&mut self, value: Mime) {
        self.value = Some(value);
    }

    /// Whether the body came to its end.
    pub fn completed(&self) -> bool {
        matches!(self.end, Some(CellEnd::Completed))
    }

    /// Before a call of `evcxr_display` that may be the fallback's.
    pub fn begin_evcxr(&mut self) {
        show::FELL_BACK.set(false);
    }

    /// Whether the type had no `evcxr_display` of its own.
    pub fn wants_show(&self) -> bool {
        show::FELL_BACK.get()
    }

    fn ended(&mut self, result: std::thread::Result<CellEnd>) {
        self.end = Some(result.unwrap_or_else(|payload| CellEnd::from_panic(payload)));
    }
}

/// Runs a cell on this thread: the worker's cell thread. `generation` tells interrupts apart and is never zero.
pub fn run(entry: Entry, cell: u64, generation: u64) -> (CellEnd, Option<Mime>) {
    crate::interrupt::begin(generation);
    end::watch_panics();
    let mut cx = Cx { cell, value: None, end: None };
    // Generated code catches the body's panics; what arrives here comes from a destructor of a variable.
    let outer = catch_unwind(AssertUnwindSafe(|| entry(&mut cx)));
    let end = match outer {
        Ok(()) => cx.end.take().unwrap_or(CellEnd::Completed),
        Err(payload) => CellEnd::from_panic(payload),
    };
    crate::interrupt::end(generation);
    let value = if matches!(end, CellEnd::Completed) { cx.value.take() } else { None };
    (end, value)
}
