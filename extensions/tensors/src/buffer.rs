//! Elements in the CPU's memory.
use crate::DType;
use half::{bf16, f16};
use std::sync::Arc;

mod sealed {
    pub trait Sealed {}
}

/// The Rust types that elements have on the CPU.
pub trait Element: sealed::Sealed + Copy + Default + Send + Sync + PartialEq + PartialOrd + std::fmt::Debug + 'static {
    const DTYPE: DType;
    /// These values as a buffer.
    fn wrap(values: Values<Self>) -> Buffer;
    /// The values of a buffer of this type.
    fn of(buffer: &Buffer) -> Option<&[Self]>;
    /// The values of a buffer of this type, to change; `None` as well when somebody else owns the memory.
    fn of_mut(buffer: &mut Buffer) -> Option<&mut [Self]>;
    /// The values of a buffer of this type as a vector; copied only where the memory is somebody else's.
    fn into_vec(buffer: Buffer) -> Option<Vec<Self>>;
    /// The same as a vector, whose memory can be taken.
    fn of_vec(buffer: &mut Buffer) -> Option<&mut Vec<Self>>;
}

/// Memory of our own, or somebody else's that is kept alive (a column of polars): then nothing was copied.
#[derive(Clone)]
pub enum Values<T: 'static> {
    Owned(Vec<T>),
    External(Arc<dyn AsRef<[T]> + Send + Sync>),
}

impl<T> std::ops::Deref for Values<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::External(values) => (**values).as_ref(),
        }
    }
}

impl<T> From<Vec<T>> for Values<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Owned(values)
    }
}

macro_rules! buffers {
    ($($variant:ident $type:ty),*) => {
        /// Elements of one type. `Bool` holds Rust's `bool`s.
        #[derive(Clone)]
        pub enum Buffer {
            $($variant(Values<$type>)),*
        }

        impl Buffer {
            /// Type of the elements.
            pub fn dtype(&self) -> DType {
                match self { $(Self::$variant(_) => DType::$variant),* }
            }

            /// Number of elements.
            pub fn len(&self) -> usize {
                match self { $(Self::$variant(values) => values.len()),* }
            }

            /// Whether there are none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }

        $(impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$variant;
            fn wrap(values: Values<Self>) -> Buffer {
                Buffer::$variant(values)
            }
            fn of(buffer: &Buffer) -> Option<&[Self]> {
                match buffer { Buffer::$variant(values) => Some(values), _ => None }
            }
            fn of_mut(buffer: &mut Buffer) -> Option<&mut [Self]> {
                Self::of_vec(buffer).map(Vec::as_mut_slice)
            }
            fn of_vec(buffer: &mut Buffer) -> Option<&mut Vec<Self>> {
                match buffer { Buffer::$variant(Values::Owned(values)) => Some(values), _ => None }
            }
            fn into_vec(buffer: Buffer) -> Option<Vec<Self>> {
                match buffer {
                    Buffer::$variant(Values::Owned(values)) => Some(values),
                    Buffer::$variant(Values::External(values)) => Some((*values).as_ref().to_vec()),
                    _ => None,
                }
            }
        })*

        /// Runs a body with `$T` as the Rust type of a `DType`: `each_dtype!(dtype, T => body)`.
        #[macro_export]
        #[doc(hidden)]
        macro_rules! each_dtype {
            ($dtype:expr, $T:ident => $body:expr) => {
                match $dtype {
                    $crate::DType::Bool => { type $T = bool; $body }
                    $crate::DType::U8 => { type $T = u8; $body }
                    $crate::DType::I32 => { type $T = i32; $body }
                    $crate::DType::I64 => { type $T = i64; $body }
                    $crate::DType::F16 => { type $T = half::f16; $body }
                    $crate::DType::BF16 => { type $T = half::bf16; $body }
                    $crate::DType::F32 => { type $T = f32; $body }
                    $crate::DType::F64 => { type $T = f64; $body }
                }
            };
        }
    };
}
buffers!(Bool bool, U8 u8, I32 i32, I64 i64, F16 f16, BF16 bf16, F32 f32, F64 f64);

impl<T: Element> From<Vec<T>> for Buffer {
    fn from(values: Vec<T>) -> Self {
        T::wrap(values.into())
    }
}
