//! Names for runs that were given none: an adjective, an animal, a number, as MLflow's own.
use std::hash::{BuildHasher, RandomState};

const ADJECTIVES: [&str; 32] = [
    "able", "amber", "bold", "brave", "bright", "calm", "clever", "crisp", "eager", "fair", "fleet", "gentle", "glad", "golden", "grand", "honest", "jolly", "keen",
    "kind", "lively", "lucky", "merry", "mild", "nimble", "noble", "proud", "quick", "quiet", "rapid", "sunny", "swift", "wise",
];
const ANIMALS: [&str; 32] = [
    "ant", "badger", "bat", "bear", "bee", "boar", "crab", "crane", "crow", "deer", "dove", "eel", "elk", "finch", "fox", "frog", "gull", "hare", "hawk", "heron", "ibex",
    "lark", "lynx", "mole", "moth", "newt", "otter", "owl", "seal", "swan", "toad", "wren",
];

/// A name that is unlikely to have been given before.
pub(crate) fn pick() -> String {
    let random = unique();
    let (adjective, animal) = (ADJECTIVES[(random % 32) as usize], ANIMALS[(random / 32 % 32) as usize]);
    format!("{adjective}-{animal}-{}", random / 1024 % 1000)
}

/// A number that is unlikely to come twice.
pub(crate) fn unique() -> u64 {
    RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_differ() {
        let names: std::collections::BTreeSet<String> = (0..100).map(|_| super::pick()).collect();
        assert!(names.len() > 95, "{names:?}");
    }
}
