//! MLflow's JSON, both ways. Numbers come as numbers or texts; what has no number in JSON is `"NaN"`, `"Infinity"`, `"-Infinity"`.
use crate::embedded::restored;
use crate::{DatasetInput, Experiment, Lifecycle, Metric, Model, ModelVersion, Run, Status};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn optional(value: &Value) -> Option<String> {
    Some(text(value)).filter(|text| !text.is_empty())
}

pub(super) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|f| f as i64)).or_else(|| value.as_str()?.parse().ok())
}

fn double(value: &Value) -> f64 {
    // Servers that keep runs in SQL have made the infinities the largest numbers.
    match value.as_f64() {
        Some(number) => restored(number, false),
        None => match value.as_str().unwrap_or("NaN") {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            other => other.parse().map_or(f64::NAN, |number| restored(number, false)),
        },
    }
}

/// A number as MLflow's JSON has it.
pub(super) fn number(value: f64) -> Value {
    match value {
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value if value.is_nan() => json!("NaN"),
        value => json!(value),
    }
}

/// A list of a message; none where it is missing.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn pairs(value: &Value) -> BTreeMap<String, String> {
    list(value).iter().map(|pair| (text(&pair["key"]), text(&pair["value"]))).collect()
}

pub(super) fn key_values<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
    pairs.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

pub(super) fn experiment(value: &Value) -> Experiment {
    Experiment {
        id: text(&value["experiment_id"]),
        name: text(&value["name"]),
        artifact_location: text(&value["artifact_location"]),
        lifecycle: Lifecycle::parse(&text(&value["lifecycle_stage"])),
        created_ms: whole(&value["creation_time"]),
        updated_ms: whole(&value["last_update_time"]),
        tags: pairs(&value["tags"]),
    }
}

pub(super) fn metric(value: &Value) -> Metric {
    Metric {
        key: text(&value["key"]),
        value: double(&value["value"]),
        timestamp_ms: whole(&value["timestamp"]).unwrap_or_default(),
        step: whole(&value["step"]).unwrap_or_default(),
    }
}

pub(super) fn run(value: &Value) -> Run {
    let (info, data) = (&value["info"], &value["data"]);
    let tags = pairs(&data["tags"]);
    let id = optional(&info["run_id"]).unwrap_or_else(|| text(&info["run_uuid"]));
    Run {
        name: optional(&info["run_name"]).or_else(|| tags.get(crate::tag::RUN_NAME).cloned()).unwrap_or_default(),
        experiment_id: text(&info["experiment_id"]),
        user: text(&info["user_id"]),
        status: Status::parse(&text(&info["status"])).unwrap_or_default(),
        start_ms: whole(&info["start_time"]).unwrap_or_default(),
        end_ms: whole(&info["end_time"]).filter(|end| *end > 0),
        artifact_uri: text(&info["artifact_uri"]),
        lifecycle: Lifecycle::parse(&text(&info["lifecycle_stage"])),
        params: pairs(&data["params"]),
        metrics: list(&data["metrics"]).iter().map(metric).map(|m| (m.key.clone(), m)).collect(),
        inputs: list(&value["inputs"]["dataset_inputs"]).iter().map(input).collect(),
        tags,
        id,
    }
}

fn input(value: &Value) -> DatasetInput {
    let dataset = &value["dataset"];
    DatasetInput {
        name: text(&dataset["name"]),
        digest: text(&dataset["digest"]),
        source_type: text(&dataset["source_type"]),
        source: text(&dataset["source"]),
        schema: optional(&dataset["schema"]),
        profile: optional(&dataset["profile"]),
        tags: pairs(&value["tags"]),
    }
}

/// A dataset input as `runs/log-inputs` takes it.
pub(super) fn input_to_wire(input: &DatasetInput) -> Value {
    let mut dataset = json!({ "name": input.name, "digest": input.digest, "source_type": input.source_type, "source": input.source });
    for (name, value) in [("schema", &input.schema), ("profile", &input.profile)] {
        if let Some(value) = value {
            dataset[name] = json!(value);
        }
    }
    let mut whole = json!({ "dataset": dataset });
    if !input.tags.is_empty() {
        whole["tags"] = key_values(&input.tags);
    }
    whole
}

pub(super) fn model_version(value: &Value) -> ModelVersion {
    ModelVersion {
        name: text(&value["name"]),
        version: whole(&value["version"]).unwrap_or_default(),
        source: text(&value["source"]),
        run: optional(&value["run_id"]),
        status: optional(&value["status"]).unwrap_or_else(|| "READY".into()),
        created_ms: whole(&value["creation_timestamp"]),
        description: text(&value["description"]),
        tags: pairs(&value["tags"]),
        aliases: list(&value["aliases"]).iter().map(text).collect(),
    }
}

pub(super) fn model(value: &Value) -> Model {
    let versions = list(&value["latest_versions"]).iter();
    Model {
        name: text(&value["name"]),
        description: text(&value["description"]),
        created_ms: whole(&value["creation_timestamp"]),
        updated_ms: whole(&value["last_updated_timestamp"]),
        tags: pairs(&value["tags"]),
        aliases: list(&value["aliases"]).iter().filter_map(|a| Some((text(&a["alias"]), whole(&a["version"])?))).collect(),
        latest: versions.filter_map(|v| whole(&v["version"])).max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_come_back() {
        for value in [0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            let back = double(&number(value));
            assert!(back == value || back.is_nan() && value.is_nan(), "{value} {back}");
        }
        assert_eq!(double(&json!(f64::MAX)), f64::INFINITY);
        assert_eq!(whole(&json!("17")), Some(17));
    }
}
