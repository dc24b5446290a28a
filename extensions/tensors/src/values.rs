//! Out of tensors, and from one type or device to another.
use crate::autograd::record;
use crate::device::backend;
use crate::error::Result;
use crate::interrupt::OrPanic;
use crate::{Buffer, DType, Device, Element, Storage, Tensor, TensorError};

impl Tensor {
    /// The number of a tensor of one element, as f64. From a GPU it waits for what computes it.
    #[track_caller]
    pub fn item(&self) -> f64 {
        self.try_item().or_panic()
    }

    /// As `item`, giving an error instead of panicking.
    pub fn try_item(&self) -> Result<f64> {
        if self.len() != 1 {
            return Err(TensorError::Shape { operation: "item", problem: format!("of a tensor of shape {:?}, which has {} elements, not one", self.shape(), self.len()) });
        }
        let raw = self.raw();
        if let Storage::Cpu(buffer) = &raw.storage {
            return Ok(number(buffer, raw.layout.offset));
        }
        Ok(number(&backend(raw.device())?.download(&raw)?, 0))
    }

    /// The elements in row-major order, converted to `T` as Rust's `as` does.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        match T::into_vec(self.to_buffer(T::DTYPE).or_panic()) {
            Some(values) => values,
            None => unreachable!("the buffer was converted to {}", T::DTYPE),
        }
    }

    /// The rows of a matrix.
    #[track_caller]
    pub fn to_vec2<T: Element>(&self) -> Vec<Vec<T>> {
        if self.rank() != 2 {
            Err(TensorError::Shape { operation: "to_vec2", problem: format!("of a tensor of shape {:?}, which has {} dimensions, not 2", self.shape(), self.rank()) }).or_panic()
        }
        let (rows, width) = (self.shape()[0], self.shape()[1]);
        let values = self.to_vec::<T>();
        (0..rows).map(|row| values[row * width..(row + 1) * width].to_vec()).collect()
    }

    /// The elements in row-major order in memory of the CPU, as type `dtype`.
    pub fn to_buffer(&self, dtype: DType) -> Result<Buffer> {
        let raw = self.raw().into_dtype(dtype)?;
        backend(raw.device())?.download(&raw)
    }

    /// Converted to another type; the tensor itself if it has it.
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Tensor {
        self.try_to_dtype(dtype).or_panic()
    }

    /// As `to_dtype`, giving an error instead of panicking.
    pub fn try_to_dtype(&self, dtype: DType) -> Result<Tensor> {
        if self.dtype() == dtype {
            return Ok(self.clone());
        }
        let from = self.dtype();
        Ok(record("to_dtype", &[self], self.raw().into_dtype(dtype)?, || move |dy, _| Ok(vec![Some(dy.cast(from)?)])))
    }

    /// On another device; the tensor itself if it is there.
    #[track_caller]
    pub fn to_device(&self, device: &Device) -> Tensor {
        self.try_to_device(device).or_panic()
    }

    /// As `to_device`, giving an error (no such device, no memory) instead of panicking.
    pub fn try_to_device(&self, device: &Device) -> Result<Tensor> {
        let from = self.device();
        if from == *device {
            return Ok(self.clone());
        }
        Ok(record("to_device", &[self], self.raw().to_device(*device)?, || move |dy, _| Ok(vec![Some(dy.to_device(from)?)])))
    }

    /// Converted to f32.
    #[track_caller]
    pub fn to_f32(&self) -> Tensor {
        self.to_dtype(DType::F32)
    }

    /// Waits for all work on the tensor's device.
    #[track_caller]
    pub fn synchronize(&self) {
        backend(self.device()).and_then(|backend| backend.synchronize()).or_panic()
    }
}

/// One element as f64.
pub(crate) fn number(buffer: &Buffer, index: usize) -> f64 {
    match buffer {
        Buffer::Bool(values) => f64::from(u8::from(values[index])),
        Buffer::U8(values) => f64::from(values[index]),
        Buffer::I32(values) => f64::from(values[index]),
        Buffer::I64(values) => values[index] as f64,
        Buffer::F16(values) => values[index].to_f64(),
        Buffer::BF16(values) => values[index].to_f64(),
        Buffer::F32(values) => f64::from(values[index]),
        Buffer::F64(values) => values[index],
    }
}
