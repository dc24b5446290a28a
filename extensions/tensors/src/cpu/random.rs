//! Random numbers by Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011).
//!
//! How 32 random bits `u` become an element is the same on all devices:
//! uniform: `low + (high - low) * (u >> 8) / 2^24` (f64: `u / 2^32`); integers: `low + (u * (high - low) >> 32)`; Bernoulli: `u < p * 2^32`;
//! normal: from the pair `(u, v)` of an element and its neighbour, radius `sqrt(-2 ln((u + 1) / 2^32))` and angle `2 pi v / 2^32`, the
//! even element takes the cosine and the odd one the sine.
use super::access::{Load, fresh, raw, undefined};
use super::number::each_wide;
use super::parallel;
use crate::backend::Draw;
use crate::error::Result;
use crate::{DType, Raw};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;
const TWO_32: f64 = 4_294_967_296.0;

/// Ten rounds: 128 random bits for a counter and a key.
#[inline(always)]
pub fn philox(mut c: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        c = [(b >> 32) as u32 ^ c[1] ^ key[0], b as u32, (a >> 32) as u32 ^ c[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    c
}

/// The bits of four elements.
#[inline(always)]
fn bits(key: u64, counter: u64) -> [u32; 4] {
    philox([counter as u32, (counter >> 32) as u32, 0, 0], [key as u32, (key >> 32) as u32])
}

/// See [`crate::backend::Backend::random`].
pub fn random(shape: &[usize], dtype: DType, draw: Draw, key: u64, counter: u64) -> Result<Raw> {
    let len = shape.iter().product();
    match draw {
        Draw::Bernoulli { p } => {
            let limit = (p.clamp(0.0, 1.0) * TWO_32) as u64;
            let mut out = fresh::<bool>(len);
            fours("bernoulli", &mut out, key, counter, |u| u.map(|u| u64::from(u) < limit))?;
            if dtype == DType::Bool { Ok(raw(out, shape)) } else { super::copy::cast(&raw(out, shape), dtype) }
        }
        Draw::Integers { .. } if dtype == DType::Bool => Err(undefined("randint", dtype)),
        Draw::Integers { low, high } => {
            let range = high.wrapping_sub(low) as u64;
            let mut out = fresh::<i64>(len);
            if range <= 1 << 32 {
                fours("randint", &mut out, key, counter, |u| u.map(|u| low.wrapping_add((u64::from(u) * range >> 32) as i64)))?;
            } else {
                // A wide range takes its neighbour's bits as well.
                let wide = |u: u32, v: u32| low.wrapping_add((u128::from(u64::from(u) << 32 | u64::from(v)) * u128::from(range) >> 64) as i64);
                fours("randint", &mut out, key, counter, |u| [wide(u[0], u[1]), wide(u[1], u[0]), wide(u[2], u[3]), wide(u[3], u[2])])?;
            }
            if dtype.is_float() { super::copy::cast(&raw(out, shape), dtype) } else { i64::store(out, dtype, shape) }
        }
        Draw::Uniform { .. } | Draw::Normal { .. } if !dtype.is_float() => Err(undefined("rand", dtype)),
        Draw::Uniform { low, high } => each_wide!(dtype, W => {
            let mut out = fresh::<W>(len);
            let bits_kept = if dtype == DType::F64 { 32 } else { 24 };
            let scale = W::from_f64(1.0 / (1u64 << bits_kept) as f64);
            let (from, span) = (W::from_f64(low), W::from_f64(high - low));
            fours("rand", &mut out, key, counter, |u| u.map(|u| from + span * (W::from_f64(f64::from(u >> (32 - bits_kept))) * scale)))?;
            W::store(out, dtype, shape)
        }),
        Draw::Normal { mean, std } => each_wide!(dtype, W => {
            let mut out = fresh::<W>(len);
            fours("randn", &mut out, key, counter, |u| {
                let [a, b] = pair(u[0], u[1]);
                let [c, d] = pair(u[2], u[3]);
                [a, b, c, d].map(|x| W::from_f64(mean + std * x))
            })?;
            W::store(out, dtype, shape)
        }),
    }
}

/// Two normal numbers by Box and Muller.
#[inline]
fn pair(u: u32, v: u32) -> [f64; 2] {
    let radius = (-2.0 * ((f64::from(u) + 1.0) / TWO_32).ln()).sqrt();
    let (sine, cosine) = (std::f64::consts::TAU * f64::from(v) / TWO_32).sin_cos();
    [radius * cosine, radius * sine]
}

/// Fills `out`, four elements for each step of the counter.
fn fours<T: Copy + Send>(operation: &'static str, out: &mut [T], key: u64, counter: u64, make: impl Fn([u32; 4]) -> [T; 4] + Sync) -> Result<()> {
    parallel::fill(operation, out, |start, part| {
        for (i, to) in part.chunks_mut(4).enumerate() {
            let made = make(bits(key, counter.wrapping_add((start / 4 + i) as u64)));
            to.copy_from_slice(&made[..to.len()]);
        }
    })
}
