//! Moving elements: copies of views, conversions between types, constants.
use super::access::{dense, elements, raw, room, try_fresh};
use super::level::{self, Job, Level};
use super::number::Number;
use super::parallel;
use super::walk::Walk;
use crate::error::Result;
use crate::{DType, Element, Layout, Raw, Storage};
use std::sync::Arc;

/// Side of the squares in which a transposed matrix is copied: both sides' lines fit the first-level cache.
const TILE: usize = 32;

/// A row-major copy of a view.
pub fn gathered<T: Element>(x: &Raw) -> Result<Vec<T>> {
    let mut out = try_fresh::<T>(x.len())?;
    let data = elements::<T>(x);
    let walk = Walk::new([&x.layout]);
    let (sizes, strides) = walk.dimensions(0);
    if let ([.., rows, columns], [.., 1, stride]) = (sizes, strides)
        && *stride > 1
    {
        let (rows, columns, stride) = (*rows, *columns, *stride);
        let planes = Layout { shape: sizes[..sizes.len() - 2].into(), strides: strides[..sizes.len() - 2].into(), offset: x.layout.offset };
        let outer = Walk::new([&planes]);
        parallel::rows("copy", &mut out, rows * columns, 2, |first, part| {
            for (n, plane) in part.chunks_exact_mut(rows * columns).enumerate() {
                outer.runs(first + n..first + n + 1, |_, _, [offset]| transpose(&data[offset..], stride, plane, rows, columns));
            }
        })?;
        return Ok(out);
    }
    parallel::fill("copy", &mut out, |start, part| {
        walk.runs(start..start + part.len(), |at, len, [offset]| copy_run(data, offset, walk.step(0), &mut part[at..at + len]));
    })?;
    Ok(out)
}

/// `out[r][c] = data[r + c * stride]`, by tiles.
fn transpose<T: Copy>(data: &[T], stride: usize, out: &mut [T], rows: usize, columns: usize) {
    for r0 in (0..rows).step_by(TILE) {
        let r1 = (r0 + TILE).min(rows);
        for c0 in (0..columns).step_by(TILE) {
            let c1 = (c0 + TILE).min(columns);
            for r in r0..r1 {
                let line = &mut out[r * columns + c0..r * columns + c1];
                line.iter_mut().enumerate().for_each(|(c, to)| *to = data[r + (c0 + c) * stride]);
            }
        }
    }
}

#[inline]
fn copy_run<T: Copy>(data: &[T], offset: usize, step: usize, to: &mut [T]) {
    match step {
        1 => to.copy_from_slice(&data[offset..offset + to.len()]),
        0 => to.fill(data[offset]),
        _ => to.iter_mut().zip(data[offset..].iter().step_by(step)).for_each(|(to, from)| *to = *from),
    }
}

/// See [`crate::backend::Backend::copy`].
pub fn copy(x: &Raw) -> Result<Raw> {
    each_dtype!(x.dtype, T => {
        let values = if x.layout.is_contiguous() && !x.is_empty() { elements::<T>(x)[x.layout.range()].to_vec() } else { gathered::<T>(x)? };
        Ok(raw(values, x.shape()))
    })
}

/// The elements of a tensor's buffer, to change: copied first when others see them too.
pub fn own<T: Element>(x: &mut Raw) -> &mut [T] {
    x.make_owned();
    let Storage::Cpu(shared) = &mut x.storage else { unreachable!("who calls has checked the device") };
    Arc::get_mut(shared).and_then(T::of_mut).expect("it is ours now")
}

/// See [`crate::backend::Backend::copy_into`].
pub fn copy_into(dst: &mut Raw, src: &Raw) -> Result<()> {
    if src.is_empty() {
        return Ok(());
    }
    let layout = dst.layout.clone();
    each_dtype!(src.dtype, T => {
        let walk = Walk::new([&layout, &src.layout]);
        let from = elements::<T>(src);
        let to = own::<T>(dst);
        let (out, step) = (walk.step(0), walk.step(1));
        walk.runs(0..src.len(), |_, len, [a, b]| match out {
            1 => copy_run(from, b, step, &mut to[a..a + len]),
            _ => (0..len).for_each(|i| to[a + i * out] = from[b + i * step]),
        });
    });
    Ok(())
}

/// See [`crate::backend::Backend::full`].
pub fn full(shape: &[usize], dtype: DType, value: f64) -> Result<Raw> {
    let len = shape.iter().product();
    each_dtype!(dtype, T => {
        room::<T>(len)?;
        Ok(raw(vec![<T as Casts>::of_f64(value); len], shape))
    })
}

/// See [`crate::backend::Backend::cast`].
pub fn cast(x: &Raw, dtype: DType) -> Result<Raw> {
    if x.dtype == dtype {
        return copy(x);
    }
    each_dtype!(x.dtype, T => {
        let values = dense::<T>(x)?;
        each_dtype!(dtype, U => Ok(raw(converted::<T, U>(&values)?, x.shape())))
    })
}

/// Elements of another type, as Rust's `as` makes them.
pub fn converted<T: Casts, U: Casts>(x: &[T]) -> Result<Vec<U>> {
    let mut out = try_fresh::<U>(x.len())?;
    parallel::fill("cast", &mut out, |start, part| level::run(Convert { from: &x[start..start + part.len()], to: part }))?;
    Ok(out)
}

/// To the type that is computed in.
pub fn widen<T: Number>(from: &[T], to: &mut [T::Wide]) {
    level::run(Widen { from, to });
}

/// And back.
pub fn narrow<T: Number>(from: &[T::Wide], to: &mut [T]) {
    level::run(Narrow { from, to });
}

struct Widen<'a, T: Number> {
    from: &'a [T],
    to: &'a mut [T::Wide],
}

impl<T: Number> Job for Widen<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = from.widen();
        }
    }
}

struct Narrow<'a, T: Number> {
    from: &'a [T::Wide],
    to: &'a mut [T],
}

impl<T: Number> Job for Narrow<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = T::narrow(*from);
        }
    }
}

struct Convert<'a, T, U> {
    from: &'a [T],
    to: &'a mut [U],
}

impl<T: Casts, U: Casts> Job for Convert<'_, T, U> {
    type Out = ();
    #[inline(always)]
    fn run<L: Level>(self) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = from.cast();
        }
    }
}

/// Conversions as Rust's `as` makes them; to `bool` is `!= 0`.
pub trait Casts: Number {
    fn cast<U: Casts>(self) -> U;
    fn of_f64(x: f64) -> Self;
    fn of_f32(x: f32) -> Self;
    fn of_i64(x: i64) -> Self;
}

macro_rules! casts {
    ($($t:ty, $of:ident, $f64:expr, $f32:expr, $i64:expr);* $(;)?) => {$(
        impl Casts for $t {
            #[inline(always)]
            fn cast<U: Casts>(self) -> U { U::$of(self.widen()) }
            #[inline(always)]
            fn of_f64(x: f64) -> Self { $f64(x) }
            #[inline(always)]
            fn of_f32(x: f32) -> Self { $f32(x) }
            #[inline(always)]
            fn of_i64(x: i64) -> Self { $i64(x) }
        }
    )*};
}
casts! {
    bool, of_i64, |x| x != 0.0, |x| x != 0.0, |x| x != 0;
    u8, of_i64, |x| x as u8, |x| x as u8, |x| x as u8;
    i32, of_i64, |x| x as i32, |x| x as i32, |x| x as i32;
    i64, of_i64, |x| x as i64, |x| x as i64, |x| x;
    half::f16, of_f32, half::f16::from_f64, Number::narrow, |x| half::f16::from_f64(x as f64);
    half::bf16, of_f32, half::bf16::from_f64, Number::narrow, |x| half::bf16::from_f64(x as f64);
    f32, of_f32, |x| x as f32, |x| x, |x| x as f32;
    f64, of_f64, |x| x, f64::from, |x| x as f64;
}
