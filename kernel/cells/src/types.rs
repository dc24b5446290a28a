//! From a type as MIR prints it to a type that a later crate can name, or to the reason why it cannot.
use std::collections::BTreeSet;

/// A type that can be written in another crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nameable {
    pub text: String,
    /// First segments of its paths: crates (std, polars_core, c_1a2b…).
    pub roots: BTreeSet<String>,
    /// Values of it are copied, so a use never moves them.
    pub copy: bool,
}

/// Why a value cannot be kept for later cells, in words that name the way out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Unkept {
    Closure,
    Future,
    FunctionItem { signature: String },
    Opaque,
    Local,
    Borrow,
}

impl Unkept {
    /// What the user is told about variable `name`.
    pub fn sentence(&self, name: &str) -> String {
        match self {
            Self::Closure => format!("`{name}` is a closure (or contains one), and a closure has no type that another cell could name. Make it a `fn`, or box it: `let {name}: Box<dyn Fn(i32) -> i32> = Box::new(…)` with your argument types"),
            Self::Future => format!("`{name}` is a future, and a future has no type that another cell could name. `.await` it in the same cell, or box it: `Box::pin(…) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>`"),
            Self::FunctionItem { signature } => format!("`{name}` is a function itself, whose type has no name. Write `{name} as {signature}`"),
            Self::Opaque => format!("`{name}` is an `impl Trait` value, whose type has no name outside of the function that made it. Collect it (`.collect::<Vec<_>>()`) or box it (`Box::new(…) as Box<dyn Iterator<Item = _>>`)"),
            Self::Local => format!("the type of `{name}` is defined inside a block or is private, so another cell cannot name it. Define the type at the top level of a cell"),
            Self::Borrow => format!("`{name}` borrows from another variable, and a variable that outlives its cell cannot borrow. Keep an owned value (`.clone()`, `.to_owned()`, an index), or use `{name}` in this cell only"),
        }
    }
}

/// Judges a type text.
pub fn nameable(mir: &str) -> Result<Nameable, Unkept> {
    // A type of a block is named below the generated function; a closure by its place.
    if mir.contains("__ochre_entry::") {
        return Err(Unkept::Local);
    }
    if mir.contains("{closure@") || mir.contains("{closure#") {
        return Err(Unkept::Closure);
    }
    if mir.contains("{async ") || mir.contains("{coroutine") {
        return Err(Unkept::Future);
    }
    if let Some(at) = mir.find(" {") {
        return Err(Unkept::FunctionItem { signature: mir[..at].trim_start_matches("for<'a> ").to_owned() });
    }
    if mir.starts_with("impl ") || mir.contains("<impl ") || mir.contains(" impl ") || mir.contains("(impl ") {
        return Err(Unkept::Opaque);
    }
    if mir.contains("__ochre_entry") || mir.contains('{') {
        return Err(Unkept::Local);
    }
    let roots = roots(mir);
    let copy = is_copy(mir);
    Ok(Nameable { text: mir.to_owned(), roots, copy })
}

/// First segments of all paths that have more than one segment.
fn roots(text: &str) -> BTreeSet<String> {
    let bytes = text.as_bytes();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
    let mut found = BTreeSet::new();
    let mut i = 0;
    while i < bytes.len() {
        if !is_name(bytes[i]) {
            i += 1;
            continue;
        }
        let end = (i..bytes.len()).find(|&j| !is_name(bytes[j])).unwrap_or(bytes.len());
        let path_before = i >= 2 && &bytes[i - 2..i] == b"::";
        if !path_before && bytes[end..].starts_with(b"::") {
            found.insert(text[i..end].to_owned());
        }
        i = end;
    }
    found
}

/// Types that are surely `Copy`; others are taken not to be.
fn is_copy(text: &str) -> bool {
    let primitive = |t: &str| {
        matches!(t, "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "f32" | "f64" | "bool" | "char" | "()")
    };
    let shared = text.starts_with('&') && !text.starts_with("&mut ");
    let tuple = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    let array = text.strip_prefix('[').and_then(|t| t.split_once(';')).map(|(t, _)| t);
    primitive(text) || shared || text.starts_with("fn(") || text.starts_with("*const ")
        || tuple.is_some_and(|t| !t.contains(['(', '<']) && t.split(", ").all(|p| primitive(p.trim_end_matches(','))))
        || array.is_some_and(primitive)
        || matches!(text, "std::time::Instant" | "std::time::Duration")
}

/// Types whose clone is cheap, so that a copy is kept while a cell that consumes one runs: should the cell
/// fail, the variable is still there.
pub fn clones_cheaply(text: &str) -> bool {
    let base = text.split('<').next().unwrap_or(text);
    let last = base.rsplit("::").next().unwrap_or(base);
    matches!(last, "DataFrame" | "LazyFrame" | "Series" | "Column" | "Tensor" | "Arc" | "Rc" | "Expr" | "LazyGroupBy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_refusals() {
        let n = nameable("std::collections::HashMap<c_12::P, std::vec::Vec<i32>>").expect("nameable");
        assert_eq!(n.roots.into_iter().collect::<Vec<_>>(), ["c_12", "std"]);
        assert!(nameable("(i32, f64)").expect("nameable").copy);
        assert!(!nameable("std::string::String").expect("nameable").copy);
        assert_eq!(nameable("{closure@c.rs:1:2: 1:3}"), Err(Unkept::Closure));
        assert_eq!(nameable("fn(i32) -> i32 {c_1::add1}"), Err(Unkept::FunctionItem { signature: "fn(i32) -> i32".into() }));
        assert_eq!(nameable("impl std::iter::Iterator<Item = i32>"), Err(Unkept::Opaque));
    }
}
