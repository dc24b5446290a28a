//! MLflow's own server, as people start it: SQLite behind it, artifacts through it.
use crate::child::{Child, StartError};
use crate::peers::runs_program;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user and the password of a server with users.
pub const ADMIN: (&str, &str) = ("admin", "a password of 22 signs");

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

    /// Starts one that asks who comes (`--app-name basic-auth`): users with passwords, of whom there is [`ADMIN`]; everybody may read all. With a token
    /// it takes that as a bearer token from [`ADMIN`], and no passwords, by a function of its configuration.
    pub fn with_users(token: Option<&str>) -> Result<Self, StartError> {
        Self::launch(None, Some(token))
    }

    /// Starts one on a file that is there already, in its folder, as `mlflow ui` is started there.
    pub fn over(file: Option<PathBuf>) -> Result<Self, StartError> {
        Self::launch(file, None)
    }

    fn launch(file: Option<PathBuf>, users: Option<Option<&str>>) -> Result<Self, StartError> {
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
            if let Some(token) = users {
                ask_who_comes(&mut command, scratch, token);
            }
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

/// Has the server use MLflow's own app for users.
fn ask_who_comes(command: &mut Command, scratch: &Path, token: Option<&str>) {
    let mut settings = format!("[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{}\n", scratch.join("users.db").display());
    if let Some(token) = token {
        settings += "authorization_function = by_token:authenticate\n";
        let function = format!(
            "from flask import make_response, request\nfrom werkzeug.datastructures import Authorization\n\n\ndef authenticate():\n    shown = request.authorization\n    \
             if shown is not None and shown.type == 'bearer' and shown.token == '{token}':\n        return Authorization('basic', {{'username': '{}', 'password': ''}})\n    \
             return make_response('who are you?', 401)\n",
            ADMIN.0
        );
        write(&scratch.join("by_token.py"), &function);
    }
    let file = scratch.join("users.ini");
    write(&file, &settings);
    command.args(["--app-name", "basic-auth"]).env("MLFLOW_AUTH_CONFIG_PATH", file).env("MLFLOW_FLASK_SERVER_SECRET_KEY", "of a test").env("PYTHONPATH", scratch);
    command.env("MLFLOW_AUTH_ADMIN_USERNAME", ADMIN.0).env("MLFLOW_AUTH_ADMIN_PASSWORD", ADMIN.1);
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
