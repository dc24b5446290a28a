//! The binary `ochre`: reads the command line and hands over. It knows every other crate and holds no logic of theirs.
//!
//! The one command that must start fast is `kernel`: nothing is built, read or asked before its sockets are bound.
#![forbid(unsafe_code)]

mod cli;
mod compose;
mod doctor;
mod guard;
mod install;
mod kernel;
mod lab;
mod places;
mod run;
mod worker;

use anyhow::Context;
use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    // While a `%dep` layer is built, cargo calls this program in rustc's place.
    ochre_cells::dependencies::wrapper::run_if_asked();
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ochre: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Kernel { connection_file } => kernel::run(&connection_file),
        Command::Install(to) => install::install(&to.destination()?).map(|()| ExitCode::SUCCESS),
        Command::Uninstall(from) => install::uninstall(&from.destination()?).map(|()| ExitCode::SUCCESS),
        Command::Run(arguments) => run::run(&arguments),
        Command::Lab { notebook } => lab::lab(notebook.as_deref()),
        Command::Doctor => Ok(doctor::doctor()),
        // A thread of it still reads stdin, so the process ends here.
        Command::Mount => std::process::exit(i32::from(ochre_mount::process::main())),
        // Returns only when there is no such program.
        Command::Trapped { socket, command } => Err(ochre_mount::seccomp::run_trapped(&socket, &command)).with_context(|| format!("cannot run {}", command[0].display())),
        Command::Worker { arguments } => worker::worker(&arguments),
        Command::Prelude => install::stage_in_cache().map(|()| ExitCode::SUCCESS),
    }
}
