//! MLflow's own server, as people start it: SQLite behind it, artifacts through it.
use crate::child::{Child, StartError};
use crate::peers::runs_program;
use std::path::{Path, PathBuf};
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
        Self::over(None)
    }

    /// Starts one on a file that is there already, in its folder, as `mlflow ui` is started there.
    pub fn over(file: Option<PathBuf>) -> Result<Self, StartError> {
        let program = runs_program("mlflow")?;
        let mut child = Child::start("mlflow server", |scratch| {
            let mut command = Command::new(program);
            command.args(["server", "--host", "127.0.0.1", "--port", "0", "--workers", "1", "--backend-store-uri"]);
            let database = file.clone().unwrap_or_else(|| scratch.join("server.db"));
            command.arg(format!("sqlite:///{}", database.display()));
            match file.as_deref().and_then(Path::parent) {
                Some(folder) => command.current_dir(folder),
                None => command.arg("--artifacts-destination").arg(scratch.join("artifacts")).current_dir(scratch),
            };
            // Otherwise it starts seven workers of a queue, which outlive it.
            command.env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false").env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true");
            command.env("PYTHONUNBUFFERED", "1");
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

    /// The file that it keeps runs in, when it was started without one.
    pub fn database(&self) -> PathBuf {
        self.child.scratch().join("server.db")
    }

    /// The process: its log, its pid, or its end in mid-test.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}
