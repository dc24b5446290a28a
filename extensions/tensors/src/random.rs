//! The generator that all random tensors, dropout and shuffling draw from: one key and one counter for all devices and threads.
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Generator {
    key: u64,
    counter: u64,
}

static GENERATOR: Mutex<Option<Generator>> = Mutex::new(None);

fn generator() -> MutexGuard<'static, Option<Generator>> {
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins the random numbers anew: the same seed gives the same ones, on every device. Without it they differ from session to session.
pub fn manual_seed(seed: u64) {
    *generator() = Some(Generator { key: seed, counter: 0 });
}

/// The seed that the numbers come from.
pub fn initial_seed() -> u64 {
    generator().get_or_insert_with(fresh).key
}

fn fresh() -> Generator {
    Generator { key: RandomState::new().build_hasher().finish(), counter: 0 }
}

/// Key and counter of `count` numbers that nobody else gets: `Backend::random` takes them.
pub fn reserve(count: usize) -> (u64, u64) {
    let mut generator = generator();
    let generator = generator.get_or_insert_with(fresh);
    let counter = generator.counter;
    // A counter gives four numbers.
    generator.counter = counter.wrapping_add(count.div_ceil(4) as u64);
    (generator.key, counter)
}
