//! The cells of the session so far, as they go into a run's artifacts and tags: what was run, and which crates were asked for.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Where a run keeps them.
const ARTIFACT: &str = "source/cells.rs";

/// The artifact of a run's cells; what went before a run was continued is kept.
pub(crate) fn artifact(resumed: bool) -> String {
    match resumed {
        false => ARTIFACT.to_owned(),
        true => ARTIFACT.replace(".rs", &format!("-{}.rs", chrono::Utc::now().format("%Y%m%d-%H%M%S"))),
    }
}
/// What is kept of them, in bytes: the last cells count when there are more. All of it fits into one record of a spool.
const LIMIT: usize = 200 << 10;

/// Remembers cells.
#[derive(Default)]
pub(crate) struct Cells(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    cells: Vec<(u32, String)>,
    bytes: usize,
    left_out: usize,
    dependencies: BTreeMap<String, String>,
}

impl Cells {
    /// A cell begins.
    pub(crate) fn add(&self, count: u32, code: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in code.lines() {
            if let Some((name, requirement)) = dependency(line) {
                kept.dependencies.insert(name, requirement);
            }
        }
        let code: String = if code.len() <= LIMIT { code.to_owned() } else { code.chars().take(LIMIT / 4).chain("\n// … cut here".chars()).collect() };
        kept.bytes += code.len();
        kept.cells.push((count, code));
        while kept.bytes > LIMIT && kept.cells.len() > 1 {
            kept.bytes -= kept.cells.remove(0).1.len();
            kept.left_out += 1;
        }
    }

    /// All as one text.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = if kept.left_out > 0 { format!("// {} earlier cells are left out\n\n", kept.left_out) } else { String::new() };
        for (count, code) in &kept.cells {
            text.push_str(&format!("// In [{count}]:\n{}\n\n", code.trim_end()));
        }
        text
    }

    /// `rand = "0.9", serde_json = "1"`; empty when none was asked for.
    pub(crate) fn dependencies(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.dependencies.iter().map(|(name, requirement)| format!("{name} = {requirement}")).collect::<Vec<_>>().join(", ")
    }
}

/// `:dep rand = "0.9"`, `%dep rand@0.9`, `%dep rand --features x`.
fn dependency(line: &str) -> Option<(String, String)> {
    let rest = [":dep ", "%dep "].iter().find_map(|form| line.trim().strip_prefix(form))?.trim();
    if let Some((name, requirement)) = rest.split_once('=').filter(|(name, _)| !name.contains(' ') || name.trim().split(' ').count() == 1) {
        return Some((name.trim().to_owned(), requirement.trim().to_owned()));
    }
    let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let (name, version) = first.split_once('@').unwrap_or((first, "*"));
    let requirement = format!("\"{version}\"{}", if more.is_empty() { String::new() } else { format!(" {}", more.trim()) });
    (!name.is_empty()).then(|| (name.to_owned(), requirement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_cells() {
        let cells = Cells::default();
        cells.add(1, ":dep rand = \"0.9\"\n%dep itoa\nlet x = 1;");
        cells.add(2, "%dep regex@1.10 --features unicode\n%dep_not x");
        assert_eq!(cells.dependencies(), "itoa = \"*\", rand = \"0.9\", regex = \"1.10\" --features unicode");
        assert!(cells.text().starts_with("// In [1]:\n:dep rand") && cells.text().contains("// In [2]:\n%dep regex"), "{}", cells.text());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let cells = Cells::default();
        (0..30).for_each(|n| cells.add(n, &"x".repeat(100_000)));
        let long = Cells::default();
        long.add(1, &"ü".repeat(LIMIT));
        assert!(long.text().len() < LIMIT && long.text().ends_with("// … cut here\n\n"));
        let text = cells.text();
        assert!(text.len() < LIMIT + 100 && text.starts_with("// 28 earlier cells are left out"), "{} {}", text.len(), &text[..40]);
    }
}
