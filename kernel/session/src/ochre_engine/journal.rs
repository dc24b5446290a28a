//! What ran in this session, so that a dead worker's variables can be made again from the cell cache.
use super::{OchreEngine, report, say};
use crate::desk::Ran;
use crate::engine::{Context, Outcome};
use ochre_cells::diagnostics::CellSource;
use ochre_cells::model::Variable;
use ochre_cells::{Compiled, Library};
use ochre_link::End;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A cell that came to its end.
#[derive(Clone)]
struct Entry {
    label: String,
    first_line: String,
    load: Vec<Library>,
    entry: Library,
    takes: BTreeSet<String>,
    makes: BTreeSet<String>,
    took: Duration,
}

/// The cells of a session in their order, and what was lost with a worker.
#[derive(Default)]
pub(super) struct Journal {
    entries: Vec<Entry>,
    lost: BTreeMap<String, Variable>,
}

impl Journal {
    /// A cell that only defines needs no replay: its libraries come with the cells that use them.
    pub(super) fn defined(&mut self, _source: &Arc<CellSource>, _compiled: &Compiled) {}

    /// A cell has run to its end.
    pub(super) fn ran(&mut self, source: &CellSource, compiled: &Compiled, took: Duration) {
        let Some(entry) = compiled.entry.clone() else { return };
        let makes: BTreeSet<String> = compiled.bound.iter().map(|(b, _)| b.name.clone()).collect();
        let takes: BTreeSet<String> = compiled.takes.iter().cloned().collect();
        if makes.is_empty() && takes.is_empty() {
            return;
        }
        let first_line = source.text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default().trim().to_owned();
        self.entries.push(Entry { label: source.label.clone(), first_line, load: compiled.load.clone(), entry, takes, makes, took });
    }

    /// A worker ended with these variables.
    pub(super) fn lost(&mut self, variables: &BTreeMap<String, Variable>) {
        self.lost.extend(variables.iter().filter(|(_, v)| v.ty.is_ok()).map(|(n, v)| (n.clone(), v.clone())));
    }

    /// The cells that bring the lost variables back, in their order: those that made one, those that may have
    /// changed one (it is `mut`), and those that these need.
    fn needed(&self) -> Vec<Entry> {
        let mut wanted: BTreeSet<String> = self.lost.keys().cloned().collect();
        let mut cells = Vec::new();
        for entry in self.entries.iter().rev() {
            let makes = entry.makes.iter().any(|n| wanted.contains(n));
            let changes = entry.takes.iter().any(|n| wanted.contains(n) && self.lost.get(n).is_none_or(|v| v.mutable));
            if makes || changes {
                for name in entry.makes.difference(&entry.takes) {
                    wanted.remove(name);
                }
                wanted.extend(entry.takes.iter().cloned());
                cells.push(entry.clone());
            }
        }
        cells.reverse();
        cells
    }
}

impl OchreEngine {
    /// `%recover`.
    pub(super) async fn replay(&mut self, dry_run: bool, context: &Context) -> Outcome {
        if self.journal.lost.is_empty() {
            say(&context.output, "Nothing was lost: all variables are there.\n").await;
            return Outcome::Ok(None);
        }
        let cells = self.journal.needed();
        say(&context.output, &self.recovery_plan(&cells)).await;
        if dry_run {
            return Outcome::Ok(None);
        }
        for cell in &cells {
            match self.run_libraries(&cell.load, &cell.entry, context, true).await {
                Ok(Ran::Finished { end: End::Completed, variables, .. }) => self.variables = variables,
                Ok(Ran::Finished { .. }) => {
                    self.take_back();
                    return Outcome::Error(report::usage(format!("{} did not come to its end this time; the variables of the cells before it are back", cell.label)));
                }
                Ok(Ran::WorkerEnded(ended)) => {
                    let words = ended.words();
                    self.lose_worker(&words);
                    return Outcome::Error(report::usage(format!("the worker ended again in {}: {words}", cell.label)));
                }
                Err(report) => return Outcome::Error(report),
            }
        }
        self.take_back();
        let back: Vec<String> = self.variables.iter().map(|v| v.name.clone()).collect();
        say(&context.output, &format!("Back: {}.\n", if back.is_empty() { "nothing".to_owned() } else { back.join(", ") })).await;
        Outcome::Ok(None)
    }

    fn recovery_plan(&self, cells: &[Entry]) -> String {
        let names: Vec<&str> = self.journal.lost.keys().map(String::as_str).collect();
        let mut text = format!("To bring back {}, these cells run again from the cache (logging and uploads are left out):\n", names.join(", "));
        for cell in cells {
            text.push_str(&format!("  {:<10} {:>8.2} s   {}\n", cell.label, cell.took.as_secs_f64(), cell.first_line));
        }
        text
    }

    /// Variables that are in the worker again are the compiler's again.
    fn take_back(&mut self) {
        for variable in &self.variables {
            if let Some(known) = self.journal.lost.remove(&variable.name) {
                self.notebook.model.gone.remove(&variable.name);
                self.notebook.model.variables.insert(variable.name.clone(), known);
            }
        }
    }
}
