//! From tensors to slices and back: what every file here begins and ends with.
use super::number::{Number, Wide};
use super::{copy, number};
use crate::error::Result;
use crate::{Buffer, DType, Device, Element, Raw, Storage, TensorError};
use std::borrow::Cow;

/// The buffer under a tensor.
pub fn buffer(x: &Raw) -> &Buffer {
    let Storage::Cpu(buffer) = &x.storage else { unreachable!("who calls has checked the device") };
    buffer
}

/// All elements of the buffer under a tensor, of the type that the tensor has.
pub fn elements<T: Element>(x: &Raw) -> &[T] {
    T::of(buffer(x)).expect("a tensor's type is its buffer's")
}

/// Bytes from which on the system is asked whether it has them: Rust ends the process where memory that it counts on is refused.
const LARGE: usize = 64 * 1024 * 1024;

/// Whether the system has room for so many elements; asking touches none of it.
pub fn room<T>(len: usize) -> Result<()> {
    let bytes = len.saturating_mul(size_of::<T>());
    if bytes < LARGE || Vec::<T>::new().try_reserve_exact(len).is_ok() {
        return Ok(());
    }
    let (free, total) = memory().unwrap_or_default();
    Err(TensorError::OutOfMemory { device: Device::Cpu, asked: bytes, free, total, holders: String::new() })
}

/// Free and all bytes of this machine, as Linux counts them.
fn memory() -> Option<(usize, usize)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<usize>().ok()).map(|kib| kib * 1024);
    Some((bytes("MemAvailable:")?, bytes("MemTotal:")?))
}

/// A vector whose elements are all going to be written: before that they are anything. No memory is an error.
pub fn try_fresh<T: Element>(len: usize) -> Result<Vec<T>> {
    if let Some(kept) = super::recycle::take(len) {
        return Ok(kept);
    }
    room::<T>(len)?;
    Ok(vec![T::default(); len])
}

/// [`try_fresh`], where no memory is a panic: it costs the cell and not the session.
pub fn fresh<T: Element>(len: usize) -> Vec<T> {
    try_fresh(len).unwrap_or_else(|error| crate::interrupt::fail(&error))
}

/// A vector of zeros.
pub fn zeros<W: Wide>(len: usize) -> Vec<W> {
    match super::recycle::take(len) {
        Some(mut values) => {
            values.fill(W::ZERO);
            values
        }
        None => {
            room::<W>(len).unwrap_or_else(|error| crate::interrupt::fail(&error));
            vec![W::ZERO; len]
        }
    }
}

/// The elements in row-major order; copied only if they do not lie so.
pub fn dense<T: Element>(x: &Raw) -> Result<Cow<'_, [T]>> {
    if x.layout.is_contiguous() {
        return Ok(Cow::Borrowed(if x.is_empty() { &[] } else { &elements::<T>(x)[x.layout.range()] }));
    }
    Ok(Cow::Owned(copy::gathered(x)?))
}

/// New elements as a tensor.
pub fn raw<T: Element>(values: Vec<T>, shape: &[usize]) -> Raw {
    Raw::cpu(values.into(), shape)
}

/// A type that loops compute in, as it comes from and goes to tensors.
pub trait Load: Wide {
    /// The elements in row-major order in this type, whatever they were.
    fn load(x: &Raw) -> Result<Cow<'_, [Self]>>;
    /// New elements as a tensor of an element type that computes in this one.
    fn store(values: Vec<Self>, dtype: DType, shape: &[usize]) -> Result<Raw>;
}

macro_rules! loads {
    ($($t:ty: $own:ident $(, $narrow:ident $as:ty)*);* $(;)?) => {$(
        impl Load for $t {
            fn load(x: &Raw) -> Result<Cow<'_, [Self]>> {
                match x.dtype {
                    DType::$own => dense(x),
                    other => each_dtype!(other, T => Ok(Cow::Owned(copy::converted::<T, $t>(&dense::<T>(x)?)?))),
                }
            }
            fn store(values: Vec<Self>, dtype: DType, shape: &[usize]) -> Result<Raw> {
                match dtype {
                    $(DType::$narrow => Ok(raw(copy::converted::<$t, $as>(&values)?, shape)),)*
                    _ => Ok(raw(values, shape)),
                }
            }
        }
    )*};
}
loads! {
    f32: F32, F16 half::f16, BF16 half::bf16;
    f64: F64;
    i64: I64, Bool bool, U8 u8, I32 i32;
}

/// An optional tensor's elements.
pub fn load_some<'a, W: Load>(x: Option<&'a Raw>) -> Result<Option<Cow<'a, [W]>>> {
    x.map(W::load).transpose()
}

/// The type that statistics of tensors of a type have: f64 of f64, else f32.
pub fn statistics_dtype(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Reads a run of elements `step` apart as numbers to compute with, without a copy where that is possible.
pub enum Piece<'a, W> {
    Slice(&'a [W]),
    /// All the same.
    Splat(W),
}

/// Elements of a block: what is computed at once, small enough for the first-level cache.
pub const BLOCK: usize = 1024;

/// A run of `len` elements of `data` from `offset`, `step` apart.
#[inline]
pub fn piece<'a, T: Number>(data: &'a [T], offset: usize, step: usize, len: usize, scratch: &'a mut [T::Wide; BLOCK]) -> Piece<'a, T::Wide> {
    match step {
        0 => Piece::Splat(data[offset].widen()),
        1 => match T::as_wide(&data[offset..offset + len]) {
            Some(slice) => Piece::Slice(slice),
            None => {
                copy::widen(&data[offset..offset + len], &mut scratch[..len]);
                Piece::Slice(&scratch[..len])
            }
        },
        _ => {
            let from = data[offset..].iter().step_by(step);
            scratch[..len].iter_mut().zip(from).for_each(|(to, from)| *to = from.widen());
            Piece::Slice(&scratch[..len])
        }
    }
}

impl<W: Wide> Piece<'_, W> {
    /// As a slice, written out if it is one number.
    pub fn slice<'b>(&'b self, len: usize, scratch: &'b mut [W; BLOCK]) -> &'b [W] {
        match self {
            Self::Slice(slice) => slice,
            Self::Splat(x) => {
                scratch[..len].fill(*x);
                &scratch[..len]
            }
        }
    }
}

pub use number::undefined;
