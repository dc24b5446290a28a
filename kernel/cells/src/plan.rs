//! How a cell is generated, and what the errors of one attempt change for the next.
//!
//! A cell is first tried as its syntax suggests. rustc's errors *in generated text* (never in the user's) then
//! say that a variable was moved, cannot be kept, or that more must be linked. The plan that a cell ended with
//! is remembered, so that a repetition costs one attempt.
use crate::diagnostics::RustcMessage;
use crate::generate::Region;
use crate::names;
use crate::types::Unkept;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How the body is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyKind {
    #[default]
    Plain,
    /// `?` on `std::error::Error`s, texts, `anyhow::Error`s.
    Try,
    /// `?` on errors that are `Debug` only.
    DebugTry,
}

/// Why a new variable is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unstored {
    /// The cell moved it away itself.
    Moved,
    /// It borrows from something that does not outlive the cell.
    Borrows,
}

/// How a cell is generated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub kind: BodyKind,
    /// Earlier variables that the cell moves.
    pub consumed: BTreeSet<String>,
    /// Of these, the ones that are a guess from the syntax.
    pub guessed: BTreeSet<String>,
    pub unstored: BTreeMap<String, Unstored>,
    pub heavy: bool,
    pub evcxr_display: bool,
    /// The last expression never has a value (`Err(…)?`), so there is nothing to show.
    pub shows_nothing: bool,
    /// polars' types in the cell are not the prelude's, so their calls are left as they are (see `clouds`).
    #[serde(default)]
    pub own_polars: bool,
    /// Fallbacks that were tried already.
    pub tried: BTreeSet<String>,
}

impl Unstored {
    /// Why another cell cannot have it.
    pub fn unkept(self) -> Option<Unkept> {
        match self {
            Self::Moved => None,
            Self::Borrows => Some(Unkept::Borrow),
        }
    }
}

impl Plan {
    /// Another plan in answer to the errors of an attempt; `None` when the errors are the user's.
    pub fn revised(&self, messages: &[RustcMessage], regions: &[(Range<usize>, Region)]) -> Option<Plan> {
        let mut next = self.clone();
        let errors: Vec<&RustcMessage> = messages.iter().filter(|m| m.level.starts_with("error")).collect();
        for error in &errors {
            let code = error.code.as_ref().map(|c| c.code.as_str()).unwrap_or_default();
            if let Some(region) = touched(error, regions) {
                next.give_up(code, region);
            }
            next.shows_nothing |= matches!(code, "E0277" | "E0282" | "E0283" | "E0284") && error.message.contains("`!`") && error.message.contains("Show");
            next.own_polars |= code == "E0277" && ["LazyScans", "ReaderScans"].iter().any(|t| error.message.contains(t));
            if code == "E0277" && self.kind == BodyKind::Try && error.message.contains('?') && !next.tried.contains("debug") {
                next.kind = BodyKind::DebugTry;
                next.tried.insert("debug".into());
            }
        }
        if next == *self && !self.heavy && errors.iter().any(|e| e.code.as_ref().is_some_and(|c| names::is_unresolved(&c.code)) || e.message.starts_with("cannot find macro")) {
            next.heavy = true;
        }
        (next != *self).then_some(next)
    }

    fn give_up(&mut self, code: &str, region: &Region) {
        match region {
            Region::Back(name) => {
                self.consumed.insert(name.clone());
                self.guessed.remove(name);
            }
            Region::Store(name) => {
                let why = if matches!(code, "E0382" | "E0381") { Unstored::Moved } else { Unstored::Borrows };
                self.unstored.insert(name.clone(), why);
            }
            Region::Keep(_) => {}
        }
    }

    /// A guess that turned out wrong: the variable is put back after all.
    pub fn without_guesses(&self, wrong: &[String]) -> Plan {
        let mut next = self.clone();
        for name in wrong {
            next.consumed.remove(name);
            next.guessed.remove(name);
        }
        next
    }
}

/// The generated region that an error speaks of. A borrow error is the fault of the variable that would be
/// stored, whatever rustc points at first; a moved value is what it points at.
fn touched<'a>(error: &RustcMessage, regions: &'a [(Range<usize>, Region)]) -> Option<&'a Region> {
    let inside = |start: usize| regions.iter().find(|(r, _)| r.contains(&start)).map(|(_, region)| region);
    let code = error.code.as_ref().map(|c| c.code.as_str()).unwrap_or_default();
    let mut all = error.spans.iter().filter_map(|s| inside(s.byte_start));
    if matches!(code, "E0382" | "E0381") {
        return error.spans.iter().filter(|s| s.is_primary).find_map(|s| inside(s.byte_start));
    }
    // "cannot move out of `text`": what is stored first is borrowed by what is stored later.
    let is_store = |r: &&Region| matches!(r, Region::Store(_));
    let borrower = error.spans.iter().filter(|s| !s.is_primary).filter_map(|s| inside(s.byte_start)).find(is_store);
    borrower.or_else(|| all.find(is_store))
}
