//! The part of a frame that is shown: head and tail of the rows, first and last columns, as text.
use crate::limits::Limits;
use crate::value::{self, Value};
use polars::prelude::*;

/// A frame cut to what is shown.
pub struct Window {
    /// `12,345 rows × 6 columns` and the like.
    pub caption: String,
    pub columns: Vec<ShownColumn>,
    pub row_gap: Option<Gap>,
    pub column_gap: Option<Gap>,
}

/// Where something was left out, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Number of shown rows (or columns) before it.
    pub after: usize,
    pub left_out: usize,
}

/// One column with the values that are shown.
pub struct ShownColumn {
    pub name: String,
    pub dtype: String,
    pub right: bool,
    pub values: Vec<Value>,
}

impl Window {
    /// Cuts a frame; only the shown cells are read.
    pub fn of_frame(frame: &DataFrame, limits: Limits) -> Self {
        let (height, width) = frame.shape();
        let row_gap = gap(height, limits.rows);
        let column_gap = gap(width, limits.columns);
        let columns = shown(width, column_gap).filter_map(|index| frame.select_at_idx(index)).map(|c| cut(c, row_gap)).collect();
        let caption = format!("{} × {}", counted(height, "row"), counted(width, "column"));
        Self { caption, columns, row_gap, column_gap }
    }

    /// A series is a frame of one column.
    pub fn of_column(column: &Column, limits: Limits) -> Self {
        let row_gap = gap(column.len(), limits.rows);
        let caption = counted(column.len(), "value");
        Self { caption, columns: vec![cut(column, row_gap)], row_gap, column_gap: None }
    }

    /// A schema, as a table of names and types; it is never cut, since it is what one looks up.
    pub fn of_schema(schema: &Schema) -> Self {
        let column = |name: &str, values| ShownColumn { name: name.to_owned(), dtype: String::new(), right: false, values };
        let names = schema.iter_names().map(|name| value::text(name)).collect();
        let types = schema.iter_values().map(|dtype| Value::plain(value::dtype(dtype))).collect();
        Self {
            caption: counted(schema.len(), "column"),
            columns: vec![column("column", names), column("dtype", types)],
            row_gap: None,
            column_gap: None,
        }
    }

    /// Number of shown rows.
    pub fn height(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }
}

/// Leaves out the middle when there is more than the limit; the head gets the odd one.
fn gap(length: usize, limit: usize) -> Option<Gap> {
    let limit = limit.max(1);
    (length > limit).then(|| Gap { after: limit.div_ceil(2), left_out: length - limit })
}

/// Indices before and after the gap.
fn shown(length: usize, gap: Option<Gap>) -> impl Iterator<Item = usize> {
    let (head, resume) = gap.map_or((length, length), |gap| (gap.after, gap.after + gap.left_out));
    (0..head).chain(resume..length)
}

fn cut(column: &Column, row_gap: Option<Gap>) -> ShownColumn {
    let dtype = column.dtype();
    let raw: Vec<AnyValue> = shown(column.len(), row_gap).map(|row| column.get(row).unwrap_or(AnyValue::Null)).collect();
    ShownColumn {
        name: column.name().to_string(),
        dtype: value::dtype(dtype),
        right: dtype.is_numeric(),
        values: value::column(&raw),
    }
}

/// `1 row`, `12,345 rows`.
fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", value::grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_left_out() {
        assert_eq!(gap(20, 20), None);
        assert_eq!(gap(21, 20), Some(Gap { after: 10, left_out: 1 }));
        assert_eq!(shown(10, gap(10, 3)).collect::<Vec<_>>(), [0, 1, 9]);
        assert_eq!(shown(2, gap(2, 0)).collect::<Vec<_>>(), [0]);
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(12_345, "row"), "12,345 rows");
    }

    #[test]
    fn a_tall_and_wide_frame_costs_what_is_shown() {
        let tall = df!("a" => (0..100_000).collect::<Vec<i32>>()).expect("one column");
        let window = Window::of_frame(&tall, Limits { rows: 4, columns: 4 });
        assert_eq!(window.height(), 4);
        assert_eq!(window.caption, "100,000 rows × 1 column");
        let texts: Vec<&str> = window.columns[0].values.iter().map(|v| v.text.as_str()).collect();
        assert_eq!(texts, ["0", "1", "99998", "99999"]);
    }
}
