//! The seeded generator behind every random decision, so that the same seed gives the same result on every machine and number of cores.
use rand_ten::rngs::StdRng;
use rand_ten::{Rng, RngExt, SeedableRng};

/// A seeded generator.
#[derive(Debug)]
pub struct Random(StdRng);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// The generator of one of many parts of a seed: a tree, a trial. Parts may run in any order.
    pub fn part(seed: u64, part: u64) -> Self {
        // The golden ratio in 64 bits spreads neighbouring parts.
        Self::new(seed ^ part.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// Evenly in `0..1`.
    pub fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// Evenly in `0..count`; `count` is at least 1.
    pub fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count.max(1))
    }

    /// Evenly in `0..=u64::MAX`.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Puts a list in random order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            let other = self.below(end + 1);
            list.swap(end, other);
        }
    }

    /// The generator that the crate `tpe` takes.
    pub(crate) fn inner(&mut self) -> &mut StdRng {
        &mut self.0
    }
}
