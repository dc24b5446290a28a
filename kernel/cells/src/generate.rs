//! The text of generated crates: units of items, and the cell that runs.
//!
//! ```text
//! pub fn __ochre_entry(cx) {
//!     let mut x: T = cx.take("x");          // variables that the cell names
//!     cx.body(|cx| { …the user's text…;     // not `move`: borrowed stays, consumed goes
//!         anchors, then cx.put("y", y) });  // new variables
//!     cx.put("x", x);                       // what is left, whatever happened
//! }
//! ```
use crate::clouds;
use crate::diagnostics::{CellSource, SourceMap};
use crate::model::{Imported, Unit, Variable};
use crate::parse::{Binding, Cell, Edit};
use crate::plan::{BodyKind, Plan};
use crate::scope::Scope;
use crate::types::clones_cheaply;
use crate::writer::Writer;
use std::ops::Range;
use std::sync::Arc;

/// Lints that speak of what the user cannot see or of what is normal in a notebook.
const ALLOW: &str = "#![allow(unused_imports, unused_variables, unused_assignments, unused_mut, dead_code, unused_macros, unused_parens, unused_braces, unused_labels, \
unused_attributes, redundant_semicolons, nonstandard_style, private_interfaces, private_bounds, path_statements, unused_doc_comments, unexpected_cfgs, \
improper_ctypes_definitions, static_mut_refs, unreachable_code, unstable_name_collisions, macro_expanded_macro_exports_accessed_by_absolute_paths)]\n";

/// What a stretch of generated text is for: an error there is met with another plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Region {
    /// Puts an earlier variable back.
    Back(String),
    /// Stores a new variable.
    Store(String),
    /// Keeps a clone of a variable that is consumed.
    Keep(String),
}

/// A generated cell.
pub struct Generated {
    pub map: SourceMap,
    pub regions: Vec<(Range<usize>, Region)>,
}

/// The text of a unit.
pub fn unit(unit: &Unit, scope: &Scope) -> SourceMap {
    let mut out = Writer::default();
    out.push(ALLOW);
    header(scope, &mut out);
    let own_polars = has_own_polars(unit, scope);
    for piece in &unit.pieces {
        let edits: Vec<Edit> = piece.item.edits.iter().filter(|e| !(own_polars && clouds::is_ours(e))).cloned().collect();
        out.user(&piece.source, &piece.item.range, &edits);
        out.push("\n");
    }
    out.finish()
}

/// Whether the user has defined a type under a name of polars' whose calls would be changed.
fn has_own_polars(unit: &Unit, scope: &Scope) -> bool {
    let here = unit.pieces.iter().flat_map(|p| p.item.kind.names());
    let elsewhere = scope.lines.iter().filter(|(_, imported)| imported.is_none()).filter_map(|(line, _)| line.strip_suffix(';')?.rsplit("::").next());
    here.map(String::as_str).chain(elsewhere).any(clouds::is_type)
}

fn header(scope: &Scope, out: &mut Writer) {
    for (line, imported) in &scope.lines {
        match imported {
            Some(imported) => import(line, imported, out),
            None => out.push(line),
        }
        out.push("\n");
    }
    if scope.heavy {
        out.push("use ::ochre::__prelude::*;\n");
    }
}

/// A `use` line of the user's for one name: the parts of it that stand in the cell are the cell's.
fn import(line: &str, imported: &Imported, out: &mut Writer) {
    let mut rest = line;
    for place in &imported.import.places {
        let Some(word) = imported.source.text.get(place.clone()) else { continue };
        if let Some(at) = rest.find(word) {
            out.push(&rest[..at]);
            out.user(&imported.source, place, &[]);
            rest = &rest[at + word.len()..];
        }
    }
    out.push(rest);
}

/// The imports of a cell that has nothing else, to be checked when they are written.
pub fn imports(scope: &Scope) -> SourceMap {
    let mut out = Writer::default();
    out.push(ALLOW);
    header(scope, &mut out);
    out.finish()
}

/// The text of a cell that `syn` could not split: rustc tells what is wrong with it.
pub fn unsplit(source: &Arc<CellSource>) -> SourceMap {
    let mut out = Writer::default();
    out.push(ALLOW);
    out.push("pub fn __ochre_entry() {\n");
    out.user(source, &(0..source.text.len()), &[]);
    out.push("\n}\n");
    out.finish()
}

/// The text of a cell that runs.
pub fn cell(cell: &Cell, source: &Arc<CellSource>, plan: &Plan, scope: &Scope, takes: &[(&String, &Variable)]) -> Generated {
    let mut make = Make { out: Writer::default(), regions: Vec::new() };
    make.out.push(ALLOW);
    for range in &cell.inner_attributes {
        make.out.user(source, range, &[]);
        make.out.push("\n");
    }
    header(scope, &mut make.out);
    make.out.push("#[unsafe(no_mangle)]\npub fn __ochre_entry(__cx: &mut ::ochre::__rt::Cx) {\nuse ::ochre::__rt as __rt;\n");
    if scope.heavy {
        make.out.push("::ochre::__begin();\n");
    }
    if cell.body.tail.is_some() {
        make.out.push("use ::ochre::__rt::{ByDebug as _, ByNothing as _, ByShow as _, ByUnit as _};\n");
    }
    make.out.push("use ::ochre::__rt::{NotSendable as _, Sendable as _};\n");
    for (name, variable) in takes {
        make.take(name, variable, plan);
    }
    make.body(cell, source, plan);
    for (name, variable) in takes {
        make.put_back(name, variable, cell, plan);
    }
    make.out.push("}\n");
    Generated { map: make.out.finish(), regions: make.regions }
}

struct Make {
    out: Writer,
    regions: Vec<(Range<usize>, Region)>,
}

impl Make {
    fn region(&mut self, what: Region, text: &str) {
        let start = self.out.len();
        self.out.push(text);
        self.regions.push((start..self.out.len(), what));
    }

    fn take(&mut self, name: &str, variable: &Variable, plan: &Plan) {
        let Ok(ty) = &variable.ty else { return };
        let raw = raw(name);
        let mutable = if variable.mutable { "mut " } else { "" };
        self.out.push(&format!("let {mutable}{raw}: {} = __cx.take(\"{name}\");\n", ty.text));
        if plan.consumed.contains(name) && clones_cheaply(&ty.text) {
            self.region(Region::Keep(name.to_owned()), &format!("let __keep_{name} = ::core::clone::Clone::clone(&{raw});\n"));
        }
    }

    fn body(&mut self, cell: &Cell, source: &Arc<CellSource>, plan: &Plan) {
        let edits: Vec<Edit> = cell.body.edits.iter().filter(|e| !(plan.own_polars && clouds::is_ours(e))).cloned().collect();
        let (call, end) = match plan.kind {
            BodyKind::Plain => ("body", ""),
            BodyKind::Try => ("try_body", "::core::result::Result::<(), ::std::boxed::Box<dyn ::std::error::Error>>::Ok(())\n"),
            BodyKind::DebugTry => ("debug_body", "::core::result::Result::<(), __rt::Failure>::Ok(())\n"),
        };
        let waits = cell.body.uses_await;
        self.out.push(&format!("__cx.{call}(|__cx: &mut __rt::Cx| {}{{\n", if waits { "::ochre::__block_on(async " } else { "" }));
        for range in &cell.body.statements {
            self.out.user(source, range, &edits);
            self.out.push(if source.text[range.clone()].ends_with([';', '}']) { "\n" } else { ";\n" });
        }
        if let Some(tail) = &cell.body.tail {
            if plan.shows_nothing {
                self.out.user(source, tail, &edits);
                self.out.push(";\n");
            } else if plan.evcxr_display {
                self.out.push("{ use __rt::EvcxrFallback as _; match &(");
                self.out.user(source, tail, &edits);
                self.out.push(") { __v => { __cx.begin_evcxr(); __v.evcxr_display(); if __cx.wants_show() { (&&&&__rt::Probe(__v)).ochre_show(__cx); } } } }\n");
            } else {
                // A tail such as `panic!(..)` never gives a value: what is written around it is unreachable, and not the user's.
                self.out.push("#[allow(unreachable_code)]\n(&&&&__rt::Probe(&(");
                self.out.user(source, tail, &edits);
                self.out.push("))).ochre_show(__cx);\n");
            }
        }
        for binding in cell.body.bindings.iter().filter(|b| !plan.unstored.contains_key(&b.name)) {
            self.store(binding);
        }
        self.out.push(end);
        self.out.push(if waits { "}));\n" } else { "});\n" });
    }

    fn store(&mut self, binding: &Binding) {
        let (name, raw) = (&binding.name, raw(&binding.name));
        let text = format!("let __t_{name} = __rt::ty(&{raw}); let __s = (&&__rt::IsSend(&{raw})).ochre_is_send(); __cx.put(\"{name}\", {raw}, __s);\n");
        self.region(Region::Store(name.clone()), &text);
    }

    fn put_back(&mut self, name: &str, variable: &Variable, cell: &Cell, plan: &Plan) {
        let Ok(ty) = &variable.ty else { return };
        let raw = raw(name);
        let consumed = plan.consumed.contains(name);
        if consumed && clones_cheaply(&ty.text) {
            let text = format!("if !__cx.completed() {{ let __s = (&&__rt::IsSend(&__keep_{name})).ochre_is_send(); __cx.put(\"{name}\", __keep_{name}, __s); }}\n");
            self.region(Region::Keep(name.to_owned()), &text);
        }
        if consumed {
            return;
        }
        // A variable that the cell binds anew keeps its old value only if the cell did not come to its end.
        let bound = cell.body.bindings.iter().any(|b| b.name == name);
        let condition = if bound { "if !__cx.completed() " } else { "" };
        let text = format!("{condition}{{ let __s = (&&__rt::IsSend(&{raw})).ochre_is_send(); __cx.put(\"{name}\", {raw}, __s); }}\n");
        self.region(Region::Back(name.to_owned()), &text);
    }
}

/// A name as it must be written in code.
pub fn raw(name: &str) -> String {
    let keyword = syn::parse_str::<syn::Ident>(name).is_err() && !matches!(name, "self" | "Self" | "super" | "crate" | "_");
    if keyword { format!("r#{name}") } else { name.to_owned() }
}
