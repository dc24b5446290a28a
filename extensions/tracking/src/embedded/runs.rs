//! Experiments and runs: made, changed and read one by one. Lists are in `search.rs`.
use super::{Fail, file, now_ms, rows};
use crate::{Experiment, Lifecycle, Metric, NewRun, Run, Status, TrackingError, tag};
use rusqlite::{Connection, OptionalExtension, Transaction};
use std::path::Path;

/// Characters of an experiment's name that MLflow takes.
const LONGEST_NAME: usize = 500;

fn find(connection: &Connection, name: &str) -> Result<Option<Experiment>, Fail> {
    let sql = format!("SELECT {} FROM experiments WHERE name = ?1 AND workspace = 'default'", rows::EXPERIMENT);
    let found = connection.query_row(&sql, [name], rows::experiment).optional()?;
    found.map(|one| tagged(connection, one)).transpose()
}

fn tagged(connection: &Connection, mut one: Experiment) -> Result<Experiment, Fail> {
    let mut statement = connection.prepare_cached("SELECT key, value FROM experiment_tags WHERE experiment_id = ?1")?;
    let id: i64 = number(&one.id)?;
    one.tags = statement.query_map([id], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default())))?.collect::<Result<_, _>>()?;
    Ok(one)
}

/// Experiments have numbers here.
pub(super) fn number(id: &str) -> Result<i64, TrackingError> {
    id.parse().map_err(|_| TrackingError::NotFound { what: format!("the experiment with the id {id:?}") })
}

/// The experiment of this name; made when there is none.
pub(super) fn experiment(transaction: &Transaction, path: &Path, name: &str) -> Result<Experiment, Fail> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        let why = format!("a name has 1 to {LONGEST_NAME} characters");
        return Err(TrackingError::Invalid { what: "this name of an experiment".into(), why }.into());
    }
    if let Some(found) = find(transaction, name)? {
        return match found.lifecycle {
            Lifecycle::Active => Ok(found),
            Lifecycle::Deleted => Err(TrackingError::Deleted { what: format!("the experiment {name:?} (id {})", found.id) }.into()),
        };
    }
    transaction.execute(
        "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time, workspace) VALUES (?1, 'active', ?2, ?2, 'default')",
        (name, now_ms()),
    )?;
    let id = transaction.last_insert_rowid();
    transaction.execute("UPDATE experiments SET artifact_location = ?1 WHERE experiment_id = ?2", (file::artifact_location(path, id)?, id))?;
    find(transaction, name)?.ok_or_else(|| TrackingError::Internal("an experiment is not where it was written".into()).into())
}

/// Those that are not deleted, the latest change first.
pub(super) fn experiments(connection: &Connection) -> Result<Vec<Experiment>, Fail> {
    let sql = format!("SELECT {} FROM experiments WHERE lifecycle_stage = 'active' ORDER BY last_update_time DESC, experiment_id", rows::EXPERIMENT);
    let found: Vec<Experiment> = connection.prepare(&sql)?.query_map([], rows::experiment)?.collect::<Result<_, _>>()?;
    found.into_iter().map(|one| tagged(connection, one)).collect()
}

/// Begins a run, with the columns that MLflow's client leaves empty left empty.
pub(super) fn create(transaction: &Transaction, new: NewRun) -> Result<Run, Fail> {
    let experiment = number(&new.experiment_id)?;
    let sql = "SELECT artifact_location, lifecycle_stage FROM experiments WHERE experiment_id = ?1";
    let found: Option<(String, String)> = transaction.query_row(sql, [experiment], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (location, stage) = found.ok_or_else(|| TrackingError::NotFound { what: format!("the experiment with the id {experiment}") })?;
    if Lifecycle::parse(&stage) == Lifecycle::Deleted {
        return Err(TrackingError::Deleted { what: format!("the experiment with the id {experiment}") }.into());
    }
    let id = uuid::Uuid::new_v4().simple().to_string();
    let tags = crate::types::run_tags(&new);
    let name = tags.get(tag::RUN_NAME).cloned().unwrap_or_default();
    let user = tags.get(tag::USER).cloned().unwrap_or_default();
    let start = new.start_ms.unwrap_or_else(now_ms);
    let artifacts = format!("{}/{id}/artifacts", location.trim_end_matches('/'));
    transaction.execute(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version,
                           lifecycle_stage, artifact_uri, experiment_id, deleted_time)
         VALUES (?1, ?2, 'UNKNOWN', '', '', ?3, 'RUNNING', ?4, NULL, '', 'active', ?5, ?6, NULL)",
        (&id, &name, &user, start, &artifacts, experiment),
    )?;
    let mut statement = transaction.prepare_cached("INSERT INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3)")?;
    for (key, value) in &tags {
        statement.execute((key, value, &id))?;
    }
    drop(statement);
    super::search::one(transaction, &id)
}

/// Refuses a run that is not there or was deleted.
pub(super) fn active(connection: &Connection, id: &str) -> Result<(), Fail> {
    let sql = "SELECT lifecycle_stage FROM runs WHERE run_uuid = ?1";
    let stage: Option<String> = connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
    match stage.as_deref() {
        None => Err(missing(id).into()),
        Some("deleted") => Err(TrackingError::Deleted { what: format!("the run {id}") }.into()),
        Some(_) => Ok(()),
    }
}

pub(super) fn missing(id: &str) -> TrackingError {
    TrackingError::NotFound { what: format!("the run {id}") }
}

/// Sets the status, and the end when there is one.
pub(super) fn update(transaction: &Transaction, id: &str, status: Status, end_ms: Option<i64>) -> Result<(), Fail> {
    active(transaction, id)?;
    transaction.execute("UPDATE runs SET status = ?2, end_time = coalesce(?3, end_time) WHERE run_uuid = ?1", (id, status.name(), end_ms))?;
    Ok(())
}

pub(super) fn artifact_uri(connection: &Connection, id: &str) -> Result<String, Fail> {
    let sql = "SELECT artifact_uri FROM runs WHERE run_uuid = ?1";
    let found: Option<String> = connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
    found.ok_or_else(|| missing(id).into())
}

/// The values of one metric in MLflow's order.
pub(super) fn history(connection: &Connection, id: &str, key: &str, since_step: Option<i64>) -> Result<Vec<Metric>, Fail> {
    let known: bool = connection.query_row("SELECT EXISTS (SELECT 1 FROM runs WHERE run_uuid = ?1)", [id], |row| row.get(0))?;
    if !known {
        return Err(missing(id).into());
    }
    // The primary key begins with the metric's key and holds all that is asked for; the index of runs leads to rows. Whichever has fewer to skip:
    // the unary plus keeps SQLite from the other.
    let shared: bool = connection.query_row("SELECT count(*) > 1 FROM (SELECT 1 FROM latest_metrics WHERE key = ?1 LIMIT 2)", [key], |row| row.get(0))?;
    let narrowed = if shared { "+key = ?2 AND run_uuid = ?1" } else { "key = ?2 AND +run_uuid = ?1" };
    let sql = format!("SELECT key, value, timestamp, step, is_nan FROM metrics WHERE {narrowed} AND step >= ?3 ORDER BY timestamp, step, value");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map((id, key, since_step.unwrap_or(i64::MIN)), rows::metric)?.collect::<Result<_, _>>()?)
}
