//! A column of the frame as what a chart can place: numbers, moments, or names.
use crate::PlotError;
use polars::prelude::*;
use std::collections::HashMap;

/// Distinct whole numbers up to which a column counts as names where names are wanted (clusters, years, ratings).
const FEW: usize = 12;

/// How the values of a field are ordered and spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Number,
    /// Milliseconds since 1970, without a time zone.
    Time,
    /// Places in the list of names.
    Name,
}

impl Kind {
    /// As it is called in messages.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Number => "numbers",
            Kind::Time => "times",
            Kind::Name => "names",
        }
    }
}

/// A column; a missing value is NaN.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub values: Vec<f64>,
    /// The names in order, where the kind is [`Kind::Name`].
    pub names: Vec<String>,
    pub whole: bool,
}

impl Field {
    /// Reads a column as its type suggests.
    pub fn read(frame: &DataFrame, name: &str, channel: &'static str) -> Result<Self, PlotError> {
        let column = frame.column(name).map_err(|_| missing(frame, name))?;
        let dtype = column.dtype().clone();
        let unreadable = |_| PlotError::WrongType { name: name.to_owned(), dtype: dtype.to_string(), channel, hint: "take a part of it or cast it first" };
        match column.dtype() {
            DataType::Date | DataType::Datetime(..) => times(column).map_err(unreadable),
            DataType::Duration(_) => seconds(column).map_err(unreadable),
            numeric if numeric.is_numeric() => numbers(column).map_err(unreadable),
            DataType::List(_) | DataType::Array(..) | DataType::Struct(_) | DataType::Binary | DataType::Object(_) => Err(PlotError::WrongType {
                name: name.to_owned(),
                dtype: dtype.to_string(),
                channel,
                hint: "explode it, take a field of it, or cast it first",
            }),
            DataType::Null => Err(PlotError::Empty(format!("column `{name}` holds nothing but nulls"))),
            _ => names(column).map_err(unreadable),
        }
    }

    /// Reads a column that must hold numbers or times.
    pub fn read_measure(frame: &DataFrame, name: &str, channel: &'static str) -> Result<Self, PlotError> {
        let field = Self::read(frame, name, channel)?;
        if field.kind != Kind::Name {
            return Ok(field);
        }
        let dtype = frame.column(name).map(|column| column.dtype().to_string()).unwrap_or_default();
        Err(PlotError::WrongType { name: name.to_owned(), dtype, channel, hint: "give a column of numbers, or cast it: `.with_column(col(…).cast(DataType::Float64))`" })
    }

    /// The same values as names; numbers and times in their order, names as they came.
    pub fn into_names(self) -> Self {
        if self.kind == Kind::Name {
            return self;
        }
        let distinct = self.distinct();
        let names = distinct.iter().map(|&value| self.label(value)).collect();
        let values = self.values.iter().map(|value| distinct.binary_search_by(|d| d.total_cmp(value)).map_or(f64::NAN, |at| at as f64)).collect();
        Self { kind: Kind::Name, values, names, ..self }
    }

    /// Whole numbers with few different values are names where colours and panels are chosen.
    pub fn few_as_names(self) -> Self {
        if self.kind == Kind::Number && self.whole && self.distinct().len() <= FEW { self.into_names() } else { self }
    }

    /// The different values in order, without the missing ones.
    pub fn distinct(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.values.iter().copied().filter(|value| !value.is_nan()).map(|value| value + 0.0).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        values
    }

    fn label(&self, value: f64) -> String {
        match self.kind {
            Kind::Number => value.to_string(),
            Kind::Time => ochre_charts::scale::time_label(value),
            Kind::Name => self.names.get(value as usize).cloned().unwrap_or_default(),
        }
    }
}

fn missing(frame: &DataFrame, name: &str) -> PlotError {
    let have: Vec<&str> = frame.columns().iter().map(|column| column.name().as_str()).collect();
    PlotError::no_column(name, &have)
}

fn field(column: &Column, kind: Kind, values: Vec<f64>, names: Vec<String>) -> Field {
    Field { name: column.name().to_string(), kind, values, names, whole: column.dtype().is_integer() }
}

fn floats(column: &Column) -> PolarsResult<Vec<f64>> {
    let cast = column.cast(&DataType::Float64)?;
    Ok(cast.f64()?.iter().map(|value| value.filter(|v| v.is_finite()).unwrap_or(f64::NAN)).collect())
}

fn numbers(column: &Column) -> PolarsResult<Field> {
    Ok(field(column, Kind::Number, floats(column)?, Vec::new()))
}

fn times(column: &Column) -> PolarsResult<Field> {
    let moments = column.cast(&DataType::Datetime(TimeUnit::Milliseconds, None))?.cast(&DataType::Int64)?;
    Ok(field(column, Kind::Time, floats(&moments)?, Vec::new()))
}

fn seconds(column: &Column) -> PolarsResult<Field> {
    let nanoseconds = column.cast(&DataType::Duration(TimeUnit::Nanoseconds))?.cast(&DataType::Int64)?;
    let mut field = field(column, Kind::Number, floats(&nanoseconds)?.iter().map(|ns| ns / 1e9).collect(), Vec::new());
    field.name.push_str(" (s)");
    Ok(field)
}

fn names(column: &Column) -> PolarsResult<Field> {
    let texts = column.cast(&DataType::String)?;
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::new();
    let texts = texts.str()?;
    let values = texts
        .iter()
        .map(|text| match text {
            Some(text) => *places.entry(text).or_insert_with(|| {
                names.push(text.to_owned());
                names.len() - 1
            }) as f64,
            None => f64::NAN,
        })
        .collect();
    Ok(field(column, Kind::Name, values, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_become_kinds() {
        let frame = df!("n" => [Some(3i64), None, Some(1)], "s" => ["b", "a", "b"], "f" => [0.5, f64::NAN, 1.0]).expect("equal lengths");
        let number = Field::read(&frame, "n", "x").expect("numbers");
        assert_eq!((number.kind, number.distinct()), (Kind::Number, vec![1.0, 3.0]));
        assert_eq!(number.few_as_names().names, ["1", "3"]);
        let names = Field::read(&frame, "s", "x").expect("names");
        assert_eq!((names.kind, names.values, names.names), (Kind::Name, vec![0.0, 1.0, 0.0], vec!["b".to_owned(), "a".to_owned()]));
        assert!(Field::read(&frame, "f", "x").expect("floats").values[1].is_nan());
    }

    #[test]
    fn dates_become_milliseconds() {
        let dates = Column::new("d".into(), [1i32, 2]).cast(&DataType::Date).expect("days");
        let frame = dates.into_frame();
        let field = Field::read(&frame, "d", "x").expect("times");
        assert_eq!((field.kind, field.values), (Kind::Time, vec![86_400_000.0, 172_800_000.0]));
    }

    #[test]
    fn wrong_columns_get_a_sentence() {
        let frame = df!("name" => ["a"]).expect("one column");
        assert!(Field::read(&frame, "nmae", "x").expect_err("no such column").to_string().contains("did you mean `name`?"));
        let error = Field::read_measure(&frame, "name", "the y of a line").expect_err("no numbers").to_string();
        assert!(error.starts_with("column `name` is str, which the y of a line cannot show; give a column of numbers"), "{error}");
    }
}
