//! What goes wrong, and when: drawn from a seed and from what is asked, so that a run can be repeated whatever the order of its requests.
use super::synthetic::hash;
use crate::http::{Ending, Reply, Request};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::HashMap;
use std::time::Duration;

/// One kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// 503 with Retry-After; nothing was done.
    Unavailable,
    /// 429 with Retry-After; nothing was done.
    Throttled,
    /// The connection is reset in the middle of the body.
    Reset,
    /// The body ends early, though Content-Length was right.
    Cut,
    /// The body has one wrong byte. Only a checksum can tell.
    Changed,
    /// What is read gets a new version (other bytes, another ETag) just before it is served. Synthetic blobs only.
    NewVersion,
    /// Silence in the middle of the body, for `Faults::stall`.
    Stall,
    /// The request is carried out, and the connection reset without an answer.
    Lost,
    /// No answer, ever.
    Hang,
}

/// Which faults, how often.
#[derive(Clone, Debug)]
pub struct Faults {
    pub seed: u64,
    /// Part of the requests that meet one, 0 to 1.
    pub rate: f64,
    pub kinds: Vec<Fault>,
    /// The same request meets at most so many, so that whoever repeats it gets through.
    pub most_for_one: u32,
    /// Sent with 503 and 429, in seconds.
    pub retry_after: u64,
    pub stall: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self { seed: 0, rate: 0.0, kinds: Vec::new(), most_for_one: 2, retry_after: 0, stall: Duration::from_millis(200) }
    }
}

/// Counts how often the same thing was asked.
#[derive(Debug, Default)]
pub struct Draws(HashMap<u64, (u32, u32)>);

impl Draws {
    /// The fault for this request, if it is to have one.
    pub fn draw(&mut self, faults: &Faults, request: &Request) -> Option<(Fault, StdRng)> {
        if faults.rate <= 0.0 || faults.kinds.is_empty() {
            return None;
        }
        let range = request.header("x-ms-range").or(request.header("range")).unwrap_or_default();
        // Without the query's signature: it has the time in it.
        let key = hash(&[request.method.as_bytes(), request.path.as_bytes(), range.as_bytes(), request.query("blockid").or(request.query("partNumber")).unwrap_or_default().as_bytes()]);
        let (asked, met) = self.0.entry(key).or_default();
        *asked += 1;
        if *met >= faults.most_for_one {
            return None;
        }
        let mut random = StdRng::seed_from_u64(hash(&[&faults.seed.to_le_bytes(), &key.to_le_bytes(), &asked.to_le_bytes()]));
        if !random.random_bool(faults.rate.min(1.0)) {
            return None;
        }
        *met += 1;
        let kind = faults.kinds[random.random_range(0..faults.kinds.len())];
        Some((kind, random))
    }
}

impl Fault {
    /// Its name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Changed => "changed",
            Self::NewVersion => "new version",
            Self::Stall => "stall",
            Self::Lost => "lost",
            Self::Hang => "hang",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Unavailable, Self::Throttled, Self::Reset, Self::Cut, Self::Changed, Self::NewVersion, Self::Stall, Self::Lost, Self::Hang].into_iter().find(|f| f.name() == name)
    }

    /// The answer in place of carrying the request out.
    pub fn refusal(self, faults: &Faults) -> Option<Reply> {
        let status = match self {
            Self::Unavailable => 503,
            Self::Throttled => 429,
            Self::Hang => return Some(Reply::status(200).ending(Ending::Hang)),
            _ => return None,
        };
        let body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>";
        Some(Reply::new(status, "application/xml", body).with("Retry-After", faults.retry_after.to_string()).with("x-ms-error-code", "ServerBusy"))
    }

    /// The right answer, spoiled.
    pub fn spoil(self, faults: &Faults, reply: Reply, random: &mut StdRng) -> Reply {
        let length: u64 = reply.body.pieces.iter().map(|p| p.len() as u64).sum();
        let at = if length == 0 { 0 } else { random.random_range(0..length) };
        let ending = match self {
            Self::Reset if length > 0 => Ending::Reset(at),
            Self::Cut if length > 0 => Ending::Cut(at),
            Self::Changed if length > 0 => Ending::Flip(at),
            Self::Stall if length > 0 => Ending::Stall(at, faults.stall),
            Self::Lost | Self::Reset | Self::Cut => Ending::Lost,
            _ => Ending::Whole,
        };
        reply.ending(ending)
    }
}
