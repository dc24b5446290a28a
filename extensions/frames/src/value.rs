//! One value of a frame as text: numbers of a column to a common precision, long texts cut, nested values inside out.
use polars::prelude::*;

/// Characters of a text that are shown; the whole stands in its title.
const TEXT_LIMIT: usize = 60;
/// Characters of the whole text that a title holds.
const TITLE_LIMIT: usize = 1_000;
/// Elements of a list that are shown.
const LIST_LIMIT: usize = 8;
/// Levels of nesting that are shown.
const DEPTH_LIMIT: usize = 4;
/// Significant digits of a float; decimals are given up before digits in front of the point are.
const FLOAT_DIGITS: usize = 7;
/// Most decimals of a float.
const FLOAT_DECIMALS: usize = 6;

/// What a value is, where it is drawn differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Null,
    /// An empty text, which would else be invisible.
    Empty,
}

/// A value that is ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    pub kind: Kind,
    /// The whole value where `text` is a part of it.
    pub whole: Option<String>,
}

impl Value {
    /// A value that is shown whole.
    pub fn plain(text: String) -> Self {
        Self { text, kind: Kind::Plain, whole: None }
    }
}

/// The values of one column, whose floats share their number of decimals.
pub fn column(values: &[AnyValue]) -> Vec<Value> {
    let decimals = decimals(values.iter().filter_map(float));
    values.iter().map(|value| one(value, decimals)).collect()
}

fn one(value: &AnyValue, decimals: usize) -> Value {
    if let Some(number) = float(value) {
        return float_value(number, decimals, value);
    }
    match value {
        AnyValue::Null => Value { text: "null".to_owned(), kind: Kind::Null, whole: None },
        value => match value.get_str() {
            Some("") => Value { text: "\"\"".to_owned(), kind: Kind::Empty, whole: None },
            Some(string) => text(string),
            None => {
                let mut out = String::new();
                nested(value, DEPTH_LIMIT, &mut out);
                cut(&out)
            }
        },
    }
}

/// A text on one line, cut at the limit.
pub fn text(string: &str) -> Value {
    if string.contains(['\n', '\r', '\t']) {
        let line = string.replace("\r\n", "↵").replace(['\n', '\r'], "↵").replace('\t', "⇥");
        let mut value = cut(&line);
        value.whole = Some(start(string, TITLE_LIMIT));
        return value;
    }
    cut(string)
}

fn cut(string: &str) -> Value {
    match string.char_indices().nth(TEXT_LIMIT) {
        None => Value::plain(string.to_owned()),
        Some(_) => Value { text: start(string, TEXT_LIMIT - 1), kind: Kind::Plain, whole: Some(start(string, TITLE_LIMIT)) },
    }
}

/// The first characters, with an ellipsis where there are more.
fn start(string: &str, limit: usize) -> String {
    match string.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &string[..end]),
        None => string.to_owned(),
    }
}

fn float(value: &AnyValue) -> Option<f64> {
    match value {
        AnyValue::Float64(number) => Some(*number),
        // Through decimal text, so that 0.1f32 is 0.1 and not 0.10000000149.
        AnyValue::Float32(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// The fewest decimals that tell the numbers apart as they are, within the digits that are shown.
fn decimals(numbers: impl Iterator<Item = f64>) -> usize {
    let mut needed = 1;
    let mut room = FLOAT_DECIMALS;
    for number in numbers.filter(|number| number.is_finite() && !is_extreme(*number)) {
        let magnitude = number.abs();
        let digits = if magnitude >= 1.0 { magnitude.log10() as usize + 1 } else { 1 };
        room = room.min(FLOAT_DIGITS.saturating_sub(digits).max(1));
        while needed < FLOAT_DECIMALS && !is_exact(number, needed) {
            needed += 1;
        }
    }
    needed.min(room)
}

fn is_exact(number: f64, decimals: usize) -> bool {
    let scale = 10f64.powi(decimals as i32);
    let scaled = number * scale;
    (scaled - scaled.round()).abs() <= scaled.abs() * 1e-12 + 1e-9
}

/// Too large or too small to stand in a column of plain decimals.
fn is_extreme(number: f64) -> bool {
    number != 0.0 && !(1e-4..1e12).contains(&number.abs())
}

fn float_value(number: f64, decimals: usize, value: &AnyValue) -> Value {
    let exact = match value {
        AnyValue::Float32(number) => number.to_string(),
        _ => number.to_string(),
    };
    let text = match number {
        n if !n.is_finite() => return Value::plain(exact),
        n if is_extreme(n) => format!("{n:.4e}"),
        n => format!("{n:.decimals$}"),
    };
    let is_whole = text.parse() == Ok(number);
    Value { text, kind: Kind::Plain, whole: (!is_whole).then_some(exact) }
}

/// Writes a nested value: lists in brackets, structs with their field names, texts in quotation marks.
fn nested(value: &AnyValue, depth: usize, out: &mut String) {
    match value {
        AnyValue::List(series) | AnyValue::Array(series, _) => list(series, depth, out),
        AnyValue::Struct(_, _, fields) => {
            let values: Vec<AnyValue> = value._iter_struct_av().collect();
            structure(&values, fields, depth, out);
        }
        AnyValue::StructOwned(payload) => structure(&payload.0, &payload.1, depth, out),
        AnyValue::Float64(_) | AnyValue::Float32(_) => {
            let number = float(value).unwrap_or(f64::NAN);
            out.push_str(&float_value(number, decimals(std::iter::once(number)), value).text);
        }
        other => match other.get_str() {
            Some(string) => {
                out.push('"');
                out.push_str(&start(string, TEXT_LIMIT));
                out.push('"');
            }
            None => out.push_str(&start(&other.to_string(), TITLE_LIMIT)),
        },
    }
}

fn list(series: &Series, depth: usize, out: &mut String) {
    if depth == 0 {
        out.push_str("[…]");
        return;
    }
    out.push('[');
    for index in 0..series.len().min(LIST_LIMIT) {
        if index > 0 {
            out.push_str(", ");
        }
        nested(&series.get(index).unwrap_or(AnyValue::Null), depth - 1, out);
    }
    if series.len() > LIST_LIMIT {
        out.push_str(&format!(", … {} more", grouped(series.len() - LIST_LIMIT)));
    }
    out.push(']');
}

fn structure(values: &[AnyValue], fields: &[Field], depth: usize, out: &mut String) {
    if depth == 0 {
        out.push_str("{…}");
        return;
    }
    out.push('{');
    for (index, (value, field)) in values.iter().zip(fields).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        out.push_str(field.name());
        out.push_str(": ");
        nested(value, depth - 1, out);
    }
    out.push('}');
}

/// A type as polars writes it, structs with their fields.
pub fn dtype(dtype: &DataType) -> String {
    match dtype {
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| format!("{}: {}", field.name(), self::dtype(field.dtype()))).collect();
            start(&format!("struct[{}]", fields.join(", ")), TEXT_LIMIT)
        }
        DataType::List(inner) => format!("list[{}]", self::dtype(inner)),
        other => other.to_string(),
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[f64]) -> Vec<String> {
        let values: Vec<AnyValue> = values.iter().map(|&v| AnyValue::Float64(v)).collect();
        column(&values).into_iter().map(|value| value.text).collect()
    }

    #[test]
    fn floats_of_a_column_share_their_decimals() {
        assert_eq!(texts(&[1.0, 2.0]), ["1.0", "2.0"]);
        assert_eq!(texts(&[1.5, 2.25]), ["1.50", "2.25"]);
        assert_eq!(texts(&[std::f64::consts::PI, 1.0]), ["3.141593", "1.000000"]);
        assert_eq!(texts(&[12_345.678_901]), ["12345.68"]);
        assert_eq!(texts(&[1e-9, 1.5, 1e20]), ["1.0000e-9", "1.5", "1.0000e20"]);
        assert_eq!(texts(&[f64::NAN, f64::INFINITY, -0.5]), ["NaN", "inf", "-0.5"]);
        assert_eq!(texts(&[0.1 + 0.2]), ["0.3"]);
    }

    #[test]
    fn a_rounded_float_keeps_its_whole_value() {
        let value = column(&[AnyValue::Float64(12_345.678_901)]).remove(0);
        assert_eq!(value.whole.as_deref(), Some("12345.678901"));
        assert_eq!(column(&[AnyValue::Float32(0.1)])[0], Value::plain("0.1".into()));
    }

    #[test]
    fn texts_are_cut_and_kept_on_one_line() {
        let long = "é".repeat(100);
        let value = text(&long);
        assert_eq!(value.text.chars().count(), TEXT_LIMIT);
        assert_eq!(value.whole.as_deref(), Some(long.as_str()));
        assert_eq!(text("a\nb").text, "a↵b");
        assert_eq!(column(&[AnyValue::String("")])[0].kind, Kind::Empty);
    }

    #[test]
    fn nested_values_show_their_parts() {
        let list = Series::new("l".into(), [1i32, 2, 3]);
        assert_eq!(column(&[AnyValue::List(list)])[0].text, "[1, 2, 3]");
        let long = Series::new("l".into(), (0..1000).collect::<Vec<i32>>());
        assert_eq!(column(&[AnyValue::List(long)])[0].text, "[0, 1, 2, 3, 4, 5, 6, 7, … 992 more]");
        let names = df!("a" => [1i32, 2], "b" => ["x", "y"]).expect("equal lengths").into_struct("s".into()).into_series();
        assert_eq!(column(&[names.get(1).expect("two rows")])[0].text, "{a: 2, b: \"y\"}");
        assert_eq!(dtype(names.dtype()), "struct[a: i32, b: str]");
    }

    #[test]
    fn every_type_has_a_text() {
        let number = Series::new("n".into(), [Some(1i64), None]);
        let check = |series: Series, expected: [&str; 2]| {
            let values: Vec<AnyValue> = (0..2).map(|row| series.get(row).expect("two rows")).collect();
            let texts: Vec<String> = column(&values).into_iter().map(|value| value.text).collect();
            assert_eq!(texts, expected, "{}", series.dtype());
        };
        let cast = |dtype: DataType| number.cast(&dtype).expect("a cast");
        check(cast(DataType::Date), ["1970-01-02", "null"]);
        check(cast(DataType::Datetime(TimeUnit::Milliseconds, None)), ["1970-01-01 00:00:00.001", "null"]);
        check(cast(DataType::Duration(TimeUnit::Milliseconds)), ["1ms", "null"]);
        check(cast(DataType::Time), ["00:00:00.000000001", "null"]);
        check(cast(DataType::Boolean), ["true", "null"]);
        check(cast(DataType::UInt8), ["1", "null"]);
        check(cast(DataType::String), ["1", "null"]);
        check(cast(DataType::Binary), ["b\"1\"", "null"]);
        check(Series::new("c".into(), ["a", "b"]).cast(&DataType::from_categories(Categories::global())).expect("categories"), ["a", "b"]);
        check(Series::new_null("z".into(), 2), ["null", "null"]);
    }
}
