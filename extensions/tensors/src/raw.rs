//! A tensor without its history: what backends work on.
//!
//! The methods here are arithmetic for results and gradients alike: broadcasting and devices are seen to, nothing is recorded. The operands of
//! one call have one element type.
use crate::backend::{Binary, Compare, Reduce, Unary};
use crate::device::backend;
use crate::error::Result;
use crate::layout::broadcast;
use crate::{Buffer, DType, Device, Dims, Layout, TensorError, cuda};
use std::sync::Arc;

/// Elements on a device, shared by all views of them.
#[derive(Clone)]
pub enum Storage {
    Cpu(Arc<Buffer>),
    /// Memory of a GPU, changed in place by those who say so (`assign`, optimisers).
    Cuda(Arc<cuda::Block>),
}

impl Drop for Storage {
    /// The last owner leaves the CPU's memory to the next tensor of its size.
    fn drop(&mut self) {
        // The count first: `get_mut` takes the lock of the count, and most handles are not the last.
        if let Self::Cpu(buffer) = self
            && Arc::strong_count(buffer) == 1
            && let Some(buffer) = Arc::get_mut(buffer)
        {
            crate::cpu::recycle::put(buffer);
        }
    }
}

/// Elements and where they lie.
#[derive(Clone)]
pub struct Raw {
    pub storage: Storage,
    pub layout: Layout,
    pub dtype: DType,
}

impl Raw {
    /// A buffer in row-major order.
    pub fn cpu(buffer: Buffer, shape: &[usize]) -> Self {
        debug_assert_eq!(buffer.len(), shape.iter().product::<usize>());
        Self { dtype: buffer.dtype(), storage: Storage::Cpu(Arc::new(buffer)), layout: Layout::contiguous(shape) }
    }

    /// The same elements seen otherwise.
    pub fn with_layout(&self, layout: Layout) -> Self {
        Self { storage: self.storage.clone(), layout, dtype: self.dtype }
    }

    /// Where the elements are.
    pub fn device(&self) -> Device {
        match &self.storage {
            Storage::Cpu(_) => Device::Cpu,
            Storage::Cuda(block) => block.gpu.device(),
        }
    }

    /// Sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// Sees to it that nobody else has the CPU's memory, so that it can be changed in place. On CUDA nothing is done.
    pub fn make_owned(&mut self) {
        let Storage::Cpu(buffer) = &mut self.storage else { return };
        let buffer = Arc::make_mut(buffer);
        each_dtype!(self.dtype, T => {
            if <T as crate::Element>::of_mut(buffer).is_none()
                && let Some(values) = <T as crate::Element>::of(buffer)
            {
                *buffer = Buffer::from(values.to_vec());
            }
        });
    }
}

/// Views and copies.
impl Raw {
    /// Broadcast to `shape`.
    pub(crate) fn expand(&self, operation: &'static str, shape: &[usize]) -> Result<Raw> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        Ok(self.with_layout(self.layout.expand(operation, shape)?))
    }

    /// Another shape with as many elements; copies where the strides do not allow a view.
    pub(crate) fn reshape(&self, shape: &[usize]) -> Result<Raw> {
        debug_assert_eq!(self.len(), shape.iter().product::<usize>());
        match self.layout.reshape(shape) {
            Some(layout) => Ok(self.with_layout(layout)),
            None => Ok(backend(self.device())?.copy(self)?.with_shape(shape)),
        }
    }

    /// A row-major result in another shape.
    fn with_shape(mut self, shape: &[usize]) -> Raw {
        let offset = self.layout.offset;
        self.layout = Layout { offset, ..Layout::contiguous(shape) };
        self
    }

    /// Row-major.
    pub(crate) fn contiguous(&self) -> Result<Raw> {
        if self.layout.is_contiguous() { Ok(self.clone()) } else { backend(self.device())?.copy(self) }
    }

    /// With a dimension of size 1 at `dim`.
    pub(crate) fn unsqueeze(&self, dim: usize) -> Raw {
        self.with_layout(self.layout.unsqueeze(dim))
    }

    /// As `cast`, of a handle that is not needed any more.
    pub(crate) fn into_dtype(self, dtype: DType) -> Result<Raw> {
        if self.dtype == dtype { Ok(self) } else { backend(self.device())?.cast(&self, dtype) }
    }

    /// Of another type.
    pub(crate) fn cast(&self, dtype: DType) -> Result<Raw> {
        if self.dtype == dtype { Ok(self.clone()) } else { backend(self.device())?.cast(self, dtype) }
    }

    /// On another device.
    pub(crate) fn to_device(&self, device: Device) -> Result<Raw> {
        if self.device() == device {
            return Ok(self.clone());
        }
        let buffer = backend(self.device())?.download(self)?;
        backend(device)?.upload(buffer, self.shape())
    }
}

/// Arithmetic.
impl Raw {
    pub(crate) fn unary(&self, op: Unary) -> Result<Raw> {
        backend(self.device())?.unary(op, self)
    }

    pub(crate) fn binary(&self, op: Binary, other: &Raw) -> Result<Raw> {
        let backend = pair("arithmetic", self, other)?;
        if self.shape() == other.shape() {
            return backend.binary(op, self, other);
        }
        let shape = broadcast("arithmetic", self.shape(), other.shape())?;
        backend.binary(op, &self.expand("arithmetic", &shape)?, &other.expand("arithmetic", &shape)?)
    }

    pub(crate) fn compare(&self, op: Compare, other: &Raw) -> Result<Raw> {
        let shape = broadcast("comparison", self.shape(), other.shape())?;
        pair("comparison", self, other)?.compare(op, &self.expand("comparison", &shape)?, &other.expand("comparison", &shape)?)
    }

    /// This where `mask` holds, else `other`.
    pub(crate) fn select(&self, mask: &Raw, other: &Raw) -> Result<Raw> {
        let shape = broadcast("where", &broadcast("where", self.shape(), other.shape())?, mask.shape())?;
        let backend = pair("where", self, other)?;
        backend.select(&mask.expand("where", &shape)?, &self.expand("where", &shape)?, &other.expand("where", &shape)?)
    }

    pub(crate) fn reduce(&self, op: Reduce, dims: &[usize]) -> Result<Raw> {
        backend(self.device())?.reduce(op, self, dims)
    }

    pub(crate) fn add(&self, other: &Raw) -> Result<Raw> {
        self.binary(Binary::Add, other)
    }

    pub(crate) fn sub(&self, other: &Raw) -> Result<Raw> {
        self.binary(Binary::Sub, other)
    }

    pub(crate) fn mul(&self, other: &Raw) -> Result<Raw> {
        self.binary(Binary::Mul, other)
    }

    pub(crate) fn div(&self, other: &Raw) -> Result<Raw> {
        self.binary(Binary::Div, other)
    }

    pub(crate) fn neg(&self) -> Result<Raw> {
        self.unary(Unary::Neg)
    }

    /// `self * a + b`
    pub(crate) fn affine(&self, a: f64, b: f64) -> Result<Raw> {
        self.unary(Unary::Affine(a, b))
    }

    /// A tensor of rank 0 on the same device and of the same type.
    pub(crate) fn constant(&self, value: f64) -> Result<Raw> {
        backend(self.device())?.full(&[], self.dtype, value)
    }

    /// The same shape, type and device, filled.
    pub(crate) fn full_like(&self, value: f64) -> Result<Raw> {
        backend(self.device())?.full(self.shape(), self.dtype, value)
    }

    /// Summed over `dims` (ascending), which stay with size 1.
    pub(crate) fn sum_keep(&self, dims: &[usize]) -> Result<Raw> {
        let mut shape: Dims = self.shape().into();
        for &dim in dims {
            shape[dim] = 1;
        }
        self.reduce(Reduce::Sum, dims)?.reshape(&shape)
    }

    /// Summed over what was broadcast from `shape`: the gradient of broadcasting.
    pub(crate) fn sum_to(&self, operation: &'static str, shape: &[usize]) -> Result<Raw> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        let Some(added) = self.shape().len().checked_sub(shape.len()) else {
            return Err(TensorError::Shape { operation, problem: format!("a gradient of shape {:?} for an input of shape {shape:?}", self.shape()) });
        };
        let mut dims: Dims = (0..added).collect();
        for (i, &size) in shape.iter().enumerate() {
            if self.shape()[added + i] != size {
                if size != 1 {
                    return Err(TensorError::Shape { operation, problem: format!("a gradient of shape {:?} for an input of shape {shape:?}", self.shape()) });
                }
                dims.push(added + i);
            }
        }
        self.reduce(Reduce::Sum, &dims)?.reshape(shape)
    }
}

/// The backend of two operands that must be on one device.
pub(crate) fn pair(operation: &'static str, a: &Raw, b: &Raw) -> Result<&'static dyn crate::backend::Backend> {
    debug_assert!(a.dtype == b.dtype, "{operation} of {} and {}", a.dtype, b.dtype);
    let (left, right) = (a.device(), b.device());
    if left != right {
        return Err(TensorError::Devices { operation, left, right });
    }
    backend(left)
}
