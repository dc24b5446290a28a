//! A JSON object read leniently: what a request needs is asked for with [`Fields::text`], what has a default
//! falls back to it also when its type is wrong.
use serde_json::{Map, Value};

#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err("it is not a JSON object".into()),
            Err(error) => Err(format!("it is not JSON: {error}")),
        }
    }

    /// A text that must be there.
    pub(crate) fn text(&self, name: &str) -> Result<&str, String> {
        match self.0.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(format!("its field `{name}` is not a text")),
            None => Err(format!("its field `{name}` is missing")),
        }
    }

    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A whole number; JavaScript may write it with a fraction of zero.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value.as_i64().or_else(|| value.as_f64().filter(|n| n.abs() < 9e15).map(|n| n as i64))
    }

    pub(crate) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.0.get(name)?.as_object()
    }

    /// A field as JSON text, `{}` when it is missing.
    pub(crate) fn json(&self, name: &str) -> String {
        self.0.get(name).map_or_else(|| "{}".into(), Value::to_string)
    }

    /// All of it as JSON text.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("a map of JSON values is JSON")
    }
}
