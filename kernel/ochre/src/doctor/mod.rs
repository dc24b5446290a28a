//! `ochre doctor`: one line per thing that matters, ok or what to do. It looks and changes nothing.
mod checks;
mod gpu;

use std::process::ExitCode;

/// How one check went.
pub enum Finding {
    Ok(String),
    /// Works without it; says what is missed and how to get it.
    Optional(String),
    /// Does not work without it; says what to do.
    Bad(String),
}

/// Runs all checks; fails when one of them is bad.
pub fn doctor() -> ExitCode {
    let mut healthy = true;
    for (name, check) in checks::ALL {
        let (mark, text) = match check() {
            Finding::Ok(text) => ("ok  ", text),
            Finding::Optional(text) => ("--  ", text),
            Finding::Bad(text) => {
                healthy = false;
                ("FAIL", text)
            }
        };
        println!("{mark} {name:<12} {text}");
    }
    if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
