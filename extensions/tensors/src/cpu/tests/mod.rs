//! The CPU's arithmetic against slow loops in f64, on random shapes, strides and element types (seeded).
mod elements;
mod functions;
mod moves;
mod networks;
mod products;
mod reductions;

use crate::backend::Backend;
use crate::{DType, Layout, Raw};

use super::Cpu;

/// Small numbers that repeat: a test that fails once fails always.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// In `low..=high`.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.next() as usize % (high - low + 1)
    }

    /// In -2..2.
    pub fn real(&mut self) -> f64 {
        (self.next() % 4_000_000) as f64 / 1_000_000.0 - 2.0
    }

    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.within(0, of.len() - 1)]
    }

    pub fn shape(&mut self, most_rank: usize, most_size: usize) -> Vec<usize> {
        let rank = self.within(0, most_rank);
        (0..rank).map(|_| if self.next() % 12 == 0 { 0 } else { self.within(1, most_size) }).collect()
    }

    /// Values that every type can hold exactly: halves for floats, -3..=3 for integers.
    fn value(&mut self, dtype: DType) -> f64 {
        match dtype {
            DType::Bool => (self.next() % 2) as f64,
            DType::U8 => (self.next() % 7) as f64,
            DType::I32 | DType::I64 => (self.next() % 7) as f64 - 3.0,
            _ => (self.next() % 33) as f64 / 8.0 - 2.0,
        }
    }

    /// A tensor of this shape whose strides, order of dimensions, offset and repetitions are of any kind.
    pub fn tensor(&mut self, shape: &[usize], dtype: DType) -> Raw {
        let repeats: Vec<bool> = shape.iter().map(|_| self.next() % 6 == 0).collect();
        let mut order: Vec<usize> = (0..shape.len()).collect();
        if self.next() % 2 == 0 {
            (1..order.len()).rev().for_each(|i| order.swap(i, self.within(0, i)));
        }
        let gap = if self.next() % 3 == 0 { 2 } else { 1 };
        let offset = if self.next() % 3 == 0 { self.within(1, 5) } else { 0 };
        let mut strides = vec![0; shape.len()];
        let mut next = 1;
        for &d in order.iter().rev() {
            if !repeats[d] {
                strides[d] = next;
                next *= shape[d].max(1) + gap - 1;
            }
        }
        let values: Vec<f64> = (0..offset + next.max(1) * gap + 8).map(|_| self.value(dtype)).collect();
        let base = raw(&values, &[values.len()], dtype);
        base.with_layout(Layout { shape: shape.into(), strides: strides.as_slice().into(), offset })
    }

    /// A row-major f64 or f32 tensor of real numbers.
    pub fn reals(&mut self, shape: &[usize], dtype: DType) -> Raw {
        let values: Vec<f64> = (0..shape.iter().product()).map(|_| self.real()).collect();
        raw(&values, shape, dtype)
    }
}

/// A row-major tensor.
pub fn raw(values: &[f64], shape: &[usize], dtype: DType) -> Raw {
    let wide = Raw::cpu(values.to_vec().into(), shape);
    if dtype == DType::F64 { wide } else { Cpu.cast(&wide, dtype).expect("a cast") }
}

/// The elements in row-major order, by an index for each.
pub fn values(x: &Raw) -> Vec<f64> {
    places(x.shape()).iter().map(|place| at(x, place)).collect()
}

/// The element at a place.
pub fn at(x: &Raw, place: &[usize]) -> f64 {
    let offset = x.layout.offset + place.iter().zip(&x.layout.strides).map(|(i, s)| i * s).sum::<usize>();
    match super::access::buffer(x) {
        crate::Buffer::Bool(v) => f64::from(u8::from(v[offset])),
        crate::Buffer::U8(v) => f64::from(v[offset]),
        crate::Buffer::I32(v) => f64::from(v[offset]),
        crate::Buffer::I64(v) => v[offset] as f64,
        crate::Buffer::F16(v) => v[offset].to_f64(),
        crate::Buffer::BF16(v) => v[offset].to_f64(),
        crate::Buffer::F32(v) => f64::from(v[offset]),
        crate::Buffer::F64(v) => v[offset],
    }
}

/// All places of a shape in row-major order.
pub fn places(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &size in shape {
        all = all.into_iter().flat_map(|place| (0..size).map(move |i| [place.as_slice(), &[i]].concat())).collect();
    }
    all
}

/// Numbers that a type of elements rounds to.
pub fn precision(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 1e-3,
        DType::BF16 => 8e-3,
        DType::F32 => 1e-6,
        DType::F64 => 1e-12,
        _ => 0.0,
    }
}

/// Compares element by element; `tolerance` is of 1 and of the size of the numbers.
#[track_caller]
pub fn close(what: &str, found: &Raw, expected: &[f64], tolerance: f64) {
    let found = values(found);
    assert_eq!(found.len(), expected.len(), "{what}: the number of elements");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let same = f == e || (f.is_nan() && e.is_nan()) || (f - e).abs() <= tolerance * (1.0 + e.abs());
        assert!(same, "{what}: element {i} is {f}, not {e}");
    }
}

pub const ALL: [DType; 8] = [DType::Bool, DType::U8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];
pub const FLOATS: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];
