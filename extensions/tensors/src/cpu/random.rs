//! Random numbers by Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011).
//!
//! How 32 random bits `u` become an element is the same on all devices:
//! uniform: `low + (high - low) * (u >> 8) / 2^24` (f64: `u / 2^32`); integers: `low + (u * (high - low) >> 32)`; Bernoulli: `u < p * 2^32`;
//! normal: from the pair `(u, v)` of an element and its neighbour, radius `sqrt(-2 ln((u + 1) / 2^32))` and angle `2 pi v / 2^32`, the
//! even element takes the cosine and the odd one the sine.
use super::access::{Load, fresh, raw, undefined};
use super::level::{self, Job, Level};
use super::number::each_wide;
use super::parallel;
use crate::backend::Draw;
use crate::error::Result;
use crate::{DType, Raw};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;
const TWO_32: f64 = 4_294_967_296.0;

/// Counters that are worked on together: lanes of vectors.
const LANES: usize = 16;

/// Ten rounds: 128 random bits for a counter and a key, for several at once.
#[inline(always)]
pub fn philox<const N: usize>(mut c: [[u32; N]; 4], mut key: [u32; 2]) -> [[u32; N]; 4] {
    for _ in 0..ROUNDS {
        for i in 0..N {
            let a = u64::from(MULTIPLIERS[0]) * u64::from(c[0][i]);
            let b = u64::from(MULTIPLIERS[1]) * u64::from(c[2][i]);
            (c[0][i], c[2][i]) = ((b >> 32) as u32 ^ c[1][i] ^ key[0], (a >> 32) as u32 ^ c[3][i] ^ key[1]);
            (c[1][i], c[3][i]) = (b as u32, a as u32);
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    c
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
fn fours<T: Copy + Default + Send>(
    operation: &'static str,
    out: &mut [T],
    key: u64,
    counter: u64,
    make: impl Fn([u32; 4]) -> [T; 4] + Sync,
) -> Result<()> {
    parallel::fill(operation, out, |start, part| {
        for (i, to) in part.chunks_mut(4 * LANES).enumerate() {
            let bits = level::run(Bits { key, counter: counter.wrapping_add((start / 4 + i * LANES) as u64) });
            for (lane, to) in to.chunks_mut(4).enumerate() {
                let made = make([bits[0][lane], bits[1][lane], bits[2][lane], bits[3][lane]]);
                to.copy_from_slice(&made[..to.len()]);
            }
        }
    })
}

/// The bits of `LANES` steps of the counter.
struct Bits {
    key: u64,
    counter: u64,
}

impl Job for Bits {
    type Out = [[u32; LANES]; 4];
    #[inline(always)]
    fn run<L: Level>(self) -> Self::Out {
        let counters: [u64; LANES] = std::array::from_fn(|i| self.counter.wrapping_add(i as u64));
        philox([counters.map(|c| c as u32), counters.map(|c| (c >> 32) as u32), [0; LANES], [0; LANES]], [self.key as u32, (self.key >> 32) as u32])
    }
}
