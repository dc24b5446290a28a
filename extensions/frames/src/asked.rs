//! Frames that an extension of the kernel made: `%runs` runs a cell that asks for its table here.
//!
//! The kernel has no polars; what it sends is columns as JSON:
//! `{"columns":[{"name":"loss","type":"number","values":[0.5,null,"NaN"]}]}` with the types `text`, `number`, `whole` and `time` (milliseconds, UTC).
use ochre_runtime::host::{self, RequestFailure};
use polars::prelude::*;
use serde_json::Value;
use std::fmt;

/// Why there is no frame.
#[derive(Debug)]
pub enum AskedError {
    /// The kernel did not give it.
    Request(RequestFailure),
    /// What it gave is no table: a bug of Ochre's.
    Table(String),
}

impl fmt::Display for AskedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AskedError::Request(failure) => failure.fmt(f),
            AskedError::Table(why) => write!(f, "the kernel's table cannot be read: {why}"),
        }
    }
}

impl std::error::Error for AskedError {}

/// Asks the extension of this topic for a table.
pub fn asked(topic: &str, payload: &str) -> Result<DataFrame, AskedError> {
    let answer = host::request(topic, payload.as_bytes()).map_err(AskedError::Request)?;
    frame(&answer).map_err(AskedError::Table)
}

fn frame(json: &[u8]) -> Result<DataFrame, String> {
    let table: Value = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    let columns = table["columns"].as_array().ok_or("it has no columns")?;
    let columns: Vec<Column> = columns.iter().map(|c| column(c).ok_or_else(|| format!("the column {} is none", c["name"]))).collect::<Result<_, _>>()?;
    DataFrame::new_infer_height(columns).map_err(|e| e.to_string())
}

fn column(json: &Value) -> Option<Column> {
    let name: PlSmallStr = json["name"].as_str()?.into();
    let values = json["values"].as_array()?;
    let whole = || values.iter().map(Value::as_i64).collect::<Vec<Option<i64>>>();
    let series = match json["type"].as_str()? {
        "text" => Series::new(name, values.iter().map(Value::as_str).collect::<Vec<Option<&str>>>()),
        "number" => Series::new(name, values.iter().map(number).collect::<Vec<Option<f64>>>()),
        "whole" => Series::new(name, whole()),
        "time" => Series::new(name, whole()).cast(&DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC))).ok()?,
        _ => return None,
    };
    Some(series.into_column())
}

/// JSON has no NaN and no infinities: they come as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_its_types_gaps_and_odd_numbers() {
        let json = br#"{"columns":[
            {"name":"run","type":"text","values":["a",null]},
            {"name":"loss","type":"number","values":["NaN",1]},
            {"name":"peak","type":"number","values":["-inf",null]},
            {"name":"epochs","type":"whole","values":[3,null]},
            {"name":"start","type":"time","values":[0,1000]}
        ]}"#;
        let frame = frame(json).expect("a frame");
        assert_eq!(frame.shape(), (2, 5));
        let loss = frame.column("loss").and_then(|c| Ok(c.f64()?.clone())).expect("numbers");
        assert!(loss.get(0).is_some_and(f64::is_nan) && loss.get(1) == Some(1.0));
        let peak = frame.column("peak").and_then(|c| Ok(c.f64()?.clone())).expect("numbers");
        assert!(peak.get(0) == Some(f64::NEG_INFINITY) && peak.get(1).is_none());
        assert_eq!(frame.column("start").expect("times").dtype(), &DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)));
        assert_eq!(frame.column("epochs").expect("whole numbers").null_count(), 1);
        assert!(super::frame(b"{}").is_err());
    }
}
