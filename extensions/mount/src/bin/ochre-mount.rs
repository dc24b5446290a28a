//! The mount process as a program of its own: what `ochre mount` runs, for the tests of this crate.
#![forbid(unsafe_code)]

fn main() {
    std::process::exit(i32::from(ochre_mount::process::main()));
}
