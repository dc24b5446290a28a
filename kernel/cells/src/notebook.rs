//! The compiler's side of a session: a cell's text in, libraries to run out.
//!
//! Called by the session's engine. It runs rustc and keeps the cache; it knows no worker and no front end.
use crate::cache::{Cache, Entry, Key};
use crate::diagnostics::{self, CellSource, Hint, Names, Rendered, SourceMap};
use crate::generate::{self, Generated};
use crate::mir;
use crate::model::{Model, Piece, Unit, Variable};
use crate::parse::{self, Binding, Cell, ItemKind};
use crate::plan::{BodyKind, Plan};
use crate::prelude::Prelude;
use crate::rustc::{Compiler, Job, Ran, RustcError};
use crate::scope::{self, Scope};
use crate::types;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Most attempts at one cell: each answers at least one error, and cells that need more have a real one.
const MAX_ATTEMPTS: usize = 8;

/// How optimised cells are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OptLevel {
    /// Glue unoptimised, loops and functions optimised.
    #[default]
    Auto,
    Fixed(u8),
}

/// A library that a worker needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    pub file: String,
    pub path: PathBuf,
}

/// A compiled cell, not yet part of the session.
pub struct Compiled {
    /// Dependencies first.
    pub load: Vec<Library>,
    /// The library to run; `None` when the cell only defines.
    pub entry: Option<Library>,
    pub warnings: Vec<Rendered>,
    /// Nothing was compiled.
    pub cached: bool,
    /// The cell links the whole prelude.
    pub heavy: bool,
    /// The generated text, for `%expand`.
    pub text: String,
    /// Earlier variables that the cell names, and the ones of these that it moves.
    pub takes: Vec<String>,
    pub consumed: Vec<String>,
    /// New variables: what is known of each.
    pub bound: Vec<(Binding, Bound)>,
    candidate: Model,
    label: String,
}

impl Compiled {
    /// The new variables that other cells can name.
    pub fn makes(&self) -> Vec<(String, Variable)> {
        let of = |binding: &Binding, ty: &types::Nameable| Variable { ty: Ok(ty.clone()), mutable: binding.mutable, heavy: self.heavy, cell: self.label.clone() };
        self.bound.iter().filter_map(|(b, bound)| if let Bound::Stored(Ok(ty)) = bound { Some((b.name.clone(), of(b, ty))) } else { None }).collect()
    }
}

/// What became of a new variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    Stored(Result<types::Nameable, types::Unkept>),
    /// Not stored: it borrows from the cell.
    Unkept(types::Unkept),
    /// Not stored: the cell moved it.
    Moved,
}

/// Why a cell was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The user's code: at least one error.
    #[error("the cell does not compile")]
    Errors { errors: Vec<Rendered>, warnings: Vec<Rendered> },
    #[error(transparent)]
    Compiler(#[from] RustcError),
    #[error("the cell cache cannot be written")]
    Cache(#[from] std::io::Error),
}

/// What generated files' places are in cells.
pub struct Places(Arc<HashMap<String, Arc<SourceMap>>>);

impl Places {
    /// A text in which `c_12ab….rs:7:43` has become `cell [2]:1:9` (the panic messages of other threads).
    pub fn reword(&self, text: String) -> String {
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("c_") {
            let (before, after) = rest.split_at(at);
            out.push_str(before);
            match self.place(after) {
                Some((place, len)) => {
                    out.push_str(&place);
                    rest = &after[len..];
                }
                None => {
                    out.push_str("c_");
                    rest = &after[2..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// The place that a text begins with, in words, and how many bytes name it.
    fn place(&self, text: &str) -> Option<(String, usize)> {
        let (name, after) = text.split_once(".rs:")?;
        let map = self.0.get(name)?;
        let digits = |t: &str| t.len() - t.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let line = &after[..digits(after)];
        let after = after[line.len()..].strip_prefix(':')?;
        let column = &after[..digits(after)];
        let (origin, at, column_there) = diagnostics::place(map, line.parse().ok()?, column.parse().ok()?)?;
        Some((format!("{}:{at}:{column_there}", origin.0.label), name.len() + 4 + line.len() + 1 + column.len()))
    }
}

/// A unit that was built.
#[derive(Clone)]
struct Built {
    key: Key,
    library: Library,
    dir: PathBuf,
    /// Libraries below it, dependencies first, itself last.
    closure: Vec<Library>,
    dirs: BTreeSet<PathBuf>,
    heavy: bool,
    crates: BTreeSet<String>,
}

/// A session's compiler.
pub struct Notebook {
    pub prelude: Arc<Prelude>,
    compiler: Compiler,
    cache: Cache,
    pub model: Model,
    pub opt: OptLevel,
    pub overflow_checks: bool,
    /// Generated files of this session by crate, for panics and for notes on earlier cells.
    maps: Arc<HashMap<String, Arc<SourceMap>>>,
    /// How often a cell's items with statics were executed: each execution has its own.
    executions: HashMap<Key, u64>,
}

/// What one cell's compilation carries along.
struct Work<'a> {
    model: Model,
    source: Arc<CellSource>,
    stop: &'a mut watch::Receiver<bool>,
    built: HashMap<String, Built>,
    maps: Vec<(String, Arc<SourceMap>)>,
    warnings: Vec<Rendered>,
    compiled_something: bool,
}

impl Notebook {
    /// A new session.
    pub fn new(prelude: Arc<Prelude>, compiler: Compiler, cache: Cache) -> Self {
        Self { prelude, compiler, cache, model: Model::default(), opt: OptLevel::Auto, overflow_checks: true, maps: Arc::default(), executions: HashMap::new() }
    }

    /// Compiles a cell against the session as it is; nothing of the session changes.
    pub async fn compile(&mut self, source: Arc<CellSource>, stop: &mut watch::Receiver<bool>) -> Result<Compiled, Refused> {
        let mut work = Work { model: self.model.clone(), source: source.clone(), stop, built: HashMap::new(), maps: Vec::new(), warnings: Vec::new(), compiled_something: false };
        let Ok(cell) = parse::parse(&source.text) else {
            return Err(self.explain_unparsed(&mut work).await?);
        };
        let occurrence = self.occurrence(&cell, &source);
        let touched = work.model.define(&cell.items, &source, occurrence);
        let mut load = Vec::new();
        for unit in &touched {
            let built = self.unit(&mut work, unit).await?;
            add_new(&mut load, &built.closure);
        }
        let label = source.label.clone();
        let mut out = Compiled {
            load, entry: None, warnings: Vec::new(), cached: false, heavy: false, text: String::new(), takes: Vec::new(), consumed: Vec::new(),
            bound: Vec::new(), candidate: Model::default(), label,
        };
        if touched.is_empty() && cell.body.is_empty() {
            self.check_imports(&mut work, &cell).await?;
        }
        if !cell.body.is_empty() {
            self.body(&mut work, &cell, &mut out).await?;
        } else if let Some((_, map)) = work.maps.last() {
            out.text = map.generated.clone();
        }
        out.cached = !work.compiled_something;
        out.warnings = work.warnings;
        // Now, not with the commit: what the running cell prints may name places in them.
        Arc::make_mut(&mut self.maps).extend(work.maps);
        out.candidate = work.model;
        Ok(out)
    }

    /// Makes a compiled cell's definitions the session's. `stored` are the variables that the worker has now.
    pub fn commit(&mut self, compiled: Compiled, completed: bool, stored: &BTreeSet<String>) {
        let before = std::mem::replace(&mut self.model, compiled.candidate);
        self.model.variables = before.variables;
        if completed {
            for (binding, bound) in compiled.bound {
                self.model.gone.remove(&binding.name);
                let ty = match bound {
                    Bound::Stored(ty) => ty,
                    Bound::Unkept(why) => Err(why),
                    Bound::Moved => {
                        self.model.gone.insert(binding.name.clone(), format!("`{}` was moved in {}, where it was made", binding.name, compiled.label));
                        self.model.variables.remove(&binding.name);
                        continue;
                    }
                };
                let variable = Variable { ty, mutable: binding.mutable, heavy: compiled.heavy, cell: compiled.label.clone() };
                self.model.variables.insert(binding.name, variable);
            }
        }
        for name in &compiled.consumed {
            if !stored.contains(name) {
                let text = format!("`{name}` was moved in {}: its value went into what that cell made of it; write `{name}.clone()` there (or make it again)", compiled.label);
                self.model.gone.insert(name.clone(), text);
            }
        }
        self.model.variables.retain(|name, v| v.ty.is_err() || stored.contains(name));
    }

    /// Forgets variables that are gone from the worker, with the reason for the hint.
    pub fn retain_variables(&mut self, stored: &BTreeSet<String>, why: &str) {
        let lost: Vec<String> = self.model.variables.iter().filter(|(n, v)| v.ty.is_ok() && !stored.contains(*n)).map(|(n, _)| n.clone()).collect();
        for name in lost {
            self.model.variables.remove(&name);
            self.model.gone.insert(name.clone(), format!("`{name}` {why}"));
        }
    }

    /// The map of a generated file such as `c_12ab.rs`.
    pub fn map_of(&self, file: &str) -> Option<&SourceMap> {
        let name = file.rsplit(['/', '\\']).next()?.strip_suffix(".rs")?;
        self.maps.get(name).map(|m| &**m)
    }

    /// The places of all generated files, for texts that name them.
    pub fn places(&self) -> Places {
        Places(self.maps.clone())
    }

    /// Names for cleaning texts of the compiler.
    pub fn names(&self) -> Names {
        let files = self.maps.iter().map(|(name, map)| (format!("{name}.rs"), map.clone())).collect();
        Names { crates: Vec::new(), files }
    }

    /// Statics begin anew with each execution of their text.
    fn occurrence(&mut self, cell: &Cell, source: &CellSource) -> u64 {
        if !cell.items.iter().any(|i| matches!(i.kind, ItemKind::Static(_) | ItemKind::Statics(_))) {
            return 0;
        }
        let count = self.executions.entry(Key::of([source.text.as_str()])).or_default();
        *count += 1;
        *count
    }

    /// What rustc says of a text that cannot be split.
    async fn explain_unparsed(&mut self, work: &mut Work<'_>) -> Result<Refused, Refused> {
        let map = generate::unsplit(&work.source);
        let mut job = self.job("c_unsplit".into(), map.generated.clone(), false, 0, &Scope::default());
        job.check_only = true;
        let scratch = self.cache.scratch()?;
        let ran = self.compiler.run(&job, scratch.path(), work.stop).await?;
        let messages = diagnostics::parse(&ran.messages);
        Ok(self.errors(work, &messages, &map))
    }

    /// A cell of imports alone: what they name must be there now, not when somebody uses it.
    async fn check_imports(&mut self, work: &mut Work<'_>, cell: &Cell) -> Result<(), Refused> {
        let mut mentions = crate::tokens::Mentions::default();
        let imports = cell.items.iter().filter_map(|i| if let ItemKind::Use(imports) = &i.kind { Some(imports) } else { None }).flatten();
        mentions.names.extend(imports.flat_map(|i| [Some(i.root.clone()), i.name.clone()]).flatten());
        if mentions.names.is_empty() {
            return Ok(());
        }
        let mut scope = scope::of(&work.model, &self.prelude, &mentions, &BTreeSet::new(), &work.source.text, false, None);
        let below = self.below(work, &scope.units).await?;
        self.take_over(&below, &mut scope);
        let map = generate::imports(&scope);
        let mut job = self.job("c_imports".into(), map.generated.clone(), false, 0, &scope);
        job.check_only = true;
        below.link(&mut job);
        let key = self.key(&job, &below.keys);
        if self.cache.note(&key).is_some() {
            return Ok(());
        }
        work.compiled_something = true;
        let scratch = self.cache.scratch()?;
        let ran = self.compiler.run(&job, scratch.path(), work.stop).await?;
        if !ran.success {
            return Err(self.errors(work, &diagnostics::parse(&ran.messages), &map));
        }
        Ok(self.cache.put_note(&key, "")?)
    }

    fn errors(&self, work: &Work, messages: &[diagnostics::RustcMessage], map: &SourceMap) -> Refused {
        let mut names = self.names();
        names.files.extend(work.maps.iter().map(|(n, m)| (format!("{n}.rs"), m.clone())));
        let diagnosed = diagnostics::render(messages, map, &names, work.source.id, &self.hints(work));
        let mut warnings = work.warnings.clone();
        warnings.extend(diagnosed.warnings);
        Refused::Errors { errors: diagnosed.errors, warnings }
    }

    fn hints(&self, work: &Work) -> Vec<Hint> {
        let gone = work.model.gone.iter().map(|(name, text)| Hint { name: name.clone(), text: text.clone() });
        let unkept = work.model.variables.iter().filter_map(|(name, v)| {
            let why = v.ty.as_ref().err()?;
            Some(Hint { name: name.clone(), text: format!("it was made in {} and could not be kept: {}", v.cell, why.sentence(name)) })
        });
        gone.chain(unkept).collect()
    }

    // ---- units -------------------------------------------------------------------------------------------

    /// Builds a unit and all that it needs.
    async fn unit(&mut self, work: &mut Work<'_>, name: &str) -> Result<Built, Refused> {
        if let Some(built) = work.built.get(name) {
            return Ok(built.clone());
        }
        let Some(unit) = work.model.units.get(name).cloned() else {
            return Err(RustcError::Read(std::io::Error::other(format!("no unit {name}"))).into());
        };
        let mentions = Model::mentions(&unit);
        let own: BTreeSet<String> = unit.defines().map(str::to_owned).collect();
        let text: String = unit.pieces.iter().map(Piece::text).collect();
        let mut heavy = false;
        loop {
            let scope = scope::of(&work.model, &self.prelude, &mentions, &own, &text, heavy, unit.frozen.as_ref());
            match Box::pin(self.try_unit(work, &unit, &scope)).await? {
                Ok(built) => {
                    work.built.insert(name.to_owned(), built.clone());
                    return Ok(built);
                }
                Err((messages, map)) => {
                    let unresolved = messages.iter().any(|m| m.code.as_ref().is_some_and(|c| crate::names::is_unresolved(&c.code)) || m.message.starts_with("cannot find"));
                    if scope.heavy || !unresolved {
                        return Err(self.errors(work, &messages, &map));
                    }
                    heavy = true;
                }
            }
        }
    }

    async fn try_unit(&mut self, work: &mut Work<'_>, unit: &Arc<Unit>, scope: &Scope) -> Result<Result<Built, Failed>, Refused> {
        let below = self.below(work, &scope.units).await?;
        let mut scope = scope.clone();
        self.take_over(&below, &mut scope);
        let map = generate::unit(unit, &scope);
        let mut job = self.job(unit.name.clone(), map.generated.clone(), false, self.unit_opt(unit, scope.heavy), &scope);
        below.link(&mut job);
        let key = self.key(&job, &below.keys);
        job.extra_filename = format!("-{}", key.short());
        let map = Arc::new(map);
        let entry = match self.compile_cached(work, &key, &job).await? {
            Ok(entry) => entry,
            Err(messages) => return Ok(Err((messages, map))),
        };
        self.keep_warnings(work, &entry, &map);
        work.maps.push((unit.name.clone(), map));
        let dir = self.cache.path(&key);
        let library = Library { file: entry.library.clone(), path: dir.join(&entry.library) };
        let mut closure = self.layer_libraries(&scope);
        add_new(&mut closure, &below.closure);
        closure.push(library.clone());
        let mut dirs = below.dirs;
        dirs.insert(dir.clone());
        Ok(Ok(Built { key, library, dir, closure, dirs, heavy: scope.heavy, crates: scope.crates }))
    }

    /// Loops and functions once, well; glue over polars' generics not at all: it would take seconds.
    fn unit_opt(&self, unit: &Unit, heavy: bool) -> u8 {
        if let OptLevel::Fixed(level) = self.opt {
            return level;
        }
        let hot = unit.pieces.iter().any(|p| p.item.hot);
        let code = unit.pieces.iter().any(|p| matches!(p.item.kind, ItemKind::Function(_) | ItemKind::Impl(_) | ItemKind::Module(_) | ItemKind::Trait { .. }));
        match (heavy, hot, code) {
            (true, true, _) => 1,
            (true, false, _) | (false, _, false) => 0,
            (false, _, true) => 3,
        }
    }

    /// What stands below a crate that names these units.
    async fn below(&mut self, work: &mut Work<'_>, units: &BTreeSet<String>) -> Result<Below, Refused> {
        let mut below = Below::default();
        for unit in units {
            let built = self.unit(work, unit).await?;
            add_new(&mut below.closure, &built.closure);
            below.dirs.extend(built.dirs.iter().cloned());
            below.heavy |= built.heavy;
            below.crates.extend(built.crates.iter().cloned());
            below.keys.push(built.key.0.clone());
            below.externs.push((unit.clone(), built.dir.join(&built.library.file)));
        }
        Ok(below)
    }

    // ---- bodies ------------------------------------------------------------------------------------------

    async fn body(&mut self, work: &mut Work<'_>, cell: &Cell, out: &mut Compiled) -> Result<(), Refused> {
        let (mut plan, note) = self.first_plan(work, cell);
        for _ in 0..MAX_ATTEMPTS {
            let attempt = self.attempt(work, cell, &plan).await?;
            let (generated, below_load, heavy, result) = attempt;
            match result {
                Err(messages) => match plan.revised(&messages, &generated.regions) {
                    Some(next) => plan = next,
                    None => return Err(self.errors(work, &messages, &generated.map)),
                },
                Ok((entry, library, name)) => {
                    let wrong: Vec<String> = entry.wrong_guesses.iter().filter(|n| plan.guessed.contains(*n)).cloned().collect();
                    if !wrong.is_empty() {
                        plan = plan.without_guesses(&wrong);
                        continue;
                    }
                    if let Ok(text) = serde_json::to_string(&plan) {
                        self.cache.put_note(&note, &text)?;
                    }
                    let map = Arc::new(generated.map);
                    self.keep_warnings(work, &entry, &map);
                    out.text = map.generated.clone();
                    work.maps.push((name, map));
                    add_new(&mut out.load, &below_load);
                    out.entry = Some(library);
                    out.heavy = heavy;
                    out.takes = takes(&work.model, cell).map(|(n, _)| n.clone()).collect();
                    out.consumed = plan.consumed.iter().cloned().collect();
                    out.bound = bound(cell, &plan, &entry);
                    return Ok(());
                }
            }
        }
        Err(RustcError::Read(std::io::Error::other("the cell's plan does not settle")).into())
    }

    /// The plan of an earlier run of the same text, or what the syntax suggests.
    fn first_plan(&self, work: &Work, cell: &Cell) -> (Plan, Key) {
        let mut plan = Plan { evcxr_display: self.uses_evcxr_display(work), ..Plan::default() };
        if cell.body.uses_try {
            plan.kind = BodyKind::Try;
        }
        for (name, variable) in takes(&work.model, cell) {
            let moves = variable.ty.as_ref().is_ok_and(|t| !t.copy) && cell.body.maybe_moved.contains(name);
            if moves {
                plan.consumed.insert(name.clone());
                plan.guessed.insert(name.clone());
            }
        }
        let types: Vec<String> = takes(&work.model, cell).map(|(n, v)| format!("{n}:{:?}", v.ty.as_ref().map(|t| &t.text))).collect();
        let note = Key::of([work.source.text.as_str(), &types.join(";"), &self.prelude.hash, &format!("{plan:?}")]);
        let known = self.cache.note(&note).and_then(|text| serde_json::from_str(&text).ok());
        (known.unwrap_or(plan), note)
    }

    fn uses_evcxr_display(&self, work: &Work) -> bool {
        let users = work.model.units.values().flat_map(|u| &u.pieces).any(|p| p.item.mentions.names.contains("evcxr_display"));
        users || !work.model.layers.is_empty()
    }

    async fn attempt(&mut self, work: &mut Work<'_>, cell: &Cell, plan: &Plan) -> Result<Attempt, Refused> {
        let mut taken: Vec<(String, Variable)> = takes(&work.model, cell).map(|(n, v)| (n.clone(), v.clone())).collect();
        // Variables without a type cannot be taken; the hint tells why when the name is not found.
        taken.retain(|(_, v)| v.ty.is_ok());
        let mut scope = scope::of(&work.model, &self.prelude, &cell.body.mentions, &BTreeSet::new(), &work.source.text, plan.heavy || cell.body.uses_await, None);
        for (_, variable) in &taken {
            scope.heavy |= variable.heavy && variable.ty.as_ref().is_ok_and(|t| needs_prelude(t, &work.model));
            for root in variable.ty.iter().flat_map(|t| &t.roots) {
                self.root(root, &work.model, &mut scope);
            }
        }
        let below = self.below(work, &scope.units).await?;
        self.take_over(&below, &mut scope);
        let refs: Vec<(&String, &Variable)> = taken.iter().map(|(n, v)| (n, v)).collect();
        let generated = generate::cell(cell, &work.source, plan, &scope, &refs);
        let mut job = self.job(String::new(), generated.map.generated.clone(), true, self.body_opt(work, cell, scope.heavy), &scope);
        below.link(&mut job);
        let key = self.key(&job, &below.keys);
        job.crate_name = format!("c_{}", &key.0[..12]);
        job.extra_filename = format!("-{}", key.short());
        let name = job.crate_name.clone();
        let result = self.compile_cached(work, &key, &job).await?;
        let result = result.map(|entry| {
            let library = Library { file: entry.library.clone(), path: self.cache.path(&key).join(&entry.library) };
            (entry, library, name)
        });
        let mut load = self.layer_libraries(&scope);
        add_new(&mut load, &below.closure);
        Ok((generated, load, scope.heavy, result))
    }

    /// What stands below a crate is below what stands on it too.
    fn take_over(&self, below: &Below, scope: &mut Scope) {
        scope.crates.extend(below.crates.iter().cloned());
        scope.heavy |= below.heavy;
        let layers = self.layers_of(scope);
        scope.heavy |= self.model.layers[..layers].iter().any(|l| l.heavy);
        for layer in &self.model.layers[..layers] {
            scope.lines.insert(format!("extern crate {} as _;", layer.crate_name), None);
        }
    }

    /// How many layers the crates of a scope need.
    fn layers_of(&self, scope: &Scope) -> usize {
        scope.crates.iter().filter_map(|c| self.layered(c)).map(|(_, n)| n).max().unwrap_or(0)
    }

    /// The crate of a layer that a name means: one that the user asked for; else what the prelude has goes before
    /// what a layer brought along.
    fn layered(&self, name: &str) -> Option<(&crate::dependencies::Shared, usize)> {
        let brought = || if self.prelude.krate(name).is_none() { self.model.brought(name) } else { None };
        self.model.added(name).or_else(brought)
    }

    fn layer_libraries(&self, scope: &Scope) -> Vec<Library> {
        let layers = &self.model.layers[..self.layers_of(scope)];
        let of = |l: &crate::dependencies::Layer| Library { file: l.library.file_name().unwrap_or_default().to_string_lossy().into_owned(), path: l.library.clone() };
        layers.iter().map(of).collect()
    }

    /// A crate that a type's path begins with.
    fn root(&self, root: &str, model: &Model, scope: &mut Scope) {
        if model.units.contains_key(root) {
            scope.units.insert(root.to_owned());
        } else if !matches!(root, "std" | "core" | "alloc" | "ochre") && (self.prelude.krate(root).is_some() || model.brought(root).is_some()) {
            scope.crates.insert(root.to_owned());
        }
    }

    fn body_opt(&self, work: &Work, cell: &Cell, heavy: bool) -> u8 {
        if let OptLevel::Fixed(level) = self.opt {
            return level;
        }
        let calls_hot_generic = cell.body.mentions.names.iter().any(|n| work.model.piece(n).is_some_and(|p| p.item.hot && p.item.instantiated_by_caller));
        match (heavy, cell.body.has_loop || calls_hot_generic, cell.body.has_closure) {
            (true, ..) => u8::from(calls_hot_generic),
            (false, true, _) => 3,
            (false, false, true) => 1,
            (false, false, false) => 0,
        }
    }

    // ---- rustc and the cache -----------------------------------------------------------------------------

    fn job(&self, crate_name: String, text: String, mir: bool, opt_level: u8, scope: &Scope) -> Job {
        let ochre = if scope.heavy { &self.prelude.prelude } else { &self.prelude.runtime };
        let mut externs = vec![("ochre".to_owned(), ochre.clone())];
        // Units depend on the runtime under its own name, which is looked for here.
        let mut search = vec![self.prelude.dir.clone()];
        if scope.heavy {
            search.push(self.prelude.dependencies());
        }
        for name in &scope.crates {
            match (self.layered(name), self.prelude.krate(name)) {
                (Some((added, _)), _) => externs.push((name.clone(), added.file.clone())),
                (None, Some(krate)) => externs.push((name.clone(), self.prelude.file(krate))),
                (None, None) => {}
            }
        }
        let layers = self.layers_of(scope);
        for layer in &self.model.layers[..layers] {
            externs.push((layer.crate_name.clone(), layer.library.clone()));
            search.extend(layer.search.iter().cloned());
        }
        Job { crate_name, text, opt_level, extra_filename: String::new(), externs, search, mir, check_only: false, overflow_checks: self.overflow_checks }
    }

    /// All that a library depends on, its own name left out.
    fn key(&self, job: &Job, below: &[String]) -> Key {
        let flags = job.flags().join(" ");
        let externs: Vec<String> = job.externs.iter().map(|(n, p)| format!("{n}={}", p.display())).collect();
        let parts = [job.text.as_str(), &flags, &self.prelude.hash, &self.prelude.rustc_version];
        Key::of(parts.into_iter().chain(externs.iter().map(String::as_str)).chain(below.iter().map(String::as_str)))
    }

    /// From the cache, or by a run of rustc; `Err` holds rustc's errors.
    async fn compile_cached(&mut self, work: &mut Work<'_>, key: &Key, job: &Job) -> Result<Result<Entry, Vec<diagnostics::RustcMessage>>, Refused> {
        if let Some(entry) = self.cache.get(key) {
            return Ok(Ok(entry));
        }
        work.compiled_something = true;
        let scratch = self.cache.scratch()?;
        let Ran { success, messages, library, mir } = self.compiler.run(job, scratch.path(), work.stop).await?;
        if !success || !library.is_file() {
            return Ok(Err(diagnostics::parse(&messages)));
        }
        let wrong_guesses = job_takes(&job.text).filter(|name| mir::is_dropped(&mir, name)).map(str::to_owned).collect();
        let entry = Entry { library: job.library_name(), types: mir::types(&mir), messages, wrong_guesses };
        self.cache.put(key, scratch, &entry)?;
        Ok(Ok(entry))
    }

    fn keep_warnings(&self, work: &mut Work, entry: &Entry, map: &SourceMap) {
        if entry.messages.is_empty() {
            return;
        }
        let messages = diagnostics::parse(&entry.messages);
        let diagnosed = diagnostics::render(&messages, map, &self.names(), work.source.id, &[]);
        work.warnings.extend(diagnosed.warnings);
    }
}

type Failed = (Vec<diagnostics::RustcMessage>, Arc<SourceMap>);
type Attempt = (Generated, Vec<Library>, bool, Result<(Entry, Library, String), Vec<diagnostics::RustcMessage>>);

/// What stands below a crate.
#[derive(Default)]
struct Below {
    closure: Vec<Library>,
    dirs: BTreeSet<PathBuf>,
    externs: Vec<(String, PathBuf)>,
    keys: Vec<String>,
    heavy: bool,
    crates: BTreeSet<String>,
}

impl Below {
    fn link(&self, job: &mut Job) {
        job.externs.extend(self.externs.iter().cloned());
        job.search.extend(self.dirs.iter().cloned());
    }
}

fn add_new(to: &mut Vec<Library>, from: &[Library]) {
    for library in from {
        if !to.contains(library) {
            to.push(library.clone());
        }
    }
}

/// Stored variables that a body names.
fn takes<'a>(model: &'a Model, cell: &'a Cell) -> impl Iterator<Item = (&'a String, &'a Variable)> {
    model.variables.iter().filter(|(name, _)| cell.body.mentions.names.contains(*name))
}

/// Names that a generated cell takes, read from its text.
fn job_takes(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|l| l.strip_suffix("\");")?.rsplit_once(" = __cx.take(\"").map(|(_, name)| name))
}

/// Whether a type that a heavy cell made can be named only with the prelude.
fn needs_prelude(ty: &types::Nameable, model: &Model) -> bool {
    ty.roots.iter().any(|r| !matches!(r.as_str(), "std" | "core" | "alloc") && !model.units.contains_key(r))
}

fn bound(cell: &Cell, plan: &Plan, entry: &Entry) -> Vec<(Binding, Bound)> {
    let of = |binding: &Binding| match plan.unstored.get(&binding.name) {
        Some(why) => why.unkept().map_or(Bound::Moved, Bound::Unkept),
        None => Bound::Stored(entry.types.get(&binding.name).map_or(Err(types::Unkept::Local), |t| types::nameable(t))),
    };
    cell.body.bindings.iter().map(|b| (b.clone(), of(b))).collect()
}

