//! What every cell links: its variables, how values are shown, and the way to the front end.
//!
//! Cells see this crate as `ochre` (or through the prelude, which re-exports all of it). The worker
//! installs a [`host::Host`] and calls cells through [`__rt`]. It depends on nothing but std, because
//! rustc reads the metadata of everything below it for every cell.

mod ask;
mod display;
pub mod host;
mod interrupt;
mod mime;
mod progress;
#[doc(hidden)]
pub mod shown;
#[doc(hidden)]
pub mod __rt;

pub use ask::{InputError, input, password};
pub use display::{Show, clear_output, display, display_as};
pub use interrupt::interrupted;
pub use mime::{Data, Mime, html, json, latex, markdown, mime, png, svg, text};
pub use progress::{Progress, progress};
