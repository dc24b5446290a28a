//! The types of a cell's variables, read from the MIR text that the same rustc run emitted.
//!
//! Generated code has an anchor `let __t_x = ochre::__rt::ty(&x);` per variable. In the MIR that is a scope
//! with `debug __t_x => _31;` and a declaration `let _31: *const TYPE;`. Nothing else of the MIR is trusted.
use std::collections::HashMap;

/// Prefix of anchors.
pub const ANCHOR: &str = "__t_";

/// Type text by variable, as rustc prints it (paths of the crate's own types without the crate).
pub fn types(mir: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut locals: HashMap<&str, &str> = HashMap::new();
    for line in mir.lines() {
        if line.starts_with("fn ") || line.starts_with("pub fn ") {
            locals.clear();
        }
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("let ") {
            let rest = rest.strip_prefix("mut ").unwrap_or(rest);
            if let Some((local, ty)) = rest.strip_suffix(';').and_then(|r| r.split_once(": ")) {
                locals.insert(local, ty);
            }
        } else if let Some(rest) = line.strip_prefix("debug ").and_then(|r| r.strip_prefix(ANCHOR))
            && let Some((name, place)) = rest.strip_suffix(';').and_then(|r| r.split_once(" => "))
        {
            // In an async body the local is a field of the state machine, whose type stands in the place.
            let ty = locals.get(place).copied().or_else(|| place_type(place));
            if let Some(ty) = ty.and_then(|t| t.strip_prefix("*const ")) {
                found.insert(name.to_owned(), ty.to_owned());
            }
        }
    }
    found
}

/// The outermost type ascription of a place such as `(((*_2) as variant#3).0: *const i32)`.
fn place_type(place: &str) -> Option<&str> {
    let inner = place.strip_prefix('(')?.strip_suffix(')')?;
    let at = inner.rfind(": *const ")?;
    Some(&inner[at + 2..])
}

/// True when a local of the entry function is dropped on its normal path: a guess that it is moved was wrong.
pub fn is_dropped(mir: &str, variable: &str) -> bool {
    let Some(start) = mir.find("fn __ochre_entry(") else { return false };
    let end = mir[start..].find("\n}").map_or(mir.len(), |e| start + e);
    let entry = &mir[start..end];
    let wanted = format!("debug {variable} => ");
    let Some(local) = entry.lines().find_map(|l| l.trim().strip_prefix(wanted.as_str())).map(|l| l.trim_end_matches(';').to_owned()) else {
        return false;
    };
    let drop = format!("drop({local})");
    let mut cleanup = false;
    for line in entry.lines() {
        if line.trim_start().starts_with("bb") && line.contains(": ") {
            cleanup = line.contains("(cleanup)");
        }
        if !cleanup && line.contains(&drop) {
            return true;
        }
    }
    false
}
