//! Real and hostile Jupyter clients against the installed kernel.
use super::{Context, Tally, python};
use crate::peers::Python;

/// Files of `tests/clients`, each with unittest classes.
const MODULES: [&str; 8] = ["kernel_tests", "session_tests", "hostile_tests", "command_tests", "secret_tests", "storage_tests", "runs_tests", "learning_tests"];

/// Runs them one after the other: their tests look at what other kernels leave behind (histories, cells, the list of secrets).
pub fn run(context: &Context) -> anyhow::Result<Tally> {
    let python = Python::install(&context.built)?;
    context.install_kernel()?;
    let mut tally = Tally::default();
    for module in MODULES {
        tally.add(python::run(context, &python, &[module]).unwrap_or_else(|error| Tally::failure(module, format!("{error:#}"))));
    }
    Ok(tally)
}
