//! Rows to values, and values as MLflow stores them.
use crate::{Experiment, Lifecycle, Metric};
use rusqlite::Row;
use std::collections::BTreeMap;

/// The value and the mark of NaN with which MLflow stores a number: SQL has neither NaN nor infinities.
pub(super) fn stored(value: f64) -> (f64, bool) {
    if value.is_nan() { (0.0, true) } else { (value.clamp(f64::MIN, f64::MAX), false) }
}

/// The number that was stored so. The largest doubles stand for the infinities.
pub(crate) fn restored(value: f64, is_nan: bool) -> f64 {
    match value {
        _ if is_nan => f64::NAN,
        f64::MAX => f64::INFINITY,
        f64::MIN => f64::NEG_INFINITY,
        value => value,
    }
}

/// `key, value, timestamp, step, is_nan`.
pub(super) fn metric(row: &Row<'_>) -> rusqlite::Result<Metric> {
    Ok(Metric {
        key: row.get(0)?,
        value: restored(row.get(1)?, row.get(4)?),
        timestamp_ms: row.get::<_, Option<i64>>(2)?.unwrap_or_default(),
        step: row.get(3)?,
    })
}

/// The columns of [`experiment`].
pub(super) const EXPERIMENT: &str = "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time";

pub(super) fn experiment(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        id: row.get::<_, i64>(0)?.to_string(),
        name: row.get(1)?,
        artifact_location: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
        lifecycle: Lifecycle::parse(&row.get::<_, Option<String>>(3)?.unwrap_or_default()),
        created_ms: row.get(4)?,
        updated_ms: row.get(5)?,
        tags: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_sql_lacks_come_back() {
        for value in [0.0, -0.0, 1.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MIN_POSITIVE] {
            let (stored, is_nan) = stored(value);
            assert!(stored.is_finite());
            let back = restored(stored, is_nan);
            assert!(back == value || back.is_nan() && value.is_nan(), "{value} {back}");
        }
    }
}
