//! One batch in one transaction. Written twice it is there once: a metric's identity is the table's primary key.
use super::{Fail, rows, runs};
use crate::{Batch, Metric, Outcome, Problem, tag};
use rusqlite::{OptionalExtension, Transaction};
use std::collections::HashMap;

/// Writes what the rules have left of a batch.
pub(super) fn batch(transaction: &Transaction, run: &str, batch: &Batch) -> Result<Outcome, Fail> {
    runs::active(transaction, run)?;
    let problems = params(transaction, run, &batch.params)?;
    metrics(transaction, run, &batch.metrics)?;
    tags(transaction, run, &batch.tags)?;
    let written = batch.metrics.len() + batch.params.len() + batch.tags.len() - problems.len();
    Ok(Outcome { written, problems })
}

/// The first value stays.
fn params(transaction: &Transaction, run: &str, params: &[(String, String)]) -> Result<Vec<Problem>, Fail> {
    let mut problems = Vec::new();
    let mut find = transaction.prepare_cached("SELECT value FROM params WHERE key = ?1 AND run_uuid = ?2")?;
    let mut insert = transaction.prepare_cached("INSERT INTO params (key, value, run_uuid) VALUES (?1, ?2, ?3)")?;
    for (key, value) in params {
        let kept: Option<String> = find.query_row((key, run), |row| row.get(0)).optional()?;
        match kept {
            None => {
                insert.execute((key, value, run))?;
            }
            Some(kept) if kept != *value => problems.push(Problem::ParamKept { key: key.clone(), kept, refused: value.clone() }),
            Some(_) => {}
        }
    }
    Ok(problems)
}

fn metrics(transaction: &Transaction, run: &str, metrics: &[Metric]) -> Result<(), Fail> {
    let mut insert =
        transaction.prepare_cached("INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut latest: HashMap<&str, (i64, i64, f64, bool)> = HashMap::new();
    for metric in metrics {
        let (value, is_nan) = rows::stored(metric.value);
        insert.execute((&metric.key, value, metric.timestamp_ms, run, metric.step, is_nan))?;
        let new = (metric.step, metric.timestamp_ms, value, is_nan);
        let kept = latest.entry(&metric.key).or_insert(new);
        if (new.0, new.1, new.2) > (kept.0, kept.1, kept.2) {
            *kept = new;
        }
    }
    // MLflow calls that one the latest whose step, timestamp and value are greatest, in this order; NaN counts as the 0 that it is stored as.
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
         WHERE (excluded.step, excluded.timestamp, excluded.value) > (latest_metrics.step, coalesce(latest_metrics.timestamp, 0), latest_metrics.value)",
    )?;
    for (key, (step, timestamp, value, is_nan)) in latest {
        upsert.execute((key, value, timestamp, step, is_nan, run))?;
    }
    Ok(())
}

/// The last value stays; the run's name is a tag and a column.
fn tags(transaction: &Transaction, run: &str, tags: &[(String, String)]) -> Result<(), Fail> {
    let mut upsert = transaction
        .prepare_cached("INSERT INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3) ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value")?;
    for (key, value) in tags {
        upsert.execute((key, value, run))?;
        if key == tag::RUN_NAME {
            transaction.execute("UPDATE runs SET name = ?1 WHERE run_uuid = ?2", (value, run))?;
        }
    }
    Ok(())
}
