//! Between tensors and plain memory: what files, data sets and pictures need of ochre-tensors. Little-endian everywhere, as the formats are.
use crate::error::Result;
use half::{bf16, f16};
use ochre_tensors::{Buffer, DType, Raw, Tensor, TensorError, backend};

/// A tensor on the CPU of row-major elements.
///
/// # Errors
/// The shape has another number of elements.
pub fn tensor(buffer: Buffer, shape: &[usize]) -> Result<Tensor> {
    if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(buffer.len()) {
        let problem = format!("{} elements do not fill the shape {shape:?}", buffer.len());
        return Err(TensorError::Shape { operation: "load", problem }.into());
    }
    Ok(Tensor::from_raw(Raw::cpu(buffer, shape)))
}

/// The elements of a tensor in row-major order, from whatever device.
pub fn buffer(tensor: &Tensor) -> Result<Buffer> {
    Ok(backend(tensor.device())?.download(&tensor.raw())?)
}

/// A copy that later changes in place do not reach, on the same device and without history.
pub fn copy(tensor: &Tensor) -> Result<Tensor> {
    Ok(Tensor::from_raw(backend(tensor.device())?.copy(&tensor.raw())?))
}

/// Elements from little-endian bytes; what is no whole element at the end is left out.
pub fn elements(dtype: DType, bytes: &[u8]) -> Buffer {
    fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    match dtype {
        DType::Bool => bytes.iter().map(|&b| b != 0).collect::<Vec<bool>>().into(),
        DType::U8 => bytes.to_vec().into(),
        DType::I32 => each(bytes, i32::from_le_bytes).into(),
        DType::I64 => each(bytes, i64::from_le_bytes).into(),
        DType::F16 => each(bytes, f16::from_le_bytes).into(),
        DType::BF16 => each(bytes, bf16::from_le_bytes).into(),
        DType::F32 => each(bytes, f32::from_le_bytes).into(),
        DType::F64 => each(bytes, f64::from_le_bytes).into(),
    }
}

/// Elements as little-endian bytes.
pub fn bytes(buffer: &Buffer) -> Vec<u8> {
    fn each<const N: usize, T: Copy>(values: &[T], write: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|v| write(*v)).collect()
    }
    match buffer {
        Buffer::Bool(v) => v.iter().map(|&b| u8::from(b)).collect(),
        Buffer::U8(v) => v.to_vec(),
        Buffer::I32(v) => each(v, i32::to_le_bytes),
        Buffer::I64(v) => each(v, i64::to_le_bytes),
        Buffer::F16(v) => each(v, f16::to_le_bytes),
        Buffer::BF16(v) => each(v, bf16::to_le_bytes),
        Buffer::F32(v) => each(v, f32::to_le_bytes),
        Buffer::F64(v) => each(v, f64::to_le_bytes),
    }
}
