//! What `ochre-evcxr` says beyond the other workers, by name: topics of [`FromWorker::Event`](crate::FromWorker::Event)
//! and a type name of [`End::Failed`](crate::End::Failed).

/// Topic: names of the items that are defined, one a line. Sent before each `Finished`.
pub const ITEMS: &str = "evcxr.items";
/// Topic: the text of the crate that evcxr compiled last. Sent before each `Finished`.
pub const SOURCE: &str = "evcxr.source";
/// Topic: how long evcxr analysed and compiled, in microseconds, as decimal digits.
pub const COMPILED: &str = "evcxr.compiled";
/// Type name in `Failed` when the process that ran the cell has died; `message` says how.
pub const CHILD_DIED: &str = "evcxr::child died";
