//! Functions of one number that the compiler can turn into vectors: no branches, no tables, no calls.
//!
//! f32 by polynomials; the greatest errors, found by the tests against f64, in units in the last place: exp 1.5, ln 1.5, tanh 2.5, erf 1.5 (2 without fused multiply-add),
//! sigmoid 3. f64 by the standard library (one at a time): it is there for checking gradients, not for speed.
use super::level::Level;
use super::number::Wide;

/// Numbers with fractions.
pub trait Real: Wide + std::ops::Div<Output = Self> + std::ops::Neg<Output = Self> + std::iter::Sum {
    /// `self * b + c`, rounded once where the processor can.
    fn fma<L: Level>(self, b: Self, c: Self) -> Self;
    fn exp<L: Level>(self) -> Self;
    /// `exp` of numbers up to `CALM` from 0, whose results need no care.
    fn exp_calm<L: Level>(self) -> Self;
    /// `exp` of what is not positive; what would be below the normal range may be 0.
    fn exp_below<L: Level>(self) -> Self;
    /// Of the normal distribution: how likely it is to lie below, and `exp(-x²/2)`.
    fn normal<L: Level>(self) -> [Self; 2];
    fn ln<L: Level>(self) -> Self;
    fn tanh<L: Level>(self) -> Self;
    fn erf<L: Level>(self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round_even(self) -> Self;
    fn trunc(self) -> Self;
    fn is_finite(self) -> bool;
    fn powf(self, e: Self) -> Self;
    fn atan2(self, x: Self) -> Self;
    fn remainder(self, b: Self) -> Self;
    fn library(self, function: Library) -> Self;

    /// `1 / (1 + exp(-x))`
    #[inline(always)]
    fn sigmoid<L: Level>(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp::<L>())
    }
}

/// How far from 0 numbers are whose exponentials are far from both ends of f32.
pub const CALM: f64 = 87.0;

/// Functions that are called one at a time.
#[derive(Clone, Copy)]
pub enum Library {
    Expm1, Log1p, Log2, Log10, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh,
}

macro_rules! by_library {
    () => {
        #[inline(always)]
        fn fma<L: Level>(self, b: Self, c: Self) -> Self {
            if L::FUSED { self.mul_add(b, c) } else { self * b + c }
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            self.sqrt()
        }
        #[inline(always)]
        fn abs(self) -> Self {
            self.abs()
        }
        #[inline(always)]
        fn floor(self) -> Self {
            self.floor()
        }
        #[inline(always)]
        fn ceil(self) -> Self {
            self.ceil()
        }
        #[inline(always)]
        fn round_even(self) -> Self {
            self.round_ties_even()
        }
        #[inline(always)]
        fn trunc(self) -> Self {
            self.trunc()
        }
        #[inline(always)]
        fn is_finite(self) -> bool {
            self.abs() < Self::INFINITY
        }
        fn powf(self, e: Self) -> Self {
            self.powf(e)
        }
        fn atan2(self, x: Self) -> Self {
            self.atan2(x)
        }
        /// With the sign of `b`.
        #[inline(always)]
        fn remainder(self, b: Self) -> Self {
            let r = self % b;
            if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
        }
        #[inline(always)]
        fn library(self, function: Library) -> Self {
            match function {
                Library::Expm1 => self.exp_m1(),
                Library::Log1p => self.ln_1p(),
                Library::Log2 => self.log2(),
                Library::Log10 => self.log10(),
                Library::Sin => self.sin(),
                Library::Cos => self.cos(),
                Library::Tan => self.tan(),
                Library::Asin => self.asin(),
                Library::Acos => self.acos(),
                Library::Atan => self.atan(),
                Library::Sinh => self.sinh(),
                Library::Cosh => self.cosh(),
            }
        }
    };
}

impl Real for f64 {
    by_library!();
    #[inline(always)]
    fn exp<L: Level>(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn exp_calm<L: Level>(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn exp_below<L: Level>(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn normal<L: Level>(self) -> [Self; 2] {
        [0.5 * (1.0 + erf64(self * std::f64::consts::FRAC_1_SQRT_2)), (-0.5 * self * self).exp()]
    }
    #[inline(always)]
    fn ln<L: Level>(self) -> Self {
        self.ln()
    }
    #[inline(always)]
    fn tanh<L: Level>(self) -> Self {
        self.tanh()
    }
    fn erf<L: Level>(self) -> Self {
        erf64(self)
    }
}

/// The error function by Kummer's series, all of whose terms are positive: `2/sqrt(pi) exp(-x²) Σ 2^n x^(2n+1) / (1·3·…·(2n+1))`.
pub fn erf64(x: f64) -> f64 {
    let magnitude = x.abs();
    if magnitude.is_nan() || magnitude == 0.0 {
        return x;
    }
    // 1 - erf(6) is 2e-17.
    if magnitude >= 6.0 {
        return 1f64.copysign(x);
    }
    let (mut term, mut sum, mut n) = (magnitude, magnitude, 1.0);
    while term > sum * 1e-17 {
        term *= 2.0 * magnitude * magnitude / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    (std::f64::consts::FRAC_2_SQRT_PI * (-magnitude * magnitude).exp() * sum).min(1.0).copysign(x)
}

/// 1.5 · 2^23: adding it leaves the nearest integer in the low bits of the sum.
const ROUNDER: f32 = 12_582_912.0;

impl Real for f32 {
    by_library!();

    /// `2^n · p(r)` with `x = n ln 2 + r` (Cephes `expf`'s polynomial). The scale is applied in two steps, so that results below the normal
    /// range and infinity come out by themselves.
    #[inline(always)]
    fn exp<L: Level>(self) -> Self {
        let x = if self < -105.0 { -105.0 } else { self };
        let x = if x > 90.0 { 90.0 } else { x };
        let (p, n) = exp_parts::<L>(x);
        let half = n >> 1;
        p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
    }

    #[inline(always)]
    fn exp_calm<L: Level>(self) -> Self {
        let (p, n) = exp_parts::<L>(self);
        f32::from_bits(p.to_bits().wrapping_add((n as u32) << 23))
    }

    #[inline(always)]
    fn exp_below<L: Level>(self) -> Self {
        const LEAST: f32 = -87.0;
        let (p, n) = exp_parts::<L>(if self < LEAST { LEAST } else { self });
        if self < LEAST { 0.0 } else { p * power_of_two(n) }
    }

    /// `erfc(z) exp(z²) = t P(t)` with `z = |x| / sqrt(2)` and `t = 1 / (1 + 0.44 z)`: a polynomial with the smallest relative error, 1.8e-7,
    /// for z up to 10 (fitted by Lawson's weighted least squares).
    #[inline(always)]
    fn normal<L: Level>(self) -> [Self; 2] {
        let z = self.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / z.fma::<L>(0.44, 1.0);
        let p = 0.071_224_906f32.fma::<L>(t, -0.277_954_01);
        let p = p.fma::<L>(t, 0.296_697_8);
        let p = p.fma::<L>(t, -0.020_190_112);
        let p = p.fma::<L>(t, 0.215_817_17);
        let p = p.fma::<L>(t, 0.217_312_08);
        let p = p.fma::<L>(t, 0.248_871_4);
        let p = p.fma::<L>(t, 0.248_220_94);
        let e = Real::exp_below::<L>(-0.5 * self * self);
        let tail = 0.5 * p * t * e;
        [if self < 0.0 { tail } else { 1.0 - tail }, e]
    }

    /// As FreeBSD's `logf`, with numbers below the normal range scaled up first.
    #[inline(always)]
    fn ln<L: Level>(self) -> Self {
        let tiny = self < f32::MIN_POSITIVE;
        let x = if tiny { self * 8_388_608.0 } else { self };
        let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
        let k = ((bits as i32) >> 23).wrapping_sub(if tiny { 23 } else { 0 }) as f32;
        let f = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
        let s = f / (2.0 + f);
        let z = s * s;
        let w = z * z;
        let t1 = w * w.fma::<L>(0.242_790_79, 0.400_009_72);
        let t2 = z * w.fma::<L>(0.284_987_87, 0.666_666_6);
        let hfsq = 0.5 * f * f;
        let y = s.fma::<L>(hfsq + (t1 + t2), k * 9.058_001e-6) - hfsq + f;
        let y = k.fma::<L>(0.693_138_1, y);
        let y = if self == 0.0 { f32::NEG_INFINITY } else { y };
        let y = if self == f32::INFINITY { f32::INFINITY } else { y };
        if self >= 0.0 { y } else { f32::NAN }
    }

    /// Near 0 Cephes' `tanhf` polynomial, else from `exp`.
    #[inline(always)]
    fn tanh<L: Level>(self) -> Self {
        let a = self.abs();
        let z = self * self;
        let p = (-5.704_988_7e-3f32).fma::<L>(z, 2.063_908_9e-2);
        let p = p.fma::<L>(z, -5.373_971_6e-2);
        let p = p.fma::<L>(z, 1.333_144_2e-1);
        let p = p.fma::<L>(z, -3.333_328_2e-1);
        let near = (p * z).fma::<L>(self, self);
        let far = 1.0 - 2.0 / (Real::exp::<L>(a + a) + 1.0);
        if a < 0.625 { near } else { far.copysign(self) }
    }

    /// Two polynomials after N. Juffa.
    #[inline(always)]
    fn erf<L: Level>(self) -> Self {
        let t = self.abs();
        let s = self * self;
        let r = (-1.728_534_7e-5f32).fma::<L>(t, 3.831_971_3e-4);
        let u = (-3.883_964_4e-3f32).fma::<L>(t, 2.425_462_2e-2);
        let r = r.fma::<L>(s, u);
        let r = r.fma::<L>(t, -1.067_778_8e-1);
        let r = r.fma::<L>(t, -6.348_468_7e-1);
        let r = r.fma::<L>(t, -1.287_175_1e-1);
        let r = r.fma::<L>(t, -t);
        let far = (1.0 - Real::exp::<L>(r)).copysign(self);
        let r = (-5.967_617e-4f32).fma::<L>(s, 4.991_194e-3);
        let r = r.fma::<L>(s, -2.676_813_5e-2);
        let r = r.fma::<L>(s, 1.128_199_3e-1);
        let r = r.fma::<L>(s, -3.761_253_4e-1);
        let r = r.fma::<L>(s, 1.283_791_7e-1);
        let near = r.fma::<L>(self, self);
        // Beyond 4 it is 1 in f32, and the polynomial is not one.
        let far = if t > 4.0 { 1f32.copysign(self) } else { far };
        if t > 0.927_734_4 { far } else { near }
    }
}

/// `exp(x) = p · 2^n`.
#[inline(always)]
fn exp_parts<L: Level>(x: f32) -> (f32, i32) {
    let shifted = x.fma::<L>(std::f32::consts::LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = n.fma::<L>(-0.693_359_4, x);
    let r = n.fma::<L>(2.121_944_4e-4, r);
    let p = 1.987_569_2e-4f32.fma::<L>(r, 1.398_2e-3);
    let p = p.fma::<L>(r, 8.333_452e-3);
    let p = p.fma::<L>(r, 4.166_579_6e-2);
    let p = p.fma::<L>(r, 1.666_666_5e-1);
    let p = p.fma::<L>(r, 0.5);
    let p = p.fma::<L>(r * r, r) + 1.0;
    (p, shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i32)
}

/// `2^n` for `n` in -126..=127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}
