//! What a user is told about log calls: on stderr of the cell, each thing once per run.
use std::collections::HashSet;
use std::sync::Mutex;

/// Different things that are told about one run; a loop over broken names shall not fill the notebook.
const MOST: usize = 20;

/// What was told already.
#[derive(Debug, Default)]
pub struct Said(Mutex<HashSet<String>>);

impl Said {
    /// Tells it, unless something with this key was told before.
    #[cold]
    pub fn once(&self, key: &str, message: impl FnOnce() -> String) {
        let mut said = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if said.len() >= MOST || !said.insert(key.to_owned()) {
            return;
        }
        eprintln!("ochre: {}", message());
        if said.len() == MOST {
            eprintln!("ochre: more notes of this kind about this run are left out");
        }
    }
}
