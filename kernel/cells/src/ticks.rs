//! Where a cell looks at the interrupt flag, and what counts as hot.
//!
//! A check goes into loops that contain loops or opaque calls. Never into innermost arithmetic loops: there
//! it would cost two to five times (measured, see ARCHITECTURE.md); a cell that hangs in one is detached.
use crate::parse::Edit;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Item, Stmt};

const CHECK: &str = " ::ochre::__rt::check();";

/// Adds the checks for an item (a function, the methods of an impl, a module).
pub fn edits(item: &Item, out: &mut Vec<Edit>) {
    Checks(out).visit_item(item);
}

/// Adds the checks for a statement at top level.
pub fn statement_edits(statement: &Stmt, out: &mut Vec<Edit>) {
    Checks(out).visit_stmt(statement);
}

struct Checks<'a>(&'a mut Vec<Edit>);

impl Checks<'_> {
    fn body(&mut self, block: &Block) {
        let mut opaque = Opaque(false);
        opaque.visit_block(block);
        if opaque.0 {
            self.0.push(Edit { at: block.brace_token.span.open().byte_range().end, remove: 0, insert: CHECK });
        }
    }
}

impl<'ast> Visit<'ast> for Checks<'_> {
    fn visit_item_fn(&mut self, i: &'ast syn::ItemFn) {
        // A const function may call no other function than const ones.
        if i.sig.constness.is_none() {
            visit::visit_item_fn(self, i);
        }
    }

    fn visit_impl_item_fn(&mut self, i: &'ast syn::ImplItemFn) {
        if i.sig.constness.is_none() {
            visit::visit_impl_item_fn(self, i);
        }
    }

    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_item_macro(&mut self, _: &'ast syn::ItemMacro) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_expr_for_loop(&mut self, e: &'ast syn::ExprForLoop) {
        self.body(&e.body);
        visit::visit_expr_for_loop(self, e);
    }

    fn visit_expr_while(&mut self, e: &'ast syn::ExprWhile) {
        self.body(&e.body);
        visit::visit_expr_while(self, e);
    }

    fn visit_expr_loop(&mut self, e: &'ast syn::ExprLoop) {
        self.body(&e.body);
        visit::visit_expr_loop(self, e);
    }
}

/// Whether a loop's body contains a loop or a call that may take long.
struct Opaque(bool);

impl<'ast> Visit<'ast> for Opaque {
    fn visit_item(&mut self, _: &'ast Item) {}

    fn visit_expr(&mut self, e: &'ast Expr) {
        match e {
            Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) | Expr::Await(_) | Expr::Macro(_) => self.0 = true,
            Expr::Call(c) => self.0 |= !cheap_function(&c.func),
            Expr::MethodCall(m) => self.0 |= !cheap_method(&m.method.to_string()),
            _ => {}
        }
        visit::visit_expr(self, e);
    }

    fn visit_stmt_macro(&mut self, _: &'ast syn::StmtMacro) {
        self.0 = true;
    }
}

/// Constructors (`Some(..)`, `Point(..)`) and the casts and comparisons of std that compile to a few instructions.
fn cheap_function(function: &Expr) -> bool {
    let Expr::Path(p) = function else { return false };
    let Some(last) = p.path.segments.last() else { return false };
    let name = last.ident.to_string();
    name.starts_with(char::is_uppercase) || matches!(name.as_str(), "from" | "min" | "max" | "swap" | "replace" | "take" | "black_box")
}

/// Methods of numbers, slices and vectors that compile to a few instructions.
fn cheap_method(name: &str) -> bool {
    let families = ["wrapping_", "checked_", "saturating_", "overflowing_", "rotate_", "leading_", "trailing_", "count_", "is_", "as_", "to_", "from_"];
    families.iter().any(|f| name.starts_with(f))
        || matches!(
            name,
            "sqrt" | "abs" | "powi" | "powf" | "exp" | "ln" | "sin" | "cos" | "tan" | "tanh" | "floor" | "ceil" | "round" | "mul_add"
                | "min" | "max" | "clamp" | "pow" | "rem_euclid" | "abs_diff" | "signum" | "recip" | "hypot" | "atan2" | "cbrt"
                | "len" | "get" | "get_mut" | "get_unchecked" | "push" | "pop" | "swap" | "clone" | "unwrap" | "copied" | "cloned" | "into" | "cmp" | "total_cmp" | "partial_cmp" | "eq"
                | "push_str" | "push_back" | "pop_front" | "insert" | "contains" | "contains_key" | "first" | "last" | "next" | "iter" | "chars" | "bytes" | "entry" | "or_insert"
        )
}

/// Whether an item holds a loop or an iterator chain, so that it is worth optimising.
pub fn is_hot(item: &Item) -> bool {
    let mut hot = Hot(false);
    hot.visit_item(item);
    hot.0
}

/// The same for a block.
pub fn block_is_hot(block: &Block) -> bool {
    let mut hot = Hot(false);
    hot.visit_block(block);
    hot.0
}

struct Hot(bool);

impl<'ast> Visit<'ast> for Hot {
    fn visit_expr(&mut self, e: &'ast Expr) {
        self.0 |= matches!(e, Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) | Expr::Closure(_));
        visit::visit_expr(self, e);
    }
}

/// Whether a block calls functions by plain name (itself, perhaps): such a function is compiled where it is
/// defined, optimised, and not with each cell that calls it.
pub fn calls_functions(block: &Block) -> bool {
    struct Calls(bool);
    impl<'ast> Visit<'ast> for Calls {
        fn visit_expr_call(&mut self, e: &'ast syn::ExprCall) {
            self.0 |= !cheap_function(&e.func);
            visit::visit_expr_call(self, e);
        }
    }
    let mut calls = Calls(false);
    calls.visit_block(block);
    calls.0
}
