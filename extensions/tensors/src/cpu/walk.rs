//! The order in which elements of several tensors of one shape are visited: dimensions that lie together are one, and the innermost runs.
use crate::{Dims, Layout};
use std::ops::Range;

/// Layouts of one shape, with as few dimensions as they allow.
pub struct Walk<const N: usize> {
    sizes: Dims,
    strides: [Dims; N],
    offsets: [usize; N],
}

impl<const N: usize> Walk<N> {
    /// All of the same shape.
    pub fn new(layouts: [&Layout; N]) -> Self {
        let shape = &layouts[0].shape;
        let mut sizes = Dims::new();
        let mut strides: [Dims; N] = std::array::from_fn(|_| Dims::new());
        for (d, &size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let joins = sizes.last().is_some() && (0..N).all(|n| strides[n].last().copied() == Some(layouts[n].strides[d] * size));
            match sizes.last_mut().filter(|_| joins) {
                Some(last) => *last *= size,
                None => sizes.push(size),
            }
            for n in 0..N {
                if joins {
                    strides[n].pop();
                }
                strides[n].push(layouts[n].strides[d]);
            }
        }
        if sizes.is_empty() {
            sizes.push(1);
            strides.iter_mut().for_each(|s| s.push(0));
        }
        Self { sizes, strides, offsets: std::array::from_fn(|n| layouts[n].offset) }
    }

    /// Length of the innermost run.
    pub fn inner(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// Distance of neighbours in the innermost run of layout `n`.
    pub fn step(&self, n: usize) -> usize {
        self.strides[n][self.sizes.len() - 1]
    }

    /// Sizes and strides of the joined dimensions.
    pub fn dimensions(&self, n: usize) -> (&[usize], &[usize]) {
        (&self.sizes, &self.strides[n])
    }

    /// The runs that make up elements `range` (row-major): the place within the range, the length, the first element of each layout.
    #[inline]
    pub fn runs(&self, range: Range<usize>, mut visit: impl FnMut(usize, usize, [usize; N])) {
        if range.is_empty() {
            return;
        }
        let last = self.sizes.len() - 1;
        let inner = self.sizes[last];
        let (mut row, mut column) = (range.start / inner, range.start % inner);
        let mut place: Dims = Dims::from_elem(0, last);
        let mut offsets = self.offsets;
        for d in (0..last).rev() {
            place[d] = row % self.sizes[d];
            row /= self.sizes[d];
            for n in 0..N {
                offsets[n] += place[d] * self.strides[n][d];
            }
        }
        let mut done = 0;
        loop {
            let length = (inner - column).min(range.len() - done);
            visit(done, length, std::array::from_fn(|n| offsets[n] + column * self.strides[n][last]));
            done += length;
            if done == range.len() {
                return;
            }
            column = 0;
            self.next(&mut place, &mut offsets);
        }
    }

    /// On to the next run.
    #[inline]
    fn next(&self, place: &mut Dims, offsets: &mut [usize; N]) {
        for d in (0..place.len()).rev() {
            place[d] += 1;
            for n in 0..N {
                offsets[n] += self.strides[n][d];
            }
            if place[d] < self.sizes[d] {
                return;
            }
            for n in 0..N {
                offsets[n] -= self.sizes[d] * self.strides[n][d];
            }
            place[d] = 0;
        }
    }
}
