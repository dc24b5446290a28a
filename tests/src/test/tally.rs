//! Counts of tests, with the names of those that failed and the reasons of those that were skipped.

/// How many passed, and which did not.
#[derive(Debug, Default)]
pub struct Tally {
    pub passed: usize,
    /// Name and reason.
    pub failures: Vec<(String, String)>,
    pub skipped: Vec<(String, String)>,
}

impl Tally {
    /// One failure and nothing else.
    pub fn failure(name: &str, reason: impl Into<String>) -> Self {
        Self { failures: vec![(name.into(), reason.into())], ..Self::default() }
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.failures.len()
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.skipped.extend(other.skipped);
    }

    /// Counts one test by how it went.
    pub fn count(&mut self, name: &str, result: anyhow::Result<()>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => self.failures.push((name.to_string(), format!("{error:#}"))),
        }
    }

    /// `N passed, M failed`, and the skipped ones when there are some.
    pub fn closing_line(&self) -> String {
        let skipped = if self.skipped.is_empty() { String::new() } else { format!(", {} skipped", self.skipped.len()) };
        format!("{} passed, {} failed{skipped}", self.passed, self.failed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_counts_all_three() {
        let mut tally = Tally { passed: 2, ..Tally::default() };
        assert_eq!(tally.closing_line(), "2 passed, 0 failed");
        tally.count("a", Err(anyhow::anyhow!("no")));
        tally.skipped.push(("b".into(), "slow".into()));
        assert_eq!(tally.closing_line(), "2 passed, 1 failed, 1 skipped");
    }
}
