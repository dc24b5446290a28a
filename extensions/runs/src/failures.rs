//! A store's error as a user reads it.
use ochre_api::{Failure, Fault};
use ochre_tracking::TrackingError;

/// The failure, with whose fault it is and what to do next.
pub(crate) fn of_tracking(error: TrackingError) -> Failure {
    let fault = match error.fault() {
        ochre_tracking::Fault::YourCode => Fault::YourCode,
        ochre_tracking::Fault::YourConfiguration => Fault::YourConfiguration,
        ochre_tracking::Fault::Remote => Fault::Remote,
        ochre_tracking::Fault::Bug => Fault::Bug,
    };
    let failure = Failure::new(fault, "tracking", error.to_string());
    let failure = match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure.hint("`%tracking` shows which store is used, and `%tracking URI` chooses another"),
    };
    match std::error::Error::source(&error) {
        Some(_) => failure.because(Cause(chain(&error))),
        None => failure,
    }
}

/// The error with its causes, on one line.
pub(crate) fn one_line(error: &TrackingError) -> String {
    match chain(error) {
        causes if causes.is_empty() => error.to_string(),
        causes => format!("{error}: {causes}"),
    }
}

/// The causes alone.
fn chain(error: &TrackingError) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        let text = one.to_string();
        if !parts.last().is_some_and(|last| last.ends_with(&text)) {
            parts.push(text);
        }
        cause = one.source();
    }
    parts.join(": ")
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);
