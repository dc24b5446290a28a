//! Cell text to its parts: items, statements, and the expression whose value is shown.
//!
//! Nothing is rewritten here; parts carry their byte range in the cell and the small [`Edit`]s (a `pub`, an
//! interrupt check) that the generator applies. Text that `syn` does not understand comes back as
//! [`Unparsed`] and is handed to rustc as it is, so that the user sees rustc's own words.
use crate::clouds;
use crate::moves;
use crate::ticks;
use crate::tokens::{self, Kind, Mentions, Token};
use crate::visible;
use proc_macro2::TokenStream;
use std::ops::Range;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Item as SynItem, Stmt, UseTree};

/// A change to the user's text: at byte `at`, `remove` bytes are replaced by `insert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub at: usize,
    pub remove: usize,
    pub insert: &'static str,
}

/// Why a text could not be split.
#[derive(Clone, Debug)]
pub struct Unparsed;

/// A cell in parts.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// `#![…]` lines at the top.
    pub inner_attributes: Vec<Range<usize>>,
    pub items: Vec<Item>,
    pub body: Body,
}

/// The code that runs.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub statements: Vec<Range<usize>>,
    /// The expression whose value is shown.
    pub tail: Option<Range<usize>>,
    pub edits: Vec<Edit>,
    pub mentions: Mentions,
    /// Variables that top-level `let`s bind, each once, in order of their last binding.
    pub bindings: Vec<Binding>,
    /// Variables that the body seems to move, by its syntax.
    pub maybe_moved: Vec<String>,
    pub uses_try: bool,
    pub uses_await: bool,
    pub has_loop: bool,
    pub has_closure: bool,
}

impl Body {
    /// True when there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty() && self.tail.is_none()
    }
}

/// A variable bound at top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub name: String,
    pub mutable: bool,
}

/// An item at top level.
#[derive(Clone, Debug)]
pub struct Item {
    pub kind: ItemKind,
    pub range: Range<usize>,
    pub edits: Vec<Edit>,
    pub mentions: Mentions,
    /// First line, for completion and inspection.
    pub signature: String,
    pub documentation: String,
    /// The function (or a method) has a loop or an iterator chain.
    pub hot: bool,
    /// Generic or `#[inline]`: compiled again by who calls it.
    pub instantiated_by_caller: bool,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    Function(String),
    /// struct, enum, union, type alias.
    Type(String),
    Trait { name: String, members: Vec<String> },
    Constant(String),
    Static(String),
    Macro(String),
    Module(String),
    Impl(Impl),
    Use(Vec<Import>),
    /// A macro call that makes statics (`thread_local!`), with their names.
    Statics(Vec<String>),
    /// An `extern` block, and what syn keeps as it is.
    Other(Vec<String>),
}

/// Whose impl it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impl {
    /// Last segment of the type's path, if it is a path.
    pub target: Option<String>,
    /// Last segment of the trait's path; `None` for an inherent impl.
    pub of_trait: Option<String>,
    /// The text before `{`, white space normalised: the same header replaces an earlier impl.
    pub header: String,
    /// Names of methods, constants and types inside, with the range of each.
    pub members: Vec<(String, Range<usize>)>,
}

/// One name that a `use` brings into scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The name in scope; `None` for a glob or `as _`.
    pub name: Option<String>,
    /// A whole `use` line for this name alone.
    pub line: String,
    /// First segment of the path.
    pub root: String,
    /// Bytes of the cell where the root and the imported name stand, so that errors point there.
    pub places: Vec<Range<usize>>,
}

impl ItemKind {
    /// The names that the item defines.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Function(n) | Self::Type(n) | Self::Constant(n) | Self::Static(n) | Self::Macro(n) | Self::Module(n) => std::slice::from_ref(n),
            Self::Trait { name, .. } => std::slice::from_ref(name),
            Self::Statics(names) | Self::Other(names) => names,
            Self::Impl(_) | Self::Use(_) => &[],
        }
    }

    /// Whether the item defines a name.
    pub fn defines(&self, name: &str) -> bool {
        self.names().iter().any(|n| n == name)
    }
}

/// Splits a cell.
pub fn parse(text: &str) -> Result<Cell, Unparsed> {
    let (inner_attributes, blanked) = take_inner_attributes(text);
    let stream: TokenStream = blanked.parse().map_err(|_| Unparsed)?;
    let statements = syn::Block::parse_within.parse2(stream.clone()).map_err(|_| Unparsed)?;
    let all = tokens::flatten(stream);
    let mut cell = Cell { inner_attributes, ..Cell::default() };
    let last = statements.len().saturating_sub(1);
    for (i, statement) in statements.iter().enumerate() {
        let range = statement.span().byte_range();
        match statement {
            Stmt::Item(item) => cell.items.push(item_of(item, range, &blanked, &all)),
            Stmt::Macro(m) if makes_items(&m.mac) => {
                cell.items.push(statics_of(range, &blanked, &all));
            }
            Stmt::Expr(_, None) if i == last => cell.body.tail = Some(range),
            Stmt::Macro(m) if m.semi_token.is_none() && i == last => cell.body.tail = Some(range),
            other => {
                if let Stmt::Local(local) = other {
                    bind(&local.pat, &mut cell.body.bindings);
                }
                cell.body.statements.push(range);
            }
        }
    }
    describe_body(&mut cell.body, &statements, &all);
    Ok(cell)
}

/// Blanks `#![…]` at the top (keeping every byte's place) and tells where they were.
fn take_inner_attributes(text: &str) -> (Vec<Range<usize>>, String) {
    let mut found = Vec::new();
    let mut blanked = text.to_owned();
    loop {
        let start = blanked.len() - blanked.trim_start().len();
        if !blanked[start..].starts_with("#![") {
            return (found, blanked);
        }
        let Some(len) = blanked[start..].find(']') else { return (found, blanked) };
        let range = start..start + len + 1;
        blanked.replace_range(range.clone(), &" ".repeat(range.len()));
        found.push(range);
    }
}

/// Macros that are known to expand to items.
fn makes_items(mac: &syn::Macro) -> bool {
    let name = mac.path.segments.last().map(|s| s.ident.to_string());
    matches!(name.as_deref(), Some("thread_local" | "lazy_static" | "bitflags"))
}

/// The statics that a macro call makes: each `static NAME` in it, made public.
fn statics_of(range: Range<usize>, text: &str, all: &[Token]) -> Item {
    let inside: Vec<&Token> = all.iter().filter(|t| t.range.start >= range.start && t.range.end <= range.end).collect();
    let is = |i: usize, word: &str| matches!(inside.get(i).map(|t| &t.kind), Some(Kind::Ident(n)) if n == word);
    let (mut names, mut edits) = (Vec::new(), Vec::new());
    for i in (0..inside.len()).filter(|i| is(*i, "static")) {
        let at = (i + 1..inside.len()).find(|j| !is(*j, "ref") && !is(*j, "mut"));
        if let Some(Kind::Ident(name)) = at.map(|j| &inside[j].kind) {
            names.push(name.clone());
        }
        if i > 0 && !is(i - 1, "pub") {
            edits.push(Edit { at: inside[i].range.start, remove: 0, insert: "pub " });
        }
    }
    let mentions = tokens::mentions(all, &range);
    Item { edits, ..plain(ItemKind::Statics(names), range, text, mentions) }
}

fn plain(kind: ItemKind, range: Range<usize>, text: &str, mentions: Mentions) -> Item {
    let signature = text[range.clone()].lines().next().unwrap_or_default().to_owned();
    Item { kind, range, edits: Vec::new(), mentions, signature, documentation: String::new(), hot: false, instantiated_by_caller: false }
}

fn item_of(item: &SynItem, range: Range<usize>, text: &str, all: &[Token]) -> Item {
    let mentions = tokens::mentions(all, &range);
    let mut out = plain(kind_of(item, text, all), range, text, mentions);
    out.edits = visible::edits(item);
    ticks::edits(item, &mut out.edits);
    clouds::edits(all, &out.range, &mut out.edits);
    out.edits.sort_by_key(|e| e.at);
    out.hot = ticks::is_hot(item);
    out.instantiated_by_caller = visible::instantiated_by_caller(item);
    (out.signature, out.documentation) = visible::signature(item, text);
    out
}

fn kind_of(item: &SynItem, text: &str, all: &[Token]) -> ItemKind {
    let s = |ident: &syn::Ident| {
        let text = ident.to_string();
        text.strip_prefix("r#").unwrap_or(&text).to_owned()
    };
    match item {
        SynItem::Fn(i) => ItemKind::Function(s(&i.sig.ident)),
        SynItem::Struct(i) => ItemKind::Type(s(&i.ident)),
        SynItem::Enum(i) => ItemKind::Type(s(&i.ident)),
        SynItem::Union(i) => ItemKind::Type(s(&i.ident)),
        SynItem::Type(i) => ItemKind::Type(s(&i.ident)),
        SynItem::TraitAlias(i) => ItemKind::Type(s(&i.ident)),
        SynItem::Trait(i) => ItemKind::Trait { name: s(&i.ident), members: i.items.iter().filter_map(trait_member).collect() },
        SynItem::Const(i) => ItemKind::Constant(s(&i.ident)),
        SynItem::Static(i) => ItemKind::Static(s(&i.ident)),
        SynItem::Mod(i) => ItemKind::Module(s(&i.ident)),
        SynItem::Macro(i) => i.ident.as_ref().map_or(ItemKind::Other(Vec::new()), |n| ItemKind::Macro(s(n))),
        SynItem::Impl(i) => ItemKind::Impl(impl_of(i, all)),
        SynItem::Use(i) => {
            let mut imports = Vec::new();
            flatten_use(&i.tree, if i.leading_colon.is_some() { "::" } else { "" }, None, &mut imports);
            ItemKind::Use(imports)
        }
        SynItem::ExternCrate(i) => {
            let name = i.rename.as_ref().map_or_else(|| s(&i.ident), |(_, n)| s(n));
            let line = text[item.span().byte_range()].to_owned();
            ItemKind::Use(vec![Import { name: Some(name), line, root: s(&i.ident), places: vec![i.ident.span().byte_range()] }])
        }
        SynItem::ForeignMod(i) => ItemKind::Other(i.items.iter().filter_map(foreign_name).collect()),
        _ => ItemKind::Other(Vec::new()),
    }
}

fn foreign_name(item: &syn::ForeignItem) -> Option<String> {
    match item {
        syn::ForeignItem::Fn(f) => Some(f.sig.ident.to_string()),
        syn::ForeignItem::Static(s) => Some(s.ident.to_string()),
        _ => None,
    }
}

fn trait_member(item: &syn::TraitItem) -> Option<String> {
    match item {
        syn::TraitItem::Fn(f) => Some(f.sig.ident.to_string()),
        syn::TraitItem::Const(c) => Some(c.ident.to_string()),
        _ => None,
    }
}

fn impl_of(i: &syn::ItemImpl, all: &[Token]) -> Impl {
    let target = match &*i.self_ty {
        syn::Type::Path(p) => p.path.segments.last().map(|s| s.ident.to_string()),
        _ => None,
    };
    let of_trait = i.trait_.as_ref().and_then(|(path, _)| path.segments.last()).map(|s| s.ident.to_string());
    let start = i.impl_token.span.byte_range().start;
    let end = i.brace_token.span.open().byte_range().start;
    let mut header = String::new();
    for token in all.iter().filter(|t| t.range.start >= start && t.range.end <= end) {
        match &token.kind {
            Kind::Ident(s) | Kind::Literal(s) => {
                header.push_str(s);
                header.push(' ');
            }
            Kind::Punct(c) | Kind::Open(c) | Kind::Close(c) => header.push(*c),
        }
    }
    let members = i
        .items
        .iter()
        .filter_map(|m| match m {
            syn::ImplItem::Fn(f) => Some((f.sig.ident.to_string(), m.span().byte_range())),
            syn::ImplItem::Const(c) => Some((c.ident.to_string(), m.span().byte_range())),
            _ => None,
        })
        .collect();
    Impl { target, of_trait, header, members }
}

/// One import per name, so that a later definition of a name replaces only that. `root` is where the path begins.
fn flatten_use(tree: &UseTree, prefix: &str, root: Option<Range<usize>>, out: &mut Vec<Import>) {
    let first = |path: &str| path.trim_start_matches("::").split("::").next().unwrap_or_default().trim_start_matches("r#").to_owned();
    let mut push = |name: Option<String>, path: String, leaf: Option<Range<usize>>| {
        let first = first(path.split(" as ").next().unwrap_or(&path));
        let places = root.clone().into_iter().chain(leaf).collect();
        out.push(Import { name, line: format!("use {path};"), root: first, places });
    };
    match tree {
        UseTree::Path(p) => {
            let root = root.or_else(|| Some(p.ident.span().byte_range()));
            flatten_use(&p.tree, &format!("{prefix}{}::", p.ident), root, out);
        }
        UseTree::Name(n) if n.ident == "self" => {
            let path = prefix.trim_end_matches("::").to_owned();
            push(path.rsplit("::").next().map(str::to_owned), path, None);
        }
        UseTree::Name(n) => push(Some(n.ident.to_string()), format!("{prefix}{}", n.ident), Some(n.ident.span().byte_range())),
        UseTree::Rename(r) => {
            let path = if r.ident == "self" { prefix.trim_end_matches("::").to_owned() } else { format!("{prefix}{}", r.ident) };
            let name = (r.rename != "_").then(|| r.rename.to_string());
            push(name, format!("{path} as {}", r.rename), Some(r.ident.span().byte_range()));
        }
        UseTree::Glob(_) => push(None, format!("{prefix}*"), None),
        UseTree::Group(g) => g.items.iter().for_each(|t| flatten_use(t, prefix, root.clone(), out)),
    }
}

fn bind(pattern: &syn::Pat, out: &mut Vec<Binding>) {
    struct Names<'a>(&'a mut Vec<Binding>);
    impl<'ast> Visit<'ast> for Names<'_> {
        fn visit_pat_ident(&mut self, p: &'ast syn::PatIdent) {
            let text = p.ident.to_string();
            let name = text.strip_prefix("r#").unwrap_or(&text).to_owned();
            // `None` and constants look like bindings; by Rust's naming they begin with a capital letter.
            if !name.starts_with(char::is_uppercase) || name.chars().count() == 1 {
                self.0.retain(|b| b.name != name);
                self.0.push(Binding { name, mutable: p.mutability.is_some() });
            }
            syn::visit::visit_pat_ident(self, p);
        }
        fn visit_expr(&mut self, _: &'ast syn::Expr) {}
    }
    Names(out).visit_pat(pattern);
}

fn describe_body(body: &mut Body, statements: &[Stmt], all: &[Token]) {
    for range in body.statements.iter().chain(&body.tail) {
        body.mentions.extend(&tokens::mentions(all, range));
    }
    for statement in statements.iter().filter(|s| !matches!(s, Stmt::Item(_))) {
        ticks::statement_edits(statement, &mut body.edits);
        let seen = moves::look(statement);
        body.uses_try |= seen.uses_try;
        body.uses_await |= seen.uses_await;
        body.has_loop |= seen.has_loop;
        body.has_closure |= seen.has_closure;
        body.maybe_moved.extend(seen.maybe_moved);
    }
    for range in body.statements.iter().chain(&body.tail) {
        clouds::edits(all, range, &mut body.edits);
    }
    body.edits.sort_by_key(|e| e.at);
    body.maybe_moved.sort();
    body.maybe_moved.dedup();
}
