//! The model registry in the file.
use super::{Fail, now_ms, runs};
use crate::{Model, ModelVersion, NewModel, TrackingError};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

/// Makes the next version, and the model when there is none of the name.
pub(super) fn register(transaction: &Transaction, new: &NewModel) -> Result<ModelVersion, Fail> {
    crate::types::check_model(new)?;
    let source = source(transaction, new)?;
    let now = now_ms();
    transaction.execute(
        "INSERT INTO registered_models (name, creation_time, last_updated_time, description, workspace) VALUES (?1, ?2, ?2, '', 'default')
         ON CONFLICT (workspace, name) DO UPDATE SET last_updated_time = excluded.last_updated_time",
        (&new.name, now),
    )?;
    let next = "SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE name = ?1 AND workspace = 'default'";
    let number: i64 = transaction.query_row(next, [&new.name], |row| row.get(0))?;
    transaction.execute(
        "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, current_stage, source, run_id, status, storage_location, workspace)
         VALUES (?1, ?2, ?3, ?3, ?4, 'None', ?5, ?6, 'READY', ?5, 'default')",
        (&new.name, number, now, &new.description, &source, &new.run),
    )?;
    for (key, value) in &new.tags {
        transaction.execute(
            "INSERT INTO model_version_tags (key, value, name, version, workspace) VALUES (?1, ?2, ?3, ?4, 'default')
             ON CONFLICT (workspace, key, name, version) DO UPDATE SET value = excluded.value",
            (key, value, &new.name, number),
        )?;
    }
    if let Some(alias) = &new.alias {
        transaction.execute(
            "INSERT INTO registered_model_aliases (alias, version, name, workspace) VALUES (?1, ?2, ?3, 'default')
             ON CONFLICT (workspace, name, alias) DO UPDATE SET version = excluded.version",
            (alias, number, &new.name),
        )?;
    }
    version(transaction, &new.name, &number.to_string())
}

/// `runs:/RUN/PATH` and paths within a run's artifacts become the place where the files are, as with MLflow's client.
fn source(connection: &Connection, new: &NewModel) -> Result<String, Fail> {
    let within = |run: &str, path: &str| -> Result<String, Fail> { Ok(format!("{}/{}", runs::artifact_uri(connection, run)?, path.trim_matches('/'))) };
    if let Some((run, path)) = new.source.strip_prefix("runs:/").and_then(|rest| rest.trim_start_matches('/').split_once('/')) {
        return within(run, path);
    }
    match &new.run {
        Some(run) if !new.source.starts_with('/') && !new.source.contains(":/") => within(run, &new.source),
        _ => Ok(new.source.clone()),
    }
}

const VERSION: &str = "SELECT name, version, source, run_id, status, creation_time, description FROM model_versions WHERE workspace = 'default' AND name = ?1";

fn row(row: &Row<'_>) -> rusqlite::Result<ModelVersion> {
    Ok(ModelVersion {
        name: row.get(0)?,
        version: row.get(1)?,
        source: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
        run: row.get::<_, Option<String>>(3)?.filter(|run| !run.is_empty()),
        status: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
        created_ms: row.get(5)?,
        description: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        ..ModelVersion::default()
    })
}

fn complete(connection: &Connection, mut one: ModelVersion) -> Result<ModelVersion, Fail> {
    let tags = "SELECT key, coalesce(value, '') FROM model_version_tags WHERE workspace = 'default' AND name = ?1 AND version = ?2";
    one.tags = connection.prepare_cached(tags)?.query_map((&one.name, one.version), |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
    let aliases = "SELECT alias FROM registered_model_aliases WHERE workspace = 'default' AND name = ?1 AND version = ?2 ORDER BY alias";
    one.aliases = connection.prepare_cached(aliases)?.query_map((&one.name, one.version), |r| r.get(0))?.collect::<Result<_, _>>()?;
    Ok(one)
}

/// The versions of one model, the latest first.
pub(super) fn versions(connection: &Connection, name: &str) -> Result<Vec<ModelVersion>, Fail> {
    let sql = format!("{VERSION} AND coalesce(current_stage, '') <> 'Deleted_Internal' ORDER BY version DESC");
    let found: Vec<ModelVersion> = connection.prepare_cached(&sql)?.query_map([name], row)?.collect::<Result<_, _>>()?;
    found.into_iter().map(|one| complete(connection, one)).collect()
}

/// One version, by its number or by an alias.
pub(super) fn version(connection: &Connection, name: &str, version: &str) -> Result<ModelVersion, Fail> {
    let missing = || TrackingError::NotFound { what: format!("version {version:?} of the model {name:?}") };
    let number: i64 = match version.parse() {
        Ok(number) => number,
        Err(_) => {
            let sql = "SELECT version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?1 AND alias = ?2";
            connection.query_row(sql, (name, version), |row| row.get(0)).optional()?.ok_or_else(missing)?
        }
    };
    let found = connection.query_row(&format!("{VERSION} AND version = ?2"), (name, number), row).optional()?;
    complete(connection, found.ok_or_else(missing)?)
}

/// All models, by name.
pub(super) fn all(connection: &Connection) -> Result<Vec<Model>, Fail> {
    let sql = "SELECT name, description, creation_time, last_updated_time,
                      (SELECT max(version) FROM model_versions v WHERE v.workspace = m.workspace AND v.name = m.name)
               FROM registered_models m WHERE workspace = 'default' ORDER BY name";
    let found = connection.prepare(sql)?.query_map([], |row| {
        Ok(Model {
            name: row.get(0)?,
            description: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            created_ms: row.get(2)?,
            updated_ms: row.get(3)?,
            latest: row.get(4)?,
            ..Model::default()
        })
    })?.collect::<Result<Vec<_>, _>>()?;
    let mut tags = connection.prepare("SELECT key, coalesce(value, '') FROM registered_model_tags WHERE workspace = 'default' AND name = ?1")?;
    let mut aliases = connection.prepare("SELECT alias, version FROM registered_model_aliases WHERE workspace = 'default' AND name = ?1")?;
    let complete = |mut one: Model| -> Result<Model, Fail> {
        one.tags = tags.query_map([&one.name], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        one.aliases = aliases.query_map([&one.name], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(one)
    };
    found.into_iter().map(complete).collect()
}
