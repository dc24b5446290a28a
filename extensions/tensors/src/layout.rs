//! Where the elements of a tensor lie in its buffer.
use smallvec::SmallVec;

/// Sizes of dimensions; up to six lie on the stack.
pub type Dims = SmallVec<[usize; 6]>;

/// Shape, strides (in elements; 0 for a dimension that repeats) and the place of the first element.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    pub shape: Dims,
    pub strides: Dims,
    pub offset: usize,
}

impl Layout {
    /// Row-major from the buffer's beginning.
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { shape: shape.into(), strides: row_major(shape), offset: 0 }
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none: some dimension is 0.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Whether the elements lie one after the other in row-major order (from `offset` on). Strides of dimensions of size 1 do not matter.
    pub fn is_contiguous(&self) -> bool {
        let mut next = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
            let fits = size == 1 || stride == next;
            next *= size;
            fits
        }) || self.is_empty()
    }

    /// The part of the buffer that a contiguous layout covers.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// Strides of a row-major layout.
pub fn row_major(shape: &[usize]) -> Dims {
    let mut strides: Dims = SmallVec::from_elem(1, shape.len());
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1);
    }
    strides
}
