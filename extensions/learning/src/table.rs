//! Named columns of numbers or texts: what preparation works on.
use crate::{LearningError, Matrix};
use std::collections::HashSet;

/// The values of a column. A missing number is NaN, a missing text `None`.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Numbers(Vec<f64>),
    Texts(Vec<Option<String>>),
}

impl Values {
    /// How many there are, missing ones included.
    pub fn len(&self) -> usize {
        match self {
            Values::Numbers(v) => v.len(),
            Values::Texts(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are missing.
    pub fn missing(&self) -> usize {
        match self {
            Values::Numbers(v) => v.iter().filter(|x| x.is_nan()).count(),
            Values::Texts(v) => v.iter().filter(|x| x.is_none()).count(),
        }
    }

    /// The values of some rows, in that order.
    pub fn take(&self, rows: &[usize]) -> Self {
        match self {
            Values::Numbers(v) => Values::Numbers(rows.iter().map(|&i| v[i]).collect()),
            Values::Texts(v) => Values::Texts(rows.iter().map(|&i| v[i].clone()).collect()),
        }
    }

    /// For messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Values::Numbers(_) => "numbers",
            Values::Texts(_) => "texts",
        }
    }
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub values: Values,
}

impl Column {
    /// A column of numbers; NaN is missing.
    pub fn numbers(name: impl Into<String>, values: Vec<f64>) -> Self {
        Self { name: name.into(), values: Values::Numbers(values) }
    }

    /// A column of texts.
    pub fn texts(name: impl Into<String>, values: Vec<Option<String>>) -> Self {
        Self { name: name.into(), values: Values::Texts(values) }
    }
}

/// Columns of one length with different names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// A table of columns.
    ///
    /// # Errors
    /// Lengths differ, or a name is there twice.
    pub fn new(columns: Vec<Column>) -> Result<Self, LearningError> {
        let rows = columns.first().map_or(0, |c| c.values.len());
        let mut names = HashSet::new();
        for column in &columns {
            crate::error::same_length(&format!("the column `{}`", column.name), rows, column.values.len())?;
            if !names.insert(column.name.as_str()) {
                return Err(LearningError::TwiceNamed(column.name.clone()));
            }
        }
        Ok(Self { columns, rows })
    }

    /// A table of columns that are known to fit.
    pub(crate) fn of(columns: Vec<Column>, rows: usize) -> Self {
        Self { columns, rows }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Result<&Column, LearningError> {
        self.columns.iter().find(|c| c.name == name).ok_or_else(|| LearningError::NoColumn(name.into()))
    }

    /// The table without a column, and that column.
    pub fn split_off(mut self, name: &str) -> Result<(Self, Column), LearningError> {
        let place = self.columns.iter().position(|c| c.name == name).ok_or_else(|| LearningError::NoColumn(name.into()))?;
        let column = self.columns.remove(place);
        Ok((self, column))
    }

    /// Some rows, in that order.
    pub fn take(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|c| Column { name: c.name.clone(), values: c.values.take(rows) }).collect();
        Self { columns, rows: rows.len() }
    }

    /// All columns as numbers, missing ones as NaN.
    ///
    /// # Errors
    /// A column holds texts.
    pub fn matrix(&self) -> Result<Matrix, LearningError> {
        let mut data = Vec::with_capacity(self.rows * self.columns.len());
        for column in &self.columns {
            match &column.values {
                Values::Numbers(values) => data.extend_from_slice(values),
                Values::Texts(_) => {
                    let hint = "; put a OneHotEncoder or an OrdinalEncoder before";
                    return Err(LearningError::Kind { column: column.name.clone(), expected: "numbers", found: "texts", hint });
                }
            }
        }
        Ok(Matrix::of(self.rows, self.columns.iter().map(|c| c.name.clone()).collect(), data))
    }
}
