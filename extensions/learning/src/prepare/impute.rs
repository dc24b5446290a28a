//! What stands in the place of missing values.
use super::{Category, Wanted, chosen};
use crate::{Column, LearningError, Table, Values};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the value is found that stands in the place of missing ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Fill {
    /// The mean of the others; numbers only.
    Mean,
    /// The middle of the others; numbers only.
    Median,
    /// The value that is there most often; of several the smallest.
    MostFrequent,
    /// This number, in columns of numbers.
    Number(#[serde(with = "crate::exact::one")] f64),
    /// This text, in columns of texts.
    Text(String),
}

/// Fills missing values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SimpleImputer {
    named: Option<Vec<String>>,
    fill: Fill,
    indicated: bool,
    fitted: Option<Vec<Filled>>,
}

/// What was learnt of one column.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Filled {
    name: String,
    value: Category,
    had_missing: bool,
}

impl Default for SimpleImputer {
    fn default() -> Self {
        Self::new(Fill::Mean)
    }
}

impl SimpleImputer {
    /// Fills in the way said; columns that the way is not made for are left.
    pub fn new(fill: Fill) -> Self {
        Self { named: None, fill, indicated: false, fitted: None }
    }

    /// The mean of the numbers that are there.
    pub fn mean() -> Self {
        Self::new(Fill::Mean)
    }

    /// The middle of the numbers that are there.
    pub fn median() -> Self {
        Self::new(Fill::Median)
    }

    /// The value that is there most often, of numbers and of texts.
    pub fn most_frequent() -> Self {
        Self::new(Fill::MostFrequent)
    }

    /// One number for all.
    pub fn number(value: f64) -> Self {
        Self::new(Fill::Number(value))
    }

    /// One text for all.
    pub fn text(value: impl Into<String>) -> Self {
        Self::new(Fill::Text(value.into()))
    }

    /// Only these columns.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.named = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a column `name_missing` of 0 and 1 for each column that had missing values when it was fitted.
    pub fn with_indicators(mut self) -> Self {
        self.indicated = true;
        self
    }

    /// Learns what to fill with.
    pub(crate) fn learn(&mut self, table: &Table) -> Result<(), LearningError> {
        let wanted = match self.fill {
            Fill::Mean | Fill::Median | Fill::Number(_) => Wanted::Numbers,
            Fill::Text(_) => Wanted::Texts,
            Fill::MostFrequent => Wanted::All,
        };
        let learn = |name: String| {
            let values = &table.column(&name)?.values;
            let value = self.value(&name, values)?;
            Ok(Filled { had_missing: values.missing() > 0, name, value })
        };
        let fitted: Result<Vec<Filled>, LearningError> = chosen(table, &self.named, wanted)?.into_iter().map(learn).collect();
        self.fitted = Some(fitted?);
        Ok(())
    }

    fn value(&self, name: &str, values: &Values) -> Result<Category, LearningError> {
        let all_missing = || LearningError::AllMissing(name.into());
        let wrong = |expected| LearningError::Kind { column: name.into(), expected, found: values.kind(), hint: "" };
        match (&self.fill, values) {
            (Fill::Number(number), Values::Numbers(_)) => Ok(Category::Number(*number)),
            (Fill::Text(text), Values::Texts(_)) => Ok(Category::Text(text.clone())),
            (Fill::Mean | Fill::Median, Values::Numbers(_)) => {
                let mut present: Vec<f64> = super::numbers(&Table::of(vec![Column { name: name.into(), values: values.clone() }], values.len()), name)?.to_vec();
                present.retain(|x| !x.is_nan());
                if present.is_empty() {
                    return Err(all_missing());
                }
                let mean = present.iter().sum::<f64>() / present.len() as f64;
                Ok(Category::Number(if self.fill == Fill::Mean { mean } else { median(&mut present) }))
            }
            (Fill::MostFrequent, _) => most_frequent(values).ok_or_else(all_missing),
            (Fill::Text(_), _) => Err(wrong("texts")),
            _ => Err(wrong("numbers")),
        }
    }

    /// Fills a table.
    pub(crate) fn apply(&self, table: &Table) -> Result<Table, LearningError> {
        let fitted = self.fitted.as_ref().ok_or(LearningError::NotFitted("SimpleImputer"))?;
        let mut columns = table.columns().to_vec();
        let mut indicators = Vec::new();
        for filled in fitted {
            let column = columns.iter_mut().find(|c| c.name == filled.name).ok_or_else(|| LearningError::NoColumn(filled.name.clone()))?;
            if self.indicated && filled.had_missing {
                indicators.push(Column::numbers(format!("{}_missing", filled.name), indicator(&column.values)));
            }
            fill(column, &filled.value)?;
        }
        columns.append(&mut indicators);
        Table::new(columns)
    }
}

/// The middle of some numbers, of an even count the mean of the two in the middle.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn most_frequent(values: &Values) -> Option<Category> {
    let mut counts: BTreeMap<Category, usize> = BTreeMap::new();
    match values {
        Values::Numbers(v) => v.iter().filter(|x| !x.is_nan()).for_each(|&x| *counts.entry(Category::Number(x)).or_default() += 1),
        Values::Texts(v) => v.iter().flatten().for_each(|t| *counts.entry(Category::Text(t.clone())).or_default() += 1),
    }
    let most = *counts.values().max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(category, _)| category)
}

fn indicator(values: &Values) -> Vec<f64> {
    match values {
        Values::Numbers(v) => v.iter().map(|x| f64::from(u8::from(x.is_nan()))).collect(),
        Values::Texts(v) => v.iter().map(|t| f64::from(u8::from(t.is_none()))).collect(),
    }
}

fn fill(column: &mut Column, with: &Category) -> Result<(), LearningError> {
    match (&mut column.values, with) {
        (Values::Numbers(v), Category::Number(number)) => v.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = *number),
        (Values::Texts(v), Category::Text(text)) => v.iter_mut().filter(|t| t.is_none()).for_each(|t| *t = Some(text.clone())),
        (values, with) => {
            let expected = if matches!(with, Category::Number(_)) { "numbers" } else { "texts" };
            return Err(LearningError::Kind { column: column.name.clone(), expected, found: values.kind(), hint: ", as when the imputer was fitted" });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_filling() {
        let texts = [Some("b"), None, Some("a"), Some("b"), Some("a")].map(|t| t.map(String::from)).to_vec();
        let table = Table::new(vec![Column::numbers("x", vec![1.0, f64::NAN, 2.0, 9.0, 9.0]), Column::texts("t", texts)]).unwrap();
        let cases = [(SimpleImputer::mean(), Some(5.25)), (SimpleImputer::median(), Some(5.5)), (SimpleImputer::most_frequent(), Some(9.0)), (SimpleImputer::number(-1.0), Some(-1.0)), (SimpleImputer::text("?"), None)];
        for (mut imputer, expected) in cases {
            imputer.fit(&table).unwrap();
            let out = imputer.transform(&table).unwrap();
            let Values::Numbers(x) = &out.column("x").unwrap().values else { panic!() };
            assert_eq!((!x[1].is_nan()).then_some(x[1]), expected);
            let Values::Texts(t) = &out.column("t").unwrap().values else { panic!() };
            let text = match imputer.fill { Fill::MostFrequent => Some("a"), Fill::Text(_) => Some("?"), _ => None };
            assert_eq!(t[1].as_deref(), text);
        }
    }

    #[test]
    fn an_indicator_says_where_values_were_missing() {
        let table = Table::new(vec![Column::numbers("x", vec![f64::NAN, 1.0])]).unwrap();
        let mut imputer = SimpleImputer::mean().with_indicators();
        imputer.fit(&table).unwrap();
        assert_eq!(imputer.transform(&table).unwrap().column("x_missing").unwrap().values, Values::Numbers(vec![1.0, 0.0]));
    }
}
