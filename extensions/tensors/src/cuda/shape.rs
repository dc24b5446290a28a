//! Shapes and strides as kernels take them: by value, dimensions that lie together joined.
use crate::TensorError;
use crate::error::Result;

/// Dimensions that kernels know, after joining; `RANK` in `common.cuh`.
const RANK: usize = 8;

/// `struct Shape` of `common.cuh`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub count: u64,
    pub rank: u32,
    narrow: u32,
    pub size: [u64; RANK],
    magic: [u32; RANK],
    shift: [u32; RANK],
}

impl Shape {
    /// As it lies in memory, for arguments that are put together at run time.
    pub fn write(&self, words: &mut Vec<u64>) {
        words.extend([self.count, u64::from(self.rank) | u64::from(self.narrow) << 32]);
        words.extend(self.size);
        for halves in [self.magic, self.shift] {
            words.extend(halves.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32));
        }
    }
}

/// `struct Strides`, in elements.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Strides(pub [u64; RANK]);

/// One shape and the strides with which tensors go over it.
#[derive(Clone, Copy, Debug)]
pub struct Walk<const N: usize> {
    pub shape: Shape,
    pub strides: [Strides; N],
}

impl<const N: usize> Walk<N> {
    /// Joins neighbouring dimensions where all strides allow it; at least one dimension is left.
    pub fn new(operation: &'static str, shape: &[usize], strides: [&[usize]; N]) -> Result<Self> {
        let mut joined: Vec<(u64, [u64; N])> = Vec::with_capacity(shape.len());
        for (d, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let own = strides.map(|s| s[d] as u64);
            match joined.last_mut() {
                Some((outer, theirs)) if (0..N).all(|n| theirs[n] == own[n] * size as u64) => (*outer, *theirs) = (*outer * size as u64, own),
                _ => joined.push((size as u64, own)),
            }
        }
        if joined.is_empty() {
            joined.push((1, [1; N]));
        }
        if joined.len() > RANK {
            let problem = format!("shape {shape:?} with these strides has more than {RANK} dimensions that do not lie together; make it `contiguous` first");
            return Err(TensorError::Shape { operation, problem });
        }
        let count: u64 = shape.iter().map(|&s| s as u64).product();
        let mut walk = Self {
            shape: Shape { count, rank: joined.len() as u32, narrow: u32::from(count < 1 << 31), size: [1; RANK], magic: [1; RANK], shift: [0; RANK] },
            strides: [Strides::default(); N],
        };
        for (d, (size, own)) in joined.into_iter().enumerate() {
            walk.shape.size[d] = size;
            (walk.shape.magic[d], walk.shape.shift[d]) = divisor(size);
            (0..N).for_each(|n| walk.strides[n].0[d] = own[n]);
        }
        Ok(walk)
    }

    /// Size of the last dimension.
    pub fn last(&self) -> u64 {
        self.shape.size[self.shape.rank as usize - 1]
    }

    /// Stride of the last dimension.
    pub fn step(&self, n: usize) -> u64 {
        self.strides[n].0[self.shape.rank as usize - 1]
    }

    /// Whether threads may take `width` elements each: they never cross the end of a row.
    pub fn packs(&self, width: u64) -> bool {
        self.shape.rank == 1 || self.last().is_multiple_of(width)
    }

    /// Whether operand `n` is read by whole packs: they lie together and all begin where a load of `width * size` bytes may.
    pub fn whole(&self, n: usize, address: u64, width: u64, size: u64) -> bool {
        let outer = &self.strides[n].0[..self.shape.rank as usize - 1];
        self.step(n) == 1 && address.is_multiple_of(width * size) && outer.iter().all(|stride| stride.is_multiple_of(width))
    }
}

/// `n / d = (umulhi(n, magic) + n) >> shift` for `n < 2^31` (Granlund and Montgomery, 1994).
fn divisor(d: u64) -> (u32, u32) {
    if d <= 1 || d > 1 << 31 {
        return (1, 0);
    }
    let shift = 64 - (d - 1).leading_zeros();
    let magic = ((1u128 << 32) * ((1u128 << shift) - u128::from(d)) / u128::from(d) + 1) as u32;
    (magic, shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_that_lie_together_are_one() {
        let walk = Walk::new("test", &[2, 3, 4], [&[12, 4, 1], &[12, 4, 1]]).expect("a walk");
        assert_eq!((walk.shape.rank, walk.shape.size[0], walk.strides[0].0[0]), (1, 24, 1));
        // A row that repeats.
        let walk = Walk::new("test", &[2, 3, 4], [&[12, 4, 1], &[0, 0, 1]]).expect("a walk");
        assert_eq!((walk.shape.rank, &walk.shape.size[..2], walk.strides[1].0[0]), (2, &[6, 4][..], 0));
        assert!(walk.packs(4) && !walk.packs(8) && walk.whole(1, 256, 4, 4) && !walk.whole(1, 260, 4, 4));
        // A scalar.
        let walk = Walk::new("test", &[], [&[], &[]]).expect("a walk");
        assert_eq!((walk.shape.rank, walk.shape.count), (1, 1));
        assert!(Walk::new("test", &[2; 9], [&[1; 9]]).is_err());
    }

    #[test]
    fn division_without_a_division_is_exact() {
        for d in (1..2000u64).chain([4096, 65_535, 65_537, 1_000_003, (1 << 30) - 1, (1 << 30) + 7, (1 << 31) - 1]) {
            let (magic, shift) = divisor(d);
            for n in [0, 1, d - 1, d, d + 1, 7 * d + 3, 123_456_789, (1 << 31) - 1].into_iter().filter(|&n| n < 1 << 31) {
                let high = (n * u64::from(magic)) >> 32;
                assert_eq!((high + n) >> shift, n / d, "{n} / {d}");
            }
        }
    }
}
