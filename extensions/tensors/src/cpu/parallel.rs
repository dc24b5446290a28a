//! How work is split over threads, and where long work hears that the user has interrupted.
use crate::error::Result;
use crate::interrupt;
use rayon::{ThreadPool, ThreadPoolBuilder};
use smallvec::SmallVec;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Elements that one thread does at a time. Less is not worth a second thread: about 10 µs of simple arithmetic.
pub const GRAIN: usize = 32 * 1024;

/// Threads that share work, of which the calling one is one.
pub fn threads() -> usize {
    helpers().map_or(1, |pool| pool.current_num_threads() + 1)
}

/// The others: as many threads as rayon would use, less one. Not rayon's own, since a caller that is none of them would only watch, and
/// waking a thread up takes as long as adding 100,000 numbers. None where one thread is enough, or the system gives no more.
fn helpers() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    POOL.get_or_init(|| {
        let others = rayon::current_num_threads() - 1;
        (others > 0).then(|| ThreadPoolBuilder::new().num_threads(others).thread_name(|i| format!("ochre-tensors-{i}")).build().ok()).flatten()
    })
    .as_ref()
}

/// Numbers that a thread has before it helps others: neighbours, as memory likes it.
struct Stretch {
    next: AtomicUsize,
    end: usize,
}

/// Calls `work` for `0..count` over the threads; the calling one begins at once, while the others wake up.
/// Not generic: the machinery is compiled once, not for every loop (a third of this crate).
fn over(count: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    // Who is called by one of many threads has nobody to share with.
    let pool = if rayon::current_thread_index().is_some() { None } else { helpers() };
    let threads = pool.map_or(1, |pool| pool.current_num_threads() + 1).min(count);
    let (Some(pool), 2..) = (pool, threads) else { return (0..count).try_for_each(work) };
    let stretch = |i: usize| Stretch { next: AtomicUsize::new(count * i / threads), end: count * (i + 1) / threads };
    let stretches: SmallVec<[Stretch; 16]> = (0..threads).map(stretch).collect();
    let failed = OnceLock::new();
    let some = |own: usize| {
        for i in 0..threads {
            let Stretch { next, end } = &stretches[(own + i) % threads];
            while failed.get().is_none() {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= *end {
                    break;
                }
                if let Err(error) = work(number) {
                    // Another thread's may have been first.
                    let _ = failed.set(error);
                }
            }
        }
    };
    pool.in_place_scope(|scope| {
        let some = &some;
        (1..threads).for_each(|own| scope.spawn(move |_| some(own)));
        some(0);
    });
    failed.into_inner().map_or(Ok(()), Err)
}

/// Calls `work` for `0..count`, and asks for interrupts each time.
fn interruptible(operation: &'static str, count: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    over(count, &|number| interrupt::check(operation).and_then(|()| work(number)))
}

/// Calls `work` with each of some parts. What must not be left half done is: nobody asks for interrupts.
pub fn each<T: Send>(parts: Vec<T>, work: impl Fn(T) + Sync) {
    let parts: Vec<_> = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    let whole = over(parts.len(), &|number| {
        work(own(&parts, number));
        Ok(())
    });
    debug_assert!(whole.is_ok(), "no part fails");
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
    interruptible(operation, parts.len(), &|number| {
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
    interruptible(operation, parts.len(), &|number| {
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
    interruptible(operation, count, &work)
}

/// Adds up what `work` gives for `0..count`, always in the same order.
pub fn sums<T: Send>(operation: &'static str, count: usize, size: usize, work: impl Fn(usize) -> Result<T> + Sync, add: impl FnMut(T, T) -> T) -> Result<Option<T>> {
    if size <= GRAIN {
        return Ok((0..count).map(work).collect::<Result<Vec<T>>>()?.into_iter().reduce(add));
    }
    let found: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    interruptible(operation, count, &|number| {
        let value = work(number)?;
        *found[number].lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    })?;
    Ok((0..count).map(|number| own(&found, number)).reduce(add))
}
