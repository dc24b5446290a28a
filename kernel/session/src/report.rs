//! Failures of magics as reports, and reports of the engine as failures: the same error, seen from two sides.
use crate::front::Report;
use ochre_api::{Failure, Fault};

impl From<Failure> for Report {
    fn from(failure: Failure) -> Self {
        Report { name: failure.name.clone(), message: failure.one_line(), traceback: failure.lines() }
    }
}

/// A report of the engine; its text was rendered there and stays as it is.
pub(crate) fn failure(report: Report) -> Failure {
    let fault = if report.name == "interrupted" { Fault::Interrupted } else { Fault::YourCode };
    let mut failure = Failure::new(fault, report.name, report.message);
    failure.rendered = Some(report.traceback);
    failure
}

impl Report {
    /// The report of a cell that the user interrupted.
    pub fn interrupted() -> Self {
        Failure::interrupted().into()
    }
}
