//! Which models are tried: first one of each kind, then variations of the kinds that did best.
use crate::judge::Task;
use crate::models::{BoostingSettings, ForestSettings, LinearSettings, LogisticSettings, Settings};
use crate::search::{Params, Setting, Space};

/// A kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Linear,
    Forest,
    ExtraTrees,
    Boosting,
}

/// Rows below which trees of boosting may have small leaves.
const FEW_ROWS: usize = 2_000;
/// Rows above which boosting ends by itself, on rows that are kept back.
const MANY_ROWS: usize = 10_000;

impl Family {
    pub const ALL: [Family; 4] = [Family::Linear, Family::Forest, Family::ExtraTrees, Family::Boosting];

    pub fn name(self, task: Task) -> &'static str {
        match (self, task) {
            (Family::Linear, Task::Classification) => "logistic",
            (Family::Linear, Task::Regression) => "ridge",
            (Family::Forest, _) => "random forest",
            (Family::ExtraTrees, _) => "extra trees",
            (Family::Boosting, _) => "gradient boosting",
        }
    }

    /// The first settings that are tried.
    pub fn usual(self, task: Task, rows: usize, seed: u64) -> Settings {
        match (self, task) {
            (Family::Linear, Task::Classification) => Settings::Logistic(LogisticSettings { tolerance: 1e-5, ..Default::default() }),
            (Family::Linear, Task::Regression) => Settings::Linear(LinearSettings { penalty: 1.0 }),
            (Family::Forest, _) => Settings::Forest(ForestSettings { seed, ..Default::default() }),
            (Family::ExtraTrees, _) => Settings::Forest(ForestSettings { seed, ..ForestSettings::extra_trees() }),
            (Family::Boosting, _) => Settings::Boosting(boosting(rows, seed)),
        }
    }

    /// What may vary.
    pub fn space(self, rows: usize, seed: u64) -> Space {
        let space = Space::new().seed(seed);
        match self {
            Family::Linear => space.log("strength", 1e-3, 1e3),
            Family::Forest => space.log_int("trees", 100, 400).float("columns", 0.1, 1.0).log_int("rows_in_leaf", 1, 10),
            Family::ExtraTrees => space.log_int("trees", 100, 400).float("columns", 0.1, 1.0).log_int("rows_in_leaf", 1, 10),
            Family::Boosting => {
                let leaf = if rows < FEW_ROWS { (2, 30) } else { (5, 100) };
                space.log("rate", 0.02, 0.3).log_int("rounds", 50, 400).log_int("leaves", 3, 48).log_int("rows_in_leaf", leaf.0, leaf.1)
                    .float("row_share", 0.5, 1.0).float("column_share", 0.3, 1.0).log("penalty", 1e-2, 30.0)
            }
        }
    }

    /// Settings at a place of the space.
    pub fn at(self, params: &Params, task: Task, rows: usize, seed: u64) -> Settings {
        let number = |name: &str| match params.iter().find(|(n, _)| n == name).map(|(_, value)| value) {
            Some(Setting::Float(value)) => *value,
            Some(Setting::Int(value)) => *value as f64,
            _ => 0.0,
        };
        let whole = |name: &str| number(name) as usize;
        let forest = || ForestSettings { trees: whole("trees"), columns: Some(number("columns")), rows_in_leaf: whole("rows_in_leaf"), seed, ..Default::default() };
        match (self, task) {
            (Family::Linear, Task::Classification) => Settings::Logistic(LogisticSettings { freedom: 1.0 / number("strength"), tolerance: 1e-5, ..Default::default() }),
            (Family::Linear, Task::Regression) => Settings::Linear(LinearSettings { penalty: number("strength") }),
            (Family::Forest, _) => Settings::Forest(forest()),
            (Family::ExtraTrees, _) => {
                let extra = ForestSettings::extra_trees();
                Settings::Forest(ForestSettings { splits: extra.splits, bootstrap: extra.bootstrap, ..forest() })
            }
            (Family::Boosting, _) => Settings::Boosting(BoostingSettings {
                rounds: whole("rounds"),
                rate: number("rate"),
                leaves: whole("leaves"),
                rows_in_leaf: whole("rows_in_leaf"),
                row_share: number("row_share"),
                column_share: number("column_share"),
                penalty: number("penalty"),
                ..boosting(rows, seed)
            }),
        }
    }
}

fn boosting(rows: usize, seed: u64) -> BoostingSettings {
    let usual = BoostingSettings { seed, ..Default::default() };
    match rows {
        // Few rows: small trees, each on a part of rows and columns.
        r if r < FEW_ROWS => BoostingSettings { rounds: 150, rate: 0.06, leaves: 8, rows_in_leaf: 5, row_share: 0.7, column_share: 0.5, penalty: 1.0, ..usual },
        r if r > MANY_ROWS => BoostingSettings { rounds: 1_000, patience: Some(20), ..usual },
        _ => usual,
    }
}

/// Settings in one line, for tables.
pub fn describe(settings: &Settings) -> String {
    match settings {
        Settings::Linear(s) => format!("penalty={:.3}", s.penalty),
        Settings::Logistic(s) => format!("C={:.3}", s.freedom),
        Settings::Forest(s) => {
            let columns = s.columns.map_or(String::new(), |share| format!(" columns={share:.2}"));
            format!("trees={}{columns} rows_in_leaf={}", s.trees, s.rows_in_leaf)
        }
        Settings::Boosting(s) => {
            format!("rounds={} rate={:.3} leaves={} rows_in_leaf={} row_share={:.2} column_share={:.2}", s.rounds, s.rate, s.leaves, s.rows_in_leaf, s.row_share, s.column_share)
        }
    }
}
