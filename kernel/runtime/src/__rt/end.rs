//! How a cell ended, and what a panic said.
use crate::interrupt::Interrupt;
use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::error::Error;
use std::fmt::Debug;
use std::sync::Once;

/// How a cell ended.
pub enum CellEnd {
    Completed,
    Failed(Failure),
    Panicked(PanicInfo),
    Interrupted,
}

/// An error that left the cell through `?`. Deliberately not `Debug`, so that `From` below is coherent.
pub struct Failure {
    pub message: String,
    pub debug: String,
    pub type_name: String,
}

impl Failure {
    /// The message of an error and of its sources.
    pub fn of_error(error: &(dyn Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Many errors repeat their source in their own text.
            if !message.contains(&text) {
                message.push_str("\n  caused by: ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Self { message, debug: format!("{error:?}"), type_name: String::new() }
    }
}

impl<E: Debug + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let debug = format!("{error:?}");
        Self { message: debug.clone(), debug, type_name: std::any::type_name::<E>().to_owned() }
    }
}

/// A panic of the cell thread.
pub struct PanicInfo {
    pub message: String,
    /// File, line and column, 1-based, in the generated crate or a dependency.
    pub place: Option<(String, u32, u32)>,
    /// `Display` of `std::backtrace::Backtrace`.
    pub backtrace: String,
}

thread_local! {
    static LAST: RefCell<Option<PanicInfo>> = const { RefCell::new(None) };
    static WATCHED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl CellEnd {
    /// What a caught panic means.
    pub fn from_panic(payload: Box<dyn Any + Send>) -> Self {
        let seen = LAST.take();
        if payload.is::<Interrupt>() {
            return CellEnd::Interrupted;
        }
        // `resume_unwind` by the user runs no hook: then only the payload speaks.
        let info = seen.unwrap_or_else(|| PanicInfo { message: payload_text(&*payload), place: None, backtrace: String::new() });
        // A payload whose destructor panics must not take the thread with it.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(payload)));
        CellEnd::Panicked(info)
    }
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    if let Some(s) = payload.downcast_ref::<&str>() {
        (*s).to_owned()
    } else if let Some(s) = payload.downcast_ref::<String>() {
        s.clone()
    } else {
        "a panic with a value that is no text".to_owned()
    }
}

/// Makes this thread's panics remembered instead of printed; other threads print as ever.
pub(super) fn watch_panics() {
    static ONCE: Once = Once::new();
    WATCHED.set(true);
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !WATCHED.try_with(|w| w.get()).unwrap_or(false) {
                previous(info);
                return;
            }
            let place = info.location().map(|l| (l.file().to_owned(), l.line(), l.column()));
            let message = payload_text(info.payload());
            let backtrace = Backtrace::force_capture().to_string();
            LAST.with_borrow_mut(|last| *last = Some(PanicInfo { message, place, backtrace }));
        }));
    });
}
