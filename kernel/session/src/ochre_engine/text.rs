//! Types and items as the user would write them.
use crate::front::Completion;
use ochre_cells::model::{Definition, Model};
use ochre_cells::parse::ItemKind;

/// A type without the modules in its paths: `std::vec::Vec<c_12::P>` is `Vec<P>`.
pub(super) fn short_type(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else if c == ':' && chars.peek() == Some(&':') {
            chars.next();
            word.clear();
        } else {
            out.push_str(&word);
            word.clear();
            out.push(c);
        }
    }
    out.push_str(&word);
    out
}

/// What the user defined, sorted by name.
pub(super) fn items(model: &Model) -> Vec<Completion> {
    let mut all: Vec<Completion> = model
        .names
        .iter()
        .filter_map(|(name, definition)| {
            let Definition::Item { .. } = definition else { return None };
            let item = &model.piece(name)?.item;
            let kind = match &item.kind {
                ItemKind::Function(_) => "function",
                ItemKind::Macro(_) => "macro",
                ItemKind::Module(_) => "module",
                ItemKind::Constant(_) | ItemKind::Static(_) | ItemKind::Statics(_) => "constant",
                _ => "type",
            };
            let mut signature = item.signature.clone();
            if !item.documentation.is_empty() {
                signature = format!("{signature}\n\n{}", item.documentation);
            }
            Some(Completion { text: name.clone(), kind: kind.to_owned(), signature: Some(signature) })
        })
        .collect();
    all.sort_by(|a, b| a.text.cmp(&b.text));
    all
}

#[cfg(test)]
mod tests {
    use super::short_type;

    #[test]
    fn paths_lose_their_modules() {
        assert_eq!(short_type("std::collections::HashMap<c_12ab::P, (std::vec::Vec<i32>, &str)>"), "HashMap<P, (Vec<i32>, &str)>");
    }
}
