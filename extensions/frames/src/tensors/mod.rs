//! Frames and columns to tensors and back: `Tensor::from_frame(&df)`, `tensor.to_frame(&["x", "y"])`; and how tensors are shown.
//!
//! The prelude brings [`FrameTensors`] into scope, so that users see methods of `Tensor`. Memory is shared where it lies as the other side needs it:
//! a column in one piece without nulls is a tensor as it is, and a column of a frame made of a tensor is the tensor's memory.
mod from;
mod shown;
#[cfg(test)]
mod tests;
mod to;

use ochre_tensors::{DType, Device, Tensor, TensorError, interrupt};
use polars::prelude::*;

/// What stands for a null in a tensor, which has none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Nulls {
    /// A null is an error that names its column.
    #[default]
    Refuse,
    /// This number in its place: as the column's type holds it.
    Fill(f64),
}

/// Why a frame is no tensor, or a tensor no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameTensorError {
    #[error("column `{column}` has {count} null{}, which tensors do not have: put a number in their place (`Tensor::from_frame_filled(&df, 0.0)`), mark them (`Tensor::from_frame_masked(&df)`), or drop those rows before (`df.drop_nulls::<String>(None)?`)", if *count == 1 { "" } else { "s" })]
    Nulls { column: String, count: usize },
    #[error("column `{column}` is {dtype}, which tensors do not have; {hint}")]
    Type { column: String, dtype: String, hint: &'static str },
    #[error("column `{column}`: {problem}")]
    Column { column: String, problem: String },
    #[error("from_frame: the frame has no columns")]
    NoColumns,
    #[error("to_frame: {0}")]
    Shape(String),
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

type Result<T> = std::result::Result<T, FrameTensorError>;

/// Ends a plain method as tensors' own do: by a panic with the error's text at the user's line.
#[track_caller]
fn plain<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(FrameTensorError::Tensor(error)) => interrupt::fail(&error),
        Err(error) => panic!("{error}"),
    }
}

/// Between polars and tensors. Numbers keep their type (small integers become i32, `u32` i64); columns of several types meet at the type that
/// [`DType::promote`] gives, so floats win over integers and f64 over f32.
pub trait FrameTensors: Sized {
    /// A row for each row and a column for each column, `[rows, columns]`; nulls panic. A frame of one column shares its memory.
    fn from_frame(frame: &DataFrame) -> Self;
    /// As `from_frame`, with a number in the place of nulls.
    fn from_frame_filled(frame: &DataFrame, value: f64) -> Self;
    /// As `from_frame`, with 0 in the place of nulls; and a tensor of booleans of the same shape: true where there is a value.
    fn from_frame_masked(frame: &DataFrame) -> (Self, Self);
    /// As `from_frame`, on a device: one transfer for each column, which are put beside each other there.
    fn from_frame_on(frame: &DataFrame, device: &Device) -> Self;
    /// As the others, giving an error instead of panicking.
    ///
    /// # Errors
    /// Names the column that has nulls or a type that tensors do not have; or the device has no room.
    fn try_from_frame(frame: &DataFrame, nulls: Nulls, device: &Device) -> Result<Self>;

    /// The values of a series, `[length]`, sharing its memory where it is in one piece; nulls panic.
    fn from_series(series: &Series) -> Self;
    /// The values of a frame's column, `[length]`: `Tensor::from_column(df.column("x")?)`.
    fn from_column(column: &Column) -> Self;
    /// As `from_series`, giving an error instead of panicking.
    ///
    /// # Errors
    /// As `try_from_frame`.
    fn try_from_series(series: &Series, nulls: Nulls) -> Result<Self>;

    /// A frame with these columns, of a tensor `[rows, names]` or, of one column, `[rows]`. From a GPU it is fetched first; f16 and bf16 become f32.
    fn to_frame<S: AsRef<str>>(&self, names: &[S]) -> DataFrame;
    /// As `to_frame`, giving an error instead of panicking.
    ///
    /// # Errors
    /// There are not as many names as columns, or two are the same.
    fn try_to_frame<S: AsRef<str>>(&self, names: &[S]) -> Result<DataFrame>;
    /// The elements in row-major order as a series, sharing memory where they lie so.
    fn to_series(&self, name: &str) -> Series;
}

impl FrameTensors for Tensor {
    #[track_caller]
    fn from_frame(frame: &DataFrame) -> Self {
        plain(from::frame(frame, Nulls::Refuse, &Device::Cpu))
    }

    #[track_caller]
    fn from_frame_filled(frame: &DataFrame, value: f64) -> Self {
        plain(from::frame(frame, Nulls::Fill(value), &Device::Cpu))
    }

    #[track_caller]
    fn from_frame_masked(frame: &DataFrame) -> (Self, Self) {
        (plain(from::frame(frame, Nulls::Fill(0.0), &Device::Cpu)), plain(from::mask(frame)))
    }

    #[track_caller]
    fn from_frame_on(frame: &DataFrame, device: &Device) -> Self {
        plain(from::frame(frame, Nulls::Refuse, device))
    }

    fn try_from_frame(frame: &DataFrame, nulls: Nulls, device: &Device) -> Result<Self> {
        from::frame(frame, nulls, device)
    }

    #[track_caller]
    fn from_series(series: &Series) -> Self {
        plain(from::series(series, Nulls::Refuse))
    }

    #[track_caller]
    fn from_column(column: &Column) -> Self {
        plain(from::series(column.as_materialized_series(), Nulls::Refuse))
    }

    fn try_from_series(series: &Series, nulls: Nulls) -> Result<Self> {
        from::series(series, nulls)
    }

    #[track_caller]
    fn to_frame<S: AsRef<str>>(&self, names: &[S]) -> DataFrame {
        plain(self.try_to_frame(names))
    }

    fn try_to_frame<S: AsRef<str>>(&self, names: &[S]) -> Result<DataFrame> {
        to::frame(self, &names.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
    }

    #[track_caller]
    fn to_series(&self, name: &str) -> Series {
        plain(to::series(self, name))
    }
}

/// The type that columns of these types meet at.
fn common(types: impl Iterator<Item = DType>) -> Option<DType> {
    types.reduce(DType::promote)
}
