//! How work is split over rayon's threads, and where long work hears that the user has interrupted.
use crate::error::Result;
use crate::interrupt;
use rayon::prelude::*;

/// Elements that one thread does at a time. Less is not worth a second thread: about 10 µs of simple arithmetic.
pub const GRAIN: usize = 32 * 1024;

/// Calls `work` with consecutive parts of `out` and the place where each begins.
pub fn fill<T: Send>(operation: &'static str, out: &mut [T], work: impl Fn(usize, &mut [T]) + Sync) -> Result<()> {
    rows(operation, out, 1, 1, |start, part| work(start, part))
}

/// As `fill`, in whole rows of `width`; `cost` is how much more work an element is than copying it. `work` gets the number of the first row.
pub fn rows<T: Send>(operation: &'static str, out: &mut [T], width: usize, cost: usize, work: impl Fn(usize, &mut [T]) + Sync) -> Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    if out.len().saturating_mul(cost) <= GRAIN {
        work(0, out);
        return Ok(());
    }
    interrupt::check(operation)?;
    let count = part_rows(width, cost);
    out.par_chunks_mut(count * width).enumerate().try_for_each(|(part, chunk)| {
        interrupt::check(operation)?;
        work(part * count, chunk);
        Ok(())
    })
}

/// As `rows`, with a second result of `other_width` elements per row.
pub fn rows2<T: Send, U: Send>(
    operation: &'static str,
    (out, width): (&mut [T], usize),
    (other, other_width): (&mut [U], usize),
    cost: usize,
    work: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) -> Result<()> {
    if out.is_empty() && other.is_empty() {
        return Ok(());
    }
    if out.len().saturating_mul(cost) <= GRAIN {
        work(0, out, other);
        return Ok(());
    }
    interrupt::check(operation)?;
    let count = part_rows(width, cost);
    out.par_chunks_mut(count * width).zip(other.par_chunks_mut(count * other_width)).enumerate().try_for_each(|(part, (chunk, rest))| {
        interrupt::check(operation)?;
        work(part * count, chunk, rest);
        Ok(())
    })
}

/// Rows that one thread does at a time.
fn part_rows(width: usize, cost: usize) -> usize {
    (GRAIN / width.saturating_mul(cost).max(1)).max(1)
}

/// Calls `work` for `0..count`; `size` is the work in all, in elements.
pub fn tasks(operation: &'static str, count: usize, size: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    if size <= GRAIN || count == 1 {
        return (0..count).try_for_each(work);
    }
    (0..count).into_par_iter().try_for_each(|task| {
        interrupt::check(operation)?;
        work(task)
    })
}

/// Adds up what `work` gives for `0..count`, always in the same order.
pub fn sums<T: Send>(operation: &'static str, count: usize, size: usize, work: impl Fn(usize) -> Result<T> + Sync, mut add: impl FnMut(T, T) -> T) -> Result<Option<T>> {
    let parts: Vec<T> = if size <= GRAIN || count <= 1 {
        (0..count).map(work).collect::<Result<_>>()?
    } else {
        let part = |task| {
            interrupt::check(operation)?;
            work(task)
        };
        (0..count).into_par_iter().map(part).collect::<Result<_>>()?
    };
    Ok(parts.into_iter().reduce(&mut add))
}
