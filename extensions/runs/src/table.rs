//! Runs as columns, for the frame that `%runs` gives: made here, fetched by the cell that the magic runs (`ochre_frames::asked` reads it).
use ochre_tracking::{Run, tag};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Tables that are kept for cells that ask late.
const KEPT: usize = 4;

/// Tables by number.
#[derive(Default)]
pub(crate) struct Tables(Mutex<(u64, VecDeque<(u64, Table)>)>);

/// Columns of the same length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
}

/// A column; `kind` is `text`, `number`, `whole` or `time`.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) values: Vec<Value>,
}

impl Tables {
    /// Keeps a table; gives its number.
    pub(crate) fn keep(&self, table: Table) -> u64 {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.0 += 1;
        let id = tables.0;
        tables.1.push_back((id, table));
        if tables.1.len() > KEPT {
            tables.1.pop_front();
        }
        id
    }

    /// The table as JSON, with its first rows only where `rows` is given.
    pub(crate) fn json(&self, id: u64, rows: Option<usize>) -> Option<Vec<u8>> {
        let tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, table) = tables.1.iter().find(|(other, _)| *other == id)?;
        let columns: Vec<Value> = table.columns.iter().map(|c| json!({ "name": c.name, "type": c.kind, "values": c.values[..rows.unwrap_or(usize::MAX).min(c.values.len())] })).collect();
        serde_json::to_vec(&json!({ "columns": columns })).ok()
    }
}

/// A number as JSON, which has no NaN and no infinities.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { json!(value.to_string()) }
}

impl Table {
    /// Runs with all their params and metrics; system metrics only with `system`.
    pub(crate) fn of_runs(runs: &[Run], experiments: &BTreeMap<String, String>, system: bool, now_ms: i64) -> Self {
        let mut columns = Vec::new();
        let mut put = |name: &str, kind: &'static str, of: &dyn Fn(&Run) -> Value| columns.push(Column { name: name.to_owned(), kind, values: runs.iter().map(of).collect() });
        put("run_id", "text", &|run| json!(run.id));
        put("run_name", "text", &|run| json!(run.name));
        put("experiment", "text", &|run| json!(experiments.get(&run.experiment_id).unwrap_or(&run.experiment_id)));
        put("status", "text", &|run| json!(run.status.name()));
        put("start_time", "time", &|run| json!(run.start_ms));
        put("seconds", "number", &|run| json!(run.duration_ms(now_ms) as f64 / 1000.0));
        if runs.iter().any(|run| run.parent().is_some()) {
            put("parent", "text", &|run| json!(run.parent()));
        }
        for key in keys(runs, |run| run.params.keys()) {
            let values: Vec<Option<&String>> = runs.iter().map(|run| run.params.get(key)).collect();
            columns.push(param(key, &values));
        }
        let mut put = |name: String, kind: &'static str, of: &dyn Fn(&Run) -> Value| columns.push(Column { name, kind, values: runs.iter().map(of).collect() });
        for key in keys(runs, |run| run.metrics.keys()).into_iter().filter(|key| system || !key.starts_with("system/")) {
            put(format!("metrics.{key}"), "number", &|run| run.metrics.get(key).map_or(Value::Null, |metric| number(metric.value)));
        }
        let ours = |key: &str| key.starts_with("mlflow.") || key.starts_with("ochre.");
        for key in keys(runs, |run| run.tags.keys()).into_iter().filter(|key| !ours(key)) {
            put(format!("tags.{key}"), "text", &|run| json!(run.tags.get(key)));
        }
        if runs.iter().any(|run| run.tags.contains_key(tag::NOTE)) {
            put("note".into(), "text", &|run| json!(run.tags.get(tag::NOTE)));
        }
        Self { columns }
    }

    /// Rows as text, without what is nowhere set.
    pub(crate) fn plain(&self, most: usize) -> String {
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let rows = self.columns.first().map_or(0, |c| c.values.len()).min(most);
        let columns: Vec<Vec<String>> = self.columns.iter().map(|c| std::iter::once(c.name.clone()).chain(c.values[..rows].iter().map(text)).collect()).collect();
        let widths: Vec<usize> = columns.iter().map(|c| c.iter().map(|t| t.chars().count()).max().unwrap_or(0)).collect();
        let line = |row: usize| columns.iter().zip(&widths).map(|(c, width)| format!("{:width$}", c[row])).collect::<Vec<_>>().join("  ").trim_end().to_owned();
        (0..=rows).map(line).collect::<Vec<_>>().join("\n")
    }
}

/// All keys, sorted.
fn keys<'a, I: Iterator<Item = &'a String>>(runs: &'a [Run], of: impl Fn(&'a Run) -> I) -> Vec<&'a String> {
    runs.iter().flat_map(of).collect::<BTreeSet<_>>().into_iter().collect()
}

/// MLflow's params are texts; where all are numbers, numbers are what people filter and sort by.
fn param(key: &str, values: &[Option<&String>]) -> Column {
    let name = format!("params.{key}");
    let all = |parse: &dyn Fn(&str) -> Option<Value>| values.iter().map(|v| v.map_or(Some(Value::Null), |text| parse(text))).collect::<Option<Vec<Value>>>();
    if let Some(values) = all(&|text| text.parse::<i64>().ok().map(|n| json!(n))) {
        return Column { name, kind: "whole", values };
    }
    match all(&|text| text.parse::<f64>().ok().map(number)) {
        Some(values) => Column { name, kind: "number", values },
        None => Column { name, kind: "text", values: values.iter().map(|v| json!(v)).collect() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ochre_tracking::{Metric, Status};

    fn run(name: &str, params: &[(&str, &str)], metrics: &[(&str, f64)]) -> Run {
        Run {
            id: name.into(),
            name: name.into(),
            experiment_id: "1".into(),
            status: Status::Finished,
            start_ms: 1000,
            end_ms: Some(3500),
            params: params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            metrics: metrics.iter().map(|(k, v)| ((*k).to_owned(), Metric { key: (*k).to_owned(), value: *v, timestamp_ms: 1, step: 0 })).collect(),
            ..Run::default()
        }
    }

    #[test]
    fn columns_have_types_and_gaps() {
        let runs = [run("a", &[("lr", "0.1"), ("depth", "3"), ("kind", "tree")], &[("loss", f64::NAN), ("system/cpu", 1.0)]), run("b", &[("lr", "1e-3"), ("kind", "7")], &[("acc", 0.5)])];
        let table = Table::of_runs(&runs, &BTreeMap::from([("1".to_owned(), "cats".to_owned())]), false, 0);
        let of = |name: &str| table.columns.iter().find(|c| c.name == name).map(|c| (c.kind, Value::from(c.values.clone())));
        assert_eq!(of("params.lr"), Some(("number", json!([0.1, 0.001]))));
        assert_eq!(of("params.depth"), Some(("whole", json!([3, null]))));
        assert_eq!(of("params.kind"), Some(("text", json!(["tree", "7"]))));
        assert_eq!(of("metrics.loss"), Some(("number", json!(["NaN", null]))));
        assert_eq!(of("metrics.acc"), Some(("number", json!([null, 0.5]))));
        assert_eq!(of("seconds"), Some(("number", json!([2.5, 2.5]))));
        assert_eq!(of("experiment"), Some(("text", json!(["cats", "cats"]))));
        assert!(of("metrics.system/cpu").is_none() && of("parent").is_none());
        let tables = Tables::default();
        let id = tables.keep(table);
        let first: Value = serde_json::from_slice(&tables.json(id, Some(1)).expect("kept")).expect("JSON");
        assert_eq!(first["columns"][1], json!({ "name": "run_name", "type": "text", "values": ["a"] }));
        for _ in 0..KEPT {
            tables.keep(Table::default());
        }
        assert!(tables.json(id, None).is_none());
    }
}
