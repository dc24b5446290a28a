//! Sums over the places of a row as so many sums beside each other, which the compiler makes vectors of. Softmax and layer normalisation call it.

/// Sums beside each other.
pub const LANES: usize = 16;

/// Adds up an expression of the place `i` for the places `0..n` of a row, in the type `W` of the caller: `lane_sum!(n, i => x[i])`.
macro_rules! lane_sum {
    ($n:expr, $i:ident => $f:expr) => {{
        let n = $n;
        let mut lanes = [W::ZERO; LANES];
        let whole = n / LANES * LANES;
        for base in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
                let $i = base + lane;
                lanes[lane] = lanes[lane] + $f;
            }
        }
        let mut rest = W::ZERO;
        for $i in whole..n {
            rest = rest + $f;
        }
        lanes.iter().fold(rest, |a, b| a + *b)
    }};
}
pub(super) use lane_sum;
