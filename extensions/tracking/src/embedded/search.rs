//! Lists of runs: a filter becomes one SQL statement that finds ids, and what belongs to them is read table by table.
use super::{Fail, rows, runs};
use crate::filter::{self, Attribute, Clause, Subject, Value};
use crate::{DatasetInput, Lifecycle, Page, Query, Run, Status, TrackingError, View};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use std::collections::HashMap;

/// Runs of one page, as MLflow allows.
const LARGEST_PAGE: usize = 50_000;

/// One run by its id.
pub(super) fn one(connection: &Connection, id: &str) -> Result<Run, Fail> {
    let found = read(connection, "WHERE r.run_uuid = ?", vec![Sql::Text(id.to_owned())])?;
    found.into_iter().next().ok_or_else(|| runs::missing(id).into())
}

/// Those that a query finds. The token of a page is the number of runs before it.
pub(super) fn runs(connection: &Connection, query: &Query) -> Result<Page<Run>, Fail> {
    let offset: usize = match &query.page {
        None => 0,
        Some(token) => token.parse().map_err(|_| TrackingError::Invalid { what: "the page".into(), why: "it comes from another search".into() })?,
    };
    let max = if query.max == 0 { LARGEST_PAGE } else { query.max.min(LARGEST_PAGE) };
    let mut built = Built::default();
    let experiments = query.experiments.iter().map(|id| runs::number(id)).collect::<Result<Vec<_>, _>>()?;
    let marks = vec!["?"; experiments.len()].join(", ");
    let mut clauses = vec![format!("r.experiment_id IN ({marks})")];
    built.arguments.extend(experiments.into_iter().map(Sql::Integer));
    match query.view {
        View::Active => clauses.push("r.lifecycle_stage = 'active'".into()),
        View::Deleted => clauses.push("r.lifecycle_stage = 'deleted'".into()),
        View::All => {}
    }
    let filters = filter::filter(&query.filter)?;
    let clauses: Vec<String> = clauses.into_iter().chain(filters.iter().map(|clause| built.clause(clause))).collect();
    let (joins, orders, mut before) = ordered(&query.order_by)?;
    before.append(&mut built.arguments);
    let tail = format!("{joins} WHERE {} ORDER BY {orders} LIMIT {} OFFSET {offset}", clauses.join(" AND "), max + 1);
    let mut items = read(connection, &tail, before)?;
    let next = (items.len() > max).then(|| (offset + max).to_string());
    items.truncate(max);
    Ok(Page { items, next })
}

/// The columns of the table `runs` that clauses name.
fn column(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Id => "r.run_uuid",
        Attribute::Name => "r.name",
        Attribute::Status => "r.status",
        Attribute::User => "r.user_id",
        Attribute::Start => "r.start_time",
        Attribute::End => "r.end_time",
        Attribute::Artifacts => "r.artifact_uri",
    }
}

/// Conditions with `?` for what the user wrote, which is never part of the SQL.
#[derive(Default)]
struct Built {
    arguments: Vec<Sql>,
}

impl Built {
    fn clause(&mut self, clause: &Clause) -> String {
        let keyed = |table: &str| format!("SELECT 1 FROM {table} x WHERE x.run_uuid = r.run_uuid AND x.key = ?");
        match &clause.subject {
            Subject::Attribute(attribute) => self.compared(column(*attribute), clause),
            Subject::Metric(key) => {
                self.arguments.push(Sql::Text(key.clone()));
                let compared = self.compared("x.value", clause);
                // NaN is stored as 0; it is different from every number, and nothing else.
                let nan = if clause.comparator == "!=" { "OR x.is_nan = 1" } else { "AND x.is_nan = 0" };
                format!("EXISTS ({} AND ({compared} {nan}))", keyed("latest_metrics"))
            }
            Subject::Param(key) => self.keyed(keyed("params"), key, clause),
            Subject::Tag(key) => self.keyed(keyed("tags"), key, clause),
            Subject::Dataset(of) => {
                let join = "SELECT 1 FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id";
                let tags = "JOIN input_tags c ON c.input_uuid = i.input_uuid AND c.name = 'mlflow.data.context'";
                let edge = "WHERE i.destination_type = 'RUN' AND i.destination_id = r.run_uuid AND i.source_type = 'DATASET'";
                match of.as_str() {
                    "context" => format!("EXISTS ({join} {tags} {edge} AND {})", self.compared("c.value", clause)),
                    "digest" => format!("EXISTS ({join} {edge} AND {})", self.compared("d.digest", clause)),
                    _ => format!("EXISTS ({join} {edge} AND {})", self.compared("d.name", clause)),
                }
            }
        }
    }

    fn keyed(&mut self, select: String, key: &str, clause: &Clause) -> String {
        self.arguments.push(Sql::Text(key.to_owned()));
        match clause.comparator {
            "IS NULL" => format!("NOT EXISTS ({select})"),
            "IS NOT NULL" => format!("EXISTS ({select})"),
            _ => format!("EXISTS ({select} AND {})", self.compared("x.value", clause)),
        }
    }

    fn compared(&mut self, column: &str, clause: &Clause) -> String {
        match &clause.value {
            Value::Number(number) => self.arguments.push(Sql::Real(*number)),
            Value::Text(text) => self.arguments.push(Sql::Text(text.clone())),
            Value::Texts(texts) => self.arguments.extend(texts.iter().cloned().map(Sql::Text)),
            Value::None => {}
        }
        match (clause.comparator, &clause.value) {
            ("ILIKE", _) => format!("lower({column}) LIKE lower(?)"),
            (comparator, Value::Texts(texts)) => format!("{column} {comparator} ({})", vec!["?"; texts.len()].join(", ")),
            (comparator, _) => format!("{column} {comparator} ?"),
        }
    }
}

/// Joins, the ORDER BY and the arguments of the joins. What a run lacks comes last, as with MLflow.
fn ordered(order_by: &[String]) -> Result<(String, String, Vec<Sql>), Fail> {
    let (mut joins, mut orders, mut arguments) = (String::new(), Vec::new(), Vec::new());
    let mut by_start = false;
    for (n, text) in order_by.iter().enumerate() {
        let order = filter::order(text)?;
        let direction = if order.ascending { "ASC" } else { "DESC" };
        let (table, key) = match order.subject {
            Subject::Attribute(attribute) => {
                by_start |= attribute == Attribute::Start;
                let column = column(attribute);
                orders.push(format!("{column} IS NULL, {column} {direction}"));
                continue;
            }
            Subject::Metric(key) => ("latest_metrics", key),
            Subject::Param(key) => ("params", key),
            Subject::Tag(key) | Subject::Dataset(key) => ("tags", key),
        };
        joins.push_str(&format!(" LEFT JOIN {table} o{n} ON o{n}.run_uuid = r.run_uuid AND o{n}.key = ?"));
        arguments.push(Sql::Text(key));
        let nan = if table == "latest_metrics" { format!("WHEN o{n}.is_nan = 1 THEN 1") } else { String::new() };
        orders.push(format!("CASE {nan} WHEN o{n}.value IS NULL THEN 2 ELSE 0 END, o{n}.value {direction}"));
    }
    if !by_start {
        orders.push("r.start_time DESC".into());
    }
    orders.push("r.run_uuid".into());
    Ok((joins, orders.join(", "), arguments))
}

/// The runs that a statement's tail names, with all that belongs to them.
fn read(connection: &Connection, tail: &str, arguments: Vec<Sql>) -> Result<Vec<Run>, Fail> {
    let sql = format!(
        "SELECT r.run_uuid, r.name, r.experiment_id, r.user_id, r.status, r.start_time, r.end_time, r.artifact_uri, r.lifecycle_stage FROM runs r {tail}"
    );
    let mut found: Vec<Run> = connection.prepare(&sql)?.query_map(params_from_iter(arguments), run)?.collect::<Result<_, _>>()?;
    let places: HashMap<String, usize> = found.iter().enumerate().map(|(place, run)| (run.id.clone(), place)).collect();
    // A temporary table of the ids, so that each of the other tables is read by one statement.
    connection.execute_batch("CREATE TEMP TABLE IF NOT EXISTS found (run_uuid TEXT PRIMARY KEY) WITHOUT ROWID; DELETE FROM temp.found;")?;
    let mut insert = connection.prepare_cached("INSERT INTO temp.found VALUES (?1)")?;
    for run in &found {
        insert.execute([&run.id])?;
    }
    let mut each = |sql: &str, put: &mut dyn FnMut(&mut Run, &rusqlite::Row<'_>) -> rusqlite::Result<()>| -> Result<(), Fail> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(place) = places.get(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?) {
                put(&mut found[*place], row)?;
            }
        }
        Ok(())
    };
    each("SELECT x.run_uuid, x.key, coalesce(x.value, '') FROM temp.found f CROSS JOIN params x ON x.run_uuid = f.run_uuid", &mut |run, row| {
        run.params.insert(row.get(1)?, row.get(2)?);
        Ok(())
    })?;
    each("SELECT x.run_uuid, x.key, coalesce(x.value, '') FROM temp.found f CROSS JOIN tags x ON x.run_uuid = f.run_uuid", &mut |run, row| {
        run.tags.insert(row.get(1)?, row.get(2)?);
        Ok(())
    })?;
    each(
        "SELECT x.run_uuid, x.key, x.value, x.timestamp, x.step, x.is_nan FROM temp.found f CROSS JOIN latest_metrics x ON x.run_uuid = f.run_uuid",
        &mut |run, row| {
            let timestamp_ms = row.get::<_, Option<i64>>(3)?.unwrap_or_default();
            let metric = crate::Metric { key: row.get(1)?, value: rows::restored(row.get(2)?, row.get(5)?), timestamp_ms, step: row.get(4)? };
            run.metrics.insert(metric.key.clone(), metric);
            Ok(())
        },
    )?;
    each(INPUTS, &mut |run, row| {
        let (name, digest): (String, String) = (row.get(1)?, row.get(2)?);
        let at = run.inputs.iter().position(|i| i.name == name && i.digest == digest).unwrap_or(run.inputs.len());
        if at == run.inputs.len() {
            let (source_type, source, schema, profile) = (row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
            run.inputs.push(DatasetInput { name, digest, source_type, source, schema, profile, ..DatasetInput::default() });
        }
        if let Some(key) = row.get::<_, Option<String>>(7)? {
            run.inputs[at].tags.insert(key, row.get(8)?);
        }
        Ok(())
    })?;
    Ok(found)
}

const INPUTS: &str = "
    SELECT i.destination_id, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile, t.name, t.value
    FROM temp.found f
    CROSS JOIN inputs i ON i.destination_type = 'RUN' AND i.destination_id = f.run_uuid AND i.source_type = 'DATASET'
    JOIN datasets d ON d.dataset_uuid = i.source_id
    LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid
    ORDER BY d.name, d.digest, t.name";

fn run(row: &rusqlite::Row<'_>) -> rusqlite::Result<Run> {
    let text = |at: usize| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
    Ok(Run {
        id: row.get(0)?,
        name: text(1)?,
        experiment_id: row.get::<_, i64>(2)?.to_string(),
        user: text(3)?,
        status: Status::parse(&text(4)?).unwrap_or_default(),
        start_ms: row.get::<_, Option<i64>>(5)?.unwrap_or_default(),
        end_ms: row.get(6)?,
        artifact_uri: text(7)?,
        lifecycle: Lifecycle::parse(&text(8)?),
        ..Run::default()
    })
}
