//! What the worker asks of the service `runs`, and the answers: one line of JSON, then bytes where a request has some.
//!
//! ```text
//! {"active":{create}}\n                             -> Active | null   which run to log to; with `create` one is made when there is none
//! {"append":{run_id,spool,from,end}}\n <records>      -> Appended    `upto` is acknowledged: it is kept by the backend
//! {"artifact":{run_id,path,offset,total}}\n <bytes>   -> Appended    a part of a file that is on another machine, in order
//! {"child":{name,params,tags,parent}}\n               -> Active      a run below a run, for a trial
//! {"end":{run_id,status}}\n                           -> Done        of a run that `child` made
//! ```
use crate::batch::Batch;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The service's topic.
pub const TOPIC: &str = "runs";

/// A request, as both sides handle it.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Active { create: bool },
    Append { run_id: String, spool: String, batch: Batch },
    Artifact { run_id: String, path: String, offset: u64, total: u64, bytes: Vec<u8> },
    Child(Child),
    End { run_id: String, status: Status },
}

/// A run below a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Child {
    /// Empty: a name is made.
    pub name: String,
    pub params: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    /// The run above it; empty: the active one.
    pub parent: String,
}

/// How a run ended, by MLflow's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    Finished,
    Failed,
    Killed,
}

/// A run that can be logged to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Active {
    pub run_id: String,
    pub name: String,
    /// The experiment's name.
    pub experiment: String,
    pub tracking_uri: String,
    /// Where spools are kept. Absent: where the worker keeps them by itself.
    pub spool_directory: Option<PathBuf>,
    /// Files of the worker are not files of the kernel's: artifacts are sent in parts.
    pub remote: bool,
    /// The last step of the metrics that a continued run has already.
    pub steps: BTreeMap<String, i64>,
}

/// How far a spool is kept by the backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Appended {
    /// `end` of the batch, or `from` when nothing of it was kept: it is sent again.
    pub upto: u64,
    /// How long to wait before that, in milliseconds.
    pub wait_ms: u64,
}

/// Why a message was not understood.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("the request's line does not parse")]
    Json(#[from] serde_json::Error),
    #[error("the records of the request are cut off")]
    Records,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Active {
        #[serde(default)]
        create: bool,
    },
    Append { run_id: String, spool: String, from: u64, end: u64 },
    Artifact { run_id: String, path: String, offset: u64, total: u64 },
    Child(Child),
    End { run_id: String, status: Status },
}

impl Request {
    /// The bytes of `host::request`'s payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (line, bytes): (Line, &[u8]) = match self.clone_line() {
            (line, Some(bytes)) => (line, bytes),
            (line, None) => (line, &[]),
        };
        // Maps with text keys and numbers that JSON has: nothing in a line can fail.
        let mut out = serde_json::to_vec(&line).unwrap_or_default();
        out.push(b'\n');
        out.extend_from_slice(bytes);
        out
    }

    fn clone_line(&self) -> (Line, Option<&[u8]>) {
        match self {
            Request::Active { create } => (Line::Active { create: *create }, None),
            Request::Append { run_id, spool, batch } => {
                (Line::Append { run_id: run_id.clone(), spool: spool.clone(), from: batch.from, end: batch.end }, Some(&batch.raw))
            }
            Request::Artifact { run_id, path, offset, total, bytes } => {
                (Line::Artifact { run_id: run_id.clone(), path: path.clone(), offset: *offset, total: *total }, Some(bytes))
            }
            Request::Child(child) => (Line::Child(child.clone()), None),
            Request::End { run_id, status } => (Line::End { run_id: run_id.clone(), status: *status }, None),
        }
    }

    /// Reads a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let split = payload.iter().position(|&b| b == b'\n').unwrap_or(payload.len());
        let rest = payload.get(split + 1..).unwrap_or_default();
        Ok(match serde_json::from_slice(&payload[..split])? {
            Line::Active { create } => Request::Active { create },
            Line::Append { run_id, spool, from, end } => {
                let batch = Batch::of_raw(&spool, from, end, rest.to_vec()).ok_or(WireError::Records)?;
                Request::Append { run_id, spool, batch }
            }
            Line::Artifact { run_id, path, offset, total } => Request::Artifact { run_id, path, offset, total, bytes: rest.to_vec() },
            Line::Child(child) => Request::Child(child),
            Line::End { run_id, status } => Request::End { run_id, status },
        })
    }
}

/// An answer's bytes.
pub fn answer<T: Serialize>(answer: &T) -> Vec<u8> {
    serde_json::to_vec(answer).unwrap_or_default()
}

/// Reads an answer.
pub fn read<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, WireError> {
    Ok(serde_json::from_slice(bytes)?)
}
