//! Several pieces of work at a time.
use super::Tally;
use anyhow::anyhow;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Pieces at once. Most tests wait for servers, compilers and clocks; more would make those late that look at clocks.
const LANES: usize = 2;

/// Does the work, in order as far as lanes get free; gives the sum.
pub fn run<T: Sync>(all: &[T], work: impl Fn(&T) -> Tally + Sync) -> anyhow::Result<Tally> {
    let waiting: Mutex<VecDeque<&T>> = Mutex::new(all.iter().collect());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let lane = || {
        let mut tally = Tally::default();
        while let Some(piece) = next() {
            tally.add(work(piece));
        }
        tally
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        let mut all = Tally::default();
        for lane in lanes {
            all.add(lane.join().map_err(|_| anyhow!("xtask panicked"))?);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once() {
        let pieces: Vec<usize> = (0..50).collect();
        let tally = run(&pieces, |piece| if piece % 10 == 0 { Tally::failure("ten", piece.to_string()) } else { Tally { passed: 1, ..Tally::default() } });
        let tally = tally.expect("no panic");
        let failed: std::collections::BTreeSet<_> = tally.failures.iter().map(|(_, piece)| piece.as_str()).collect();
        assert_eq!((tally.passed, failed.len(), tally.failed()), (45, 5, 5));
    }
}
