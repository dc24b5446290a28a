//! How element types compute: narrow floats in f32, integers and Bool in i64, so that each loop exists for three types only.
use crate::{DType, Element, TensorError};
use half::{bf16, f16};

/// A type that loops compute in: f32, f64, i64.
pub trait Wide: Number<Wide = Self> + Default + PartialOrd + std::ops::Add<Output = Self> + std::ops::Sub<Output = Self> + std::ops::Mul<Output = Self> {
    const ZERO: Self;
    const ONE: Self;
    /// Less than or equal to all others (`-inf`).
    const LOWEST: Self;
    const HIGHEST: Self;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    /// Integers wrap.
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn is_nan(self) -> bool;
}

/// A type of elements and what it computes in.
pub trait Number: Element {
    type Wide: Wide;
    fn widen(self) -> Self::Wide;
    /// Rounds floats to nearest even; takes the low bits of integers; Bool is `!= 0`.
    fn narrow(x: Self::Wide) -> Self;
    /// These elements as they are, when they compute in their own type.
    fn as_wide(x: &[Self]) -> Option<&[Self::Wide]>;
    fn as_wide_mut(x: &mut [Self]) -> Option<&mut [Self::Wide]>;
}

macro_rules! own {
    ($($t:ty),*) => {$(
        impl Number for $t {
            type Wide = $t;
            #[inline(always)]
            fn widen(self) -> $t { self }
            #[inline(always)]
            fn narrow(x: $t) -> $t { x }
            #[inline(always)]
            fn as_wide(x: &[$t]) -> Option<&[$t]> { Some(x) }
            #[inline(always)]
            fn as_wide_mut(x: &mut [$t]) -> Option<&mut [$t]> { Some(x) }
        }
    )*};
}
own!(f32, f64, i64);

macro_rules! through {
    ($($t:ty, $wide:ty, $x:ident => $widen:expr, $y:ident => $narrow:expr);* $(;)?) => {$(
        impl Number for $t {
            type Wide = $wide;
            #[inline(always)]
            fn widen(self) -> $wide { let $x = self; $widen }
            #[inline(always)]
            fn narrow($y: $wide) -> $t { $narrow }
            #[inline(always)]
            fn as_wide(_: &[$t]) -> Option<&[$wide]> { None }
            #[inline(always)]
            fn as_wide_mut(_: &mut [$t]) -> Option<&mut [$wide]> { None }
        }
    )*};
}
through! {
    bool, i64, x => i64::from(x), y => y != 0;
    u8, i64, x => i64::from(x), y => y as u8;
    i32, i64, x => i64::from(x), y => y as i32;
    f16, f32, x => widen_half(x.to_bits()), y => f16::from_bits(narrow_half(y));
    bf16, f32, x => f32::from_bits(u32::from(x.to_bits()) << 16), y => bf16::from_bits(narrow_brain(y));
}

macro_rules! floats {
    ($($t:ty),*) => {$(
        impl Wide for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = <$t>::NEG_INFINITY;
            const HIGHEST: Self = <$t>::INFINITY;
            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $t }
            #[inline(always)]
            fn to_f64(self) -> f64 { f64::from(self) }
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self * other }
            #[inline(always)]
            fn is_nan(self) -> bool { self != self }
        }
    )*};
}
floats!(f32, f64);

impl Wide for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const LOWEST: Self = i64::MIN;
    const HIGHEST: Self = i64::MAX;
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as i64
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        false
    }
}

/// Bits of an f16 as f32, without branches, so that loops of it become vectors (after F. Giesen, "half_to_float_fast5").
#[inline(always)]
fn widen_half(h: u16) -> f32 {
    const EXPONENT: u32 = 0x7c00 << 13;
    let body = (u32::from(h) & 0x7fff) << 13;
    let exponent = body & EXPONENT;
    let normal = body.wrapping_add((127 - 15) << 23);
    let special = normal.wrapping_add((128 - 16) << 23);
    let small = (f32::from_bits(normal.wrapping_add(1 << 23)) - f32::from_bits(113 << 23)).to_bits();
    let magnitude = if exponent == EXPONENT { special } else if exponent == 0 { small } else { normal };
    f32::from_bits(magnitude | (u32::from(h) & 0x8000) << 16)
}

/// The nearest f16 (ties to even) of an f32, without branches (after F. Giesen, "float_to_half_fast3_rtne").
#[inline(always)]
fn narrow_half(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = bits & 0x8000_0000;
    let body = bits ^ sign;
    const DENORMAL: u32 = ((127 - 15) + (23 - 10) + 1) << 23;
    let special = if body > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let small = (f32::from_bits(body) + f32::from_bits(DENORMAL)).to_bits().wrapping_sub(DENORMAL);
    let odd = (body >> 13) & 1;
    let normal = body.wrapping_add(0xc800_0000).wrapping_add(0xfff).wrapping_add(odd) >> 13;
    let magnitude = if body >= (127 + 16) << 23 { special } else if body < 113 << 23 { small } else { normal };
    (magnitude | sign >> 16) as u16
}

/// The nearest bf16 (ties to even) of an f32; NaN stays NaN.
#[inline(always)]
fn narrow_brain(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    (if x != x { bits >> 16 | 0x40 } else { rounded }) as u16
}

/// An operation that has no meaning for a type.
pub fn undefined(operation: &'static str, dtype: DType) -> TensorError {
    let hint = if dtype.is_float() { "; cast it to an integer type" } else { "; cast it to a float type, as `.to_dtype(DType::F32)`" };
    TensorError::DType { operation, dtype, hint }
}

/// Runs a body with `$W` as the type that a `DType` computes in.
macro_rules! each_wide {
    ($dtype:expr, $W:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F64 => { #[allow(unused_imports)] use $crate::cpu::number::Wide as _; type $W = f64; $body }
            $crate::DType::F16 | $crate::DType::BF16 | $crate::DType::F32 => { #[allow(unused_imports)] use $crate::cpu::number::Wide as _; type $W = f32; $body }
            _ => { #[allow(unused_imports)] use $crate::cpu::number::Wide as _; type $W = i64; $body }
        }
    };
}
pub(super) use each_wide;

/// Runs a body with `$W` as f32 or f64; other types are an error of the operation.
macro_rules! each_real {
    ($operation:expr, $dtype:expr, $W:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F64 => { #[allow(unused_imports)] use $crate::cpu::number::Wide as _; type $W = f64; $body }
            $crate::DType::F16 | $crate::DType::BF16 | $crate::DType::F32 => { #[allow(unused_imports)] use $crate::cpu::number::Wide as _; type $W = f32; $body }
            other => Err($crate::cpu::number::undefined($operation, other)),
        }
    };
}
pub(super) use each_real;
