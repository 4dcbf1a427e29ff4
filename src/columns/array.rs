//! Array: a list of scalars a row.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, OffsetBuffer};

use super::payload::{arrays, bools, doubles, floats, ints, longs, strings};
use super::schema::{element, typed, unsupported};
use super::validity::{Validity, offsets, refuse_null_elements, valid_rows};
use super::{number, text};
use crate::milvus::wire::schema::scalar_field::Data;
use crate::milvus::wire::schema::{ArrayArray, ScalarField};
use crate::model::{DataType, Field};
use crate::{Error, Result};

/// The column of an answer's arrays.
pub(super) fn decode(field: &Field, data: ScalarField, valid: Vec<bool>) -> Result<ArrayRef> {
    let mut rows = arrays(field, data)?;
    let validity = Validity::new(field, valid, rows.len())?;
    let rows: Vec<ScalarField> = validity
        .positions()
        .map(|position| {
            position.map_or_else(ScalarField::default, |at| std::mem::take(&mut rows[at]))
        })
        .collect();
    for row in &rows {
        refuse_null_elements(field, &row.valid_data)?;
    }
    let (offsets, values) = elements(field, rows)?;
    let item = element(values.data_type().clone());
    let list = ListArray::try_new(item, offsets, values, validity.nulls());
    Ok(Arc::new(list.map_err(|error| {
        Error::column(&field.name, error.to_string())
    })?))
}

/// The elements of all rows, one after the other, and where each row's begin and end.
fn elements(field: &Field, rows: Vec<ScalarField>) -> Result<(OffsetBuffer<i32>, ArrayRef)> {
    match field.element_type {
        Some(DataType::Bool) => {
            let (offsets, values) = gather(field, rows, bools)?;
            let values = BooleanArray::new(BooleanBuffer::from(values), None);
            Ok((offsets, Arc::new(values)))
        }
        Some(DataType::Int8) => {
            let (offsets, values) = gather(field, rows, ints)?;
            let values = number::narrow(field, values)?;
            Ok((
                offsets,
                Arc::new(PrimitiveArray::<Int8Type>::new(values, None)),
            ))
        }
        Some(DataType::Int16) => {
            let (offsets, values) = gather(field, rows, ints)?;
            let values = number::narrow(field, values)?;
            Ok((
                offsets,
                Arc::new(PrimitiveArray::<Int16Type>::new(values, None)),
            ))
        }
        Some(DataType::Int32) => numbers::<Int32Type>(field, rows, ints),
        Some(DataType::Int64) => numbers::<Int64Type>(field, rows, longs),
        Some(DataType::Float) => numbers::<Float32Type>(field, rows, |field, row| {
            Ok(number::join(field, &floats(field, row)?)?.to_vec())
        }),
        Some(DataType::Double) => numbers::<Float64Type>(field, rows, |field, row| {
            Ok(number::join(field, &doubles(field, row)?)?.to_vec())
        }),
        Some(DataType::VarChar) => {
            let (rows, values) = gather(field, rows, strings)?;
            let bounds = offsets(field, values.iter().map(|value| value.len()))?;
            let texts = text::utf8(field, bounds, values.concat(), None)?;
            Ok((rows, Arc::new(texts)))
        }
        _ => Err(unsupported(field)),
    }
}

fn numbers<T: ArrowPrimitiveType>(
    field: &Field,
    rows: Vec<ScalarField>,
    read: impl Fn(&Field, ScalarField) -> Result<Vec<T::Native>>,
) -> Result<(OffsetBuffer<i32>, ArrayRef)> {
    let (offsets, values) = gather(field, rows, read)?;
    Ok((
        offsets,
        Arc::new(PrimitiveArray::<T>::new(values.into(), None)),
    ))
}

/// What `read` finds in each row, one after the other.
fn gather<T>(
    field: &Field,
    rows: Vec<ScalarField>,
    read: impl Fn(&Field, ScalarField) -> Result<Vec<T>>,
) -> Result<(OffsetBuffer<i32>, Vec<T>)> {
    let mut lengths = Vec::with_capacity(rows.len());
    let mut values = Vec::new();
    for row in rows {
        let row = read(field, row)?;
        lengths.push(row.len());
        values.extend(row);
    }
    Ok((offsets(field, lengths.into_iter())?, values))
}

/// The arrays of a column as they are sent: those that are not null.
pub(super) fn encode(field: &Field, column: &dyn Array) -> Result<Data> {
    let column = typed::<ListArray>(field, column)?;
    let Some(element_type) = field.element_type else {
        return Err(unsupported(field));
    };
    let elements = Field {
        data_type: element_type,
        ..field.clone()
    };
    let kind = element_type.code();
    let data: Result<Vec<ScalarField>> = valid_rows(column)
        .map(|row| {
            let values = column.value(row);
            let data = match element_type {
                DataType::VarChar => text::encode(&elements, &values)?,
                _ => number::encode(&elements, &values)?,
            };
            Ok(ScalarField {
                data: Some(data),
                valid_data: Vec::new(),
            })
        })
        .collect();
    Ok(Data::ArrayData(ArrayArray {
        data: data?,
        element_type: kind,
    }))
}
