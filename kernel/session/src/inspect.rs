//! What is known of the name at the cursor: magics' help, variables, the user's items, well-known names.
use crate::front::Completion;
use crate::known;
use crate::state::View;
use ochre_api::{Registry, help};
use ochre_link::{Bundle, Variable};

/// Answers Shift-Tab; `None` when the name is unknown.
pub(crate) fn inspect(code: &str, cursor: usize, detail: u8, view: &View, magics: &Registry) -> Option<Bundle> {
    let (sigil, word) = word_at(code, cursor)?;
    let command = crate::magics::evcxr::target(&word).filter(|_| sigil == Some(':'));
    if let Some(magic) = magics.get(command.unwrap_or(&word)).filter(|_| matches!(sigil, Some('%' | ':'))) {
        return Some(Bundle::plain(help::long(magic.spec())));
    }
    let mut text = name(&word, &view.variables, &view.items)?;
    if detail > 0 && let Some(variable) = view.variables.iter().find(|v| v.name == word) {
        text.push_str(&format!("\nsurvives a detached cell: {}", if variable.send { "yes (Send)" } else { "no (not Send)" }));
    }
    Some(Bundle::plain(text))
}

/// Text about a variable, an item or a well-known name.
pub(crate) fn name(word: &str, variables: &[Variable], items: &[Completion]) -> Option<String> {
    if let Some(v) = variables.iter().find(|v| v.name == word) {
        let held = if v.available { "" } else { "\nheld by a cell that was interrupted and still runs, or gone with it" };
        return Some(format!("{}: {}\n{} in place, stored by cell [{}]{held}", v.name, v.type_name, crate::limits::size(v.size as usize), v.cell.0));
    }
    if let Some(item) = items.iter().find(|i| i.text == word) {
        let signature = item.signature.clone().unwrap_or_else(|| item.text.clone());
        return Some(format!("{signature}\n{} of this notebook", item.kind));
    }
    known::find(word).map(|k| format!("{}\n{}", k.signature, k.about))
}

/// The identifier around the cursor (code points), with the sigil before it.
fn word_at(code: &str, cursor: usize) -> Option<(Option<char>, String)> {
    let chars: Vec<char> = code.chars().collect();
    let in_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let mut start = cursor.min(chars.len());
    while start > 0 && in_word(&chars[start - 1]) {
        start -= 1;
    }
    let mut end = start;
    while end < chars.len() && in_word(&chars[end]) {
        end += 1;
    }
    // Behind an opening bracket the function before it is meant.
    if start == end {
        return if start > 0 && matches!(chars[start - 1], '(' | '%' | '?' | '.' | ' ') && start > 1 {
            word_at(code, start - 1).filter(|_| chars[start - 1] != ' ')
        } else {
            None
        };
    }
    let sigil = start.checked_sub(1).map(|at| chars[at]);
    Some((sigil, chars[start..end].iter().collect()))
}
