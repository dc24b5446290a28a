//! What preparation and judging take: tables and lists of this crate, or of others that say how they become ones (polars' frames, in `ochre-ml`).
//!
//! The parameter `M` names who says it, so that a crate may do it for types that are not its own.
use crate::{Column, LearningError, Table, Values};

/// A table with columns by name.
pub trait Tabular<M = ()>: Sized {
    /// Its numbers and texts.
    fn to_table(&self) -> Result<Table, LearningError>;
    /// The same kind of table, from what was made of `self`.
    fn with_table(&self, table: Table) -> Result<Self, LearningError>;
}

impl Tabular for Table {
    fn to_table(&self) -> Result<Table, LearningError> {
        Ok(self.clone())
    }

    fn with_table(&self, table: Table) -> Result<Self, LearningError> {
        Ok(table)
    }
}

/// A list of numbers or texts: true values, predictions, scores.
pub trait ToValues<M = ()> {
    fn to_values(&self) -> Result<Values, LearningError>;
}

impl ToValues for Values {
    fn to_values(&self) -> Result<Values, LearningError> {
        Ok(self.clone())
    }
}

impl ToValues for Column {
    fn to_values(&self) -> Result<Values, LearningError> {
        Ok(self.values.clone())
    }
}

impl<T: ToValues<M> + ?Sized, M> ToValues<M> for &T {
    fn to_values(&self) -> Result<Values, LearningError> {
        (**self).to_values()
    }
}

/// One value of a list.
pub trait Item {
    /// The list of them.
    fn list(items: &[Self]) -> Values
    where
        Self: Sized;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Item for $type {
            fn list(items: &[Self]) -> Values {
                Values::Numbers(items.iter().map(|&x| x as f64).collect())
            }
        }
    )*};
}
numbers!(f64 f32 i8 i16 i32 i64 u8 u16 u32 u64 isize usize);

impl Item for bool {
    fn list(items: &[Self]) -> Values {
        Values::Texts(items.iter().map(|x| Some(x.to_string())).collect())
    }
}

impl Item for &str {
    fn list(items: &[Self]) -> Values {
        Values::Texts(items.iter().map(|x| Some((*x).to_owned())).collect())
    }
}

impl Item for String {
    fn list(items: &[Self]) -> Values {
        Values::Texts(items.iter().map(|x| Some(x.clone())).collect())
    }
}

impl<T: Item> ToValues for [T] {
    fn to_values(&self) -> Result<Values, LearningError> {
        Ok(T::list(self))
    }
}

impl<T: Item> ToValues for Vec<T> {
    fn to_values(&self) -> Result<Values, LearningError> {
        Ok(T::list(self))
    }
}

impl<T: Item, const N: usize> ToValues for [T; N] {
    fn to_values(&self) -> Result<Values, LearningError> {
        Ok(T::list(self))
    }
}

/// Numbers of a list.
///
/// # Errors
/// It holds texts.
pub fn numbers(values: Values, what: &str) -> Result<Vec<f64>, LearningError> {
    match values {
        Values::Numbers(values) => Ok(values),
        Values::Texts(_) => Err(LearningError::Kind { column: what.into(), expected: "numbers", found: "texts", hint: "" }),
    }
}
