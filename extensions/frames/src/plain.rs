//! A window of a frame as text with lines around it, as polars draws it.
//!
//! Polars' own text reads its limits from the environment of the process, which cells may not change under
//! running threads; so the table is drawn here, from the same window as the HTML.
use crate::window::{ShownColumn, Window};

/// Columns of a text table that are as wide as their values; wider ones are cut.
const WIDTH_LIMIT: usize = 32;

/// The table, with a line on top that says how large the whole frame is.
pub fn table(window: &Window) -> String {
    let mut columns: Vec<Strip> = window.columns.iter().map(|column| Strip::of(column, window)).collect();
    if let Some(gap) = window.column_gap {
        let rows = columns.first().map_or(0, |column| column.values.len());
        columns.insert(gap.after, Strip { head: vec!["…".into(); 3], values: vec!["…".into(); rows], right: false });
    }
    if columns.is_empty() {
        return format!("{} (empty)", window.caption);
    }
    let widths: Vec<usize> = columns.iter().map(Strip::width).collect();
    let mut out = window.caption.clone();
    rule(&mut out, &widths, ['┌', '┬', '┐', '─']);
    for line in 0..columns[0].head.len() {
        row(&mut out, &columns, &widths, |column| &column.head[line]);
    }
    rule(&mut out, &widths, ['╞', '╪', '╡', '═']);
    for line in 0..columns[0].values.len() {
        row(&mut out, &columns, &widths, |column| &column.values[line]);
    }
    rule(&mut out, &widths, ['└', '┴', '┘', '─']);
    out
}

/// The texts of one column from top to bottom.
struct Strip {
    head: Vec<String>,
    values: Vec<String>,
    right: bool,
}

impl Strip {
    fn of(column: &ShownColumn, window: &Window) -> Self {
        let mut values: Vec<String> = column.values.iter().map(|value| narrow(&value.text)).collect();
        if let Some(gap) = window.row_gap {
            values.insert(gap.after, "…".to_owned());
        }
        let head = if column.dtype.is_empty() { vec![narrow(&column.name)] } else { vec![narrow(&column.name), "---".to_owned(), narrow(&column.dtype)] };
        Self { head, values, right: column.right }
    }

    fn width(&self) -> usize {
        self.head.iter().chain(&self.values).map(|text| text.chars().count()).max().unwrap_or(0)
    }
}

fn narrow(text: &str) -> String {
    match text.char_indices().nth(WIDTH_LIMIT) {
        Some(_) => text.chars().take(WIDTH_LIMIT - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

fn rule(out: &mut String, widths: &[usize], [left, middle, right, line]: [char; 4]) {
    out.push('\n');
    out.push(left);
    for (index, width) in widths.iter().enumerate() {
        if index > 0 {
            out.push(middle);
        }
        out.extend(std::iter::repeat_n(line, width + 2));
    }
    out.push(right);
}

fn row<'a>(out: &mut String, columns: &'a [Strip], widths: &[usize], text: impl Fn(&'a Strip) -> &'a String) {
    out.push_str("\n│");
    for (index, (column, width)) in columns.iter().zip(widths).enumerate() {
        if index > 0 {
            out.push('┆');
        }
        let text = text(column);
        match column.right {
            true => out.push_str(&format!(" {text:>width$} ")),
            false => out.push_str(&format!(" {text:<width$} ")),
        }
    }
    out.push('│');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::window::Window;
    use polars::prelude::{DataType, Field, Schema, df};

    #[test]
    fn a_cut_frame_in_text() {
        let frame = df!("id" => [1i64, 2, 3, 4], "b" => ["x", "y", "z", "zz"], "c" => [Some(1.5), None, None, Some(10.0)]).expect("equal lengths");
        let expected = "\
4 rows × 3 columns
┌─────┬───┬──────┐
│  id ┆ … ┆    c │
│ --- ┆ … ┆  --- │
│ i64 ┆ … ┆  f64 │
╞═════╪═══╪══════╡
│   1 ┆ … ┆  1.5 │
│   2 ┆ … ┆ null │
│   … ┆ … ┆    … │
│   4 ┆ … ┆ 10.0 │
└─────┴───┴──────┘";
        assert_eq!(table(&Window::of_frame(&frame, Limits { rows: 3, columns: 2 })), expected);
    }

    #[test]
    fn a_schema_in_text() {
        let schema = Schema::from_iter([Field::new("id".into(), DataType::Int64)]);
        let expected = "\
1 column
┌────────┬───────┐
│ column ┆ dtype │
╞════════╪═══════╡
│ id     ┆ i64   │
└────────┴───────┘";
        assert_eq!(table(&Window::of_schema(&schema)), expected);
    }
}
