//! Opening `mlflow.db`: made as MLflow makes it when it is not there, and left alone when it is of another version.
use super::Fail;
use crate::{Result, TrackingError};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the schema that this crate writes, and the MLflow that makes it.
pub(super) const REVISION: &str = "dc11669786a5";
pub(super) const MLFLOW: &str = "3.17";
const SCHEMA: &str = include_str!("schema.sql");

/// Waits for other programs' transactions as long as MLflow does.
const BUSY: Duration = Duration::from_secs(20);

/// Every version before [`REVISION`], from MLflow's migrations: what is in neither is newer.
const OLDER: [&str; 66] = [
    "0584bdc529eb", "0a8213491aaa", "0c779009ac13", "17e22815139b", "181f10493468", "1971f2d9a75b", "1a0cddfcaa16", "1b5f0d9ad7c1", "1bd49d398cd23",
    "27a6a02d2cf1", "2b4d017a5e9b", "2c33131f4dae", "2d6e25af4d3e", "3500859a5d39", "39d1c3be5f05", "3da73c924c2f", "400f98739977", "4465047574b1",
    "451aebb31d03", "534353b11cbc", "5b0e9adcef9c", "5d2d30f0abce", "6953534de441", "6f8d9c3b2a1e", "71994744cf8e", "728d730b5ebd", "75868b020152",
    "76601a5f987d", "770bee3ae1dd", "7ac759974ad8", "7d34483879f0", "7f2a7d5fae7d", "84291f40a231", "867495a8f9d4", "89d3d66ed43f", "89d4b8295536",
    "90e64c465722", "97727af70f4d", "a1b2c3d4e5f6", "a5b4c3d2e1f0", "a8b9c0d1e2f3", "a8c4a736bde6", "acf3f17fdcc7", "ae8bbe7743c9", "b7c8d9e0f1a2",
    "b7e2c1a4d9f3", "b7e4c1a90f23", "bd07f7e963c5", "bda7b8c39065", "bf29a5ff90ea", "c1d2e3f4a5b6", "c3d6457b6d8a", "c3d9e7f1a2b4", "c48cb773bb87",
    "c8d9e0f1a2b3", "c9d4e5f6a7b8", "cbc13b556ace", "cc1f77228345", "cfd24bdc0731", "d0e1f2a3b4c5", "d3e4f5a6b7c8", "da6fb0208061", "de4033877273",
    "df50e92ffc5e", "e1f2a3b4c5d6", "f5a4f2784254",
];

/// A connection, and which file it was opened on.
pub(super) struct Open {
    pub connection: Connection,
    identity: Option<(u64, u64)>,
}

impl Open {
    /// Opens the file, making it when it is missing or empty.
    pub fn new(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|source| TrackingError::File { doing: "making the folder", path: parent.into(), source })?;
        }
        let failed = |fail: Fail| fail.at("opening", path);
        let mut connection = Connection::open(path).map_err(|e| failed(e.into()))?;
        prepare(&connection).map_err(|e| failed(e.into()))?;
        establish(&mut connection, path).map_err(failed)?;
        Ok(Self { connection, identity: identity(path) })
    }

    /// Whether the file at the path is still the one that is open: one that was deleted would take writes and lose them.
    pub fn is_current(&self, path: &Path) -> bool {
        self.identity.is_some() && self.identity == identity(path)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// The settings with which MLflow opens it. The journal stays as it is (MLflow's is a rollback journal): a file in WAL mode cannot be used on the
/// network folders of hosted notebooks.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA case_sensitive_like = true;")?;
    // One for each statement of this crate.
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Checks the version, or makes the tables.
fn establish(connection: &mut Connection, path: &Path) -> Result<(), Fail> {
    if let Some(found) = revision(connection, path)? {
        return checked(&found, path);
    }
    // Another kernel may be doing the same: whoever has the lock makes it, and the others find it made.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(found) = revision(&transaction, path)? {
        return checked(&found, path);
    }
    transaction.execute_batch(SCHEMA)?;
    let now = super::now_ms();
    transaction.execute("INSERT INTO alembic_version (version_num) VALUES (?1)", [REVISION])?;
    transaction.execute("INSERT INTO workspaces (name, description) VALUES ('default', 'Default workspace for legacy resources')", [])?;
    transaction.execute(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace)
         VALUES (0, 'Default', ?1, 'active', ?2, ?2, 'default')",
        (artifact_location(path, 0)?, now),
    )?;
    transaction.commit()?;
    Ok(())
}

/// The schema's version; `None` for a file without tables.
fn revision(connection: &Connection, path: &Path) -> Result<Option<String>, Fail> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name = 'alembic_version' DESC LIMIT 1";
    let first: Option<String> = connection.query_row(tables, [], |row| row.get(0)).optional()?;
    match first {
        None => Ok(None),
        Some(table) if table == "alembic_version" => {
            let found: Option<String> = connection.query_row("SELECT version_num FROM alembic_version", [], |row| row.get(0)).optional()?;
            Ok(Some(found.unwrap_or_else(|| "none".into())))
        }
        Some(table) => Err(TrackingError::NotMlflow { path: path.into(), table }.into()),
    }
}

fn checked(found: &str, path: &Path) -> Result<(), Fail> {
    if found == REVISION {
        return Ok(());
    }
    let older = found == "none" || OLDER.contains(&found);
    Err(TrackingError::Schema { path: path.into(), found: found.into(), ours: REVISION, mlflow: MLFLOW, older }.into())
}

/// The folder beside the file in which MLflow's client keeps artifacts.
pub(super) fn beside(path: &Path, folder: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).join(folder)
}

/// Where an experiment's artifacts go, as MLflow's client writes it for a store in this folder.
pub(super) fn artifact_location(path: &Path, experiment: i64) -> Result<String> {
    let folder = beside(path, "mlruns").join(experiment.to_string());
    folder.into_os_string().into_string().map_err(|path| TrackingError::Address { uri: path.to_string_lossy().into_owned(), why: "MLflow needs a path that is UTF-8".into() })
}
