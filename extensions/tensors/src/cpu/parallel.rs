//! How work is split over rayon's threads, and where long work hears that the user has interrupted.
use crate::error::Result;
use crate::interrupt;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Elements that one thread does at a time. Less is not worth a second thread: about 10 µs of simple arithmetic.
pub const GRAIN: usize = 32 * 1024;

/// Calls `work` for `0..count` over the threads. Not generic: rayon's machinery is compiled once, not for every loop (a third of this crate).
fn over(operation: &'static str, count: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    let part = |number| {
        interrupt::check(operation)?;
        work(number)
    };
    // Handing work over to a single thread would only cost.
    if count <= 1 || rayon::current_num_threads() == 1 {
        return (0..count).try_for_each(part);
    }
    (0..count).into_par_iter().try_for_each(part)
}

/// What each number takes out for itself.
fn own<T>(parts: &[Mutex<Option<T>>], number: usize) -> T {
    parts[number].lock().unwrap_or_else(PoisonError::into_inner).take().expect("each number comes once")
}

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
    let count = part_rows(width, cost);
    let parts: Vec<_> = out.chunks_mut(count * width).map(|part| Mutex::new(Some(part))).collect();
    over(operation, parts.len(), &|number| {
        work(number * count, own(&parts, number));
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
    let count = part_rows(width, cost);
    let parts: Vec<_> = out.chunks_mut(count * width).zip(other.chunks_mut(count * other_width)).map(|part| Mutex::new(Some(part))).collect();
    over(operation, parts.len(), &|number| {
        let (part, rest) = own(&parts, number);
        work(number * count, part, rest);
        Ok(())
    })
}

/// Rows that one thread does at a time.
fn part_rows(width: usize, cost: usize) -> usize {
    (GRAIN / width.saturating_mul(cost).max(1)).max(1)
}

/// Calls `work` for `0..count`; `size` is the work in all, in elements.
pub fn tasks(operation: &'static str, count: usize, size: usize, work: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    if size <= GRAIN {
        return (0..count).try_for_each(work);
    }
    over(operation, count, &work)
}

/// Adds up what `work` gives for `0..count`, always in the same order.
pub fn sums<T: Send>(operation: &'static str, count: usize, size: usize, work: impl Fn(usize) -> Result<T> + Sync, add: impl FnMut(T, T) -> T) -> Result<Option<T>> {
    if size <= GRAIN {
        return Ok((0..count).map(work).collect::<Result<Vec<T>>>()?.into_iter().reduce(add));
    }
    let found: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    over(operation, count, &|number| {
        let value = work(number)?;
        *found[number].lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    })?;
    Ok((0..count).map(|number| own(&found, number)).reduce(add))
}
