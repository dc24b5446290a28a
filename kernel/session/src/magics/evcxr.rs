//! evcxr's `:commands`, as the magics that do the same.
use crate::parts::Line;
use ochre_api::{Failure, suggest};

/// Command, and the magic that does the same.
const COMMANDS: &[(&str, &str)] = &[
    ("dep", "dep"),
    ("vars", "vars"),
    ("clear", "reset"),
    ("restart", "reset"),
    ("opt", "opt"),
    ("timing", "timing"),
    ("help", "lsmagic"),
    ("type", "type"),
    ("t", "type"),
    ("doc", "doc"),
    ("version", "version"),
    ("load_config", "load_config"),
    ("show_deps", "dep"),
    ("env", "env"),
    ("last_compile_dir", "expand"),
];

/// Commands that need nothing here, and why.
const NEEDLESS: &[(&str, &str)] = &[
    ("preserve_vars_on_panic", "variables always survive a panic here"),
    ("sccache", "compiled cells and dependencies are always cached here"),
    ("cache", "compiled cells and dependencies are always cached here"),
    ("clear_cache", "remove the directory ~/.cache/ochre to clear the caches"),
    ("linker", "cells are linked by the fastest linker that is there: see `ochre doctor`"),
    ("fmt", "values are shown by `ochre::Show` or `Debug`: print with `println!(\"{:x?}\", value)`"),
    ("efmt", "an error that leaves a cell is shown with its chain of causes"),
    ("types", "%vars shows the types, `:type EXPRESSION` that of an expression"),
    ("offline", "set CARGO_NET_OFFLINE with `%env CARGO_NET_OFFLINE=true`"),
    ("toolchain", "the toolchain is that of the prelude: `ochre install` builds one for another"),
    ("allow_static_linking", "dependencies are shared libraries here"),
    ("codegen_backend", "the prelude decides: `%opt` sets the optimisation"),
    ("time_passes", "`%time` says what compiling and running took"),
    ("explain", "run `!rustc --explain E0382`"),
    ("build_env", "set it with `%env NAME=VALUE` before `%dep`"),
    ("last_error_json", "errors are shown whole"),
    ("quit", "shut the kernel down with the front end's menu"),
    ("internal_debug", "`%expand` shows the generated crate of the last cell"),
];

/// Whether evcxr has a command of this name.
pub(crate) fn is_command(name: &str) -> bool {
    target(name).is_some() || NEEDLESS.iter().any(|(n, _)| *n == name)
}

/// The magic that does what a command does.
pub(crate) fn target(name: &str) -> Option<&'static str> {
    COMMANDS.iter().find(|(n, _)| *n == name).map(|(_, magic)| *magic)
}

/// All commands with their magics.
pub(crate) fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
    COMMANDS.iter().copied()
}

/// The magic's line that a command stands for.
pub(crate) fn translate(line: Line) -> Result<Line, Failure> {
    if let Some(magic) = target(&line.name) {
        return Ok(Line { name: magic.to_owned(), ..line });
    }
    if let Some((name, why)) = NEEDLESS.iter().find(|(n, _)| *n == line.name) {
        return Err(Failure::usage(format!(":{name} does nothing in this engine")).hint(format!("{why}; %engine evcxr has it")));
    }
    let failure = Failure::usage(format!("there is no command :{}", line.name));
    Err(match suggest::nearest(&line.name, COMMANDS.iter().map(|(n, _)| *n)) {
        Some(name) => failure.hint(format!("did you mean :{name}? :help lists all")),
        None => failure.hint(":help lists all"),
    })
}
