//! The composition root: which engines, magics and observers a session is made of.
use crate::places;
use anyhow::Context;
use ochre_cells::{Cache, Compiler, Prelude, dependencies::Workshop};
use ochre_secrets::Redactor;
use ochre_session::engine::Engine;
use ochre_session::evcxr_engine::EvcxrEngine;
use ochre_session::front::Report;
use ochre_session::history::HistoryPlace;
use ochre_session::ochre_engine::{EngineParts, OchreEngine};
use ochre_session::worker::LocalWorker;
use ochre_session::{Exchange, Session, SessionParts};
use ochre_vault::{Setup, Vault};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Environment variable that names the compiler for cells.
const COMPILER_VARIABLE: &str = "OCHRE_RUSTC";

/// File in a prelude's directory that remembers the toolchain's root: asking the rustup shim costs 100 ms.
const SYSROOT_FILE: &str = "sysroot";

/// What is known of the notebook when a session begins.
#[derive(Default)]
pub struct Launch {
    /// Absent: what Jupyter's server says counts.
    pub notebook: Option<PathBuf>,
    /// Names and values of the cell tagged `parameters`.
    pub parameters: Vec<(String, String)>,
}

/// A session with everything in it. Must be called on a tokio runtime.
pub fn session(redactor: Redactor, launch: Launch) -> anyhow::Result<Session> {
    let vault = Vault::new(Setup::of_process(redactor.clone()));
    let program = std::env::current_exe().context("this program cannot find its own file, which mounts are started from")?;
    let storage = ochre_storage::extension(vault.clone(), redactor.clone(), program)?;
    let runs = ochre_runs::extension(runs_setup(&vault, &storage.workspace, launch));
    let parts = SessionParts {
        engine: "ochre".into(),
        engines: Box::new(engine),
        magics: [vault.magics(), storage.magics, runs.magics].concat(),
        observers: [storage.observers, runs.observers].concat(),
        services: [vec![vault.service()], storage.services, runs.services].concat(),
        redactor,
        history: HistoryPlace::default(),
    };
    Session::start(parts).context("two magics have one name: a bug of Ochre's")
}

/// Runs go to the chosen workspace, as its identity, and else to a file beside the notebook.
fn runs_setup(vault: &Vault, workspace: &ochre_storage::Chosen, launch: Launch) -> ochre_runs::Setup {
    let prelude = places::find_prelude().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned())).unwrap_or_default();
    let (chosen, identity) = (workspace.clone(), workspace.clone());
    ochre_runs::Setup {
        workspace: Arc::new(move || chosen.tracking_uri()),
        identity: Some(Arc::new(move || identity.identity())),
        ..ochre_runs::Setup::of_process(Arc::new(vault.clone()), prelude).launched(launch.notebook, launch.parameters)
    }
}

fn engine(name: &str, exchange: &Exchange) -> Result<Box<dyn Engine>, Report> {
    match name {
        "ochre" => ochre_engine(exchange.clone()).map(|e| Box::new(e) as Box<dyn Engine>).map_err(report),
        "evcxr" => evcxr_engine(exchange.clone()).map(|e| Box::new(e) as Box<dyn Engine>).map_err(report),
        other => Err(report(anyhow::anyhow!("there is no engine `{other}`; the engines are `ochre` and `evcxr`"))),
    }
}

fn report(error: anyhow::Error) -> Report {
    let message = format!("{error:#}");
    Report { name: "configuration".into(), traceback: vec![message.clone()], message }
}

/// The default engine over a worker on this machine.
fn ochre_engine(exchange: Exchange) -> anyhow::Result<OchreEngine> {
    let dir = places::find_prelude().context("there is no prelude yet: run `ochre install`")?;
    let prelude = Arc::new(Prelude::load(&dir)?);
    let (compiler, library) = find_compiler(&prelude)?;
    let cache = places::cell_cache();
    Ok(OchreEngine::new(EngineParts {
        cache: Cache::new(cache.join("cells")),
        dependencies: Workshop { dir: cache.join("dependencies"), wrapper: std::env::current_exe()?, cargo: compiler.path.with_file_name("cargo") },
        target: Arc::new(LocalWorker::new(&prelude.dir, &library)),
        exchange,
        compiler,
        prelude,
    }))
}

/// evcxr in a process of its own: a program beside this one, for it carries rust-analyzer, and this one stays small.
fn evcxr_engine(exchange: Exchange) -> anyhow::Result<EvcxrEngine> {
    let program = std::env::current_exe().context("this program cannot find its own file")?.with_file_name(places::EVCXR_PROGRAM);
    if !program.is_file() {
        anyhow::bail!("the evcxr engine is not installed ({} is missing): run `cargo xtask build` in Ochre's checkout, then `ochre install`; `%engine ochre` goes on without it", program.display());
    }
    Ok(EvcxrEngine::new(Arc::new(LocalWorker::evcxr(&program)), exchange))
}

/// The toolchain's own `rustc`, and the directory of its libraries.
fn find_compiler(prelude: &Prelude) -> anyhow::Result<(Compiler, PathBuf)> {
    if let Some(set) = places::variable(COMPILER_VARIABLE) {
        let root = set.parent().and_then(Path::parent).context("OCHRE_RUSTC must name a toolchain's bin/rustc")?.to_owned();
        return Ok((Compiler { path: set }, root.join("lib")));
    }
    let memory = prelude.dir.join(SYSROOT_FILE);
    let remembered = std::fs::read_to_string(&memory).ok().map(|t| PathBuf::from(t.trim()));
    let root = match remembered.filter(|r| r.join("bin/rustc").is_file()) {
        Some(root) => root,
        None => {
            let compiler = ochre_build::Compiler::find()?;
            if compiler.text != prelude.rustc_version.trim() {
                anyhow::bail!("the prelude was built by another compiler ({}) than the one here ({}): run `ochre install`", first_line(&prelude.rustc_version), first_line(&compiler.text));
            }
            // Only a memory: without it the next start asks again.
            let _ = std::fs::write(&memory, compiler.sysroot.to_string_lossy().as_bytes());
            compiler.sysroot
        }
    };
    Ok((Compiler { path: root.join("bin/rustc") }, root.join("lib")))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
