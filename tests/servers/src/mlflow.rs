//! MLflow's own server, as people start it: SQLite behind it, artifacts through it.
use crate::child::{Child, StartError};
use crate::peers::runs_program;
use std::path::PathBuf;
use std::process::Command;

/// A running server with no run in it.
#[derive(Debug)]
pub struct Mlflow {
    child: Child,
    endpoint: String,
}

impl Mlflow {
    /// Starts one; it takes fifteen seconds when nothing else runs.
    pub fn start() -> Result<Self, StartError> {
        let program = runs_program("mlflow")?;
        let mut child = Child::start("mlflow server", |scratch| {
            let mut command = Command::new(program);
            command.args(["server", "--host", "127.0.0.1", "--port", "0", "--workers", "1", "--backend-store-uri"]);
            command.arg(format!("sqlite:///{}", scratch.join("server.db").display())).arg("--artifacts-destination").arg(scratch.join("artifacts"));
            // Otherwise it starts seven workers of a queue, which outlive it.
            command.env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false").env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true");
            command.env("PYTHONUNBUFFERED", "1").current_dir(scratch);
            command
        })?;
        let endpoint = child.wait_for(|log| {
            let address = log.split("Uvicorn running on ").nth(1)?.split_whitespace().next()?.to_string();
            log.contains("Application startup complete").then_some(address)
        })?;
        Ok(Self { child, endpoint })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The file that it keeps runs in.
    pub fn database(&self) -> PathBuf {
        self.child.scratch().join("server.db")
    }

    /// The process: its log, its pid, or its end in mid-test.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}
