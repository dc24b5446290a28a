//! Which run a log call means: the kernel's active one, or what the environment names where there is no kernel.
use ochre_runtime::host::{self, RequestFailure};
use ochre_spool::wire::{self, Active, Request, TOPIC};
use serde::de::DeserializeOwned;

/// The variable that MLflow, Azure ML's and Databricks' jobs set; and ours, which wins.
const RUN_VARIABLES: [&str; 2] = ["OCHRE_RUN", "MLFLOW_RUN_ID"];
const TRACKING_VARIABLE: &str = "MLFLOW_TRACKING_URI";
const EXPERIMENT_VARIABLE: &str = "MLFLOW_EXPERIMENT_NAME";

/// Who delivers what is logged to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// This process, to its kernel.
    Kernel,
    /// Whoever fetches the spool.
    Fetched,
}

/// Asks the kernel for the active run (made with `create` when there is none), or the environment.
pub fn find(create: bool) -> Result<Option<(Active, Delivery)>, RequestFailure> {
    match ask::<Option<Active>>(&Request::Active { create }) {
        Ok(active) => Ok(active.map(|a| (a, Delivery::Kernel))),
        Err(RequestFailure::NoKernel) => Ok(from_environment().map(|a| (a, Delivery::Fetched))),
        Err(other) => Err(other),
    }
}

/// A request of the service `runs` and its answer.
pub fn ask<T: DeserializeOwned>(request: &Request) -> Result<T, RequestFailure> {
    let answer = host::request(TOPIC, &request.to_bytes())?;
    wire::read(&answer).map_err(|error| RequestFailure::Refused {
        blame: host::Blame::Bug,
        message: format!("the kernel's answer about runs was not understood: {error}"),
        hint: Some("the kernel and the prelude may be of different versions: run `ochre install`".into()),
    })
}

fn from_environment() -> Option<Active> {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    Some(Active {
        run_id: RUN_VARIABLES.into_iter().find_map(variable)?,
        experiment: variable(EXPERIMENT_VARIABLE).unwrap_or_default(),
        tracking_uri: variable(TRACKING_VARIABLE).unwrap_or_default(),
        ..Active::default()
    })
}
