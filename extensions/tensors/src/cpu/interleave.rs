//! Rows written side by side: the transposition that packing matrices and turning pictures need.

/// Rows that are read along at once: more, at distances of a power of two, would drive each other out of the first-level cache.
const TOGETHER: usize = 8;

/// `to[p * to_step + r] = from[r * row_step + p]` for `rows` rows and `len` places.
pub fn interleave<W: Copy>(from: &[W], row_step: usize, [rows, len]: [usize; 2], to: &mut [W], to_step: usize) {
    if len == 0 {
        return;
    }
    for r in (0..rows).step_by(TOGETHER) {
        let (from, to) = (&from[r * row_step..], &mut to[r..]);
        match (rows - r).min(TOGETHER) {
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
