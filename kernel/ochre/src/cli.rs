//! The command line, as `ochre --help` shows it. Parsing only: nothing is looked up or done here.
use crate::places::Destination;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Ochre: Rust notebooks with polars, at the speed of thought.
#[derive(Parser)]
#[command(name = "ochre", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve one notebook (this is what the kernelspec starts)
    Kernel {
        /// The connection file that the client wrote
        #[arg(short = 'f', long = "connection-file", value_name = "CONNECTION_FILE")]
        connection_file: PathBuf,
    },
    /// Build or find the prelude and write the kernelspec `ochre`
    Install(Where),
    /// Take the kernelspec and what was installed with it away
    Uninstall(Where),
    /// Execute a notebook without a browser; exit 0 only if every cell succeeded
    Run(RunArguments),
    /// Start JupyterLab with the kernel installed
    Lab {
        /// The notebook to open
        notebook: Option<PathBuf>,
    },
    /// One line per thing that matters: ok, or what to do
    Doctor,
    /// Run a worker (what targets start)
    #[command(hide = true, disable_help_flag = true)]
    Worker {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Be the process behind a `%mount` (the kernel starts it; the configuration comes on stdin)
    #[command(hide = true)]
    Mount,
    /// Become a program whose opens are trapped (what `!command` runs where a mount needs that)
    #[command(hide = true, disable_help_flag = true)]
    Trapped {
        /// The supervisor's socket
        socket: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
    /// Build the prelude into the cache and print its directory
    #[command(hide = true)]
    Prelude,
}

/// Where the kernelspec goes.
#[derive(Args)]
#[group(multiple = false)]
pub struct Where {
    /// For this user (the default)
    #[arg(long)]
    pub user: bool,
    /// Into the Python environment in use (virtualenv, conda, or python3's own prefix)
    #[arg(long)]
    pub sys_prefix: bool,
    /// Into DIR/share
    #[arg(long, value_name = "DIR")]
    pub prefix: Option<PathBuf>,
}

impl Where {
    /// The place that was asked for.
    pub fn destination(&self) -> anyhow::Result<Destination> {
        match (&self.prefix, self.sys_prefix) {
            (Some(prefix), _) => Ok(Destination::prefix(prefix)),
            (None, true) => Destination::sys_prefix(),
            (None, false) => Destination::user(),
        }
    }
}

/// What `ochre run` is given.
#[derive(Args)]
pub struct RunArguments {
    pub notebook: PathBuf,
    /// Where the executed notebook is saved (default: in place)
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Replace the value of a `let` line in the cell tagged `parameters`
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Another installed kernel to run it with
    #[arg(long, value_name = "NAME", default_value = "ochre")]
    pub kernel: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn places_exclude_each_other() {
        assert!(Cli::try_parse_from(["ochre", "install", "--user", "--sys-prefix"]).is_err());
        assert!(Cli::try_parse_from(["ochre", "install", "--prefix", "/x"]).is_ok());
    }

    #[test]
    fn the_kernelspec_form_is_accepted() {
        for flag in ["-f", "--connection-file"] {
            assert!(Cli::try_parse_from(["ochre", "kernel", flag, "k.json"]).is_ok());
        }
    }
}
