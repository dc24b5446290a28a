//! `ochre-evcxr`: the second engine, a process of its own that evaluates cells with the crate evcxr.
//!
//! ```text
//! kernel <== ochre-link ==> engine --evcxr's lines--> relay --> cells
//!                             \-- cargo, rustc (evcxr's)          (evcxr's runtime)
//! ```
//! One program in three roles, because evcxr runs its own binary again: the engine (no argument), the relay
//! that mends evcxr's line protocol ([`relay`]), and evcxr's runtime, which loads and runs the cells. evcxr may
//! also call it in place of rustc. It knows nothing of Jupyter and nothing of the default engine.
#![forbid(unsafe_code)]

mod evaluator;
mod link;
mod processes;
mod relay;
mod render;
mod serve;
mod splitter;
mod streams;
mod tagged;

use std::process::ExitCode;

/// evcxr sets it for the process that is to run cells.
const RUNTIME_VARIABLE: &str = "EVCXR_IS_RUNTIME";
/// First argument of the relay.
const RELAY: &str = "relay";

fn main() -> ExitCode {
    let role = std::env::args().nth(1).unwrap_or_default();
    if std::env::var_os(RUNTIME_VARIABLE).is_some() {
        if role == RELAY {
            return end(relay::run());
        }
        processes::die_with_parent();
    }
    // Does not return in evcxr's runtime, nor when it is called in place of rustc.
    evcxr::runtime_hook();
    end(serve::serve())
}

fn end(result: anyhow::Result<u8>) -> ExitCode {
    result.map(ExitCode::from).unwrap_or_else(|error| {
        eprintln!("ochre-evcxr: {error:#}");
        ExitCode::from(2)
    })
}
