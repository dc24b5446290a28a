//! Tensors as columns.
use super::{FrameTensorError, Result};
use ochre_tensors::{Buffer, DType, Device, Element, Storage, Tensor};
use polars::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

/// Each column of a tensor under a name.
pub fn frame(tensor: &Tensor, names: &[&str]) -> Result<DataFrame> {
    let (rows, width) = match *tensor.shape() {
        [rows] => (rows, 1),
        [rows, width] => (rows, width),
        _ => {
            let problem = format!("of a tensor of shape {:?}: a frame has rows and columns; `.flatten(1, -1)` makes two dimensions of more", tensor.shape());
            return Err(FrameTensorError::Shape(problem));
        }
    };
    if names.len() != width {
        let problem = format!("{} names for a tensor of shape {:?}, which makes {width} columns", names.len(), tensor.shape());
        return Err(FrameTensorError::Shape(problem));
    }
    let whole = elements(&tensor.detach().try_reshape(&[rows as i64, width as i64])?.t())?;
    let columns = names.iter().enumerate().map(|(i, name)| Ok(column(name, &whole, i * rows..(i + 1) * rows)?.into_column()));
    DataFrame::new(rows, columns.collect::<Result<Vec<Column>>>()?).map_err(|error| FrameTensorError::Shape(error.to_string()))
}

/// All elements under a name.
pub fn series(tensor: &Tensor, name: &str) -> Result<Series> {
    column(name, &elements(&tensor.detach())?, 0..tensor.len())
}

/// The elements in row-major order in the CPU's memory, in a type that polars has.
struct Whole {
    buffer: Arc<Buffer>,
    offset: usize,
}

fn elements(tensor: &Tensor) -> Result<Whole> {
    let dtype = if matches!(tensor.dtype(), DType::F16 | DType::BF16) { DType::F32 } else { tensor.dtype() };
    let raw = tensor.try_to_device(&Device::Cpu)?.try_to_dtype(dtype)?.contiguous().raw();
    match &raw.storage {
        Storage::Cpu(buffer) => Ok(Whole { buffer: Arc::clone(buffer), offset: raw.layout.offset }),
        Storage::Cuda(_) => Err(FrameTensorError::Shape("the tensor did not come from the GPU".to_owned())),
    }
}

/// A part of a tensor's memory that a column keeps alive. Nothing changes it: who would change a tensor copies memory that others hold.
struct Part<T> {
    buffer: Arc<Buffer>,
    range: Range<usize>,
    kind: PhantomData<T>,
}

impl<T: Element> AsRef<[T]> for Part<T> {
    fn as_ref(&self) -> &[T] {
        T::of(&self.buffer).and_then(|values| values.get(self.range.clone())).unwrap_or_default()
    }
}

/// A column around memory, without a copy.
macro_rules! numbers {
    ($Type:ident, $Arrow:ident, $Native:ty, $name:expr, $buffer:expr, $range:expr) => {{
        let part = Part::<$Native> { buffer: Arc::clone($buffer), range: $range, kind: PhantomData };
        let values = polars_buffer::Buffer::from_owner(part);
        let array = <$Type as PolarsDataType>::Array::try_new(ArrowDataType::$Arrow, values, None).map_err(|error| FrameTensorError::Shape(error.to_string()))?;
        ChunkedArray::<$Type>::with_chunk($name.into(), array).into_series()
    }};
}

fn column(name: &str, whole: &Whole, range: Range<usize>) -> Result<Series> {
    let (buffer, range) = (&whole.buffer, whole.offset + range.start..whole.offset + range.end);
    Ok(match &**buffer {
        Buffer::F64(_) => numbers!(Float64Type, Float64, f64, name, buffer, range),
        Buffer::F32(_) => numbers!(Float32Type, Float32, f32, name, buffer, range),
        Buffer::I64(_) => numbers!(Int64Type, Int64, i64, name, buffer, range),
        Buffer::I32(_) => numbers!(Int32Type, Int32, i32, name, buffer, range),
        Buffer::U8(_) => numbers!(UInt8Type, UInt8, u8, name, buffer, range),
        Buffer::Bool(values) => BooleanChunked::from_slice(name.into(), &values[range]).into_series(),
        Buffer::F16(_) | Buffer::BF16(_) => return Err(FrameTensorError::Shape(format!("polars has no {}", buffer.dtype()))),
    })
}
