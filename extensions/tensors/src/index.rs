//! Elements by their indices: gather, scatter, index_select, masks.
//!
//! Negative indices count from the end. On the CPU all are checked first; a GPU checks them where they are used: to look at them first would cost
//! a wait.
use crate::autograd::record;
use crate::backend::Backend;
use crate::device::backend;
use crate::elementwise::mask_for;
use crate::error::Result;
use crate::gradients::keep;
use crate::interrupt::{self, OrPanic};
use crate::views::reshape;
use crate::{Buffer, DType, Device, Dims, Element, Raw, Storage, Tensor, TensorError};

impl Tensor {
    /// Slices along `dim` in the order of a 1-D index of integers, of which negative ones count from the end.
    #[track_caller]
    pub fn index_select(&self, dim: i64, index: &Tensor) -> Tensor {
        index_select(self, dim, index).or_panic()
    }

    /// `out[i][j][k] = x[index[i][j][k]][j][k]` for dimension 0, and so on. The index has as many dimensions as this and is nowhere larger, but along `dim`.
    #[track_caller]
    pub fn gather(&self, dim: i64, index: &Tensor) -> Tensor {
        gather(self, dim, index).or_panic()
    }

    /// A copy with `source` added at the places that `gather` would read; places that repeat add up.
    #[track_caller]
    pub fn scatter_add(&self, dim: i64, index: &Tensor, source: &Tensor) -> Tensor {
        scatter_add(self, dim, index, source).or_panic()
    }

    /// A copy with `source` set at the places that `gather` would read; of places that repeat the last wins.
    #[track_caller]
    pub fn scatter(&self, dim: i64, index: &Tensor, source: &Tensor) -> Tensor {
        scatter(self, dim, index, source).or_panic()
    }

    /// A copy with slices of `source` added along `dim` where `index_select` would read; places that repeat add up.
    #[track_caller]
    pub fn index_add(&self, dim: i64, index: &Tensor, source: &Tensor) -> Tensor {
        index_add(self, dim, index, source).or_panic()
    }

    /// The elements at places of the flattened tensor, in the index's shape.
    #[track_caller]
    pub fn take(&self, index: &Tensor) -> Tensor {
        let flat = self.flatten(0, -1).index_select(0, &index.flatten(0, -1));
        reshape("take", &flat, index.shape()).or_panic()
    }

    /// The elements where `mask` (bool, broadcast) holds, in one dimension. From a GPU it waits, for the length has to be known.
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Tensor {
        masked_select(self, mask).or_panic()
    }

    /// The places of what is not 0 or false: `[count, rank]`, i64. From a GPU it waits.
    #[track_caller]
    pub fn nonzero(&self) -> Tensor {
        nonzero(self).or_panic()
    }

    /// How often each of `0..=max` (at least `0..classes`) occurs in integers, i64.
    #[track_caller]
    pub fn bincount(&self, classes: usize) -> Tensor {
        bincount(self, classes).or_panic()
    }
}

/// An index as i64, on the CPU with negative places resolved and all checked against `size`; a GPU resolves and checks its own.
fn checked(operation: &'static str, index: &Tensor, device: Device, size: usize) -> Result<Raw> {
    if index.dtype().is_float() || index.dtype() == DType::Bool {
        return Err(TensorError::DType { operation, dtype: index.dtype(), hint: " as an index; take i64" });
    }
    if index.device() != device {
        return Err(TensorError::Devices { operation, left: device, right: index.device() });
    }
    let raw = index.raw().into_dtype(DType::I64)?;
    if device != Device::Cpu {
        return Ok(raw);
    }
    let raw = raw.contiguous()?;
    let range = raw.layout.range();
    let values = cpu_values::<i64>(&raw).and_then(|values| values.get(range)).unwrap_or_default();
    let (low, high) = values.iter().fold((0, -1), |(low, high), &value| (value.min(low), value.max(high)));
    if high >= size as i64 || low < -(size as i64) {
        let index = if low < -(size as i64) { low } else { high };
        return Err(outside(operation, index, size));
    }
    if low < 0 {
        let resolved: Vec<i64> = values.iter().map(|&value| if value < 0 { value + size as i64 } else { value }).collect();
        return Ok(Raw::cpu(resolved.into(), raw.shape()));
    }
    Ok(raw)
}

fn outside(operation: &'static str, index: i64, size: usize) -> TensorError {
    TensorError::Shape { operation, problem: format!("index {index} of a dimension of {size} places") }
}

/// The buffer's values, of a tensor on the CPU.
fn cpu_values<T: Element>(raw: &Raw) -> Option<&[T]> {
    #[allow(irrefutable_let_patterns, reason = "CUDA's storage is another")]
    if let Storage::Cpu(buffer) = &raw.storage { T::of(buffer) } else { None }
}

fn of(x: &Tensor) -> Result<&'static dyn Backend> {
    backend(x.device())
}

fn index_select(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    interrupt::check("index_select")?;
    let dim = x.axis("index_select", dim)?;
    if index.rank() > 1 {
        return Err(TensorError::Shape { operation: "index_select", problem: format!("an index of shape {:?}: it has one dimension; `gather` takes more", index.shape()) });
    }
    let index = checked("index_select", index, x.device(), x.shape()[dim])?.reshape(&[index.len()])?;
    let y = of(x)?.index_select(&x.raw(), dim, &index)?;
    Ok(record("index_select", &[x], y, || {
        let shape: Dims = x.shape().into();
        move |dy: &Raw, _: &[bool]| {
            let backend = backend(dy.device())?;
            Ok(vec![Some(backend.index_add(&backend.full(&shape, dy.dtype, 0.0)?, dim, &index, dy)?)])
        }
    }))
}

/// Refuses an index that is larger than what it indexes.
fn fits(operation: &'static str, x: &Tensor, dim: usize, index: &Tensor) -> Result<()> {
    let (shape, wanted) = (x.shape(), index.shape());
    if shape.len() == wanted.len() && (0..shape.len()).all(|i| i == dim || wanted[i] <= shape[i]) {
        return Ok(());
    }
    let problem = format!("an index of shape {wanted:?} for a tensor of shape {shape:?} along dimension {dim}: as many dimensions, and only that one may be larger");
    Err(TensorError::Shape { operation, problem })
}

/// The part of `x` that an index can reach: as large as the index, but along `dim`.
fn reach(x: &Raw, dim: usize, index: &[usize]) -> Raw {
    let mut layout = x.layout.clone();
    for (i, &size) in index.iter().enumerate() {
        if i != dim {
            layout = layout.narrow(i, 0, size, 1);
        }
    }
    x.with_layout(layout)
}

fn gather(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    interrupt::check("gather")?;
    let dim = x.axis("gather", dim)?;
    fits("gather", x, dim, index)?;
    let index = checked("gather", index, x.device(), x.shape()[dim])?;
    let y = of(x)?.gather(&reach(&x.raw(), dim, index.shape()), dim, &index)?;
    Ok(record("gather", &[x], y, || {
        let shape: Dims = x.shape().into();
        move |dy: &Raw, _: &[bool]| {
            let zeros = backend(dy.device())?.full(&shape, dy.dtype, 0.0)?;
            Ok(vec![Some(add_at(&zeros, dim, &index, dy)?)])
        }
    }))
}

/// `scatter_add` where the index may be smaller than `x` in other dimensions as well.
fn add_at(x: &Raw, dim: usize, index: &Raw, source: &Raw) -> Result<Raw> {
    let backend = backend(x.device())?;
    let reached = reach(x, dim, index.shape());
    let sums = backend.scatter_add(&reached, dim, index, source)?;
    if reached.shape() == x.shape() {
        return Ok(sums);
    }
    let mut whole = backend.copy(x)?;
    let part = reach(&whole, dim, index.shape()).layout;
    let layout = std::mem::replace(&mut whole.layout, part);
    backend.copy_into(&mut whole, &sums)?;
    whole.layout = layout;
    Ok(whole)
}

/// The source as large as the index, of the type of `x`, on its device.
fn source_for(operation: &'static str, x: &Tensor, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    if source.device() != x.device() {
        return Err(TensorError::Devices { operation, left: x.device(), right: source.device() });
    }
    let source = source.try_to_dtype(x.dtype())?;
    if source.rank() == 0 {
        return crate::views::expand(operation, &source, index.shape());
    }
    let large = source.rank() == index.rank() && source.shape().iter().zip(index.shape()).all(|(have, want)| have >= want);
    if !large {
        let problem = format!("a source of shape {:?} for an index of shape {:?}: it has to be as large", source.shape(), index.shape());
        return Err(TensorError::Shape { operation, problem });
    }
    (0..index.rank()).try_fold(source, |source, i| if source.shape()[i] == index.shape()[i] { Ok(source) } else { source.try_narrow(i as i64, 0, index.shape()[i]) })
}

fn scatter_add(x: &Tensor, dim: i64, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    interrupt::check("scatter_add")?;
    let dim = x.axis("scatter_add", dim)?;
    fits("scatter_add", x, dim, index)?;
    let source = source_for("scatter_add", x, index, source)?;
    let index = checked("scatter_add", index, x.device(), x.shape()[dim])?;
    let y = add_at(&x.raw(), dim, &index, &source.raw())?;
    Ok(record("scatter_add", &[x, &source], y, || {
        move |dy: &Raw, wants: &[bool]| {
            let read = || backend(dy.device())?.gather(&reach(dy, dim, index.shape()), dim, &index);
            Ok(vec![wants[0].then(|| dy.clone()), wants[1].then(read).transpose()?])
        }
    }))
}

fn scatter(x: &Tensor, dim: i64, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    interrupt::check("scatter")?;
    let dim = x.axis("scatter", dim)?;
    fits("scatter", x, dim, index)?;
    let source = source_for("scatter", x, index, source)?;
    let index = checked("scatter", index, x.device(), x.shape()[dim])?;
    let backend = of(x)?;
    // Which elements of the source are the last at their place, and which places are set.
    let last = backend.upload(last_writers(x.shape(), dim, &index)?, index.shape())?;
    let nothing = backend.full(x.shape(), x.dtype(), 0.0)?;
    let set = add_at(&backend.full(x.shape(), DType::I64, 0.0)?, dim, &index, &backend.full(index.shape(), DType::I64, 1.0)?)?.cast(DType::Bool)?;
    let written = add_at(&nothing, dim, &index, &keep(&source.raw(), &last)?)?;
    let y = written.select(&set, &x.raw())?;
    Ok(record("scatter", &[x, &source], y, || {
        move |dy: &Raw, wants: &[bool]| {
            let backend = crate::device::backend(dy.device())?;
            let rest = wants[0].then(|| dy.constant(0.0)?.select(&set, dy)).transpose()?;
            let read = wants[1].then(|| keep(&backend.gather(&reach(dy, dim, index.shape()), dim, &index)?, &last)).transpose()?;
            Ok(vec![rest, read])
        }
    }))
}

/// True where no later element of the index names the same place. It looks at all of them, also at a GPU's.
fn last_writers(shape: &[usize], dim: usize, index: &Raw) -> Result<Buffer> {
    let index_buffer = backend(index.device())?.download(index)?;
    let places = <i64 as Element>::of(&index_buffer).unwrap_or_default();
    let strides = crate::layout::row_major(shape);
    let mut writers = std::collections::HashMap::with_capacity(places.len());
    let mut last = vec![false; places.len()];
    let mut at: Dims = smallvec::smallvec![0; shape.len()];
    let size = shape[dim] as i64;
    for (i, &index_place) in places.iter().enumerate() {
        let place = if index_place < 0 { index_place + size } else { index_place };
        if !(0..size).contains(&place) {
            return Err(outside("scatter", index_place, shape[dim]));
        }
        let target: usize = (0..shape.len()).map(|d| strides[d] * if d == dim { place as usize } else { at[d] }).sum();
        if let Some(earlier) = writers.insert(target, i) {
            last[earlier] = false;
        }
        last[i] = true;
        advance(&mut at, index.shape());
    }
    Ok(last.into())
}

/// The next place in row-major order.
fn advance(at: &mut [usize], shape: &[usize]) {
    for d in (0..at.len()).rev() {
        at[d] += 1;
        if at[d] < shape[d] {
            return;
        }
        at[d] = 0;
    }
}

fn index_add(x: &Tensor, dim: i64, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    interrupt::check("index_add")?;
    let dim = x.axis("index_add", dim)?;
    if source.device() != x.device() {
        return Err(TensorError::Devices { operation: "index_add", left: x.device(), right: source.device() });
    }
    let mut wanted: Dims = x.shape().into();
    wanted[dim] = index.len();
    if source.shape() != &wanted[..] || index.rank() > 1 {
        let problem = format!("a source of shape {:?} and an index of shape {:?} for a tensor of shape {:?}: the source has to be {wanted:?}", source.shape(), index.shape(), x.shape());
        return Err(TensorError::Shape { operation: "index_add", problem });
    }
    let source = source.try_to_dtype(x.dtype())?;
    let index = checked("index_add", index, x.device(), x.shape()[dim])?.reshape(&[index.len()])?;
    let y = of(x)?.index_add(&x.raw(), dim, &index, &source.raw())?;
    Ok(record("index_add", &[x, &source], y, || {
        move |dy: &Raw, wants: &[bool]| {
            let read = || backend(dy.device())?.index_select(dy, dim, &index);
            Ok(vec![wants[0].then(|| dy.clone()), wants[1].then(read).transpose()?])
        }
    }))
}

/// Places (row-major) where a bool tensor holds.
fn holds(mask: &Raw) -> Result<Vec<i64>> {
    let buffer = backend(mask.device())?.download(mask)?;
    let values = <bool as Element>::of(&buffer).unwrap_or_default();
    Ok(values.iter().enumerate().filter(|(_, holds)| **holds).map(|(i, _)| i as i64).collect())
}

fn masked_select(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let shape = crate::layout::broadcast("masked_select", x.shape(), mask.shape())?;
    let mask = mask_for("masked_select", mask, x)?.expand("masked_select", &shape)?;
    let places = holds(&mask)?;
    let flat = reshape("masked_select", &crate::views::expand("masked_select", x, &shape)?, &[shape.iter().product()])?;
    let count = places.len();
    index_select(&flat, 0, &Tensor::from_raw(of(x)?.upload(places.into(), &[count])?))
}

fn nonzero(x: &Tensor) -> Result<Tensor> {
    let places = holds(&x.raw().into_dtype(DType::Bool)?)?;
    let (count, rank) = (places.len(), x.rank());
    let strides = crate::layout::row_major(x.shape());
    let split = |place: i64| (0..rank).map(|d| (place as usize / strides[d] % x.shape()[d]) as i64).collect::<Vec<_>>();
    let split: Vec<i64> = places.into_iter().flat_map(split).collect();
    Ok(Tensor::from_raw(of(x)?.upload(split.into(), &[count, rank])?))
}

fn bincount(x: &Tensor, classes: usize) -> Result<Tensor> {
    if x.dtype().is_float() {
        return Err(TensorError::DType { operation: "bincount", dtype: x.dtype(), hint: "; it counts integers" });
    }
    let buffer = backend(x.device())?.download(&x.raw().into_dtype(DType::I64)?)?;
    let values = <i64 as Element>::of(&buffer).unwrap_or_default();
    if let Some(negative) = values.iter().find(|value| **value < 0) {
        return Err(TensorError::Shape { operation: "bincount", problem: format!("of {negative}: counts are of integers from 0 on") });
    }
    let len = values.iter().max().map_or(0, |max| *max as usize + 1).max(classes);
    let mut counts = vec![0_i64; len];
    values.iter().for_each(|&value| counts[value as usize] += 1);
    Ok(Tensor::from_raw(of(x)?.upload(counts.into(), &[len])?))
}
