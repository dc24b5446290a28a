//! The composition root: which engines, magics and observers a session is made of.
use crate::places;
use anyhow::Context;
use ochre_session::engine::Engine;
use ochre_session::front::Report;
use ochre_session::history::HistoryPlace;
use ochre_session::{Session, SessionParts};

/// A session with everything in it. Must be called on a tokio runtime.
pub fn session() -> anyhow::Result<Session> {
    let parts = SessionParts {
        engine: "ochre".into(),
        engines: Box::new(engine),
        magics: Vec::new(),
        observers: Vec::new(),
        history: HistoryPlace::default(),
    };
    Session::start(parts).context("two magics have one name: a bug of Ochre's")
}

fn engine(name: &str) -> Result<Box<dyn Engine>, Report> {
    let _ = places::find_prelude();
    Err(Report { name: "usage".into(), message: format!("no engine {name}"), traceback: vec![] })
}
