//! Questions to the user through the front end.
use crate::host::{self, AskFailure};
use std::fmt;

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError(AskFailure);

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            AskFailure::NotAllowed => "this front end cannot ask for input (the notebook runs unattended); pass the value as a parameter or an environment variable",
            AskFailure::Interrupted => "interrupted while waiting for input",
            AskFailure::Gone => "the kernel has gone away while waiting for input",
        })
    }
}

impl std::error::Error for InputError {}

/// Asks for a line of text.
pub fn input(prompt: &str) -> Result<String, InputError> {
    ask(prompt, false)
}

/// Asks for a secret; the front end does not echo it and the notebook does not keep it.
pub fn password(prompt: &str) -> Result<String, InputError> {
    ask(prompt, true)
}

fn ask(prompt: &str, password: bool) -> Result<String, InputError> {
    let host = host::get().ok_or(InputError(AskFailure::NotAllowed))?;
    match host.ask(prompt, password) {
        Err(AskFailure::Interrupted) => {
            crate::interrupt::check();
            Err(InputError(AskFailure::Interrupted))
        }
        other => other.map_err(InputError),
    }
}
