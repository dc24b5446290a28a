//! Other views of the same elements: shapes, orders of dimensions, parts. Nothing is copied but where `reshape` cannot do without.
use crate::autograd::record;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{Dims, Layout, Raw, Sizes, Tensor, TensorError};

impl Tensor {
    /// Another shape for as many elements, in row-major order: `&[2, -1]`, `&[n, 8]`, `y.shape()`. One size may be -1 and follows from the others.
    /// Copies only where strides do not allow a view.
    #[track_caller]
    pub fn reshape(&self, shape: impl Sizes) -> Tensor {
        to_shape(self, &shape.sizes()).or_panic()
    }

    /// As `reshape`, giving an error instead of panicking.
    pub fn try_reshape(&self, shape: impl Sizes) -> Result<Tensor> {
        to_shape(self, &shape.sizes())
    }

    /// PyTorch's other name for `reshape`.
    #[track_caller]
    pub fn view(&self, shape: impl Sizes) -> Tensor {
        to_shape(self, &shape.sizes()).or_panic()
    }

    /// The shape of another tensor.
    #[track_caller]
    pub fn reshape_as(&self, other: &Tensor) -> Tensor {
        to_shape(self, &other.shape().sizes()).or_panic()
    }

    /// Dimensions `first` to `last` as one.
    #[track_caller]
    pub fn flatten(&self, first: i64, last: i64) -> Tensor {
        flatten(self, first, last).or_panic()
    }

    /// Dimension `dim` as several; one size may be -1.
    #[track_caller]
    pub fn unflatten(&self, dim: i64, sizes: impl Sizes) -> Tensor {
        unflatten(self, dim, &sizes.sizes()).or_panic()
    }

    /// Without dimension `dim` if its size is 1; else the tensor as it is.
    #[track_caller]
    pub fn squeeze(&self, dim: i64) -> Tensor {
        let dim = self.axis("squeeze", dim).or_panic();
        if self.shape()[dim] != 1 {
            return self.clone();
        }
        let mut shape: Dims = self.shape().into();
        shape.remove(dim);
        reshape("squeeze", self, &shape).or_panic()
    }

    /// Without all dimensions of size 1.
    #[track_caller]
    pub fn squeeze_all(&self) -> Tensor {
        let shape: Dims = self.shape().iter().copied().filter(|&size| size != 1).collect();
        reshape("squeeze", self, &shape).or_panic()
    }

    /// With a dimension of size 1 before `dim`; -1 is after the last.
    #[track_caller]
    pub fn unsqueeze(&self, dim: i64) -> Tensor {
        let mut shape: Dims = self.shape().into();
        let dim = gap("unsqueeze", dim, self.shape()).or_panic();
        shape.insert(dim, 1);
        let before: Dims = self.shape().into();
        record("unsqueeze", &[self], self.raw().unsqueeze(dim), || move |dy, _| Ok(vec![Some(dy.reshape(&before)?)]))
    }

    /// Dimensions in another order: `order[i]` is what becomes dimension i.
    #[track_caller]
    pub fn permute(&self, order: &[i64]) -> Tensor {
        let order = self.order(order).or_panic();
        permute("permute", self, &order)
    }

    fn order(&self, order: &[i64]) -> Result<Dims> {
        let resolved: Dims = order.iter().map(|&dim| self.axis("permute", dim)).collect::<Result<_>>()?;
        if resolved.len() == self.rank() && (0..self.rank()).all(|dim| resolved.contains(&dim)) {
            return Ok(resolved);
        }
        let problem = format!("{order:?} of a tensor of shape {:?}: each of its dimensions has to be named once", self.shape());
        Err(TensorError::Shape { operation: "permute", problem })
    }

    /// Two dimensions exchanged.
    #[track_caller]
    pub fn transpose(&self, a: i64, b: i64) -> Tensor {
        let (a, b) = (self.axis("transpose", a).or_panic(), self.axis("transpose", b).or_panic());
        let mut order: Dims = (0..self.rank()).collect();
        order.swap(a, b);
        permute("transpose", self, &order)
    }

    /// The transposed matrix; of a vector or a scalar the tensor itself.
    #[track_caller]
    pub fn t(&self) -> Tensor {
        match self.rank() {
            0 | 1 => self.clone(),
            2 => permute("t", self, &[1, 0]),
            rank => {
                let problem = format!("of a tensor of shape {:?}, which has {rank} dimensions; name two with `.transpose(a, b)`", self.shape());
                Err(TensorError::Shape { operation: "t", problem }).or_panic()
            }
        }
    }

    /// The dimension `source` moved to the place `destination`.
    #[track_caller]
    pub fn movedim(&self, source: i64, destination: i64) -> Tensor {
        let (source, destination) = (self.axis("movedim", source).or_panic(), self.axis("movedim", destination).or_panic());
        let mut order: Dims = (0..self.rank()).filter(|&dim| dim != source).collect();
        order.insert(destination, source);
        permute("movedim", self, &order)
    }

    /// `len` places of dimension `dim` from `start` on.
    #[track_caller]
    pub fn narrow(&self, dim: i64, start: usize, len: usize) -> Tensor {
        self.try_narrow(dim, start, len).or_panic()
    }

    /// As `narrow`, giving an error instead of panicking.
    pub fn try_narrow(&self, dim: i64, start: usize, len: usize) -> Result<Tensor> {
        let dim = self.axis("narrow", dim)?;
        let size = self.shape()[dim];
        if start.checked_add(len).is_none_or(|end| end > size) {
            let problem = format!("{len} places from {start} on of dimension {dim} of shape {:?}, which has {size}", self.shape());
            return Err(TensorError::Shape { operation: "narrow", problem });
        }
        Ok(part("narrow", self, self.layout().narrow(dim, start, len, 1), move |layout| layout.narrow(dim, start, len, 1)))
    }

    /// The part at `index` of dimension `dim`, which is gone from the result; negative ones count from the end.
    #[track_caller]
    pub fn select(&self, dim: i64, index: i64) -> Tensor {
        self.try_select(dim, index).or_panic()
    }

    /// As `select`, giving an error instead of panicking.
    pub fn try_select(&self, dim: i64, index: i64) -> Result<Tensor> {
        let dim = self.axis("select", dim)?;
        let index = place("select", index, dim, self.shape())?;
        Ok(part("select", self, self.layout().take(dim, index), move |layout| layout.take(dim, index)))
    }

    /// Broadcast to `shape`: sizes of 1 repeat, dimensions are added in front, -1 leaves a size as it is. Takes no memory.
    #[track_caller]
    pub fn expand(&self, shape: impl Sizes) -> Tensor {
        expand_to("expand", self, &shape.sizes()).or_panic()
    }

    /// PyTorch's other name for `expand`.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Sizes) -> Tensor {
        expand_to("broadcast_to", self, &shape.sizes()).or_panic()
    }

    /// Broadcast to the shape of another tensor.
    #[track_caller]
    pub fn expand_as(&self, other: &Tensor) -> Tensor {
        expand("expand_as", self, other.shape()).or_panic()
    }

    /// The diagonal of a matrix (the last two dimensions), `offset` above it.
    #[track_caller]
    pub fn diagonal(&self, offset: i64) -> Tensor {
        diagonal(self, offset).or_panic()
    }

    /// Windows of `size` places along `dim`, each `step` after the one before; the window is a new last dimension.
    #[track_caller]
    pub fn unfold(&self, dim: i64, size: usize, step: usize) -> Tensor {
        unfold(self, dim, size, step).or_panic()
    }

    /// Row-major in memory; the tensor itself if it is.
    #[track_caller]
    pub fn contiguous(&self) -> Tensor {
        if self.is_contiguous() { self.clone() } else { self.copied("contiguous") }
    }

    /// A copy with memory of its own. (`clone` is the same tensor.)
    #[track_caller]
    pub fn copy(&self) -> Tensor {
        self.copied("copy")
    }

    #[track_caller]
    fn copied(&self, operation: &'static str) -> Tensor {
        let copy = backend(self.device()).and_then(|backend| backend.copy(&self.raw())).or_panic();
        record(operation, &[self], copy, || |dy, _| Ok(vec![Some(dy.clone())]))
    }
}

/// A place of a dimension, which may be negative.
pub(crate) fn place(operation: &'static str, index: i64, dim: usize, shape: &[usize]) -> Result<usize> {
    let size = shape[dim] as i64;
    let resolved = if index < 0 { index + size } else { index };
    if (0..size).contains(&resolved) {
        return Ok(resolved as usize);
    }
    Err(TensorError::Shape { operation, problem: format!("index {index} of dimension {dim} of shape {shape:?}, which has {size} places") })
}

/// Where a new dimension goes: one place more than there are dimensions.
pub(crate) fn gap(operation: &'static str, dim: i64, shape: &[usize]) -> Result<usize> {
    let places = shape.len() as i64 + 1;
    let resolved = if dim < 0 { dim + places } else { dim };
    if (0..places).contains(&resolved) {
        return Ok(resolved as usize);
    }
    Err(TensorError::Shape { operation, problem: format!("place {dim} for a new dimension of a tensor of shape {shape:?}: {} to {} are possible", -places, places - 1) })
}

fn to_shape(x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    reshape("reshape", x, &resolve(x, shape)?)
}

/// The shape that a size of -1 leaves open.
fn resolve(x: &Tensor, shape: &[i64]) -> Result<Dims> {
    let refuse = |why: &str| Err(TensorError::Shape { operation: "reshape", problem: format!("shape {:?} to {shape:?}: {why}", x.shape()) });
    let known = shape.iter().filter(|&&size| size != -1).try_fold(1_usize, |len, &size| len.checked_mul(usize::try_from(size).ok()?));
    let Some(known) = known else {
        return refuse("sizes are 0 or more, and one may be -1");
    };
    let open = shape.iter().filter(|&&size| size == -1).count();
    let free = match open {
        0 if known == x.len() => 0,
        1 if known > 0 && x.len() % known == 0 => x.len() / known,
        0 => return refuse(&format!("{} elements are not {known}", x.len())),
        1 => return refuse(&format!("{} elements cannot be divided by {known}", x.len())),
        _ => return refuse("only one size may be -1"),
    };
    Ok(shape.iter().map(|&size| if size == -1 { free } else { size as usize }).collect())
}

pub(crate) fn reshape(operation: &'static str, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let y = x.raw().reshape(shape)?;
    Ok(record(operation, &[x], y, || {
        let before: Dims = x.shape().into();
        move |dy: &Raw, _: &[bool]| Ok(vec![Some(dy.reshape(&before)?)])
    }))
}

fn flatten(x: &Tensor, first: i64, last: i64) -> Result<Tensor> {
    if x.rank() == 0 {
        return reshape("flatten", x, &[1]);
    }
    let (first, last) = (x.axis("flatten", first)?, x.axis("flatten", last)?);
    if first > last {
        return Err(TensorError::Shape { operation: "flatten", problem: format!("dimensions {first} to {last} of shape {:?}: the first comes after the last", x.shape()) });
    }
    let shape = x.shape();
    let middle = shape[first..=last].iter().product();
    let flat: Dims = shape[..first].iter().copied().chain([middle]).chain(shape[last + 1..].iter().copied()).collect();
    reshape("flatten", x, &flat)
}

fn unflatten(x: &Tensor, dim: i64, sizes: &[i64]) -> Result<Tensor> {
    let dim = x.axis("unflatten", dim)?;
    let all: Vec<i64> = x.shape().iter().map(|&size| size as i64).collect();
    // A dimension of the tensor that is 0 would leave -1 open.
    let sizes = if x.shape()[dim] == 0 { sizes.iter().map(|&size| size.max(0)).collect() } else { sizes.to_vec() };
    let open: i64 = sizes.iter().filter(|&&size| size != -1).product();
    let sizes: Vec<i64> = sizes.iter().map(|&size| if size == -1 && open > 0 { all[dim] / open } else { size }).collect();
    if sizes.iter().product::<i64>() != all[dim] {
        return Err(TensorError::Shape { operation: "unflatten", problem: format!("dimension {dim} of shape {:?} into {sizes:?}", x.shape()) });
    }
    to_shape(x, &[&all[..dim], &sizes, &all[dim + 1..]].concat())
}

fn permute(operation: &'static str, x: &Tensor, order: &[usize]) -> Tensor {
    let raw = x.raw();
    let y = raw.with_layout(raw.layout.permute(order));
    record(operation, &[x], y, || {
        let mut back: Dims = smallvec::smallvec![0; order.len()];
        order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        move |dy: &Raw, _: &[bool]| Ok(vec![Some(dy.with_layout(dy.layout.permute(&back)))])
    })
}

/// A part of the elements, each at most once: its gradient is zeros with the part set.
pub(crate) fn part(operation: &'static str, x: &Tensor, layout: Layout, view: impl Fn(&Layout) -> Layout + Send + Sync + 'static) -> Tensor {
    record(operation, &[x], x.raw().with_layout(layout), || {
        let shape: Dims = x.shape().into();
        move |dy: &Raw, _: &[bool]| {
            let backend = backend(dy.device())?;
            let mut whole = backend.full(&shape, dy.dtype, 0.0)?;
            write_part(&mut whole, dy, &view)?;
            Ok(vec![Some(whole)])
        }
    })
}

/// Copies `src` into a part of `whole`, which nobody else has.
pub(crate) fn write_part(whole: &mut Raw, src: &Raw, view: &dyn Fn(&Layout) -> Layout) -> Result<()> {
    let part = view(&whole.layout);
    let layout = std::mem::replace(&mut whole.layout, part);
    let result = backend(src.device())?.copy_into(whole, src);
    whole.layout = layout;
    result
}

pub(crate) fn expand(operation: &'static str, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    // The engine sums what was broadcast.
    Ok(record(operation, &[x], x.raw().expand(operation, shape)?, || |dy, _| Ok(vec![Some(dy.clone())])))
}

/// The same with sizes of -1, which stay what they are.
fn expand_to(operation: &'static str, x: &Tensor, shape: &[i64]) -> Result<Tensor> {
    let added = shape.len().saturating_sub(x.rank());
    let kept = |(place, &size): (usize, &i64)| match size {
        -1 if place >= added => x.shape().get(place - added).copied(),
        size => usize::try_from(size).ok(),
    };
    let resolved: Option<Dims> = shape.iter().enumerate().map(kept).collect();
    match resolved {
        Some(resolved) => expand(operation, x, &resolved),
        None => Err(TensorError::Shape { operation, problem: format!("shape {:?} to {shape:?}: sizes are 0 or more, and -1 keeps the size of a dimension that is there", x.shape()) }),
    }
}

fn diagonal(x: &Tensor, offset: i64) -> Result<Tensor> {
    if x.rank() < 2 {
        return Err(TensorError::Shape { operation: "diagonal", problem: format!("of a tensor of shape {:?}, which is no matrix", x.shape()) });
    }
    let (row, column) = if offset < 0 { (offset.unsigned_abs() as usize, 0) } else { (0, offset as usize) };
    let view = move |layout: &Layout| {
        let rows = layout.rank() - 2;
        let len = layout.shape[rows].saturating_sub(row).min(layout.shape[rows + 1].saturating_sub(column));
        let mut view = layout.take(rows + 1, 0);
        if len > 0 {
            view.offset += row * layout.strides[rows] + column * layout.strides[rows + 1];
        }
        view.shape[rows] = len;
        view.strides[rows] += layout.strides[rows + 1];
        view
    };
    Ok(part("diagonal", x, view(x.layout()), view))
}

fn unfold(x: &Tensor, dim: i64, size: usize, step: usize) -> Result<Tensor> {
    let dim = x.axis("unfold", dim)?;
    let places = x.shape()[dim];
    if step == 0 || size > places {
        return Err(TensorError::Shape { operation: "unfold", problem: format!("windows of {size} every {step} along dimension {dim} of shape {:?}", x.shape()) });
    }
    let view = move |layout: &Layout| {
        let mut view = layout.clone();
        view.shape[dim] = (places - size) / step + 1;
        view.shape.push(size);
        view.strides.push(layout.strides[dim]);
        view.strides[dim] *= step;
        view
    };
    if step >= size {
        return Ok(part("unfold", x, view(x.layout()), view));
    }
    // Windows overlap: each shift within the window is a part without overlap.
    Ok(record("unfold", &[x], x.raw().with_layout(view(x.layout())), || {
        let shape: Dims = x.shape().into();
        move |dy: &Raw, _: &[bool]| {
            let mut sum = backend(dy.device())?.full(&shape, dy.dtype, 0.0)?;
            for shift in 0..size {
                let windows = dy.shape()[dim];
                let shifted = dy.with_layout(dy.layout.take(dy.layout.rank() - 1, shift));
                let mut whole = backend(dy.device())?.full(&shape, dy.dtype, 0.0)?;
                write_part(&mut whole, &shifted, &|layout| layout.narrow(dim, shift, windows, step))?;
                sum = sum.add(&whole)?;
            }
            Ok(vec![Some(sum)])
        }
    }))
}
