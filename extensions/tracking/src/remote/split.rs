//! A batch of any size as requests within MLflow's limits.
use super::wire;
use crate::{Batch, LIMITS, Metric};
use serde_json::{Value, json};

/// Bytes that the names around the lists take, with room for a run's id.
const FRAME: usize = 512;

/// Parts that a server takes one by one: params and tags first, so that a run can be told by them while its metrics are on their way.
pub(super) fn parts(batch: &Batch) -> Vec<Batch> {
    let mut filling = Filling::default();
    for param in &batch.params {
        let room = filling.now.params.len() < LIMITS.params;
        filling.take(room, pair(param)).params.push(param.clone());
    }
    for tag in &batch.tags {
        let room = filling.now.tags.len() < LIMITS.tags;
        filling.take(room, pair(tag)).tags.push(tag.clone());
    }
    for metric in &batch.metrics {
        let room = filling.now.metrics.len() < LIMITS.metrics;
        filling.take(room, length(metric)).metrics.push(metric.clone());
    }
    filling.close();
    filling.parts
}

#[derive(Default)]
struct Filling {
    parts: Vec<Batch>,
    now: Batch,
    entities: usize,
    bytes: usize,
}

impl Filling {
    /// Room for one more entity of so many bytes, in a new part if need be.
    fn take(&mut self, room: bool, bytes: usize) -> &mut Batch {
        if !room || self.entities == LIMITS.entities || FRAME + self.bytes + bytes > LIMITS.bytes {
            self.close();
        }
        self.entities += 1;
        self.bytes += bytes;
        &mut self.now
    }

    fn close(&mut self) {
        if self.entities > 0 {
            self.parts.push(std::mem::take(&mut self.now));
        }
        (self.entities, self.bytes) = (0, 0);
    }
}

/// Two halves of what a server refused; `None` for a single entity.
pub(super) fn halves(batch: &Batch) -> Option<[Batch; 2]> {
    let entities = batch.params.len() + batch.tags.len() + batch.metrics.len();
    if entities < 2 {
        return None;
    }
    let mut first = batch.clone();
    let mut left = entities / 2;
    let mut split = |length: usize| {
        let here = length.min(left);
        left -= here;
        here
    };
    let second = Batch {
        params: first.params.split_off(split(batch.params.len())),
        tags: first.tags.split_off(split(batch.tags.len())),
        metrics: first.metrics.split_off(split(batch.metrics.len())),
    };
    Some([first, second])
}

fn metric(metric: &Metric) -> Value {
    json!({ "key": metric.key, "value": wire::number(metric.value), "timestamp": metric.timestamp_ms, "step": metric.step })
}

/// Bytes of one metric in the request, at most: digits of a double, two long numbers, names and quotes.
fn length(metric: &Metric) -> usize {
    quoted(&metric.key) + 25 + 20 + 20 + 48
}

fn pair((key, value): &(String, String)) -> usize {
    quoted(key) + quoted(value) + 24
}

/// Bytes of a text in JSON: what is escaped takes up to six.
fn quoted(text: &str) -> usize {
    2 + text.chars().map(|c| if c.is_control() { 6 } else if c == '"' || c == '\\' { 2 } else { c.len_utf8() }).sum::<usize>()
}

/// The body of `runs/log-batch`.
pub(super) fn request(run: &str, batch: &Batch) -> Value {
    let mut body = json!({ "run_id": run });
    if !batch.metrics.is_empty() {
        body["metrics"] = batch.metrics.iter().map(metric).collect();
    }
    if !batch.params.is_empty() {
        body["params"] = wire::key_values(batch.params.iter().map(|(k, v)| (k, v)));
    }
    if !batch.tags.is_empty() {
        body["tags"] = wire::key_values(batch.tags.iter().map(|(k, v)| (k, v)));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(metrics: usize, params: usize, tags: usize, size: usize) -> Batch {
        let pair = |n: usize| (format!("key {n}"), "\u{1}ä\"".repeat(size / 10));
        Batch {
            metrics: (0..metrics).map(|n| Metric { key: format!("m{}", n % 7), value: -1.234_567_890_123_456_7e-300, timestamp_ms: i64::MAX, step: n as i64 }).collect(),
            params: (0..params).map(pair).collect(),
            tags: (0..tags).map(pair).collect(),
        }
    }

    #[test]
    fn parts_keep_to_every_limit_and_lose_nothing() {
        for (metrics, params, tags, size) in [(2500, 0, 0, 0), (0, 205, 0, 20), (950, 100, 100, 6000), (1, 1, 1, 10), (0, 0, 0, 0), (0, 0, 301, 8000)] {
            let whole = batch(metrics, params, tags, size);
            let mut joined = Batch::default();
            for part in parts(&whole) {
                let body = request(&"r".repeat(256), &part).to_string();
                assert!(body.len() <= LIMITS.bytes, "{} bytes", body.len());
                assert!(part.metrics.len() <= LIMITS.metrics && part.params.len() <= LIMITS.params && part.tags.len() <= LIMITS.tags);
                assert!(part.metrics.len() + part.params.len() + part.tags.len() <= LIMITS.entities && !part.is_empty());
                joined.metrics.extend(part.metrics);
                joined.params.extend(part.params);
                joined.tags.extend(part.tags);
            }
            assert_eq!(joined, whole);
        }
        assert_eq!(parts(&batch(2000, 0, 0, 0)).len(), 2, "no more requests than need be");
    }

    #[test]
    fn halving_ends_at_single_entities() {
        fn count(batch: &Batch) -> usize {
            halves(batch).map_or(1, |parts| parts.iter().map(count).sum())
        }
        assert_eq!(count(&batch(5, 3, 2, 10)), 10);
    }
}
