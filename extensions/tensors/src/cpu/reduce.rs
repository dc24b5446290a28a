//! Sums and other reductions, and running sums.
//!
//! Dimensions that are reduced together are one; each group is folded in one pass, the innermost first. Sums are pairwise over blocks of
//! many lanes, so that the error grows with the logarithm of the count.
use super::access::{Load, fresh, undefined};
use super::lanes::tree;
use super::level::{self, Job, Level};
use super::number::{Wide, each_wide};
use super::parallel::{self, GRAIN};
use crate::backend::Reduce;
use crate::error::Result;
use crate::{DType, Dims, Raw};

/// Elements that are added up at once, in `LANES` sums.
const LEAF: usize = 1024;
const LANES: usize = 32;
/// Columns that are reduced together.
const COLUMNS: usize = 256;
/// Rows of columns that are added up one after the other.
const ROWS: usize = 64;

/// See [`crate::backend::Backend::reduce`].
pub fn reduce(op: Reduce, x: &Raw, dims: &[usize]) -> Result<Raw> {
    let shape: Dims = x.shape().iter().enumerate().filter(|(d, _)| !dims.contains(d)).map(|(_, size)| *size).collect();
    match op {
        Reduce::Any | Reduce::All => {
            let truth = super::copy::cast(x, DType::Bool)?;
            let fold = if op == Reduce::Any { Fold::Max } else { Fold::Min };
            let start = i64::from(op == Reduce::All);
            let values = groups::<i64>(op.name(), fold, start, &truth, dims)?;
            i64::store(values, DType::Bool, &shape)
        }
        Reduce::Mean if !x.dtype.is_float() => Err(undefined(op.name(), x.dtype)),
        Reduce::Mean => each_wide!(x.dtype, W => {
            let count = dims.iter().map(|d| x.shape()[*d]).product::<usize>();
            let sums = groups::<W>(op.name(), Fold::Sum, W::ZERO, x, dims)?;
            W::store(sums.into_iter().map(|s| W::from_f64(s.to_f64() / count as f64)).collect(), x.dtype, &shape)
        }),
        Reduce::Sum | Reduce::Prod | Reduce::Max | Reduce::Min => each_wide!(x.dtype, W => {
            let (fold, start) = match op {
                Reduce::Sum => (Fold::Sum, W::ZERO),
                Reduce::Prod => (Fold::Prod, W::ONE),
                Reduce::Max => (Fold::Max, W::LOWEST),
                _ => (Fold::Min, W::HIGHEST),
            };
            let adds = matches!(op, Reduce::Sum | Reduce::Prod) && !x.dtype.is_float();
            W::store(groups::<W>(op.name(), fold, start, x, dims)?, if adds { DType::I64 } else { x.dtype }, &shape)
        }),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Fold {
    Sum, Prod, Max, Min,
}

impl Fold {
    #[inline(always)]
    fn join<W: Wide>(self, a: W, b: W) -> W {
        match self {
            Self::Sum => a.plus(b),
            Self::Prod => a.times(b),
            // Of numbers with a NaN: the NaN.
            Self::Max => if b > a || b.is_nan() { b } else { a },
            Self::Min => if b < a || b.is_nan() { b } else { a },
        }
    }
}

/// Folds each group of neighbouring reduced dimensions, the innermost first.
fn groups<W: Load>(operation: &'static str, fold: Fold, start: W, x: &Raw, dims: &[usize]) -> Result<Vec<W>> {
    let mut groups: Vec<(usize, bool)> = Vec::new();
    for (d, &size) in x.shape().iter().enumerate().filter(|(_, size)| **size != 1) {
        let reduced = dims.contains(&d);
        match groups.last_mut().filter(|(_, same)| *same == reduced) {
            Some((sizes, _)) => *sizes *= size,
            None => groups.push((size, reduced)),
        }
    }
    let mut values = W::load(x)?;
    let mut inner = 1;
    while let Some((n, reduced)) = groups.pop() {
        if !reduced {
            inner *= n;
            continue;
        }
        let outer: usize = groups.iter().map(|(size, _)| size).product();
        values = folded(operation, fold, start, &values, [outer, n, inner])?.into();
    }
    Ok(values.into_owned())
}

/// `[outer, n, inner]` to `[outer, inner]`.
fn folded<W: Wide>(operation: &'static str, fold: Fold, start: W, x: &[W], [outer, n, inner]: [usize; 3]) -> Result<Vec<W>> {
    let mut out = fresh::<W>(outer * inner);
    // Few and long: parts first, then the parts.
    if n * inner > 4 * GRAIN && inner <= COLUMNS && outer * inner < COLUMNS * parallel::threads() && n >= 4 * ROWS {
        let part = (GRAIN / inner).max(ROWS);
        let count = n.div_ceil(part);
        let mut parts = fresh::<W>(outer * count * inner);
        parallel::rows(operation, &mut parts, inner, part, |first, rows| {
            for (row, to) in rows.chunks_exact_mut(inner).enumerate() {
                let (o, p) = ((first + row) / count, (first + row) % count);
                let (begin, end) = (p * part, ((p + 1) * part).min(n));
                one(fold, start, &x[(o * n + begin) * inner..(o * n + end) * inner], inner, to);
            }
        })?;
        return folded(operation, fold, start, &parts, [outer, count, inner]);
    }
    if inner <= COLUMNS {
        parallel::rows(operation, &mut out, inner, n.max(1), |first, rows| {
            rows.chunks_exact_mut(inner).enumerate().for_each(|(row, to)| one(fold, start, &x[(first + row) * n * inner..][..n * inner], inner, to));
        })?;
        return Ok(out);
    }
    let strips = inner.div_ceil(COLUMNS);
    let mut strip_of: Vec<(usize, &mut [W])> = out.chunks_exact_mut(inner).flat_map(|row| row.chunks_mut(COLUMNS)).enumerate().collect();
    parallel::rows(operation, &mut strip_of, 1, n * COLUMNS, |_, strips_here| {
        for (number, to) in strips_here {
            let (o, from) = (*number / strips, *number % strips * COLUMNS);
            columns(fold, start, &x[o * n * inner..][..n * inner], inner, from, to);
        }
    })?;
    Ok(out)
}

/// `[n, inner]` to `[inner]`, `inner` at most `COLUMNS`.
fn one<W: Wide>(fold: Fold, start: W, x: &[W], inner: usize, to: &mut [W]) {
    if inner == 1 { to[0] = row(fold, start, x) } else { columns(fold, start, x, inner, 0, to) }
}

/// All of a row, pairwise.
fn row<W: Wide>(fold: Fold, start: W, x: &[W]) -> W {
    if x.len() <= LEAF {
        return level::run(Leaf { fold, start, x });
    }
    let half = (x.len() / 2).next_multiple_of(LEAF);
    fold.join(row(fold, start, &x[..half]), row(fold, start, &x[half..]))
}

/// The sum of a row, with an error that grows with the logarithm of its length.
pub fn sum<W: Wide>(x: &[W]) -> W {
    row(Fold::Sum, W::ZERO, x)
}

/// Columns `from..from + to.len()` of rows of `inner`, pairwise.
fn columns<W: Wide>(fold: Fold, start: W, x: &[W], inner: usize, from: usize, to: &mut [W]) {
    let n = x.len() / inner;
    if n <= ROWS {
        return level::run(Strip { fold, start, x, inner, from, to });
    }
    let half = (n / 2).next_multiple_of(ROWS);
    columns(fold, start, &x[..half * inner], inner, from, to);
    let mut rest = [start; COLUMNS];
    let rest = &mut rest[..to.len()];
    columns(fold, start, &x[half * inner..], inner, from, rest);
    to.iter_mut().zip(rest).for_each(|(a, b)| *a = fold.join(*a, *b));
}

struct Leaf<'a, W> {
    fold: Fold,
    start: W,
    x: &'a [W],
}

impl<W: Wide> Job for Leaf<'_, W> {
    type Out = W;
    #[inline(always)]
    fn run<L: Level>(self) -> W {
        macro_rules! lanes {
            ($fold:expr) => {{
                let mut lanes = [self.start; LANES];
                let chunks = self.x.chunks_exact(LANES);
                let rest = chunks.remainder();
                for chunk in chunks {
                    for (lane, x) in lanes.iter_mut().zip(chunk) {
                        *lane = $fold.join(*lane, *x);
                    }
                }
                for (lane, x) in lanes.iter_mut().zip(rest) {
                    *lane = $fold.join(*lane, *x);
                }
                tree(lanes, |a, b| $fold.join(a, b))
            }};
        }
        match self.fold {
            Fold::Sum => lanes!(Fold::Sum),
            Fold::Prod => lanes!(Fold::Prod),
            Fold::Max => lanes!(Fold::Max),
            Fold::Min => lanes!(Fold::Min),
        }
    }
}

struct Strip<'a, W> {
    fold: Fold,
    start: W,
    x: &'a [W],
    inner: usize,
    from: usize,
    to: &'a mut [W],
}

impl<W: Wide> Job for Strip<'_, W> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        self.to.fill(self.start);
        macro_rules! rows {
            ($fold:expr) => {
                for row in self.x.chunks_exact(self.inner) {
                    for (to, x) in self.to.iter_mut().zip(&row[self.from..]) {
                        *to = $fold.join(*to, *x);
                    }
                }
            };
        }
        match self.fold {
            Fold::Sum => rows!(Fold::Sum),
            Fold::Prod => rows!(Fold::Prod),
            Fold::Max => rows!(Fold::Max),
            Fold::Min => rows!(Fold::Min),
        }
    }
}

/// Sizes before, of, and after a dimension.
pub fn around(shape: &[usize], dim: usize) -> [usize; 3] {
    [shape[..dim].iter().product(), shape[dim], shape[dim + 1..].iter().product()]
}

/// See [`crate::backend::Backend::arg_reduce`].
pub fn arg_reduce(max: bool, x: &Raw, dim: usize) -> Result<Raw> {
    let [outer, n, inner] = around(x.shape(), dim);
    let mut shape: Dims = x.shape().into();
    shape.remove(dim);
    let mut out = fresh::<i64>(outer * inner);
    each_wide!(x.dtype, W => {
        let values = W::load(x)?;
        parallel::rows(if max { "argmax" } else { "argmin" }, &mut out, 1, n.max(1), |first, part| {
            for (i, to) in part.iter_mut().enumerate() {
                let (o, column) = ((first + i) / inner, (first + i) % inner);
                *to = best(max, n, |k| values[(o * n + k) * inner + column]) as i64;
            }
        })?;
    });
    Ok(super::access::raw(out, &shape))
}

/// The first place of the greatest (smallest), NaN being that.
fn best<W: Wide>(max: bool, n: usize, at: impl Fn(usize) -> W) -> usize {
    let mut place = 0;
    let mut found = at(0);
    for k in 1..n {
        let x = at(k);
        let better = if max { x > found } else { x < found };
        if better || (x.is_nan() && !found.is_nan()) {
            (place, found) = (k, x);
        }
    }
    place
}

/// See [`crate::backend::Backend::cumsum`]. Integers give i64, as sums do.
pub fn cumsum(x: &Raw, dim: usize) -> Result<Raw> {
    let [_, n, inner] = around(x.shape(), dim);
    let dtype = if x.dtype.is_float() { x.dtype } else { DType::I64 };
    each_wide!(x.dtype, W => {
        let mut values = W::load(x)?.into_owned();
        parallel::rows("cumsum", &mut values, (n * inner).max(1), 1, |_, part| {
            for block in part.chunks_exact_mut(n * inner) {
                (inner..n * inner).for_each(|i| block[i] = block[i - inner].plus(block[i]));
            }
        })?;
        W::store(values, dtype, x.shape())
    })
}
