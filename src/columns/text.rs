//! VarChar, JSON (`$meta` among it), Geometry and Timestamptz: one text a row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use bytes::Bytes;

use super::payload::{jsons, strings, wkts};
use super::schema::{typed, unsupported};
use super::validity::{Validity, offsets, valid_rows};
use crate::milvus::wire::schema::scalar_field::Data;
use crate::milvus::wire::schema::{BytesArray, ScalarField};
use crate::model::{DYNAMIC_FIELD, DataType, Field};
use crate::{Error, Result};

/// What a row without undeclared keys has in `$meta`.
pub(super) const NO_KEYS: &str = "{}";

/// The column of an answer's texts.
///
/// `$meta` is null in rows that are older than a collection's dynamic field; the column says `{}` then.
pub(super) fn decode(field: &Field, data: ScalarField, valid: Vec<bool>) -> Result<ArrayRef> {
    let values = match field.data_type {
        DataType::VarChar | DataType::Timestamptz => strings(field, data)?,
        DataType::Json => jsons(field, data)?,
        DataType::Geometry => wkts(field, data)?,
        _ => return Err(unsupported(field)),
    };
    let validity = Validity::new(field, valid, values.len())?;
    let dynamic = field.name == DYNAMIC_FIELD;
    let filler: &[u8] = if dynamic { NO_KEYS.as_bytes() } else { b"" };
    let text = |position: Option<usize>| position.map_or(filler, |at| values[at].as_ref());
    let offsets = offsets(field, validity.positions().map(|at| text(at).len()))?;
    let mut joined = Vec::with_capacity(offsets.last() as usize);
    for position in validity.positions() {
        joined.extend_from_slice(text(position));
    }
    let nulls = validity.nulls().filter(|_| !dynamic);
    Ok(Arc::new(utf8(field, offsets, joined, nulls)?))
}

/// Texts from their bytes, which must be UTF-8, as must each of them.
pub(super) fn utf8(
    field: &Field,
    offsets: OffsetBuffer<i32>,
    joined: Vec<u8>,
    nulls: Option<NullBuffer>,
) -> Result<StringArray> {
    StringArray::try_new(offsets, Buffer::from(joined), nulls)
        .map_err(|error| Error::column(&field.name, format!("not a column of texts: {error}")))
}

/// The texts of a column as they are sent: those that are not null, each a slice of the column's memory.
pub(super) fn encode(field: &Field, column: &dyn Array) -> Result<Data> {
    let data = slices(typed::<StringArray>(field, column)?);
    Ok(match field.data_type {
        DataType::VarChar | DataType::Timestamptz => Data::StringData(BytesArray { data }),
        DataType::Json => Data::JsonData(BytesArray { data }),
        DataType::Geometry => Data::GeometryWktData(BytesArray { data }),
        _ => return Err(unsupported(field)),
    })
}

/// The texts that are not null, without a copy.
fn slices(column: &StringArray) -> Vec<Bytes> {
    let memory = Bytes::from(column.values().clone());
    let offsets = column.value_offsets();
    valid_rows(column)
        .map(|row| memory.slice(offsets[row] as usize..offsets[row + 1] as usize))
        .collect()
}
