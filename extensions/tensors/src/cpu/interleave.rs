//! Rows written side by side: the transposition that packing matrices and turning pictures need.
#![allow(unsafe_code)]

/// Rows that are read along at once: more, at distances of a power of two, would drive each other out of the first-level cache.
const TOGETHER: usize = 8;

/// `to[p * to_step + r] = from[r * row_step + p]` for `rows` rows and `len` places.
pub fn interleave<W: Copy>(from: &[W], row_step: usize, [rows, len]: [usize; 2], to: &mut [W], to_step: usize) {
    if len == 0 {
        return;
    }
    for r in (0..rows).step_by(TOGETHER) {
        let (from, to) = (&from[r * row_step..], &mut to[r..]);
        let rows = (rows - r).min(TOGETHER);
        let done = in_registers(from, row_step, [rows, len], to, to_step);
        if done == len {
            continue;
        }
        let (from, to, len) = (&from[done..], &mut to[done * to_step..], len - done);
        match rows {
            8 => some::<W, 8>(from, row_step, len, to, to_step),
            7 => some::<W, 7>(from, row_step, len, to, to_step),
            6 => some::<W, 6>(from, row_step, len, to, to_step),
            5 => some::<W, 5>(from, row_step, len, to, to_step),
            4 => some::<W, 4>(from, row_step, len, to, to_step),
            3 => some::<W, 3>(from, row_step, len, to, to_step),
            2 => some::<W, 2>(from, row_step, len, to, to_step),
            _ => some::<W, 1>(from, row_step, len, to, to_step),
        }
    }
}

fn some<W: Copy, const R: usize>(from: &[W], row_step: usize, len: usize, to: &mut [W], to_step: usize) {
    let lines: [&[W]; R] = std::array::from_fn(|r| &from[r * row_step..r * row_step + len]);
    for (p, to) in to.chunks_mut(to_step).take(len).enumerate() {
        let place: &mut [W] = &mut to[..R];
        for r in 0..R {
            place[r] = lines[r][p];
        }
    }
}

/// How many places of eight rows were turned as squares in registers, where the processor can: the rest is the caller's.
#[cfg(target_arch = "x86_64")]
fn in_registers<W: Copy>(from: &[W], row_step: usize, [rows, len]: [usize; 2], to: &mut [W], to_step: usize) -> usize {
    use super::level::{Reach, reach};
    let side = match size_of::<W>() {
        4 => 8,
        8 => 4,
        _ => return 0,
    };
    if side == 8 && rows == 4 && to_step == 4 && reach() >= Reach::Avx2 {
        let places = len / side * side;
        assert!(places == 0 || (from.len() >= 3 * row_step + places && to.len() >= 4 * places), "rows and their places are there");
        for p in (0..places).step_by(side) {
            // SAFETY: the processor knows AVX2; four rows of eight elements lie in `from`, and their places in `to` (checked above).
            unsafe { x86::four_by_eight(from[p..].as_ptr().cast(), row_step, to[4 * p..].as_mut_ptr().cast()) };
        }
        return places;
    }
    let places = len / side * side;
    if rows != TOGETHER || places == 0 || reach() < Reach::Avx2 {
        return 0;
    }
    assert!(from.len() >= (rows - 1) * row_step + places && to.len() >= (places - 1) * to_step + rows, "rows and their places are there");
    for p in (0..places).step_by(side) {
        for r in (0..rows).step_by(side) {
            let (from, to) = (from[r * row_step + p..].as_ptr(), to[p * to_step + r..].as_mut_ptr());
            // SAFETY: the processor knows AVX2 (`reach`); `side` rows of `side` elements from here lie in `from`, and as many in `to`
            // (checked above); elements are plain numbers of 4 or 8 bytes, of which the registers hold the bits.
            unsafe {
                if side == 8 { x86::square8(from.cast(), row_step, to.cast(), to_step) } else { x86::square4(from.cast(), row_step, to.cast(), to_step) }
            }
        }
    }
    places
}

#[cfg(not(target_arch = "x86_64"))]
fn in_registers<W: Copy>(_: &[W], _: usize, _: [usize; 2], _: &mut [W], _: usize) -> usize {
    0
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Squares turned round in Intel's registers: pairs, pairs of pairs, then halves change places.
    use std::arch::x86_64::*;

    /// 8 x 8 numbers of 32 bits.
    ///
    /// # Safety
    /// Eight rows of eight numbers, `from_step` and `to_step` apart, can be read and written.
    #[target_feature(enable = "avx2")]
    pub unsafe fn square8(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
        // SAFETY: the caller's promise.

        // Halves first: rows r and r + 4 side by side.
        let load = |r: usize, half: usize| unsafe {
            // SAFETY: the caller's promise.
            let (low, high) = (_mm_loadu_ps(from.add(r * from_step + half * 4)), _mm_loadu_ps(from.add((r + 4) * from_step + half * 4)));
            _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
        };

        for half in 0..2 {
            let (a, b, c, d) = (load(0, half), load(1, half), load(2, half), load(3, half));
            let (ab0, ab1, cd0, cd1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), _mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let pairs = |x: __m256| _mm256_castps_pd(x);
            let turned = [
                _mm256_unpacklo_pd(pairs(ab0), pairs(cd0)),
                _mm256_unpackhi_pd(pairs(ab0), pairs(cd0)),
                _mm256_unpacklo_pd(pairs(ab1), pairs(cd1)),
                _mm256_unpackhi_pd(pairs(ab1), pairs(cd1)),
            ];
            for (i, x) in turned.into_iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe { _mm256_storeu_ps(to.add((half * 4 + i) * to_step), _mm256_castpd_ps(x)) };
            }
        }
    }

    /// Four rows of eight numbers of 32 bits side by side.
    ///
    /// # Safety
    /// Four rows of eight numbers, `from_step` apart, can be read, and 32 numbers written.
    #[target_feature(enable = "avx2")]
    pub unsafe fn four_by_eight(from: *const f32, from_step: usize, to: *mut f32) {
        // SAFETY: the caller's promise.
        let [a, b, c, d] = [0, 1, 2, 3].map(|r| unsafe { _mm256_loadu_ps(from.add(r * from_step)) });
        let singles = |x: __m256d| _mm256_castpd_ps(x);
        let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        let pairs = |x: __m256| _mm256_castps_pd(x);
        // Places 0 and 4, 1 and 5, 2 and 6, 3 and 7.
        let p04 = singles(_mm256_unpacklo_pd(pairs(ab0), pairs(cd0)));
        let p15 = singles(_mm256_unpackhi_pd(pairs(ab0), pairs(cd0)));
        let p26 = singles(_mm256_unpacklo_pd(pairs(ab1), pairs(cd1)));
        let p37 = singles(_mm256_unpackhi_pd(pairs(ab1), pairs(cd1)));
        // SAFETY: the caller's promise.
        unsafe {
            _mm256_storeu_ps(to, _mm256_permute2f128_ps::<0x20>(p04, p15));
            _mm256_storeu_ps(to.add(8), _mm256_permute2f128_ps::<0x20>(p26, p37));
            _mm256_storeu_ps(to.add(16), _mm256_permute2f128_ps::<0x31>(p04, p15));
            _mm256_storeu_ps(to.add(24), _mm256_permute2f128_ps::<0x31>(p26, p37));
        }
    }

    /// 4 x 4 numbers of 64 bits.
    ///
    /// # Safety
    /// Four rows of four numbers, `from_step` and `to_step` apart, can be read and written.
    #[target_feature(enable = "avx2")]
    pub unsafe fn square4(from: *const f64, from_step: usize, to: *mut f64, to_step: usize) {
        // SAFETY: the caller's promise.
        let load = |r: usize, half: usize| unsafe {
            let (low, high) = (_mm_loadu_pd(from.add(r * from_step + half * 2)), _mm_loadu_pd(from.add((r + 2) * from_step + half * 2)));
            _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(low), high)
        };
        for half in 0..2 {
            let (a, b) = (load(0, half), load(1, half));
            // SAFETY: the caller's promise.
            unsafe {
                _mm256_storeu_pd(to.add(half * 2 * to_step), _mm256_unpacklo_pd(a, b));
                _mm256_storeu_pd(to.add((half * 2 + 1) * to_step), _mm256_unpackhi_pd(a, b));
            }
        }
    }
}
