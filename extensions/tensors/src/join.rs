//! Tensors put together, taken apart, repeated, turned and padded.
use crate::autograd::record;
use crate::backend::Compare;
use crate::device::backend;
use crate::error::Result;
use crate::gradients::keep;
use crate::interrupt::{self, OrPanic};
use crate::views::{gap, write_part};
use crate::{DType, Dims, Raw, Tensor, TensorError};

/// What stands in the border that `pad_with` adds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Padding {
    /// One value.
    Constant(f64),
    /// Mirrored, without the edge itself.
    Reflect,
    /// The edge.
    Replicate,
    /// From the other side.
    Circular,
}

impl Tensor {
    /// One after the other along `dim`; all other dimensions are equal.
    #[track_caller]
    pub fn cat(tensors: &[&Tensor], dim: i64) -> Tensor {
        Self::try_cat(tensors, dim).or_panic()
    }

    /// As `cat`, giving an error instead of panicking.
    pub fn try_cat(tensors: &[&Tensor], dim: i64) -> Result<Tensor> {
        cat(tensors, dim)
    }

    /// Beside each other along a new dimension `dim`; all shapes are equal.
    #[track_caller]
    pub fn stack(tensors: &[&Tensor], dim: i64) -> Tensor {
        stack(tensors, dim).or_panic()
    }

    /// At most `count` parts along `dim`, of one size but the last.
    #[track_caller]
    pub fn chunk(&self, count: usize, dim: i64) -> Vec<Tensor> {
        let size = self.dim(dim);
        self.split(size.div_ceil(count.max(1)).max(1), dim)
    }

    /// Parts of `size` places along `dim`; the last may be smaller.
    #[track_caller]
    pub fn split(&self, size: usize, dim: i64) -> Vec<Tensor> {
        let places = self.dim(dim);
        let size = size.max(1);
        let starts = (0..places.max(1)).step_by(size);
        starts.map(|start| self.narrow(dim, start, size.min(places - start))).collect()
    }

    /// Parts of these sizes along `dim`; together they are the whole.
    #[track_caller]
    pub fn split_sizes(&self, sizes: &[usize], dim: i64) -> Vec<Tensor> {
        if sizes.iter().sum::<usize>() != self.dim(dim) {
            let problem = format!("sizes {sizes:?} along dimension {dim} of shape {:?}: together they have to be {}", self.shape(), self.dim(dim));
            Err(TensorError::Shape { operation: "split", problem }).or_panic()
        }
        let mut start = 0;
        let mut next = |&size: &usize| {
            start += size;
            self.narrow(dim, start - size, size)
        };
        sizes.iter().map(&mut next).collect()
    }

    /// All parts along `dim`, which is gone from them.
    #[track_caller]
    pub fn unbind(&self, dim: i64) -> Vec<Tensor> {
        (0..self.dim(dim)).map(|index| self.select(dim, index as i64)).collect()
    }

    /// Repeated `times[i]` times along dimension i; more times than dimensions add dimensions in front.
    #[track_caller]
    pub fn repeat(&self, times: &[usize]) -> Tensor {
        repeat(self, times).or_panic()
    }

    /// Each place of `dim` `times` times, one after the other.
    #[track_caller]
    pub fn repeat_interleave(&self, times: usize, dim: i64) -> Tensor {
        let dim = self.axis("repeat_interleave", dim).or_panic() as i64;
        let places = self.dim(dim);
        let mut shape: Vec<usize> = self.shape().into();
        shape.insert(dim as usize + 1, times);
        let repeated = self.unsqueeze(dim + 1).expand(&shape);
        shape.remove(dim as usize + 1);
        shape[dim as usize] = places * times;
        crate::views::reshape("repeat_interleave", &repeated, &shape).or_panic()
    }

    /// Turned around along dimensions.
    #[track_caller]
    pub fn flip(&self, dims: &[i64]) -> Tensor {
        dims.iter().fold(self.clone(), |x, &dim| flip(&x, dim).or_panic())
    }

    /// Moved by `shift` places along `dim`; what leaves at one end comes in at the other.
    #[track_caller]
    pub fn roll(&self, shift: i64, dim: i64) -> Tensor {
        let size = self.dim(dim);
        let first = if size == 0 { 0 } else { (-shift).rem_euclid(size as i64) as usize };
        if first == 0 {
            return self.clone();
        }
        Self::cat(&[&self.narrow(dim, first, size - first), &self.narrow(dim, 0, first)], dim)
    }

    /// With a border of `value`: `[left, right]` of the last dimension, then of the one before it, and so on, as in PyTorch. A negative width cuts.
    #[track_caller]
    pub fn pad(&self, widths: &[i64], value: f64) -> Tensor {
        pad(self, widths, Padding::Constant(value)).or_panic()
    }

    /// With a border (see `pad`) of other kinds.
    #[track_caller]
    pub fn pad_with(&self, widths: &[i64], padding: Padding) -> Tensor {
        pad(self, widths, padding).or_panic()
    }

    /// Zeros above the diagonal (of the last two dimensions) that lies `diagonal` above the main one.
    #[track_caller]
    pub fn tril(&self, diagonal: i64) -> Tensor {
        triangle("tril", self, diagonal, Compare::Le).or_panic()
    }

    /// Zeros below the diagonal (of the last two dimensions) that lies `diagonal` above the main one.
    #[track_caller]
    pub fn triu(&self, diagonal: i64) -> Tensor {
        triangle("triu", self, diagonal, Compare::Ge).or_panic()
    }

    /// The square matrix with this vector as its diagonal.
    #[track_caller]
    pub fn diag(&self) -> Tensor {
        if self.rank() != 1 {
            Err(TensorError::Shape { operation: "diag", problem: format!("of a tensor of shape {:?}: it takes a vector; `.diagonal(0)` reads a matrix'", self.shape()) }).or_panic()
        }
        let eye = Self::eye(self.len()).to_dtype(DType::Bool).to_device(&self.device());
        let zero = Self::zeros_on(&[], self.dtype(), &self.device());
        Self::where_cond(&eye, &self.unsqueeze(0), &zero)
    }

    /// Grids of coordinates: of vectors of lengths n, m, … one tensor `[n, m, …]` each.
    #[track_caller]
    pub fn meshgrid(vectors: &[&Tensor]) -> Vec<Tensor> {
        let shape: Vec<usize> = vectors.iter().map(|vector| vector.len()).collect();
        let grid = |(i, vector): (usize, &&Tensor)| {
            let mut lone = vec![1; shape.len()];
            lone[i] = -1;
            vector.reshape(&lone).expand(&shape)
        };
        vectors.iter().enumerate().map(grid).collect()
    }
}

fn cat(tensors: &[&Tensor], dim: i64) -> Result<Tensor> {
    interrupt::check("cat")?;
    let Some(first) = tensors.first() else {
        return Err(TensorError::Shape { operation: "cat", problem: "of no tensors".to_owned() });
    };
    let dim = first.axis("cat", dim)?;
    let dtype = tensors.iter().fold(first.dtype(), |dtype, x| dtype.promote(x.dtype()));
    let mut shape: Dims = first.shape().into();
    shape[dim] = 0;
    for x in tensors {
        let alike = x.rank() == shape.len() && (0..shape.len()).all(|i| i == dim || x.shape()[i] == shape[i]);
        if !alike {
            let shapes: Vec<_> = tensors.iter().map(|x| x.shape()).collect();
            return Err(TensorError::Shape { operation: "cat", problem: format!("shapes {shapes:?} along dimension {dim}: all other dimensions have to be equal") });
        }
        if x.device() != first.device() {
            return Err(TensorError::Devices { operation: "cat", left: first.device(), right: x.device() });
        }
        shape[dim] += x.shape()[dim];
    }
    let mut whole = backend(first.device())?.empty(&shape, dtype)?;
    let mut start = 0;
    for x in tensors {
        let len = x.shape()[dim];
        write_part(&mut whole, &x.raw().cast(dtype)?, &|layout| layout.narrow(dim, start, len, 1))?;
        start += len;
    }
    Ok(record("cat", tensors, whole, || {
        let sizes: Vec<usize> = tensors.iter().map(|x| x.shape()[dim]).collect();
        move |dy: &Raw, wants: &[bool]| {
            let mut start = 0;
            let part = |(&len, &wanted): (&usize, &bool)| {
                start += len;
                wanted.then(|| dy.with_layout(dy.layout.narrow(dim, start - len, len, 1)))
            };
            Ok(sizes.iter().zip(wants).map(part).collect())
        }
    }))
}

fn stack(tensors: &[&Tensor], dim: i64) -> Result<Tensor> {
    let shapes = || tensors.iter().map(|x| x.shape()).collect::<Vec<_>>();
    let Some(first) = tensors.first() else {
        return Err(TensorError::Shape { operation: "stack", problem: "of no tensors".to_owned() });
    };
    if tensors.iter().any(|x| x.shape() != first.shape()) {
        return Err(TensorError::Shape { operation: "stack", problem: format!("shapes {:?}: all have to be equal", shapes()) });
    }
    let dim = gap("stack", dim, first.shape())? as i64;
    let layers: Vec<Tensor> = tensors.iter().map(|x| x.unsqueeze(dim)).collect();
    cat(&layers.iter().collect::<Vec<_>>(), dim)
}

fn repeat(x: &Tensor, times: &[usize]) -> Result<Tensor> {
    let Some(added) = times.len().checked_sub(x.rank()) else {
        return Err(TensorError::Shape { operation: "repeat", problem: format!("{times:?} times a tensor of shape {:?}: as many numbers as dimensions, or more", x.shape()) });
    };
    // [t0, s0, t1, s1, …] as a view, then dimensions in pairs as one.
    let size = |i: usize| if i < added { 1 } else { x.shape()[i - added] };
    let ones: Dims = (0..times.len()).flat_map(|i| [1, size(i)]).collect();
    let pairs: Dims = (0..times.len()).flat_map(|i| [times[i], size(i)]).collect();
    let flat: Dims = (0..times.len()).map(|i| times[i] * size(i)).collect();
    let spread = crate::views::expand("repeat", &crate::views::reshape("repeat", x, &ones)?, &pairs)?;
    crate::views::reshape("repeat", &spread, &flat)
}

/// Places in reverse order, on the device of `x`.
pub(crate) fn reversed(x: &Raw, dim: usize) -> Result<Raw> {
    let size = x.shape()[dim];
    let index: Vec<i64> = (0..size as i64).rev().collect();
    let backend = backend(x.device())?;
    backend.index_select(x, dim, &backend.upload(index.into(), &[size])?)
}

fn flip(x: &Tensor, dim: i64) -> Result<Tensor> {
    let dim = x.axis("flip", dim)?;
    Ok(record("flip", &[x], reversed(&x.raw(), dim)?, || move |dy, _| Ok(vec![Some(reversed(dy, dim)?)])))
}

fn pad(x: &Tensor, widths: &[i64], padding: Padding) -> Result<Tensor> {
    if widths.len() % 2 != 0 || widths.len() / 2 > x.rank() {
        let problem = format!("widths {widths:?} for a tensor of shape {:?}: two per dimension, the last dimension first", x.shape());
        return Err(TensorError::Shape { operation: "pad", problem });
    }
    let mut y = x.clone();
    // Constant borders of all dimensions are made in one go.
    let (mut shape, mut starts): (Dims, Dims) = (x.shape().into(), smallvec::smallvec![0; x.rank()]);
    for (i, pair) in widths.chunks_exact(2).enumerate() {
        let dim = x.rank() - 1 - i;
        let (before, after) = (pair[0], pair[1]);
        let size = y.shape()[dim] as i64;
        let cut = (-before).max(0) + (-after).max(0);
        if cut > size {
            return Err(TensorError::Shape { operation: "pad", problem: format!("{widths:?} cuts more than there is of shape {:?}", x.shape()) });
        }
        if cut > 0 {
            y = y.try_narrow(dim as i64, (-before).max(0) as usize, (size - cut) as usize)?;
        }
        let (before, after) = (before.max(0) as usize, after.max(0) as usize);
        (shape[dim], starts[dim]) = (y.shape()[dim] + before + after, before);
        if !matches!(padding, Padding::Constant(_)) && before + after > 0 {
            y = y.index_select(dim as i64, &border(&y, dim, before, after, padding)?);
        }
    }
    match padding {
        Padding::Constant(value) if shape[..] != *y.shape() => frame(&y, &shape, &starts, value),
        _ => Ok(y),
    }
}

/// `x` within a larger tensor of `value`.
fn frame(x: &Tensor, shape: &[usize], starts: &[usize], value: f64) -> Result<Tensor> {
    interrupt::check("pad")?;
    let (inner, starts): (Dims, Dims) = (x.shape().into(), starts.into());
    let view = move |layout: &crate::Layout| (0..inner.len()).fold(layout.clone(), |layout, i| layout.narrow(i, starts[i], inner[i], 1));
    let mut whole = backend(x.device())?.full(shape, x.dtype(), value)?;
    write_part(&mut whole, &x.raw(), &view)?;
    Ok(record("pad", &[x], whole, || move |dy, _| Ok(vec![Some(dy.with_layout(view(&dy.layout)))])))
}

/// The places of `dim` that stand in the padded dimension.
fn border(x: &Tensor, dim: usize, before: usize, after: usize, padding: Padding) -> Result<Tensor> {
    let size = x.shape()[dim] as i64;
    let longest = if padding == Padding::Reflect { size - 1 } else { size };
    if size == 0 || (padding != Padding::Replicate && before.max(after) as i64 > longest) {
        let problem = format!("a border of {before} and {after} around dimension {dim} of shape {:?}: {longest} is the widest of this kind", x.shape());
        return Err(TensorError::Shape { operation: "pad", problem });
    }
    let source = |i: i64| match padding {
        Padding::Reflect if i < 0 => -i,
        Padding::Reflect if i >= size => 2 * (size - 1) - i,
        Padding::Circular => i.rem_euclid(size),
        _ => i.clamp(0, size - 1),
    };
    let index: Vec<i64> = (-(before as i64)..size + after as i64).map(source).collect();
    let len = index.len();
    Ok(Tensor::from_raw(backend(x.device())?.upload(index.into(), &[len])?))
}

fn triangle(operation: &'static str, x: &Tensor, diagonal: i64, op: Compare) -> Result<Tensor> {
    if x.rank() < 2 {
        return Err(TensorError::Shape { operation, problem: format!("of a tensor of shape {:?}, which is no matrix", x.shape()) });
    }
    let (rows, columns) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
    let backend = backend(x.device())?;
    let row: Vec<i64> = (0..rows as i64).map(|row| row + diagonal).collect();
    let column: Vec<i64> = (0..columns as i64).collect();
    let mask = backend.upload(column.into(), &[1, columns])?.compare(op, &backend.upload(row.into(), &[rows, 1])?)?;
    let y = keep(&x.raw(), &mask)?;
    Ok(record(operation, &[x], y, || move |dy, _| Ok(vec![Some(keep(dy, &mask)?)])))
}
