//! Showing values: the trait, and showing one before the cell ends.
use crate::{Mime, host};
use std::fmt::{Debug, Write};

/// How a value is shown.
///
/// Implement it for your own types as `impl ochre::Show for T`. The parameter `M` is for crates that
/// implement it for types of others (frames for polars): it names who did.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `ochre::Show`",
    label = "this is shown in no other way than by `Debug`",
    note = "end the cell with the value, or write `ochre::display!(value)`: both fall back on `Debug`; or `impl ochre::Show` for the type"
)]
pub trait Show<M = ()> {
    /// The value in one or more media types.
    fn show(&self) -> Mime;
}

impl Show for Mime {
    fn show(&self) -> Mime {
        self.clone()
    }
}

/// Shows a value now.
pub fn display<T: Show<M> + ?Sized, M>(value: &T) {
    emit(value.show(), None, false);
}

/// Shows a value now, whatever it offers: [`Show`], else `Debug`, else its type.
#[macro_export]
macro_rules! display {
    ($value:expr $(,)?) => {{
        #[allow(unused_imports)]
        use $crate::__rt::{ByDebug as _, ByNothing as _, ByShow as _, ByUnit as _};
        if let Some(mime) = $crate::__rt::probed(&mut |cx| (&&&&$crate::__rt::Probe(&$value)).ochre_show(cx)) {
            $crate::display(&mime);
        }
    }};
}

/// Shows a value under an id, or replaces what was shown under it.
pub fn display_as<T: Show<M> + ?Sized, M>(id: &str, value: &T) {
    emit(value.show(), Some(id), true);
}

/// Clears what the cell has shown; with `wait`, when the next output comes (no flicker).
pub fn clear_output(wait: bool) {
    if let Some(host) = host::get() {
        host.clear_output(wait);
    }
}

/// Hands a bundle to the front end.
pub(crate) fn emit(mime: Mime, id: Option<&str>, update: bool) {
    match host::get() {
        Some(host) => host.display(mime, id, update),
        None => println!("{}", mime.plain()),
    }
}

/// Longest `Debug` text that is shown, in bytes: about what a person scrolls through.
const DEBUG_LIMIT: usize = 100_000;

/// `{:#?}` of a value (on one line where that is short), cut at a limit with a note.
pub fn debug_text(value: &dyn Debug) -> String {
    let mut short = Limited { text: String::new(), limit: 80, cut: false };
    if write!(short, "{value:?}").is_ok() && !short.cut {
        return short.text;
    }
    let mut long = Limited { text: String::new(), limit: DEBUG_LIMIT, cut: false };
    let _ = write!(long, "{value:#?}");
    if long.cut {
        long.text.push_str("\n… cut here: the whole text is longer than 100 kB; print a part of it to see more");
    }
    long.text
}

/// A writer that stops at a limit, so that a huge value costs no memory.
struct Limited {
    text: String,
    limit: usize,
    cut: bool,
}

impl Write for Limited {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let room = self.limit - self.text.len();
        if s.len() <= room {
            self.text.push_str(s);
            return Ok(());
        }
        let end = (0..=room).rev().find(|&i| s.is_char_boundary(i)).unwrap_or(0);
        self.text.push_str(&s[..end]);
        self.cut = true;
        Err(std::fmt::Error)
    }
}
