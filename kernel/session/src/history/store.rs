//! The database: two tables, opened so that several kernels share one file.
use super::{HistoryPlace, MAX_TEXT_BYTES};
use crate::front::{HistoryEntry, HistoryQuery};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use std::time::Duration;

/// How long another kernel's write is waited for.
const BUSY_WAIT: Duration = Duration::from_secs(3);
/// Entries that one question may give; more does not fit a front end's message.
const MAX_ENTRIES: i64 = 100_000;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sessions (
    session INTEGER PRIMARY KEY AUTOINCREMENT,
    started TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE IF NOT EXISTS cells (
    session INTEGER NOT NULL,
    line INTEGER NOT NULL,
    input TEXT NOT NULL,
    output TEXT,
    PRIMARY KEY (session, line)
);";

pub(super) struct Store {
    connection: Option<Connection>,
    /// This session's number, given by the first record.
    session: Option<i64>,
}

impl Store {
    /// Opens the file; memory when that cannot be, with one line in the kernel's log.
    pub(super) fn open(place: &HistoryPlace) -> Self {
        let opened = match place {
            HistoryPlace::Memory => memory(),
            HistoryPlace::File(path) => file(path).or_else(|error| {
                eprintln!("ochre: the history is kept in memory only, because {} cannot be used: {error}", path.display());
                memory()
            }),
        };
        Self { connection: opened.ok(), session: None }
    }

    /// Keeps a cell. A cell of the same number (after a front end reset the count) is replaced.
    pub(super) fn record(&mut self, line: u32, input: &str, output: Option<&str>) {
        let Some(session) = self.session() else { return };
        let Some(connection) = &self.connection else { return };
        let row = params![session, line, cut(input), output.map(cut)];
        let sql = "INSERT OR REPLACE INTO cells (session, line, input, output) VALUES (?1, ?2, ?3, ?4)";
        if let Err(error) = connection.execute(sql, row) {
            eprintln!("ochre: a cell was not written to the history: {error}");
        }
    }

    pub(super) fn query(&mut self, query: &HistoryQuery) -> Vec<HistoryEntry> {
        let found = match query {
            HistoryQuery::Tail { n } => self.tail(*n),
            HistoryQuery::Range { session, start, stop } => self.range(*session, *start, *stop),
            HistoryQuery::Search { pattern, n, unique } => self.search(pattern, *n, *unique),
        };
        found.unwrap_or_else(|error| {
            eprintln!("ochre: the history could not be read: {error}");
            Vec::new()
        })
    }

    /// This session's number.
    fn session(&mut self) -> Option<i64> {
        if self.session.is_none() {
            let connection = self.connection.as_ref()?;
            match connection.execute("INSERT INTO sessions DEFAULT VALUES", []) {
                Ok(_) => self.session = Some(connection.last_insert_rowid()),
                Err(error) => {
                    // The file turned out to be read-only (a shared home): memory takes over.
                    eprintln!("ochre: the history is kept in memory only: {error}");
                    self.connection = memory().ok();
                    let connection = self.connection.as_ref()?;
                    connection.execute("INSERT INTO sessions DEFAULT VALUES", []).ok()?;
                    self.session = Some(connection.last_insert_rowid());
                }
            }
        }
        self.session
    }

    /// The last `n` cells, oldest first.
    fn tail(&self, n: usize) -> rusqlite::Result<Vec<HistoryEntry>> {
        let sql = "SELECT * FROM (SELECT session, line, input, output FROM cells ORDER BY session DESC, line DESC LIMIT ?1)
                   ORDER BY session, line";
        self.rows(sql, params![limit(Some(n))])
    }

    /// Lines `start..stop` of a session; 0 is this one, -1 the one before.
    fn range(&self, session: i64, start: i64, stop: Option<i64>) -> rusqlite::Result<Vec<HistoryEntry>> {
        let Some(session) = self.numbered(session)? else { return Ok(Vec::new()) };
        let sql = "SELECT session, line, input, output FROM cells WHERE session = ?1 AND line >= ?2 AND line < ?3
                   ORDER BY line LIMIT ?4";
        self.rows(sql, params![session, start, stop.unwrap_or(i64::MAX), MAX_ENTRIES])
    }

    /// The number that a relative session stands for.
    fn numbered(&self, session: i64) -> rusqlite::Result<Option<i64>> {
        if session > 0 {
            return Ok(Some(session));
        }
        if session == 0 {
            return Ok(self.session);
        }
        let Some(connection) = &self.connection else { return Ok(None) };
        let before = self.session.unwrap_or(i64::MAX);
        let sql = "SELECT session FROM sessions WHERE session < ?1 ORDER BY session DESC LIMIT 1 OFFSET ?2";
        connection.query_row(sql, params![before, -session - 1], |row| row.get(0)).optional()
    }

    /// Cells whose input matches a glob, the last `n`, oldest first; with `unique` each text once.
    fn search(&self, pattern: &str, n: Option<usize>, unique: bool) -> rusqlite::Result<Vec<HistoryEntry>> {
        let group = if unique { "GROUP BY input HAVING rowid = max(rowid)" } else { "" };
        let sql = format!(
            "SELECT * FROM (SELECT session, line, input, output FROM cells WHERE input GLOB ?1 {group}
             ORDER BY session DESC, line DESC LIMIT ?2) ORDER BY session, line"
        );
        self.rows(&sql, params![glob(pattern), limit(n)])
    }

    fn rows(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<Vec<HistoryEntry>> {
        let Some(connection) = &self.connection else { return Ok(Vec::new()) };
        let entry = |row: &Row<'_>| Ok(HistoryEntry { session: row.get(0)?, line: row.get(1)?, input: row.get(2)?, output: row.get(3)? });
        connection.prepare_cached(sql)?.query_map(parameters, entry)?.collect()
    }
}

fn limit(n: Option<usize>) -> i64 {
    n.and_then(|n| i64::try_from(n).ok()).map_or(MAX_ENTRIES, |n| n.min(MAX_ENTRIES))
}

/// SQLite's GLOB knows `[…]` too, which a front end's pattern means literally.
fn glob(pattern: &str) -> String {
    pattern.replace('[', "[[]")
}

fn cut(text: &str) -> &str {
    let mut at = MAX_TEXT_BYTES.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    &text[..at]
}

fn memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

fn file(path: &Path) -> rusqlite::Result<Connection> {
    if let Some(directory) = path.parent() {
        // When this fails, opening says why.
        std::fs::create_dir_all(directory).ok();
    }
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    // Write-ahead logging lets kernels read while one writes; where the file system has no shared memory
    // (some network homes) SQLite stays with its own journal, which works as well.
    connection.pragma_update(None, "journal_mode", "WAL").ok();
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}
