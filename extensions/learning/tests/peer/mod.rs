//! scikit-learn as a peer: runs fixtures.py once for each test program and reads its numbers.
use ochre_learning::{Column, Table};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

fn python() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = || variable("OCHRE_CACHE").or_else(|| variable("XDG_CACHE_HOME").map(|d| d.join("ochre"))).or_else(|| variable("HOME").map(|d| d.join(".cache/ochre")));
    let peers = variable("OCHRE_PEERS").or_else(|| cache().map(|c| c.join("peers"))).expect("a home directory");
    let python = peers.join("python-runs/bin/python");
    assert!(python.is_file(), "{} is missing: `cargo xtask test` installs it", python.display());
    python
}

/// What the script printed.
pub fn fixtures() -> &'static Value {
    static FIXTURES: OnceLock<Value> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer/fixtures.py");
        let output = Command::new(python()).arg(script).output().expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the script prints JSON")
    })
}

/// A number; NaN and infinities come as texts.
pub fn number(value: &Value) -> f64 {
    match value {
        Value::Number(n) => n.as_f64().unwrap(),
        Value::String(s) => s.parse().unwrap(),
        other => panic!("{other}"),
    }
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub fn integers(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|x| x as usize).collect()
}

pub fn table(columns: &Value) -> Table {
    Table::new(columns.as_array().unwrap().iter().enumerate().map(|(i, c)| Column::numbers(format!("x{i}"), numbers(c))).collect()).unwrap()
}

/// scikit-learn's bundled tables.
pub fn bundled() -> impl Iterator<Item = (&'static String, &'static Value)> {
    fixtures()["tables"].as_object().unwrap().iter()
}
