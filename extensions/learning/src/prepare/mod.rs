//! Steps that are fitted on one table and applied to others: scalers, encoders, imputers, and pipelines of them.
//!
//! A step changes the columns it was told to (by default those it is made for) and leaves the others as they are. What it learnt is data: it is
//! saved with a model and applied again at scoring. Values are scikit-learn's for the same settings.
mod encode;
mod impute;
mod pipeline;
mod scale;

pub use encode::{Category, OneHotEncoder, OrdinalEncoder};
pub(crate) use impute::median;
pub use impute::{Fill, SimpleImputer};
pub use pipeline::{Field, Pipeline, Preparation, Step};
pub use scale::{MinMaxScaler, StandardScaler};

use crate::{LearningError, Table, Tabular, Values};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// What all steps and pipelines offer over tables of any kind; generic only to the point where the table is ours.
macro_rules! offered {
    ($($type:ident)*) => {$(
        impl $type {
            /// Learns from a table.
            pub fn fit<T: Tabular<M>, M>(&mut self, table: &T) -> Result<(), LearningError> {
                self.learn(&table.to_table()?)
            }

            /// Itself, after it has learnt from a table.
            pub fn fitted<T: Tabular<M>, M>(mut self, table: &T) -> Result<Self, LearningError> {
                self.fit(table)?;
                Ok(self)
            }

            /// Applies what was learnt.
            pub fn transform<T: Tabular<M>, M>(&self, table: &T) -> Result<T, LearningError> {
                table.with_table(self.apply(&table.to_table()?)?)
            }

            /// Learns from a table and applies it to the same.
            pub fn fit_transform<T: Tabular<M>, M>(&mut self, table: &T) -> Result<T, LearningError> {
                self.fit(table)?;
                self.transform(table)
            }

            /// Writes what was learnt into a JSON file.
            pub fn save(&self, path: impl AsRef<Path>) -> Result<(), LearningError> {
                write(self, path.as_ref())
            }

            /// Reads what [`Self::save`] wrote.
            pub fn load(path: impl AsRef<Path>) -> Result<Self, LearningError> {
                read(path.as_ref())
            }
        }
    )*};
}
offered!(StandardScaler MinMaxScaler OneHotEncoder OrdinalEncoder SimpleImputer Pipeline);

fn write(step: &impl Serialize, path: &Path) -> Result<(), LearningError> {
    let failed = |what: String| LearningError::Saved { path: path.display().to_string(), what };
    let json = serde_json::to_vec(step).map_err(|e| failed(e.to_string()))?;
    std::fs::write(path, json).map_err(|e| failed(e.to_string()))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, LearningError> {
    let failed = |what: String| LearningError::Saved { path: path.display().to_string(), what };
    let json = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
    serde_json::from_slice(&json).map_err(|e| failed(format!("it is no saved preparation: {e}")))
}

/// What a step is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Numbers,
    Texts,
    All,
}

/// The names of the columns that a step is fitted on: those that the user named, or all that it is made for.
fn chosen(table: &Table, named: &Option<Vec<String>>, wanted: Wanted) -> Result<Vec<String>, LearningError> {
    if table.rows() == 0 {
        return Err(LearningError::NoRows);
    }
    if let Some(names) = named {
        for name in names {
            table.column(name)?;
        }
        return Ok(names.clone());
    }
    let suits = |values: &Values| match wanted {
        Wanted::All => true,
        Wanted::Numbers => matches!(values, Values::Numbers(_)),
        Wanted::Texts => matches!(values, Values::Texts(_)),
    };
    Ok(table.columns().iter().filter(|c| suits(&c.values)).map(|c| c.name.clone()).collect())
}

/// The numbers of a column.
fn numbers<'a>(table: &'a Table, name: &str) -> Result<&'a [f64], LearningError> {
    let column = table.column(name)?;
    match &column.values {
        Values::Numbers(values) => match values.iter().any(|x| x.is_infinite()) {
            true => Err(LearningError::Infinite(name.into())),
            false => Ok(values),
        },
        Values::Texts(_) => {
            let hint = "; put a OneHotEncoder or an OrdinalEncoder before";
            Err(LearningError::Kind { column: name.into(), expected: "numbers", found: "texts", hint })
        }
    }
}
