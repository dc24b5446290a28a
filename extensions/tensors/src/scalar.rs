//! Plain numbers beside tensors: what `x.gt(0)`, `x + 0.5` and `Tensor::full(&[2], 1)` take.
use crate::device::backend;
use crate::error::Result;
use crate::{Buffer, DType, Device, Raw, Tensor};

/// One number (or truth) that takes the type of the tensor it meets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scalar {
    Float(f64),
    Integer(i64),
    Bool(bool),
}

impl Scalar {
    /// The type of a tensor made of it: f32, i64 or bool, as in PyTorch.
    pub fn dtype(self) -> DType {
        match self {
            Self::Float(_) => DType::F32,
            Self::Integer(_) => DType::I64,
            Self::Bool(_) => DType::Bool,
        }
    }

    /// The type of a result with a tensor of type `dtype`: the tensor's, but where the number is of a higher kind (bool < integers < floats).
    pub fn promote(self, dtype: DType) -> DType {
        match self {
            Self::Float(_) if !dtype.is_float() => DType::F32,
            Self::Integer(_) if dtype == DType::Bool => DType::I64,
            _ => dtype,
        }
    }

    /// The value; an integer beyond 2^53 is rounded.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Integer(value) => value as f64,
            Self::Bool(value) => f64::from(u8::from(value)),
        }
    }

    /// A tensor of rank 0.
    pub(crate) fn raw(self, dtype: DType, device: Device) -> Result<Raw> {
        let value = match (self, dtype) {
            (Self::Integer(value), DType::I64) => return backend(device)?.upload(Buffer::from(vec![value]), &[]),
            // It wraps, as the arithmetic does: of u8 the sum with -3 is 3 less.
            (Self::Integer(value), DType::U8) => f64::from(value as u8),
            (Self::Integer(value), DType::I32) => f64::from(value as i32),
            _ => self.as_f64(),
        };
        backend(device)?.full(&[], dtype, value)
    }

    /// The type in which it is compared with elements of type `dtype`: one that holds both as they are, but for a float's rounding.
    pub(crate) fn comparable(self, dtype: DType) -> DType {
        match (self, dtype) {
            (Self::Float(_), _) if !dtype.is_float() => DType::F64,
            (Self::Integer(value), DType::U8) if u8::try_from(value).is_err() => DType::I64,
            (Self::Integer(value), DType::I32) if i32::try_from(value).is_err() => DType::I64,
            _ => self.promote(dtype),
        }
    }
}

macro_rules! scalars {
    ($($kind:ident: $($type:ty),*;)*) => {
        $($(impl From<$type> for Scalar {
            fn from(value: $type) -> Self {
                Self::$kind(value.into())
            }
        }
        impl From<$type> for Operand<'_> {
            fn from(value: $type) -> Self {
                Self::Scalar(value.into())
            }
        })*)*
    };
}
scalars! {
    Float: f64, f32;
    Integer: i64, i32, u8, u32;
    Bool: bool;
}

/// Sizes and counts; one beyond i64 is a float.
macro_rules! counts {
    ($($type:ty),*) => {
        $(impl From<$type> for Scalar {
            fn from(value: $type) -> Self {
                i64::try_from(value).map_or(Self::Float(value as f64), Self::Integer)
            }
        }
        impl From<$type> for Operand<'_> {
            fn from(value: $type) -> Self {
                Self::Scalar(value.into())
            }
        })*
    };
}
counts!(usize, u64);

/// A tensor or a number.
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    Tensor(&'a Tensor),
    Scalar(Scalar),
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl From<Scalar> for Operand<'_> {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}
