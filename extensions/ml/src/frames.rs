//! Polars' frames and columns as tables and lists of `ochre-learning`, and back.
use crate::Ml;
use ochre_learning::{Column as Learnt, LearningError, Table, Tabular, ToValues, Values};
use polars::prelude::*;

fn failed(error: PolarsError) -> LearningError {
    LearningError::Frame(error.to_string())
}

/// Numbers stay numbers, truths become 0 and 1, times their count since 1970, texts and categories texts.
fn values(column: &Column) -> Result<Values, LearningError> {
    let refused = || LearningError::Kind {
        column: column.name().to_string(),
        expected: "numbers, texts, truths or times",
        found: "another type",
        hint: "; leave it out (`.drop`) or cast it",
    };
    match column.dtype() {
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) => texts(column).map_err(failed),
        DataType::Date | DataType::Datetime(..) | DataType::Duration(_) | DataType::Time => {
            let physical = column.cast(&DataType::Int64).map_err(failed)?;
            floats(&physical).map_err(failed)
        }
        DataType::Null => Ok(Values::Numbers(vec![f64::NAN; column.len()])),
        DataType::List(_) | DataType::Array(..) | DataType::Struct(_) | DataType::Binary | DataType::Object(_) => Err(refused()),
        _ => floats(column).map_err(failed),
    }
}

fn floats(column: &Column) -> PolarsResult<Values> {
    let cast = column.cast(&DataType::Float64)?;
    Ok(Values::Numbers(cast.f64()?.iter().map(|x| x.unwrap_or(f64::NAN)).collect()))
}

fn texts(column: &Column) -> PolarsResult<Values> {
    let cast = column.cast(&DataType::String)?;
    Ok(Values::Texts(cast.str()?.iter().map(|t| t.map(str::to_owned)).collect()))
}

/// A column of polars'.
pub(crate) fn column(learnt: Learnt) -> Column {
    match learnt.values {
        // A missing number is null, as polars has it.
        Values::Numbers(v) => Column::new(learnt.name.into(), v.into_iter().map(|x| (!x.is_nan()).then_some(x)).collect::<Vec<Option<f64>>>()),
        Values::Texts(v) => Column::new(learnt.name.into(), v),
    }
}

fn same(a: &Values, b: &Values) -> bool {
    match (a, b) {
        (Values::Numbers(a), Values::Numbers(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())),
        _ => a == b,
    }
}

impl Tabular<Ml> for DataFrame {
    fn to_table(&self) -> Result<Table, LearningError> {
        let columns: Result<Vec<Learnt>, LearningError> =
            self.columns().iter().map(|c| Ok(Learnt { name: c.name().to_string(), values: values(c)? })).collect();
        Table::new(columns?)
    }

    /// Columns that did not change keep their types.
    fn with_table(&self, table: Table) -> Result<Self, LearningError> {
        let kept = |learnt: &Learnt| {
            let own = self.column(&learnt.name).ok()?;
            values(own).ok().filter(|before| same(before, &learnt.values)).map(|_| own.clone())
        };
        let columns = table.columns().iter().map(|learnt| kept(learnt).unwrap_or_else(|| column(learnt.clone()))).collect();
        DataFrame::new_infer_height(columns).map_err(failed)
    }
}

/// Truths are the classes `true` and `false`.
fn list(column: &Column) -> Result<Values, LearningError> {
    if column.dtype() == &DataType::Boolean { texts(column).map_err(failed) } else { values(column) }
}

impl ToValues<Ml> for Column {
    fn to_values(&self) -> Result<Values, LearningError> {
        list(self)
    }
}

impl ToValues<Ml> for Series {
    fn to_values(&self) -> Result<Values, LearningError> {
        list(&self.clone().into_column())
    }
}

/// Some rows of a frame, in that order.
pub(crate) fn take(frame: &DataFrame, rows: &[usize]) -> Result<DataFrame, LearningError> {
    let rows: Vec<IdxSize> = rows.iter().map(|&row| row as IdxSize).collect();
    frame.take(&IdxCa::from_vec("rows".into(), rows)).map_err(failed)
}

/// Columns as a frame.
pub(crate) fn frame(columns: Vec<Column>) -> Result<DataFrame, LearningError> {
    DataFrame::new_infer_height(columns).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ochre_learning::prepare::{OneHotEncoder, StandardScaler};

    #[test]
    fn frames_go_through_and_keep_the_types_of_what_did_not_change() {
        let frame = df!("n" => [1i32, 2, 3], "x" => [Some(1.0), None, Some(3.0)], "t" => ["a", "b", "a"], "b" => [true, false, true]).unwrap();
        let scaled = StandardScaler::new().columns(["x"]).fitted(&frame).unwrap().transform(&frame).unwrap();
        assert_eq!((scaled.column("n").unwrap().dtype(), scaled.column("b").unwrap().dtype()), (&DataType::Int32, &DataType::Boolean));
        assert_eq!(scaled.column("x").unwrap().f64().unwrap().to_vec(), [Some(-1.0), None, Some(1.0)]);
        let spread = OneHotEncoder::new().fit_transform(&frame).unwrap();
        let names: Vec<String> = spread.columns().iter().map(|c| c.name().to_string()).collect();
        assert_eq!(names, ["n", "x", "t_a", "t_b", "b"]);
    }

    #[test]
    fn truths_are_classes_in_lists() {
        let frame = df!("b" => [true, false]).unwrap();
        assert_eq!(frame.column("b").unwrap().to_values().unwrap(), Values::Texts(vec![Some("true".into()), Some("false".into())]));
    }
}
