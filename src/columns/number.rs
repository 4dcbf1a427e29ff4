//! Bool, Int8 … Int64, Float and Double.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, MutableBuffer, ScalarBuffer};
use bytes::Bytes;

use super::payload::{bools, doubles, floats, ints, longs};
use super::schema::{typed, unsupported};
use super::validity::{Validity, valid_rows};
use crate::milvus::wire::schema::scalar_field::Data;
use crate::milvus::wire::schema::{BoolArray, FloatArray, IntArray, LongArray, ScalarField};
use crate::model::{DataType, Field};
use crate::{Error, Result};

/// The column of an answer's numbers.
pub(super) fn decode(field: &Field, data: ScalarField, valid: Vec<bool>) -> Result<ArrayRef> {
    match field.data_type {
        DataType::Bool => {
            let values = bools(field, data)?;
            let validity = Validity::new(field, valid, values.len())?;
            let values = BooleanBuffer::from(validity.spread(values));
            Ok(Arc::new(BooleanArray::new(values, validity.nulls())))
        }
        DataType::Int8 => numbers::<Int8Type>(field, narrow(field, ints(field, data)?)?, valid),
        DataType::Int16 => numbers::<Int16Type>(field, narrow(field, ints(field, data)?)?, valid),
        DataType::Int32 => numbers::<Int32Type>(field, ints(field, data)?.into(), valid),
        DataType::Int64 => numbers::<Int64Type>(field, longs(field, data)?.into(), valid),
        DataType::Float => {
            numbers::<Float32Type>(field, join(field, &floats(field, data)?)?, valid)
        }
        DataType::Double => {
            numbers::<Float64Type>(field, join(field, &doubles(field, data)?)?, valid)
        }
        _ => Err(unsupported(field)),
    }
}

fn numbers<T: ArrowPrimitiveType>(
    field: &Field,
    values: ScalarBuffer<T::Native>,
    valid: Vec<bool>,
) -> Result<ArrayRef> {
    let validity = Validity::new(field, valid, values.len())?;
    let values = if values.len() == validity.rows() {
        values
    } else {
        validity.spread(values.to_vec()).into()
    };
    Ok(Arc::new(PrimitiveArray::<T>::new(values, validity.nulls())))
}

/// The numbers of a column as they are sent: those that are not null.
pub(super) fn encode(field: &Field, column: &dyn Array) -> Result<Data> {
    Ok(match field.data_type {
        DataType::Bool => {
            let column = typed::<BooleanArray>(field, column)?;
            let data = valid_rows(column).map(|row| column.value(row)).collect();
            Data::BoolData(BoolArray { data })
        }
        DataType::Int8 => widened::<Int8Type>(field, column)?,
        DataType::Int16 => widened::<Int16Type>(field, column)?,
        DataType::Int32 => widened::<Int32Type>(field, column)?,
        DataType::Int64 => {
            let data = dense(typed::<PrimitiveArray<Int64Type>>(field, column)?).to_vec();
            Data::LongData(LongArray { data })
        }
        DataType::Float => {
            let values = dense(typed::<PrimitiveArray<Float32Type>>(field, column)?);
            Data::FloatData(chunk(values.into_inner()))
        }
        DataType::Double => {
            let values = dense(typed::<PrimitiveArray<Float64Type>>(field, column)?);
            Data::DoubleData(chunk(values.into_inner()))
        }
        _ => return Err(unsupported(field)),
    })
}

fn widened<T>(field: &Field, column: &dyn Array) -> Result<Data>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i32>,
{
    let values = dense(typed::<PrimitiveArray<T>>(field, column)?);
    let data = values.iter().map(|&value| value.into()).collect();
    Ok(Data::IntData(IntArray { data }))
}

/// The values that are not null, without a copy where all are.
fn dense<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>) -> ScalarBuffer<T::Native> {
    if column.null_count() == 0 {
        return column.values().clone();
    }
    valid_rows(column).map(|row| column.value(row)).collect()
}

/// Floats as Milvus takes them: one chunk, which shares the buffer's memory.
pub(super) fn chunk(values: Buffer) -> FloatArray {
    FloatArray {
        data: vec![Bytes::from(values)],
    }
}

/// The floats of an answer's chunks, sharing the memory of the answer where there is one chunk and it happens
/// to be aligned.
pub(super) fn join<T: ArrowNativeType>(field: &Field, chunks: &[Bytes]) -> Result<ScalarBuffer<T>> {
    let bytes: usize = chunks.iter().map(Bytes::len).sum();
    if !bytes.is_multiple_of(size_of::<T>()) {
        return Err(Error::column(
            &field.name,
            format!(
                "{bytes} bytes do not make whole numbers of {} bytes",
                size_of::<T>()
            ),
        ));
    }
    if let [chunk] = chunks
        && chunk.as_ptr().align_offset(align_of::<T>()) == 0
    {
        return Ok(ScalarBuffer::from(Buffer::from(chunk.clone())));
    }
    let mut joined = MutableBuffer::with_capacity(bytes);
    for chunk in chunks {
        joined.extend_from_slice(chunk);
    }
    Ok(ScalarBuffer::from(Buffer::from(joined)))
}

/// Wire integers as the narrower type of their field.
pub(super) fn narrow<T>(field: &Field, values: Vec<i32>) -> Result<ScalarBuffer<T>>
where
    T: ArrowNativeType + TryFrom<i32>,
{
    let narrowed: Result<Vec<T>> = values
        .into_iter()
        .map(|value| {
            T::try_from(value).map_err(|_| {
                Error::column(
                    &field.name,
                    format!("{value} does not fit {} bits", 8 * size_of::<T>()),
                )
            })
        })
        .collect();
    Ok(narrowed?.into())
}
