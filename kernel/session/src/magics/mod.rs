//! The session's own magics: one file per magic or family, all registered here.
//!
//! An extension's magics are made the same way, in its own crate; `%lsmagic`, `%name?`, completion and the
//! documentation are generated from the registry.
mod cd;
mod dep;
mod doc;
mod engine;
mod env;
pub(crate) mod evcxr;
mod expand;
mod gpu;
mod history;
mod load;
mod load_config;
mod lsmagic;
mod opt;
mod recover;
mod reset;
mod run;
mod set;
pub(crate) mod shell;
mod bash;
pub(crate) mod time;
mod timeit;
mod timing;
mod types;
mod vars;
mod version;
mod writefile;

use ochre_api::Magic;
use std::path::PathBuf;
use std::sync::Arc;

/// All magics that every session has, in the order of `%lsmagic`.
pub(crate) fn all() -> Vec<Arc<dyn Magic>> {
    vec![
        Arc::new(lsmagic::LsMagic),
        Arc::new(vars::Vars),
        Arc::new(types::Type),
        Arc::new(doc::Doc),
        Arc::new(reset::Reset),
        Arc::new(recover::Recover),
        Arc::new(dep::Dep),
        Arc::new(opt::Opt),
        Arc::new(engine::Engine),
        Arc::new(set::Set),
        Arc::new(time::Time),
        Arc::new(timeit::TimeIt),
        Arc::new(timing::Timing),
        Arc::new(history::History),
        Arc::new(load::Load),
        Arc::new(run::Run),
        Arc::new(writefile::WriteFile),
        Arc::new(bash::Bash),
        Arc::new(env::Env),
        Arc::new(cd::Cd),
        Arc::new(gpu::Gpu),
        Arc::new(expand::Expand),
        Arc::new(load_config::LoadConfig),
        Arc::new(version::Version),
    ]
}

/// A path as typed: `~/` is the home, and what is relative belongs to the session's directory.
pub(crate) fn resolve(path: &str, directory: PathBuf) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    match (path.strip_prefix("~/"), path == "~") {
        (Some(below), _) => home().map_or_else(|| directory.join(path), |home| home.join(below)),
        (None, true) => home().unwrap_or(directory),
        (None, false) => directory.join(path),
    }
}

#[cfg(test)]
mod tests;
