//! What a session has defined so far: units of items, names, variables. Pure data; cheap to clone, so that a
//! cell works on a candidate that is committed only on success.
//!
//! A *unit* is a crate of items. It is named by a hash of its definitions, so a type that is defined again
//! with other fields is a new type, and one that is defined again unchanged is the same. An `impl` for an
//! earlier cell's type joins the unit of that type, which keeps its name: live values get the new methods.
//!
//! **Invariant:** the definitions of types in a unit never change under its name.
use crate::cache::Key;
use crate::dependencies::{Layer, Shared};
use crate::diagnostics::CellSource;
use crate::parse::{Import, Item, ItemKind};
use crate::tokens::Mentions;
use crate::types::Unkept;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// An item and where it was written.
#[derive(Clone, Debug)]
pub struct Piece {
    pub item: Item,
    pub source: Arc<CellSource>,
}

impl Piece {
    /// The user's text.
    pub fn text(&self) -> &str {
        &self.source.text[self.item.range.clone()]
    }

    fn is_type(&self) -> bool {
        matches!(self.item.kind, ItemKind::Type(_) | ItemKind::Trait { .. } | ItemKind::Module(_))
    }
}

/// A crate of items.
#[derive(Clone, Debug)]
pub struct Unit {
    pub name: String,
    pub pieces: Vec<Piece>,
    /// Units on which its types stood when it got its name: see [`Model::is_stale`].
    basis: BTreeSet<String>,
    /// Once no name stands for it any more: what its mentions meant until then. It lives on for values of its
    /// types, whose layout must stay what it was.
    pub frozen: Option<BTreeMap<String, String>>,
}

impl Unit {
    /// Names that it defines.
    pub fn defines(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().flat_map(|p| p.item.kind.names()).map(String::as_str)
    }
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Definition {
    /// An item of the unit of that name.
    Item { unit: String },
    Import(Imported),
}

/// An import and the cell that it stands in.
#[derive(Clone, Debug)]
pub struct Imported {
    pub import: Import,
    pub source: Arc<CellSource>,
}

/// A stored variable, as the compiler needs it.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its type for other crates, or why it has none.
    pub ty: Result<crate::types::Nameable, Unkept>,
    pub mutable: bool,
    /// The cell that made it needed the whole prelude to name its type.
    pub heavy: bool,
    /// Label of the cell that bound it.
    pub cell: String,
}

/// The session's definitions.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub units: BTreeMap<String, Arc<Unit>>,
    pub names: HashMap<String, Definition>,
    /// Globs and `as _` imports, each once, in order.
    pub silent: Vec<Imported>,
    pub variables: BTreeMap<String, Variable>,
    /// Why a variable that was there is not: for the hint.
    pub gone: HashMap<String, String>,
    /// Crates that the user added, each layer on top of those before it.
    pub layers: Vec<Layer>,
}

impl Model {
    /// Takes the items of a cell in. Returns the names of the units that this cell made or changed.
    pub fn define(&mut self, items: &[Item], source: &Arc<CellSource>, occurrence: u64) -> BTreeSet<String> {
        let before = self.names.clone();
        let mut own = Vec::new();
        let mut statics = Vec::new();
        for item in items {
            let piece = Piece { item: item.clone(), source: source.clone() };
            match &item.kind {
                ItemKind::Use(imports) => self.import(imports, source),
                ItemKind::Static(_) | ItemKind::Statics(_) => statics.push(piece),
                _ => own.push(piece),
            }
        }
        let local: BTreeSet<String> = own.iter().chain(&statics).flat_map(|p| p.item.kind.names()).cloned().collect();
        let (own, appended): (Vec<_>, Vec<_>) = own.into_iter().partition(|p| self.home_of_impl(&p.item.kind, &local).is_none());
        let mut touched = BTreeSet::new();
        // Statics stay in a crate of their own, which is not rebuilt when a type beside them gets a method.
        if self.separable(&own, &statics) {
            touched.extend(self.add_unit(statics, occurrence));
            touched.extend(self.add_unit(own, 0));
        } else {
            let salt = if statics.is_empty() { 0 } else { occurrence };
            touched.extend(self.add_unit(own.into_iter().chain(statics).collect(), salt));
        }
        for piece in appended {
            if let Some(home) = self.home_of_impl(&piece.item.kind, &local) {
                self.append(&home, piece);
                touched.insert(home);
            }
        }
        self.break_cycles(&touched);
        self.rename_changed();
        self.freeze(&before);
        touched.retain(|name| self.units.contains_key(name));
        touched
    }

    /// Units that no name stands for keep the meaning that their mentions had.
    fn freeze(&mut self, before: &HashMap<String, Definition>) {
        let live: BTreeSet<&String> = self.names.values().filter_map(|d| if let Definition::Item { unit } = d { Some(unit) } else { None }).collect();
        let dead: Vec<String> = self.units.values().filter(|u| u.frozen.is_none() && !live.contains(&u.name) && u.defines().next().is_some()).map(|u| u.name.clone()).collect();
        for name in dead {
            let Some(unit) = self.units.get(&name) else { continue };
            let mut meant = BTreeMap::new();
            for mention in unit.pieces.iter().flat_map(|p| &p.item.mentions.names) {
                if let Some(Definition::Item { unit: of }) = before.get(mention)
                    && *of != name
                {
                    meant.insert(mention.clone(), of.clone());
                }
            }
            let frozen = Unit { frozen: Some(meant), ..(**unit).clone() };
            self.units.insert(name, Arc::new(frozen));
        }
    }

    fn import(&mut self, imports: &[Import], source: &Arc<CellSource>) {
        for import in imports {
            let imported = Imported { import: import.clone(), source: source.clone() };
            match &import.name {
                Some(name) => {
                    self.names.insert(name.clone(), Definition::Import(imported));
                }
                None => {
                    self.silent.retain(|s| s.import.line != import.line);
                    self.silent.push(imported);
                }
            }
        }
    }

    /// The earlier unit that an impl has to join: that of the type, else that of the trait.
    fn home_of_impl(&self, kind: &ItemKind, local: &BTreeSet<String>) -> Option<String> {
        let ItemKind::Impl(found) = kind else { return None };
        let is_local = |name: &Option<String>| name.as_ref().is_some_and(|n| local.contains(n));
        if is_local(&found.target) || is_local(&found.of_trait) {
            return None;
        }
        let unit_of = |name: &Option<String>| match self.names.get(name.as_ref()?) {
            Some(Definition::Item { unit }) => Some(unit.clone()),
            _ => None,
        };
        unit_of(&found.target).or_else(|| unit_of(&found.of_trait))
    }

    /// Whether statics and the other items of a cell do not need each other both ways.
    fn separable(&self, own: &[Piece], statics: &[Piece]) -> bool {
        let names = |pieces: &[Piece]| -> BTreeSet<String> { pieces.iter().flat_map(|p| p.item.kind.names()).cloned().collect() };
        let own_names = names(own);
        !statics.is_empty() && !own.is_empty() && !statics.iter().any(|p| own_names.iter().any(|n| p.item.mentions.any(n)))
    }

    fn add_unit(&mut self, pieces: Vec<Piece>, salt: u64) -> Option<String> {
        if pieces.is_empty() {
            return None;
        }
        let name = self.identity(&pieces, salt);
        for piece in &pieces {
            for defined in piece.item.kind.names() {
                self.supersede(defined, &name);
                self.names.insert(defined.clone(), Definition::Item { unit: name.clone() });
            }
        }
        // The same definitions again: the unit is there, with the impls that joined it later.
        let basis = self.basis(&pieces);
        if let Some(again) = self.units.get_mut(&name) {
            Arc::make_mut(again).frozen = None;
        }
        self.units.entry(name.clone()).or_insert_with(|| Arc::new(Unit { name: name.clone(), pieces, basis, frozen: None }));
        Some(name)
    }

    /// A unit's name: a hash of its definitions and of what their names stand for.
    fn identity(&self, pieces: &[Piece], salt: u64) -> String {
        let mut parts: Vec<String> = pieces.iter().map(|p| p.text().to_owned()).collect();
        parts.extend(self.resolved(pieces));
        parts.push(salt.to_string());
        format!("c_{}", &Key::of(parts.iter().map(String::as_str)).0[..12])
    }

    /// The units that the pieces' mentions stand for, by name.
    fn resolved(&self, pieces: &[Piece]) -> BTreeSet<String> {
        let own: BTreeSet<&str> = pieces.iter().flat_map(|p| p.item.kind.names()).map(String::as_str).collect();
        let mut units = BTreeSet::new();
        for name in pieces.iter().flat_map(|p| &p.item.mentions.names).filter(|n| !own.contains(n.as_str())) {
            if let Some(Definition::Item { unit }) = self.names.get(name) {
                units.insert(unit.clone());
            }
        }
        units
    }

    /// A function that is defined elsewhere now leaves its old unit, so that what stays there uses the new
    /// one. A type stays: values of it may live.
    fn supersede(&mut self, name: &str, by: &str) {
        let Some(Definition::Item { unit: old }) = self.names.get(name).cloned() else { return };
        if old == by {
            return;
        }
        let Some(unit) = self.units.get(&old) else { return };
        let is_value = |p: &Piece| matches!(p.item.kind, ItemKind::Function(_) | ItemKind::Constant(_) | ItemKind::Macro(_));
        if unit.pieces.iter().any(|p| p.item.kind.defines(name) && is_value(p)) {
            let pieces: Vec<Piece> = unit.pieces.iter().filter(|p| !p.item.kind.defines(name)).cloned().collect();
            let basis = unit.basis.clone();
            self.units.insert(old.clone(), Arc::new(Unit { name: old, pieces, basis, frozen: None }));
        }
    }

    /// Adds an impl to a unit; the same header replaces, the same methods of an inherent impl too.
    fn append(&mut self, home: &str, piece: Piece) {
        let Some(unit) = self.units.get(home) else { return };
        let ItemKind::Impl(new) = &piece.item.kind else { return };
        let mut pieces: Vec<Piece> = Vec::new();
        for old in &unit.pieces {
            match &old.item.kind {
                ItemKind::Impl(i) if i.header == new.header && i.of_trait.is_some() => {}
                ItemKind::Impl(i) if i.header == new.header => pieces.extend(without_members(old, i, new)),
                _ => pieces.push(old.clone()),
            }
        }
        pieces.push(piece.clone());
        let basis = unit.basis.clone();
        self.units.insert(home.to_owned(), Arc::new(Unit { name: home.to_owned(), pieces, basis, frozen: None }));
    }

    /// Two units that need each other become one: the newer joins the older, whose name (and types) stay.
    fn break_cycles(&mut self, touched: &BTreeSet<String>) {
        for new in touched {
            let Some(old) = self.units.keys().find(|u| *u != new && self.reaches(u, new) && self.reaches(new, u)).cloned() else { continue };
            let (Some(newer), Some(older)) = (self.units.get(new).cloned(), self.units.get(&old).cloned()) else { continue };
            let replaced: BTreeSet<&str> = newer.defines().collect();
            let kept = older.pieces.iter().filter(|p| !p.item.kind.names().iter().any(|n| replaced.contains(n.as_str())));
            let pieces: Vec<Piece> = kept.chain(&newer.pieces).cloned().collect();
            for name in newer.defines() {
                self.names.insert(name.to_owned(), Definition::Item { unit: old.clone() });
            }
            self.units.remove(new);
            let basis = self.basis(&pieces);
            self.units.insert(old.clone(), Arc::new(Unit { name: old.clone(), pieces, basis, frozen: None }));
        }
    }

    /// Whether a unit needs another, directly or through others.
    fn reaches(&self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = vec![from.to_owned()];
        while let Some(unit) = next.pop() {
            for needed in self.needs(&unit) {
                if needed == to {
                    return true;
                }
                if seen.insert(needed.clone()) {
                    next.push(needed);
                }
            }
        }
        false
    }

    /// Units that a unit's text mentions.
    fn needs(&self, unit: &str) -> BTreeSet<String> {
        let Some(unit) = self.units.get(unit) else { return BTreeSet::new() };
        match &unit.frozen {
            Some(meant) => meant.values().cloned().collect(),
            None => self.resolved(&unit.pieces),
        }
    }

    /// Units whose own types stand on a type that has become another get a new name: their layout may have
    /// changed. What was stored under the old name keeps the old definition.
    fn rename_changed(&mut self) {
        // Each round settles the units on which others stand; the number of units bounds the rounds.
        for _ in 0..=self.units.len() {
            let stale: Vec<String> = self.units.values().filter(|u| self.is_stale(u)).map(|u| u.name.clone()).collect();
            if stale.is_empty() {
                return;
            }
            for name in stale {
                self.rename(&name);
            }
        }
    }

    /// A live unit whose items mention a type that it defines no longer, or whose types stand on others now.
    fn is_stale(&self, unit: &Unit) -> bool {
        let is_current = |n: &str| matches!(self.names.get(n), Some(Definition::Item { unit: u }) if *u == unit.name);
        let live: Vec<&Piece> = unit.pieces.iter().filter(|p| p.item.kind.names().iter().any(|n| is_current(n))).collect();
        let mut superseded = unit.defines().filter(|n| !is_current(n));
        let uses_superseded = superseded.any(|s| live.iter().any(|p| p.item.mentions.names.contains(s)));
        uses_superseded || (!live.is_empty() && self.basis(&unit.pieces) != unit.basis)
    }

    /// The units on which the layout of the pieces' own types stands.
    fn basis(&self, pieces: &[Piece]) -> BTreeSet<String> {
        let types: Vec<Piece> = pieces.iter().filter(|p| p.is_type()).cloned().collect();
        let mut basis = self.resolved(&types);
        for name in pieces.iter().flat_map(|p| p.item.kind.names()) {
            if let Some(Definition::Item { unit }) = self.names.get(name) {
                basis.remove(unit);
            }
        }
        basis
    }

    fn rename(&mut self, old: &str) {
        let Some(unit) = self.units.get(old).cloned() else { return };
        let superseded: BTreeSet<String> = unit.defines().filter(|n| !matches!(self.names.get(*n), Some(Definition::Item { unit: u }) if u == old)).map(str::to_owned).collect();
        let keep = |p: &&Piece| match &p.item.kind {
            ItemKind::Impl(i) => !i.target.as_ref().is_some_and(|t| superseded.contains(t)),
            kind => !kind.names().iter().any(|n| superseded.contains(n)),
        };
        let pieces: Vec<Piece> = unit.pieces.iter().filter(keep).cloned().collect();
        let name = self.identity(&pieces, 0);
        if name == old || pieces.is_empty() {
            return;
        }
        for piece in &pieces {
            for defined in piece.item.kind.names() {
                self.names.insert(defined.clone(), Definition::Item { unit: name.clone() });
            }
        }
        let basis = self.basis(&pieces);
        self.units.insert(name.clone(), Arc::new(Unit { name, pieces, basis, frozen: None }));
    }

    /// A crate that the user asked for, and how many layers it needs. The latest wins.
    pub fn added(&self, name: &str) -> Option<(&Shared, usize)> {
        self.of_layers(name).into_iter().rfind(|(s, _)| s.direct)
    }

    /// Whether the user asked for a crate of that name.
    pub fn asked_for(&self, name: &str) -> bool {
        self.added(name).is_some()
    }

    /// A crate that came along with one that the user asked for: only types of values name it.
    pub fn brought(&self, name: &str) -> Option<(&Shared, usize)> {
        self.of_layers(name).pop()
    }

    fn of_layers(&self, name: &str) -> Vec<(&Shared, usize)> {
        self.layers.iter().enumerate().flat_map(|(i, l)| l.shared.iter().map(move |s| (s, i + 1))).filter(|(s, _)| s.name == name).collect()
    }

    /// All mentions of a unit's pieces.
    pub fn mentions(unit: &Unit) -> Mentions {
        let mut all = Mentions::default();
        unit.pieces.iter().for_each(|p| all.extend(&p.item.mentions));
        all
    }

    /// The piece that defines a name now.
    pub fn piece(&self, name: &str) -> Option<&Piece> {
        let Definition::Item { unit } = self.names.get(name)? else { return None };
        self.units.get(unit)?.pieces.iter().find(|p| p.item.kind.defines(name))
    }
}

/// An earlier inherent impl without the members that a new one brings.
fn without_members(old: &Piece, of: &crate::parse::Impl, new: &crate::parse::Impl) -> Option<Piece> {
    let replaced: Vec<_> = of.members.iter().filter(|(n, _)| new.members.iter().any(|(m, _)| m == n)).collect();
    if replaced.len() == of.members.len() {
        return None;
    }
    let mut piece = old.clone();
    for (_, range) in replaced {
        piece.item.edits.retain(|e| !range.contains(&e.at));
        piece.item.edits.push(crate::parse::Edit { at: range.start, remove: range.len(), insert: "" });
    }
    piece.item.edits.sort_by_key(|e| e.at);
    Some(piece)
}
