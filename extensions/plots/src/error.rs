//! Why a picture or a chart cannot be made.
use thiserror::Error;

/// What was wrong with what a picture or chart was asked for. Its text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlotError {
    #[error("the frame has no column `{name}`{}; it has: {have}", nearest.as_ref().map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default())]
    NoColumn { name: String, nearest: Option<String>, have: String },
    #[error("column `{name}` is {dtype}, which {channel} cannot show; {hint}")]
    WrongType { name: String, dtype: String, channel: &'static str, hint: &'static str },
    #[error("the chart has nothing to draw yet: add .line(\"x\", \"y\"), .bar, .point, .area, .hist(\"x\") or .heatmap(\"x\", \"y\", \"value\")")]
    NoMark,
    #[error("a {0} stands alone: it cannot share a chart with other marks; make two charts")]
    Alone(&'static str),
    #[error("the layers of a chart must agree on an axis: `{first}` is {first_kind}, `{second}` is {second_kind}")]
    Disagree { first: String, first_kind: &'static str, second: String, second_kind: &'static str },
    #[error("column `{name}` has {count} different values, and colours can tell at most {limit} apart; group or filter it first, or use .facet")]
    TooMany { name: String, count: usize, limit: usize },
    #[error("there is nothing to draw: {0}")]
    Empty(String),
    #[error("the bytes are no picture that can be read (PNG, JPEG, GIF, BMP and WebP can): {0}")]
    NotAPicture(String),
    #[error("a tensor of shape {shape} is no picture: {hint}")]
    NotAPictureTensor { shape: String, hint: &'static str },
    #[error("a picture of {width}×{height} with {channels} channels needs {needed} bytes, but {given} were given")]
    WrongSize { width: u32, height: u32, channels: u32, needed: usize, given: usize },
    #[error("the picture could not be made: {0}")]
    Drawing(String),
}

impl From<ochre_charts::DrawError> for PlotError {
    fn from(error: ochre_charts::DrawError) -> Self {
        PlotError::Drawing(error.to_string())
    }
}

/// How many similar names are worth naming: the longest that reads as one line.
const LISTED: usize = 30;

impl PlotError {
    /// A column that is not there, with the nearest name.
    pub(crate) fn no_column(name: &str, have: &[&str]) -> Self {
        let mut listed = have.iter().take(LISTED).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        if have.len() > LISTED {
            listed.push_str(&format!(" and {} more", have.len() - LISTED));
        }
        let nearest = have.iter().map(|candidate| (distance(name, candidate), *candidate)).min();
        let close = nearest.filter(|(distance, _)| *distance <= (name.chars().count() / 2).max(1)).map(|(_, n)| n.to_owned());
        PlotError::NoColumn { name: name.to_owned(), nearest: close, have: if have.is_empty() { "no columns at all".to_owned() } else { listed } }
    }
}

/// Levenshtein's distance, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_names_the_nearest() {
        let error = PlotError::no_column("Sepal_lenght", &["sepal_length", "species"]);
        assert_eq!(error.to_string(), "the frame has no column `Sepal_lenght` (did you mean `sepal_length`?); it has: `sepal_length`, `species`");
        assert_eq!(PlotError::no_column("q", &[]).to_string(), "the frame has no column `q`; it has: no columns at all");
        assert_eq!(PlotError::no_column("zzzzzz", &["a"]).to_string(), "the frame has no column `zzzzzz`; it has: `a`");
    }
}
