//! What a stretch of code needs around it: `use` lines, crates, and whether it needs the whole prelude.
use crate::model::{Definition, Imported, Model, Unit};
use crate::names;
use crate::parse::ItemKind;
use crate::prelude::Prelude;
use crate::tokens::Mentions;
use std::collections::{BTreeMap, BTreeSet};

/// The surroundings of a generated crate.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// `use` lines in a fixed order; those of the user's with where they stand.
    pub lines: BTreeMap<String, Option<Imported>>,
    /// Units that it names.
    pub units: BTreeSet<String>,
    /// Crates of the prelude and of the user that it names.
    pub crates: BTreeSet<String>,
    pub heavy: bool,
}

/// Finds the scope of code that mentions `mentions` and defines `own` itself. `meant` overrides what names stand for.
pub fn of(model: &Model, prelude: &Prelude, mentions: &Mentions, own: &BTreeSet<String>, text: &str, heavy: bool, meant: Option<&BTreeMap<String, String>>) -> Scope {
    let mut finder = Finder { model, prelude, own, meant, scope: Scope { heavy, ..Scope::default() }, seen: BTreeSet::new() };
    let has = |name: &str| mentions.names.contains(name);
    for name in &mentions.names {
        finder.name(name, &has);
    }
    finder.scope.heavy |= names::macro_asks_for_prelude(text) || mentions.members.iter().any(|m| names::member_asks_for_prelude(m));
    finder.traits(mentions);
    finder.silent();
    let layers = finder.scope.crates.iter().filter_map(|c| model.added(c)).map(|(_, n)| n).max().unwrap_or(0);
    finder.scope.heavy |= model.layers[..layers].iter().any(|l| l.heavy);
    finder.scope
}

struct Finder<'a> {
    model: &'a Model,
    prelude: &'a Prelude,
    own: &'a BTreeSet<String>,
    /// In a frozen unit: what its mentions mean for ever.
    meant: Option<&'a BTreeMap<String, String>>,
    scope: Scope,
    seen: BTreeSet<String>,
}

impl Finder<'_> {
    fn name(&mut self, name: &str, has: &dyn Fn(&str) -> bool) {
        if self.own.contains(name) || !self.seen.insert(name.to_owned()) {
            return;
        }
        if let Some(unit) = self.meant.and_then(|m| m.get(name)) {
            return self.item(name, &unit.clone());
        }
        match self.model.names.get(name) {
            Some(Definition::Item { unit }) => self.item(name, &unit.clone()),
            Some(Definition::Import(import)) => self.import(&import.clone()),
            None => self.foreign(name, has),
        }
    }

    fn item(&mut self, name: &str, unit: &str) {
        self.scope.lines.insert(format!("use {unit}::{name};"), None);
        self.scope.units.insert(unit.to_owned());
        let Some(piece) = self.model.piece(name) else { return };
        // A macro's body is resolved where it is used: what it mentions must be there too.
        if let ItemKind::Macro(_) = piece.item.kind {
            let mentions = piece.item.mentions.clone();
            for inner in &mentions.names {
                self.name(inner, &|n| mentions.names.contains(n));
            }
        }
    }

    fn import(&mut self, imported: &Imported) {
        let import = &imported.import;
        self.scope.lines.insert(import.line.clone(), Some(imported.clone()));
        self.scope.heavy |= import.root == "ochre" && names::import_asks_for_prelude(&import.line);
        if import.name.as_deref() != Some(&import.root) {
            self.name(&import.root, &|_| false);
        } else {
            self.foreign(&import.root, &|_| false);
        }
    }

    /// A name of nobody's here: a crate, or something of the prelude.
    fn foreign(&mut self, name: &str, has: &dyn Fn(&str) -> bool) {
        if self.model.asked_for(name) {
            self.scope.crates.insert(name.to_owned());
        } else if self.model.variables.contains_key(name) {
            // A variable of that name wins over what the prelude calls so.
        } else if self.prelude.offers(name) {
            self.scope.crates.insert(name.to_owned());
            self.scope.heavy = true;
        } else if names::asks_for_prelude(name, has) {
            self.scope.heavy = true;
        }
    }

    /// Traits of the user's whose methods may be meant.
    fn traits(&mut self, mentions: &Mentions) {
        let units: Vec<&std::sync::Arc<Unit>> = self.model.units.values().collect();
        for piece in units.into_iter().flat_map(|u| &u.pieces) {
            if let ItemKind::Trait { name, members } = &piece.item.kind
                && members.iter().any(|m| mentions.any(m))
            {
                self.name(name, &|_| false);
            }
        }
    }

    /// Imports that may be traits: their methods are used without the name.
    fn named_traits(&self) -> impl Iterator<Item = &Imported> {
        let names = self.model.names.iter().filter(|(name, _)| name.starts_with(char::is_uppercase) && !self.own.contains(*name));
        names.filter_map(|(_, definition)| match definition {
            Definition::Import(import) => Some(import),
            Definition::Item { .. } => None,
        })
    }

    /// Globs, `as _` and named traits: of std always, of the user's modules always, of the prelude's crates where it is linked.
    fn silent(&mut self) {
        for imported in self.model.silent.iter().chain(self.named_traits()).cloned().collect::<Vec<_>>() {
            let import = &imported.import;
            let standard = matches!(import.root.as_str(), "std" | "core" | "alloc");
            let users = self.model.names.contains_key(&import.root) || self.model.asked_for(&import.root);
            let linked = self.scope.heavy && (self.prelude.offers(&import.root) || import.root == "ochre" || import.root == "polars");
            if standard || users || linked {
                self.scope.lines.insert(import.line.clone(), Some(imported.clone()));
                self.name(&import.root, &|_| false);
            }
        }
    }
}
