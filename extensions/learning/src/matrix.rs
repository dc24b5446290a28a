//! Numbers in named columns, one column after the other: what models learn from.
use crate::LearningError;

/// A matrix of numbers in column-major order; a missing one is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    names: Vec<String>,
    data: Vec<f64>,
}

impl Matrix {
    /// A matrix from its columns, one after the other.
    ///
    /// # Errors
    /// There are not `rows * names.len()` numbers.
    pub fn new(rows: usize, names: Vec<String>, data: Vec<f64>) -> Result<Self, LearningError> {
        crate::error::same_length("the matrix", rows * names.len(), data.len())?;
        Ok(Self { rows, names, data })
    }

    pub(crate) fn of(rows: usize, names: Vec<String>, data: Vec<f64>) -> Self {
        Self { rows, names, data }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn columns(&self) -> usize {
        self.names.len()
    }

    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// One column.
    pub fn column(&self, index: usize) -> &[f64] {
        &self.data[index * self.rows..(index + 1) * self.rows]
    }

    /// One value.
    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.data[column * self.rows + row]
    }

    /// Some rows, in that order.
    pub fn take(&self, rows: &[usize]) -> Self {
        let mut data = Vec::with_capacity(rows.len() * self.columns());
        for index in 0..self.columns() {
            let column = self.column(index);
            data.extend(rows.iter().map(|&row| column[row]));
        }
        Self { rows: rows.len(), names: self.names.clone(), data }
    }

    /// Refuses missing and infinite numbers, for models that cannot have them.
    pub fn complete(&self) -> Result<(), LearningError> {
        for (index, name) in self.names.iter().enumerate() {
            let column = self.column(index);
            let rows = column.iter().filter(|x| x.is_nan()).count();
            if rows > 0 {
                return Err(LearningError::Missing { column: name.clone(), rows });
            }
            if column.iter().any(|x| x.is_infinite()) {
                return Err(LearningError::Infinite(name.clone()));
            }
        }
        Ok(())
    }
}
