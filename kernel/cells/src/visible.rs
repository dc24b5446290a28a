//! Makes items of a cell usable from other crates: `pub` where Rust allows it, `#[macro_export]`, `#[inline]`.
//!
//! Privacy inside a module that the user wrote is the user's: only `pub(crate)` and `pub(super)` of its
//! items become `pub`, because the crate is ours, not theirs.
use crate::parse::Edit;
use crate::ticks;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Fields, Generics, ImplItem, Item, Signature, TraitItem, Visibility};

/// The edits that make an item public and small functions inlinable across crates.
pub fn edits(item: &Item) -> Vec<Edit> {
    let mut out = Vec::new();
    match item {
        Item::Fn(i) => {
            // Both may stand at one place, and an attribute comes first.
            inline(&i.attrs, &i.sig, &i.block, item_start(item), &mut out);
            public(&i.vis, start_of_fn(&i.sig, i.modifiers.defaultness.span_start()), &mut out);
        }
        Item::Struct(i) => {
            public(&i.vis, start(&i.struct_token), &mut out);
            fields(&i.fields, &mut out);
        }
        Item::Union(i) => {
            public(&i.vis, start(&i.union_token), &mut out);
            i.fields.named.iter().for_each(|f| field(f, &mut out));
        }
        Item::Enum(i) => public(&i.vis, start(&i.enum_token), &mut out),
        Item::Type(i) => public(&i.vis, start(&i.type_token), &mut out),
        Item::Const(i) => public(&i.vis, start(&i.const_token), &mut out),
        Item::Static(i) => public(&i.vis, start(&i.static_token), &mut out),
        Item::Mod(i) => {
            public(&i.vis, i.unsafety.map_or_else(|| start(&i.mod_token), |u| start(&u)), &mut out);
            Restricted(&mut out).visit_item_mod(i);
        }
        Item::Trait(i) => {
            let first = i.unsafety.map(|u| start(&u)).or_else(|| i.modifiers.auto_token.map(|a| start(&a)));
            public(&i.vis, first.unwrap_or_else(|| start(&i.trait_token)), &mut out);
        }
        Item::ForeignMod(i) => i.items.iter().for_each(|f| match f {
            syn::ForeignItem::Fn(f) => public(&f.vis, start_of_fn(&f.sig, None), &mut out),
            syn::ForeignItem::Static(s) => public(&s.vis, start(&s.static_token), &mut out),
            _ => {}
        }),
        Item::Impl(i) if i.trait_.is_none() => i.items.iter().for_each(|m| member(m, &mut out)),
        Item::Macro(i) if i.ident.is_some() && !i.attrs.iter().any(|a| a.path().is_ident("macro_export")) => {
            out.push(Edit { at: item_start(item), remove: 0, insert: "#[macro_export] " });
        }
        _ => {}
    }
    out
}

fn item_start(item: &Item) -> usize {
    item.span().byte_range().start
}

fn start(token: &impl Spanned) -> usize {
    token.span().byte_range().start
}

trait SpanStart {
    fn span_start(&self) -> Option<usize>;
}

impl<T: Spanned> SpanStart for Option<T> {
    fn span_start(&self) -> Option<usize> {
        self.as_ref().map(start)
    }
}

fn start_of_fn(sig: &Signature, modifier: Option<usize>) -> usize {
    let abi = sig.abi.as_ref().map(|a| start(&a.extern_token));
    let firsts = [modifier, sig.constness.span_start(), sig.asyncness.span_start(), safety_start(sig), abi];
    firsts.into_iter().flatten().chain([start(&sig.fn_token)]).min().unwrap_or_default()
}

fn safety_start(sig: &Signature) -> Option<usize> {
    match &sig.safety {
        syn::Safety::Unsafe(t) => Some(start(t)),
        syn::Safety::Safe(t) => Some(start(t)),
        _ => None,
    }
}

/// `pub ` before `at`, or instead of a narrower visibility.
fn public(vis: &Visibility, at: usize, out: &mut Vec<Edit>) {
    match vis {
        Visibility::Inherited => out.push(Edit { at, remove: 0, insert: "pub " }),
        Visibility::Restricted(r) => {
            let range = r.span().byte_range();
            out.push(Edit { at: range.start, remove: range.len(), insert: "pub" });
        }
        Visibility::Public(_) => {}
    }
}

fn fields(all: &Fields, out: &mut Vec<Edit>) {
    all.iter().for_each(|f| field(f, out));
}

fn field(f: &syn::Field, out: &mut Vec<Edit>) {
    let at = f.ident.as_ref().map_or_else(|| start(&f.ty), start);
    public(&f.vis, at, out);
}

fn member(item: &ImplItem, out: &mut Vec<Edit>) {
    match item {
        ImplItem::Fn(f) => {
            inline(&f.attrs, &f.sig, &f.block, item.span().byte_range().start, out);
            public(&f.vis, start_of_fn(&f.sig, f.modifiers.defaultness.span_start()), out);
        }
        ImplItem::Const(c) => public(&c.vis, start(&c.const_token), out),
        ImplItem::Type(t) => public(&t.vis, start(&t.type_token), out),
        _ => {}
    }
}

/// `#[inline]` on functions without loops: a call across libraries costs a quarter more in a hot loop. One
/// with loops stays in its own crate, where it is optimised once, and not with each cell that calls it.
fn inline(attrs: &[syn::Attribute], sig: &Signature, block: &syn::Block, at: usize, out: &mut Vec<Edit>) {
    let decided = attrs.iter().any(|a| ["inline", "cold", "no_mangle", "target_feature", "unsafe"].iter().any(|n| a.path().is_ident(n)));
    let small = block.stmts.len() <= 8 && !ticks::block_is_hot(block) && !ticks::calls_functions(block) && sig.asyncness.is_none();
    if !decided && small && sig.abi.is_none() {
        out.push(Edit { at, remove: 0, insert: "#[inline] " });
    }
}

/// Inside a module of the user's: `pub(crate)` and `pub(super)` become `pub`.
struct Restricted<'a>(&'a mut Vec<Edit>);

impl<'ast> Visit<'ast> for Restricted<'_> {
    fn visit_visibility(&mut self, vis: &'ast Visibility) {
        if let Visibility::Restricted(r) = vis {
            let range = r.span().byte_range();
            let known = self.0.iter().any(|e| e.at == range.start && e.remove > 0);
            if !known {
                self.0.push(Edit { at: range.start, remove: range.len(), insert: "pub" });
            }
        }
        visit::visit_visibility(self, vis);
    }
}

/// Whether callers in other crates compile the body themselves.
pub fn instantiated_by_caller(item: &Item) -> bool {
    let generic = |g: &Generics, sig: &Signature| {
        let takes_impl = sig.inputs.iter().any(|a| matches!(a, syn::FnArg::Typed(t) if matches!(&*t.ty, syn::Type::ImplTrait(_))));
        takes_impl || g.type_params().next().is_some() || g.const_params().next().is_some()
    };
    match item {
        Item::Fn(i) => generic(&i.sig.generics, &i.sig),
        Item::Impl(i) => {
            i.generics.type_params().next().is_some()
                || i.items.iter().any(|m| matches!(m, ImplItem::Fn(f) if generic(&f.sig.generics, &f.sig)))
        }
        Item::Trait(i) => i.items.iter().any(|m| matches!(m, TraitItem::Fn(f) if f.default.is_some())),
        Item::Mod(_) => true,
        _ => false,
    }
}

/// The declaration on one line and the documentation, for completion and inspection.
pub fn signature(item: &Item, text: &str) -> (String, String) {
    let (attrs, end) = match item {
        Item::Fn(i) => (&i.attrs, i.block.brace_token.span.open().byte_range().start),
        Item::Struct(i) => (&i.attrs, item.span().byte_range().end),
        Item::Enum(i) => (&i.attrs, item.span().byte_range().end),
        Item::Trait(i) => (&i.attrs, i.brace_token.span.open().byte_range().start),
        Item::Impl(i) => (&i.attrs, i.brace_token.span.open().byte_range().start),
        Item::Const(i) => (&i.attrs, item.span().byte_range().end),
        Item::Static(i) => (&i.attrs, item.span().byte_range().end),
        Item::Type(i) => (&i.attrs, item.span().byte_range().end),
        Item::Macro(i) => (&i.attrs, i.mac.span().byte_range().start + 12),
        _ => return (String::new(), String::new()),
    };
    let start = attrs.iter().map(|a| a.span().byte_range().end).max().unwrap_or_else(|| item_start(item));
    let declaration = text.get(start..end.min(text.len())).unwrap_or_default();
    let one_line = declaration.split_whitespace().collect::<Vec<_>>().join(" ");
    let docs: Vec<String> = attrs.iter().filter_map(documentation).collect();
    (one_line, docs.join("\n"))
}

fn documentation(attr: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attr.meta else { return None };
    if !pair.path.is_ident("doc") {
        return None;
    }
    match &pair.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(s), .. }) => Some(s.value().trim().to_owned()),
        _ => None,
    }
}
