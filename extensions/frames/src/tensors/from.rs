//! Columns as tensors.
use super::{FrameTensorError, Nulls, Result, common};
use ochre_tensors::{Buffer, Device, Element, Raw, Tensor, Values};
use polars::prelude::*;
use std::sync::Arc;

/// All columns beside each other, `[rows, columns]`.
pub fn frame(frame: &DataFrame, nulls: Nulls, device: &Device) -> Result<Tensor> {
    let columns = frame.columns().iter().map(|c| series(c.as_materialized_series(), nulls)).collect::<Result<Vec<Tensor>>>()?;
    let dtype = common(columns.iter().map(Tensor::dtype)).ok_or(FrameTensorError::NoColumns)?;
    let on_device = |c: Tensor| c.try_to_device(device)?.try_to_dtype(dtype)?.try_reshape(&[-1, 1]);
    let columns = columns.into_iter().map(on_device).collect::<std::result::Result<Vec<Tensor>, _>>()?;
    beside(&columns)
}

/// Where there are values.
pub fn mask(frame: &DataFrame) -> Result<Tensor> {
    let columns = frame.columns().iter().map(|c| truths(&c.as_materialized_series().is_not_null(), false).try_reshape(&[-1, 1]));
    beside(&columns.collect::<std::result::Result<Vec<Tensor>, _>>()?)
}

/// A single column stays as it is.
fn beside(columns: &[Tensor]) -> Result<Tensor> {
    match columns {
        [] => Err(FrameTensorError::NoColumns),
        [one] => Ok(one.clone()),
        several => Ok(Tensor::try_cat(&several.iter().collect::<Vec<_>>(), 1)?),
    }
}

/// The values of one series, `[length]`.
pub fn series(series: &Series, nulls: Nulls) -> Result<Tensor> {
    let (count, column) = (series.null_count(), || series.name().to_string());
    let Some(fill) = (if let Nulls::Fill(value) = nulls { Some(value) } else { (count == 0).then_some(0.0) }) else {
        return Err(FrameTensorError::Nulls { column: column(), count });
    };
    let failed = |error: PolarsError| FrameTensorError::Column { column: column(), problem: error.to_string() };
    let wider = |dtype: DataType| series.strict_cast(&dtype).map_err(|_| FrameTensorError::Column {
        column: column(),
        problem: format!("some numbers of {} do not fit into i64, the widest integers of tensors; cast it to Float64", series.dtype()),
    });
    match series.dtype() {
        DataType::Float64 => Ok(numbers(series.f64().map_err(failed)?, fill)),
        DataType::Float32 => Ok(numbers(series.f32().map_err(failed)?, fill as f32)),
        DataType::Int64 => Ok(numbers(series.i64().map_err(failed)?, fill as i64)),
        DataType::Int32 => Ok(numbers(series.i32().map_err(failed)?, fill as i32)),
        DataType::UInt8 => Ok(numbers(series.u8().map_err(failed)?, fill as u8)),
        DataType::Int8 | DataType::Int16 | DataType::UInt16 => Ok(numbers(wider(DataType::Int32)?.i32().map_err(failed)?, fill as i32)),
        DataType::UInt32 | DataType::UInt64 => Ok(numbers(wider(DataType::Int64)?.i64().map_err(failed)?, fill as i64)),
        DataType::Boolean => Ok(truths(series.bool().map_err(failed)?, fill != 0.0)),
        other => Err(FrameTensorError::Type { column: column(), dtype: other.to_string(), hint: hint(other) }),
    }
}

fn hint(dtype: &DataType) -> &'static str {
    match dtype {
        DataType::String => "select the columns with numbers, cast it if it holds numbers (`col(\"…\").cast(DataType::Float64)`), or encode it (`ochre::ml::OneHotEncoder`)",
        DataType::Date | DataType::Datetime(..) | DataType::Duration(_) | DataType::Time => "take the numbers you mean out of it (`col(\"…\").dt().year()`, or `.cast(DataType::Int64)`)",
        DataType::List(_) => "make columns of its elements first, or collect them into a `Vec` for `Tensor::from_vec`",
        DataType::Struct(_) => "`df.unnest(…)` makes columns of its fields",
        _ => "cast it to a number first (`col(\"…\").cast(DataType::Float64)`) or leave it out",
    }
}

/// A column in one piece without nulls, kept alive: its memory is the tensor's.
struct Held<P: PolarsNumericType>(ChunkedArray<P>);

impl<P: PolarsNumericType> AsRef<[P::Native]> for Held<P> {
    fn as_ref(&self) -> &[P::Native] {
        self.0.cont_slice().unwrap_or_default()
    }
}

fn numbers<P: PolarsNumericType>(column: &ChunkedArray<P>, fill: P::Native) -> Tensor
where
    P::Native: Element,
{
    let length = column.len();
    let values = match column.null_count() {
        0 if column.chunks().len() == 1 => Values::External(Arc::new(Held(column.clone()))),
        // The pieces are joined once.
        0 => Values::External(Arc::new(Held(column.rechunk().into_owned()))),
        _ => Values::Owned(column.iter().map(|value| value.unwrap_or(fill)).collect()),
    };
    of(P::Native::wrap(values), length)
}

fn truths(column: &BooleanChunked, fill: bool) -> Tensor {
    of(Buffer::from(column.iter().map(|value| value.unwrap_or(fill)).collect::<Vec<bool>>()), column.len())
}

fn of(buffer: Buffer, length: usize) -> Tensor {
    Tensor::from_raw(Raw::cpu(buffer, &[length]))
}
