//! Real and hostile Jupyter clients against the installed kernel.
use super::{Context, Tally, lanes, python};
use crate::peers::Python;

/// Files of `tests/clients`, each with unittest classes.
const MODULES: [&str; 8] = ["kernel_tests", "session_tests", "hostile_tests", "command_tests", "secret_tests", "storage_tests", "runs_tests", "learning_tests"];

/// Runs them, two at a time: for most of the time they wait for kernels.
pub fn run(context: &Context) -> anyhow::Result<Tally> {
    let python = Python::install(&context.built)?;
    context.install_kernel()?;
    let module = |module: &&str| python::run(context, &python, &[*module]).unwrap_or_else(|error| Tally::failure(module, format!("{error:#}")));
    lanes::run(&MODULES, module)
}
