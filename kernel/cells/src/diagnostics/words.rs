//! Words of generated code in rustc's texts, put as the user would.
use super::SourceMap;
use super::report::Report;
use std::sync::Arc;

/// What is known of the names in generated code.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Crates whose name is cut off a path (`made::P` is shown as `P`). Names like `c_1a2b3c` are known without.
    pub crates: Vec<String>,
    /// Generated files of earlier cells' crates (file name without folder), so that notes on their items are shown with the earlier cell's lines.
    pub files: Vec<(String, Arc<SourceMap>)>,
}

/// Prefix of the type anchors of generated code: `__t_x` stands for the user's `x`.
const ANCHOR: &str = "__t_";

/// Modules that generated code puts around the user's: never part of a name.
const SCAFFOLD_SEGMENTS: [&str; 4] = ["__run", "__ochre_entry", "__rt", "{closure#0}"];

/// Shortest hash in a generated crate's name, in hexadecimal digits.
const CRATE_HASH_DIGITS: usize = 6;

impl Names {
    /// A text without the generated parts of paths.
    pub fn clean(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let word = rest.find(|c: char| !is_path_char(c)).unwrap_or(rest.len());
            if word == 0 {
                let step = rest.chars().next().map_or(1, char::len_utf8);
                out.push_str(&rest[..step]);
                rest = &rest[step..];
            } else {
                self.push_path(&mut out, &rest[..word]);
                rest = &rest[word..];
            }
        }
        out
    }

    /// One run of identifiers and colons.
    fn push_path(&self, out: &mut String, path: &str) {
        let segments: Vec<&str> = path.split("::").collect();
        let last = segments.len() - 1;
        let library = segments.len() > 2 && (segments[0] == "polars" || segments[0].starts_with("polars_") || segments[0].starts_with("ochre_"));
        let kept: Vec<&str> = segments
            .iter()
            .enumerate()
            .filter(|(at, segment)| *at == last || !(library && starts_upper(segments[last]) || self.is_scaffold(*at, segment)))
            .map(|(_, segment)| segment.strip_prefix(ANCHOR).unwrap_or(segment))
            .collect();
        out.push_str(&kept.join("::"));
    }

    fn is_scaffold(&self, at: usize, segment: &str) -> bool {
        SCAFFOLD_SEGMENTS.contains(&segment) || at == 0 && (is_generated_crate(segment) || self.crates.iter().any(|name| name == segment))
    }

    pub(super) fn clean_report(&self, report: &mut Report) {
        report.message = self.clean(&report.message);
        for label in report.spots.iter_mut().chain(report.notes.iter_mut().flat_map(|note| note.spots.iter_mut())).filter_map(|spot| spot.label.as_mut()) {
            *label = self.clean(label);
        }
        for note in &mut report.notes {
            note.message = self.clean(&note.message);
        }
    }
}

/// Whether a name is that of a generated crate: `c_` and a hash.
pub(super) fn is_generated_crate(name: &str) -> bool {
    name.strip_prefix("c_").is_some_and(|hash| hash.len() >= CRATE_HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_path_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '{' | '}' | '#')
}

fn starts_upper(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}
