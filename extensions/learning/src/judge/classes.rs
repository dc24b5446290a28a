//! Classes: the distinct values of a target, sorted, and the place of each row's value among them.
use crate::prepare::Category;
use crate::{Column, LearningError, Values};

/// A target as class numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// Names of the classes, sorted: numbers by size, texts by their letters.
    pub classes: Vec<String>,
    /// The class of each row.
    pub codes: Vec<usize>,
}

fn category(values: &Values, row: usize) -> Category {
    match values {
        Values::Numbers(v) if v[row].is_nan() => Category::Missing,
        Values::Numbers(v) => Category::Number(v[row]),
        Values::Texts(v) => v[row].as_ref().map_or(Category::Missing, |t| Category::Text(t.clone())),
    }
}

fn sorted(lists: &[&Values]) -> Result<Vec<Category>, LearningError> {
    let mut all = Vec::new();
    for values in lists {
        if values.missing() > 0 {
            return Err(LearningError::Missing { column: "classes".into(), rows: values.missing() });
        }
        all.extend((0..values.len()).map(|row| category(values, row)));
        all.sort();
        all.dedup();
    }
    Ok(all)
}

/// The classes of some lists together, by name.
pub fn class_names(lists: &[&Values]) -> Result<Vec<String>, LearningError> {
    Ok(sorted(lists)?.iter().map(Category::to_string).collect())
}

/// A target's classes and the class of each row.
///
/// # Errors
/// There are no rows, or a value is missing.
pub fn code(target: &Column) -> Result<Coded, LearningError> {
    if target.values.is_empty() {
        return Err(LearningError::NoRows);
    }
    let known = sorted(&[&target.values]).map_err(|error| match error {
        LearningError::Missing { rows, .. } => LearningError::Missing { column: target.name.clone(), rows },
        other => other,
    })?;
    Ok(Coded { codes: places(&known, &target.values), classes: known.iter().map(Category::to_string).collect() })
}

/// Two lists over the same classes: what is true, and what was predicted.
pub(super) fn code_pair(truth: &Values, predicted: &Values) -> Result<(Vec<String>, Vec<usize>, Vec<usize>), LearningError> {
    crate::error::same_length("the list of predictions", truth.len(), predicted.len())?;
    if truth.is_empty() {
        return Err(LearningError::NoRows);
    }
    let known = sorted(&[truth, predicted])?;
    Ok((known.iter().map(Category::to_string).collect(), places(&known, truth), places(&known, predicted)))
}

fn places(known: &[Category], values: &Values) -> Vec<usize> {
    // Every value is among those that `known` was made of.
    (0..values.len()).map(|row| known.binary_search(&category(values, row)).unwrap_or(0)).collect()
}
