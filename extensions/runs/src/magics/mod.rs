//! The magics, one file each.
mod compare;
mod end_run;
mod experiment;
mod log;
mod runs;
mod start_run;
mod tracking;
mod watch;

use crate::runs::Runs;
use ochre_api::{Failure, Magic};
use std::sync::Arc;

/// All of them.
pub(crate) fn all(runs: &Arc<Runs>) -> Vec<Arc<dyn Magic>> {
    vec![
        Arc::new(experiment::Experiment(runs.clone())),
        Arc::new(start_run::StartRun(runs.clone())),
        Arc::new(end_run::EndRun(runs.clone())),
        Arc::new(log::Log(runs.clone())),
        Arc::new(self::runs::List(runs.clone())),
        Arc::new(watch::Watch(runs.clone())),
        Arc::new(compare::Compare(runs.clone())),
        Arc::new(tracking::Choose(runs.clone())),
        Arc::new(crate::automl::Automl(runs.clone())),
    ]
}

/// Runs of this session, and the words that stand for one.
fn run_names(runs: &Runs, prefix: &str) -> Vec<String> {
    let state = runs.state();
    let mut names: Vec<String> = state.best.iter().map(|_| "best_run".to_owned()).chain(state.last.iter().map(|_| "last".to_owned())).collect();
    names.extend(state.seen.iter().rev().cloned());
    names.retain(|name| name.starts_with(prefix));
    names
}

/// `name=value`.
fn pair(word: &str) -> Result<(String, String), Failure> {
    match word.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(Failure::usage(format!("`{word}` is not name=value")).hint("write `loss=0.5`; a text with spaces in quotes: `note=\"two words\"`")),
    }
}

/// A name that Rust takes for a variable.
fn variable(name: &str) -> Result<&str, Failure> {
    let first = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    match first && name != "_" && name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        true => Ok(name),
        false => Err(Failure::usage(format!("`{name}` is no name of a variable")).hint("write `-o frame`")),
    }
}

/// What an unknown word may have meant, beside what it is called.
fn listed(names: &[String], most: usize) -> String {
    let mut text = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > most {
        text.push_str(&format!(" and {} more", names.len() - most));
    }
    text
}

#[cfg(test)]
mod tests;
