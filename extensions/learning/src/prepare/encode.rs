//! Encoders of categories: one column per category, or one number per category. Categories are sorted, missing ones last.
use super::{Wanted, chosen};
use crate::{Column, LearningError, Table, Values, exact};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A value that stands for a group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Category {
    Number(#[serde(with = "exact::one")] f64),
    Text(String),
    Missing,
}

impl Category {
    fn rank(&self) -> u8 {
        match self {
            Category::Number(_) => 0,
            Category::Text(_) => 1,
            Category::Missing => 2,
        }
    }
}

impl Ord for Category {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // `+ 0.0` makes the two zeros one.
            (Category::Number(a), Category::Number(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Category::Text(a), Category::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Category {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Category {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Category {}

impl std::fmt::Display for Category {
    /// As scikit-learn writes it into the name of a column.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Category::Number(number) => write!(f, "{number}"),
            Category::Text(text) => f.write_str(text),
            Category::Missing => f.write_str("missing"),
        }
    }
}

/// The values of a column as categories.
fn categories(values: &Values) -> Vec<Category> {
    let text = |t: &Option<String>| t.as_ref().map_or(Category::Missing, |t| Category::Text(t.clone()));
    match values {
        Values::Numbers(v) => v.iter().map(|&x| if x.is_nan() { Category::Missing } else { Category::Number(x) }).collect(),
        Values::Texts(v) => v.iter().map(text).collect(),
    }
}

fn distinct(values: &Values) -> Vec<Category> {
    let mut found = categories(values);
    found.sort();
    found.dedup();
    found
}

/// What was learnt of one column.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    name: String,
    categories: Vec<Category>,
}

impl Known {
    fn of(table: &Table, names: Vec<String>) -> Result<Vec<Self>, LearningError> {
        names.into_iter().map(|name| Ok(Known { categories: distinct(&table.column(&name)?.values), name })).collect()
    }

    /// The place of each value among the categories; `None` for one that was not there.
    fn places(&self, table: &Table) -> Result<Vec<Option<usize>>, LearningError> {
        Ok(categories(&table.column(&self.name)?.values).iter().map(|c| self.categories.binary_search(c).ok()).collect())
    }

    fn refuse_unknown(&self, table: &Table, places: &[Option<usize>], step: &'static str) -> Result<(), LearningError> {
        let Some(row) = places.iter().position(Option::is_none) else { return Ok(()) };
        let value = categories(&table.column(&self.name)?.values)[row].to_string();
        Err(LearningError::Unknown { column: self.name.clone(), value, step })
    }
}

/// Which category gets no column of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Dropped {
    None,
    First,
    FirstOfTwo,
}

/// A column of 0 and 1 for each category, named `column_category`. Made for texts; numbers that stand for groups are named with `.columns`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OneHotEncoder {
    named: Option<Vec<String>>,
    dropped: Dropped,
    ignores: bool,
    fitted: Option<Vec<Known>>,
}

impl Default for OneHotEncoder {
    fn default() -> Self {
        Self { named: None, dropped: Dropped::None, ignores: false, fitted: None }
    }
}

impl OneHotEncoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these columns; numbers among them are categories too.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.named = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The first category gets no column: for models that need independent ones.
    pub fn drop_first(mut self) -> Self {
        self.dropped = Dropped::First;
        self
    }

    /// Of two categories the first gets no column.
    pub fn drop_if_binary(mut self) -> Self {
        self.dropped = Dropped::FirstOfTwo;
        self
    }

    /// A category that was not there when it was fitted is 0 in all columns, and no error.
    pub fn unknown_ignored(mut self) -> Self {
        self.ignores = true;
        self
    }

    /// Learns the categories.
    pub(crate) fn learn(&mut self, table: &Table) -> Result<(), LearningError> {
        self.fitted = Some(Known::of(table, chosen(table, &self.named, Wanted::Texts)?)?);
        Ok(())
    }

    /// Puts the new columns where the old one was.
    pub(crate) fn apply(&self, table: &Table) -> Result<Table, LearningError> {
        let fitted = self.fitted.as_ref().ok_or(LearningError::NotFitted("OneHotEncoder"))?;
        if let Some(known) = fitted.iter().find(|k| table.column(&k.name).is_err()) {
            return Err(LearningError::NoColumn(known.name.clone()));
        }
        let mut columns = Vec::new();
        for column in table.columns() {
            match fitted.iter().find(|k| k.name == column.name) {
                Some(known) => columns.extend(self.spread(table, known)?),
                None => columns.push(column.clone()),
            }
        }
        Table::new(columns)
    }

    fn spread(&self, table: &Table, known: &Known) -> Result<Vec<Column>, LearningError> {
        let places = known.places(table)?;
        if !self.ignores {
            known.refuse_unknown(table, &places, "OneHotEncoder")?;
        }
        let first = match self.dropped {
            Dropped::None => 0,
            Dropped::First => 1,
            Dropped::FirstOfTwo => usize::from(known.categories.len() == 2),
        };
        let column = |place: usize| {
            let values = places.iter().map(|p| f64::from(u8::from(*p == Some(place)))).collect();
            Column::numbers(format!("{}_{}", known.name, known.categories[place]), values)
        };
        Ok((first..known.categories.len()).map(column).collect())
    }
}

/// The place of each category among the sorted ones, as a number; a missing value stays missing. Made for texts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OrdinalEncoder {
    named: Option<Vec<String>>,
    ignores: bool,
    fitted: Option<Vec<Known>>,
}

impl OrdinalEncoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Only these columns; numbers among them are categories too.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.named = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// A category that was not there when it was fitted becomes a missing number, and no error.
    pub fn unknown_ignored(mut self) -> Self {
        self.ignores = true;
        self
    }

    /// Learns the categories.
    pub(crate) fn learn(&mut self, table: &Table) -> Result<(), LearningError> {
        let mut fitted = Known::of(table, chosen(table, &self.named, Wanted::Texts)?)?;
        fitted.iter_mut().for_each(|k| k.categories.retain(|c| *c != Category::Missing));
        self.fitted = Some(fitted);
        Ok(())
    }

    /// Puts numbers in the place of categories.
    pub(crate) fn apply(&self, table: &Table) -> Result<Table, LearningError> {
        let fitted = self.fitted.as_ref().ok_or(LearningError::NotFitted("OrdinalEncoder"))?;
        let mut columns = table.columns().to_vec();
        for known in fitted {
            let place = columns.iter().position(|c| c.name == known.name).ok_or_else(|| LearningError::NoColumn(known.name.clone()))?;
            let values = categories(&columns[place].values);
            let number = |category: &Category| match known.categories.binary_search(category) {
                Ok(place) => Ok(place as f64),
                Err(_) if self.ignores || *category == Category::Missing => Ok(f64::NAN),
                Err(_) => Err(LearningError::Unknown { column: known.name.clone(), value: category.to_string(), step: "OrdinalEncoder" }),
            };
            let numbers: Result<Vec<f64>, LearningError> = values.iter().map(number).collect();
            columns[place] = Column::numbers(known.name.clone(), numbers?);
        }
        Ok(Table::of(columns, table.rows()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(texts: &[Option<&str>]) -> Table {
        let texts: Vec<Option<String>> = texts.iter().map(|t| t.map(String::from)).collect();
        Table::new(vec![Column::numbers("n", vec![0.0; texts.len()]), Column::texts("t", texts)]).unwrap()
    }

    fn names(table: &Table) -> Vec<&str> {
        table.columns().iter().map(|c| c.name.as_str()).collect()
    }

    #[test]
    fn categories_get_columns_in_sorted_order_missing_ones_last() {
        let mut encoder = OneHotEncoder::new();
        let data = table(&[Some("b"), None, Some("a")]);
        encoder.fit(&data).unwrap();
        let out = encoder.transform(&data).unwrap();
        assert_eq!(names(&out), ["n", "t_a", "t_b", "t_missing"]);
        assert_eq!(out.column("t_missing").unwrap().values, Values::Numbers(vec![0.0, 1.0, 0.0]));
        let mut encoder = OneHotEncoder::new().drop_first();
        encoder.fit(&data).unwrap();
        assert_eq!(names(&encoder.transform(&data).unwrap()), ["n", "t_b", "t_missing"]);
    }

    #[test]
    fn a_category_that_was_not_there_is_named_or_ignored() {
        let (known, new) = (table(&[Some("a")]), table(&[Some("z")]));
        let mut encoder = OneHotEncoder::new();
        encoder.fit(&known).unwrap();
        let error = encoder.transform(&new).unwrap_err().to_string();
        assert!(error.contains("`z`") && error.contains("unknown_ignored"), "{error}");
        let mut encoder = OneHotEncoder::new().unknown_ignored();
        encoder.fit(&known).unwrap();
        assert_eq!(encoder.transform(&new).unwrap().column("t_a").unwrap().values, Values::Numbers(vec![0.0]));
        let mut encoder = OrdinalEncoder::new().unknown_ignored();
        encoder.fit(&known).unwrap();
        assert_eq!(encoder.transform(&new).unwrap().column("t").unwrap().values.missing(), 1);
    }
}
