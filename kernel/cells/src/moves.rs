//! What the syntax of a statement tells: `?`, `.await`, loops, and which variables it seems to move.
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Expr, Stmt};

/// What was seen in one statement, nested functions and items left out.
#[derive(Debug, Default)]
pub struct Seen {
    pub uses_try: bool,
    pub uses_await: bool,
    pub has_loop: bool,
    pub has_closure: bool,
    pub maybe_moved: Vec<String>,
    /// Depth of closures and async blocks, in which `?` and `.await` are somebody else's.
    depth: usize,
}

/// Looks at one statement.
pub fn look(statement: &Stmt) -> Seen {
    let mut seen = Seen::default();
    seen.visit_stmt(statement);
    seen
}

impl Seen {
    /// Notes a variable that stands alone where a value is taken.
    fn taken(&mut self, expr: &Expr) {
        if let Expr::Path(p) = expr
            && let Some(ident) = p.path.get_ident()
        {
            self.maybe_moved.push(ident.to_string());
        }
    }
}

/// Methods that take `self` by value and that data science cells call on variables all the time.
fn consumes(method: &str) -> bool {
    method == "lazy" || method == "collect" || method.starts_with("into_") || matches!(method, "unwrap" | "expect" | "join" | "await")
        || matches!(method, "filter" | "select" | "with_columns" | "with_column" | "group_by" | "sort" | "agg" | "limit" | "left_join" | "inner_join")
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item(&mut self, _: &'ast syn::Item) {}

    fn visit_expr_try(&mut self, e: &'ast syn::ExprTry) {
        self.uses_try |= self.depth == 0;
        visit::visit_expr_try(self, e);
    }

    fn visit_expr_await(&mut self, e: &'ast syn::ExprAwait) {
        self.uses_await |= self.depth == 0;
        self.taken(&e.base);
        visit::visit_expr_await(self, e);
    }

    fn visit_expr_return(&mut self, e: &'ast syn::ExprReturn) {
        // `return Err(…)` needs a body that returns a Result.
        self.uses_try |= self.depth == 0 && e.expr.is_some();
        if let Some(value) = &e.expr {
            self.taken(value);
        }
        visit::visit_expr_return(self, e);
    }

    fn visit_expr_closure(&mut self, e: &'ast syn::ExprClosure) {
        self.has_closure = true;
        self.depth += 1;
        visit::visit_expr_closure(self, e);
        self.depth -= 1;
    }

    fn visit_expr_async(&mut self, e: &'ast syn::ExprAsync) {
        self.depth += 1;
        visit::visit_expr_async(self, e);
        self.depth -= 1;
    }

    fn visit_expr_for_loop(&mut self, e: &'ast syn::ExprForLoop) {
        self.has_loop = true;
        self.taken(&e.expr);
        visit::visit_expr_for_loop(self, e);
    }

    fn visit_expr_while(&mut self, e: &'ast syn::ExprWhile) {
        self.has_loop = true;
        visit::visit_expr_while(self, e);
    }

    fn visit_expr_loop(&mut self, e: &'ast syn::ExprLoop) {
        self.has_loop = true;
        visit::visit_expr_loop(self, e);
    }

    fn visit_expr_call(&mut self, e: &'ast syn::ExprCall) {
        e.args.iter().for_each(|a| self.taken(a));
        visit::visit_expr_call(self, e);
    }

    fn visit_expr_method_call(&mut self, e: &'ast syn::ExprMethodCall) {
        e.args.iter().for_each(|a| self.taken(a));
        if consumes(&e.method.to_string()) {
            self.taken(&e.receiver);
        }
        visit::visit_expr_method_call(self, e);
    }

    fn visit_local_init(&mut self, init: &'ast syn::LocalInit) {
        self.taken(&init.expr);
        visit::visit_local_init(self, init);
    }

    fn visit_field_value(&mut self, f: &'ast syn::FieldValue) {
        self.taken(&f.expr);
        visit::visit_field_value(self, f);
    }

    fn visit_expr_array(&mut self, e: &'ast syn::ExprArray) {
        e.elems.iter().for_each(|a| self.taken(a));
        visit::visit_expr_array(self, e);
    }

    fn visit_expr_tuple(&mut self, e: &'ast syn::ExprTuple) {
        e.elems.iter().for_each(|a| self.taken(a));
        visit::visit_expr_tuple(self, e);
    }

    fn visit_macro(&mut self, m: &'ast syn::Macro) {
        let (tries, awaits) = in_tokens(m.tokens.clone());
        self.uses_try |= tries && self.depth == 0;
        self.uses_await |= awaits && self.depth == 0;
        let name = m.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
        if name == "vec" {
            m.tokens.clone().into_iter().for_each(|t| {
                if let TokenTree::Ident(i) = t {
                    self.maybe_moved.push(i.to_string());
                }
            });
        }
    }
}

/// Whether a macro's tokens have `?` or `.await`; closures and async blocks inside are not told apart.
fn in_tokens(tokens: TokenStream) -> (bool, bool) {
    let (mut tries, mut awaits) = (false, false);
    let mut previous_is_value = false;
    for tree in tokens {
        match &tree {
            TokenTree::Punct(p) if p.as_char() == '?' && previous_is_value => tries = true,
            TokenTree::Ident(i) if i == "await" => awaits = true,
            TokenTree::Group(g) => {
                let (t, a) = in_tokens(g.stream());
                tries |= t;
                awaits |= a;
            }
            _ => {}
        }
        // `{:?}` is inside a literal; `?` as an operator follows a value or a call.
        previous_is_value = matches!(&tree, TokenTree::Group(_) | TokenTree::Ident(_));
    }
    (tries, awaits)
}
