//! A batch of what a run logged, MLflow's rules for it, and what they refuse or cut.
//!
//! The rules are those of `mlflow/utils/validation.py` 3.17, the same for every store, so that a run can be moved.
use crate::Metric;
use std::fmt;

/// MLflow's limits; the servers refuse what is above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub metrics: usize,
    pub params: usize,
    pub tags: usize,
    /// Metrics, params and tags together.
    pub entities: usize,
    /// Bytes of a request.
    pub bytes: usize,
    /// Characters of a key.
    pub key: usize,
    /// Characters of a param's value.
    pub param: usize,
    /// Characters of a tag's value.
    pub tag: usize,
}

/// As of MLflow 3.17.
pub const LIMITS: Limits = Limits { metrics: 1000, params: 100, tags: 100, entities: 1000, bytes: 1_000_000, key: 250, param: 6000, tag: 8000 };

/// What a run logged, in the order in which it did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub metrics: Vec<Metric>,
    pub params: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
}

impl Batch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.params.is_empty() && self.tags.is_empty()
    }

    /// The batch as the rules leave it, and what they did.
    pub(crate) fn ruled(&self) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut ruled = Self::default();
        for metric in &self.metrics {
            match wrong_key(&metric.key) {
                Some(why) => problems.push(Problem::key(Item::Metric, &metric.key, why)),
                None if metric.timestamp_ms < 0 => problems.push(Problem::key(Item::Metric, &metric.key, "its time is before 1970")),
                None => ruled.metrics.push(metric.clone()),
            }
        }
        ruled.params = values(&self.params, Item::Param, LIMITS.param, &mut problems);
        ruled.tags = values(&self.tags, Item::Tag, LIMITS.tag, &mut problems);
        let mut first: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
        ruled.params.retain(|(key, value)| {
            let kept = first.get(key).cloned();
            match kept {
                None => {
                    first.insert(key.clone(), value.clone());
                    return true;
                }
                Some(kept) if kept != *value => problems.push(Problem::ParamKept { key: key.clone(), kept, refused: value.clone() }),
                Some(_) => {}
            }
            false
        });
        (ruled, problems)
    }
}

/// Checks keys and cuts values.
fn values(pairs: &[(String, String)], item: Item, limit: usize, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let mut kept = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        if let Some(why) = wrong_key(key) {
            problems.push(Problem::key(item, key, why));
            continue;
        }
        let length = value.chars().count();
        if length <= limit {
            kept.push((key.clone(), value.clone()));
            continue;
        }
        problems.push(Problem::ValueCut { item, key: key.clone(), length, limit });
        kept.push((key.clone(), value.chars().take(limit).collect()));
    }
    kept
}

/// Why MLflow refuses a key: only letters, digits and `/_-.: `, at most 250 characters, and no other name when it is read as a path.
pub(crate) fn wrong_key(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it is empty");
    }
    if key.chars().count() > LIMITS.key {
        return Some("it is longer than 250 characters");
    }
    // Python's `\w` is what Unicode calls alphanumeric, and the underscore.
    if !key.chars().all(|c| c.is_alphanumeric() || "/_-.: ".contains(c)) {
        return Some("it may hold letters, digits, _ - . : / and spaces only");
    }
    let bad = |part: &str| part.is_empty() || part == "." || part == "..";
    key.split('/').any(bad).then_some("read as a path it would be another name")
}

/// What a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    Metric,
    Param,
    Tag,
}

impl fmt::Display for Item {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Metric => "metric",
            Self::Param => "param",
            Self::Tag => "tag",
        })
    }
}

/// What a store did not write as it was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not written.
    Key { item: Item, key: String, why: &'static str },
    /// Written up to the limit.
    ValueCut { item: Item, key: String, length: usize, limit: usize },
    /// The first value stays.
    ParamKept { key: String, kept: String, refused: String },
    /// The store refused it for a reason of its own; the rest was written.
    Refused { item: Item, key: String, why: String },
}

impl Problem {
    fn key(item: Item, key: &str, why: &'static str) -> Self {
        Self::Key { item, key: key.to_owned(), why }
    }
}

/// Characters of a key or value that a message shows.
const SHOWN: usize = 60;

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { item, key, why } => write!(out, "the {item} {:?} was not logged: {why}", short(key)),
            Self::ValueCut { item, key, length, limit } => write!(out, "the value of the {item} {:?} was cut from {length} to {limit} characters", short(key)),
            Self::ParamKept { key, kept, refused } => {
                write!(out, "the param {:?} stays {:?}: a param keeps its first value, so {:?} was not logged", short(key), short(kept), short(refused))
            }
            Self::Refused { item, key, why } => write!(out, "the {item} {:?} was not logged: {why}", short(key)),
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Entries that are in the store now (also those that were there before).
    pub written: usize,
    /// What is not there as it was logged.
    pub problems: Vec<Problem>,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: Self) {
        self.written += other.written;
        self.problems.extend(other.problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_mlflows_rules() {
        for good in ["loss", "val/acc", "a b-c.d:e_f", "größe", "..a", "a..b"] {
            assert_eq!(wrong_key(good), None, "{good}");
        }
        let long = "k".repeat(251);
        for bad in ["", "/a", "a/", "a//b", "./a", "a/../b", "..", "a,b", "a\nb", "a$", long.as_str()] {
            assert!(wrong_key(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn what_the_rules_change_is_said_and_the_rest_stays() {
        let metric = |key: &str, timestamp_ms| Metric { key: key.into(), value: 1.0, timestamp_ms, step: 0 };
        let pair = |k: &str, v: &str| (k.to_string(), v.to_string());
        let batch = Batch {
            metrics: vec![metric("good", 1), metric("b?d", 1), metric("old", -1)],
            params: vec![pair("p", "1"), pair("p", "1"), pair("p", "2"), pair("long", &"ä".repeat(6001))],
            tags: vec![pair("t", "1"), pair("t", "2"), pair("long", &"x".repeat(8001))],
        };
        let (ruled, problems) = batch.ruled();
        assert_eq!(ruled.metrics, [metric("good", 1)]);
        assert_eq!(ruled.params, [pair("p", "1"), pair("long", &"ä".repeat(6000))]);
        assert_eq!(ruled.tags, [pair("t", "1"), pair("t", "2"), pair("long", &"x".repeat(8000))]);
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said.iter().any(|s| s.contains("a param keeps its first value")), "{said:?}");
    }
}
