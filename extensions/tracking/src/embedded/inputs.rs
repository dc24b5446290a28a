//! The datasets that runs read: a dataset is kept once per experiment, name and digest, and tied to each run that read it.
use super::{Fail, runs};
use crate::{DatasetInput, TrackingError};
use rusqlite::{OptionalExtension, Transaction};

/// MLflow's limits, characters.
const LONGEST_NAME: usize = 500;
const LONGEST_DIGEST: usize = 36;

fn id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Refuses what MLflow refuses.
pub(crate) fn checked(input: &DatasetInput) -> Result<(), TrackingError> {
    let wrong = |why: &str| Err(TrackingError::Invalid { what: format!("the dataset {:?}", input.name), why: why.into() });
    if input.name.is_empty() || input.name.chars().count() > LONGEST_NAME {
        return wrong("a name has 1 to 500 characters");
    }
    if input.digest.is_empty() || input.digest.chars().count() > LONGEST_DIGEST {
        return wrong("a digest has 1 to 36 characters");
    }
    Ok(())
}

/// Ties datasets to a run; a second time changes nothing.
pub(super) fn log(transaction: &Transaction, run: &str, inputs: &[DatasetInput]) -> Result<(), Fail> {
    runs::active(transaction, run)?;
    let experiment: i64 = transaction.query_row("SELECT experiment_id FROM runs WHERE run_uuid = ?1", [run], |row| row.get(0))?;
    for input in inputs {
        checked(input)?;
        let dataset = dataset(transaction, experiment, input)?;
        let edge = id();
        let new = transaction.execute(
            "INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id) VALUES (?1, 'DATASET', ?2, 'RUN', ?3)",
            (&edge, &dataset, run),
        )?;
        if new == 0 {
            continue;
        }
        for (name, value) in &input.tags {
            transaction.execute("INSERT INTO input_tags (input_uuid, name, value) VALUES (?1, ?2, ?3)", (&edge, name, value))?;
        }
    }
    Ok(())
}

fn dataset(transaction: &Transaction, experiment: i64, input: &DatasetInput) -> Result<String, Fail> {
    let sql = "SELECT dataset_uuid FROM datasets WHERE experiment_id = ?1 AND name = ?2 AND digest = ?3";
    let found: Option<String> = transaction.query_row(sql, (experiment, &input.name, &input.digest), |row| row.get(0)).optional()?;
    if let Some(found) = found {
        return Ok(found);
    }
    let new = id();
    transaction.execute(
        "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (&new, experiment, &input.name, &input.digest, &input.source_type, &input.source, &input.schema, &input.profile),
    )?;
    Ok(new)
}
