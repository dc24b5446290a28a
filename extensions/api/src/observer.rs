//! Who is told of cells: runs (to note which cells made them), bills, audit logs.
//!
//! Called by the session task and by the task that listens to the worker, each in order. An observer must return at once and hand longer work to a task of
//! its own; what it does can neither stop nor fail a cell.
use crate::Screen;
use std::pin::Pin;
use std::sync::Arc;

/// A cell begins.
#[derive(Clone, Debug)]
pub struct CellStarted<'a> {
    /// The number shown beside the cell.
    pub count: u32,
    pub code: &'a str,
    /// The notebook's id of the cell, when the front end sent one.
    pub cell_id: Option<&'a str>,
}

/// A cell has ended.
#[derive(Clone, Debug)]
pub struct CellFinished<'a> {
    pub count: u32,
    pub ending: Ending<'a>,
    pub took: std::time::Duration,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    Ok,
    /// Class and one line of the error.
    Error { name: &'a str, message: &'a str },
}

/// Work that is left when a session ends.
pub type Settling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Is told of each cell that is not silent.
pub trait Observer: Send + Sync {
    /// Where things may be shown for the cell that is about to begin; told before [`Observer::cell_started`].
    fn screen(&self, _screen: &Arc<dyn Screen>) {}
    /// Before anything of the cell runs.
    fn cell_started(&self, _cell: &CellStarted<'_>) {}
    /// Asked right after [`Observer::cell_started`]: what happened between cells and the user must know (a mount that died), each text
    /// one line. Said on the cell's stderr, before anything of it runs.
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
    /// After all its output was handed on.
    fn cell_finished(&self, _cell: &CellFinished<'_>) {}
    /// A cell says something to an extension (`ochre_runtime::host`): the topic names the extension. Told while the
    /// cell runs, before its end; also of what threads say that outlived their cell. Topics of the engine `evcxr`
    /// begin with its name.
    fn event(&self, _topic: &str, _payload: &[u8]) {}
    /// A process that runs cells has greeted; `pid` is its id on its own machine. Before it runs anything.
    fn worker_started(&self, _pid: u32) {}
    /// It has ended, in whatever way.
    fn worker_ended(&self, _pid: u32) {}
    /// The session ends (`restart` or for good): release what is held.
    fn session_ended(&self, _restart: bool) {}
    /// Asked after [`Observer::session_ended`]: what the process should not end before. Waited for within a bound, so it must be safe to lose.
    fn settle(&self) -> Option<Settling> {
        None
    }
}
