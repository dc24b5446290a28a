//! Where the elements of a tensor lie in its buffer.
use crate::TensorError;
use crate::error::Result;
use smallvec::SmallVec;

/// Sizes of dimensions; up to six lie on the stack.
pub type Dims = SmallVec<[usize; 6]>;

/// Shape, strides (in elements; 0 for a dimension that repeats) and the place of the first element.
#[derive(PartialEq, Eq, Debug)]
pub struct Layout {
    pub shape: Dims,
    pub strides: Dims,
    pub offset: usize,
}

impl Clone for Layout {
    /// By copying memory, which `SmallVec`'s own `clone` does not (each operation does it some times).
    fn clone(&self) -> Self {
        Self { shape: Dims::from_slice(&self.shape), strides: Dims::from_slice(&self.strides), offset: self.offset }
    }
}

impl Layout {
    /// Row-major from the buffer's beginning.
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { shape: Dims::from_slice(shape), strides: row_major(shape), offset: 0 }
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

    /// Whether each element lies in the buffer once and no other lies between them (a transposed row-major layout is dense, a broadcast one not).
    pub fn is_dense(&self) -> bool {
        let span: usize = self.shape.iter().zip(&self.strides).map(|(&size, &stride)| size.saturating_sub(1) * stride).sum();
        let repeats = self.shape.iter().zip(&self.strides).any(|(&size, &stride)| size > 1 && stride == 0);
        self.is_empty() || (!repeats && span + 1 == self.len())
    }

    /// Broadcast to `shape`: sizes of 1 repeat, dimensions are added in front.
    pub(crate) fn expand(&self, operation: &'static str, shape: &[usize]) -> Result<Self> {
        let refuse = || TensorError::Shape { operation, problem: format!("shape {:?} cannot be broadcast to {shape:?}", &self.shape[..]) };
        let added = shape.len().checked_sub(self.rank()).ok_or_else(refuse)?;
        if !shape.contains(&0) && shape.iter().try_fold(1_usize, |len, &size| len.checked_mul(size)).is_none() {
            return Err(TensorError::Shape { operation, problem: format!("{shape:?} has more elements than can be counted") });
        }
        let mut strides: Dims = SmallVec::from_elem(0, shape.len());
        for i in 0..self.rank() {
            if self.shape[i] == shape[added + i] {
                strides[added + i] = self.strides[i];
            } else if self.shape[i] != 1 {
                return Err(refuse());
            }
        }
        Ok(Self { shape: Dims::from_slice(shape), strides, offset: self.offset })
    }

    /// The same elements in another shape (of the same length) without a copy, if the strides allow it.
    pub(crate) fn reshape(&self, shape: &[usize]) -> Option<Self> {
        if self.is_contiguous() {
            return Some(Self { offset: self.offset, ..Self::contiguous(shape) });
        }
        // Runs of old dimensions that lie row-major among themselves are matched with runs of new ones of the same length.
        let mut strides: Dims = SmallVec::from_elem(1, shape.len());
        let (mut new, mut run_len, mut run_stride) = (shape.len(), 1, 0);
        for old in (0..self.rank()).rev() {
            if self.shape[old] == 1 {
                continue;
            }
            if run_len == 1 {
                run_stride = self.strides[old];
            }
            run_len *= self.shape[old];
            let goes_on = (0..old).rev().find(|&i| self.shape[i] != 1).is_some_and(|i| self.strides[i] == self.strides[old] * self.shape[old]);
            if goes_on {
                continue;
            }
            let mut filled = 1;
            while new > 0 && filled < run_len {
                new -= 1;
                strides[new] = run_stride * filled;
                filled *= shape[new];
            }
            if filled != run_len {
                return None;
            }
            run_len = 1;
        }
        Some(Self { shape: Dims::from_slice(shape), strides, offset: self.offset })
    }

    /// With a dimension of size 1 before `dim`.
    pub(crate) fn unsqueeze(&self, dim: usize) -> Self {
        let mut layout = self.clone();
        let stride = if dim < self.rank() { self.shape[dim] * self.strides[dim] } else { 1 };
        layout.shape.insert(dim, 1);
        layout.strides.insert(dim, stride);
        layout
    }

    /// Without dimension `dim`, at its place `index`.
    pub(crate) fn take(&self, dim: usize, index: usize) -> Self {
        let mut layout = self.clone();
        layout.shape.remove(dim);
        layout.offset += index * layout.strides.remove(dim);
        layout
    }

    /// `len` places from `start` on, each `step`-th.
    pub(crate) fn narrow(&self, dim: usize, start: usize, len: usize, step: usize) -> Self {
        let mut layout = self.clone();
        if len > 0 {
            layout.offset += start * layout.strides[dim];
        }
        layout.shape[dim] = len;
        layout.strides[dim] *= step;
        layout
    }

    /// Dimensions in another order.
    pub(crate) fn permute(&self, order: &[usize]) -> Self {
        Self { shape: order.iter().map(|&i| self.shape[i]).collect(), strides: order.iter().map(|&i| self.strides[i]).collect(), offset: self.offset }
    }
}

/// The number of a dimension that may be negative.
pub(crate) fn axis(operation: &'static str, dim: i64, shape: &[usize]) -> Result<usize> {
    let rank = shape.len() as i64;
    let resolved = if dim < 0 { dim + rank } else { dim };
    if (0..rank).contains(&resolved) {
        return Ok(resolved as usize);
    }
    Err(TensorError::Shape { operation, problem: format!("dimension {dim} of a tensor of shape {shape:?}, which has {}", shape.len()) })
}

/// The shape to which both broadcast.
pub(crate) fn broadcast(operation: &'static str, a: &[usize], b: &[usize]) -> Result<Dims> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let mut shape = Dims::with_capacity(rank);
    for i in 0..rank {
        shape.push(match (size(a, i), size(b, i)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            (x, y) => {
                let dim = i as i64 - rank as i64;
                let problem = format!("shapes {a:?} and {b:?} do not go together: dimension {dim} is {x} and {y} (one must be 1, or both the same)");
                return Err(TensorError::Shape { operation, problem });
            }
        });
    }
    Ok(shape)
}

/// Strides of a row-major layout.
pub fn row_major(shape: &[usize]) -> Dims {
    let mut strides: Dims = SmallVec::from_elem(1, shape.len());
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1);
    }
    strides
}
