//! How much of a frame is shown: `ochre::rows(50)`, `ochre::columns(30)`, or the session's settings of these names.
use ochre_runtime::host;

/// Rows that are shown without a setting: a screen of a notebook.
const ROWS: usize = 20;
/// Columns that are shown without a setting.
const COLUMNS: usize = 20;
/// Most rows that any setting gives: more than this stalls the browser.
const MOST_ROWS: usize = 10_000;
/// Most columns that any setting gives.
const MOST_COLUMNS: usize = 1_000;

/// Most rows and columns of a frame that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub rows: usize,
    pub columns: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: ROWS, columns: COLUMNS }
    }
}

impl Limits {
    /// What the session's settings `rows` and `columns` say.
    pub fn of_session() -> Self {
        Self { rows: setting("rows", ROWS).min(MOST_ROWS), columns: setting("columns", COLUMNS).min(MOST_COLUMNS) }
    }
}

/// A setting as a count; `all` and `-1` (polars' word for it) take the limit away. What is no number counts as not set.
fn setting(name: &str, default: usize) -> usize {
    match host::setting(name).as_deref().map(str::trim) {
        Some("all" | "-1") => usize::MAX,
        Some(text) => text.parse().unwrap_or(default),
        None => default,
    }
}

/// Shows up to `n` rows of every frame from now on.
pub fn rows(n: usize) {
    host::set_setting("rows", &n.to_string());
}

/// Shows up to `n` columns of every frame from now on.
pub fn columns(n: usize) {
    host::set_setting("columns", &n.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_no_number_count_as_not_set() {
        host::set_setting("test-count", "many");
        assert_eq!(setting("test-count", 7), 7);
        host::set_setting("test-count", " 50 ");
        assert_eq!(setting("test-count", 7), 50);
        host::set_setting("test-count", "all");
        assert_eq!(setting("test-count", 7), usize::MAX);
        assert_eq!(setting("test-never-set", 7), 7);
    }
}
