//! Where an extension shows what belongs to a cell but does not come from it: a chart that is updated while the cell runs and after, a line that says
//! what was begun for it.
//!
//! Handed to observers when a cell begins ([`crate::Observer::screen`]). It may be kept: what is shown when the cell has ended is shown apart, as the
//! output of threads that outlive their cell is, and displays with an id are updated where they stand.
use async_trait::async_trait;
use ochre_link::{Bundle, Stream};

/// The output of one cell. A front end that has gone away is no error.
#[async_trait]
pub trait Screen: Send + Sync {
    /// Writes to a stream of the cell.
    async fn write(&self, stream: Stream, text: &str);
    /// Shows a value now, or updates the one shown under this id.
    async fn display(&self, bundle: Bundle, id: Option<&str>, update: bool);
}
