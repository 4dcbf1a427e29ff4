//! VarChar, Text, JSON (`$meta` among it), Geometry, Timestamptz and Mol: one text a row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use bytes::Bytes;

use super::geometry::wkt;
use super::payload::{jsons, smiles, strings, unexpected};
use super::schema::{typed, unsupported};
use super::validity::{Validity, offsets, valid_rows};
use crate::milvus::wire::schema::scalar_field::Data;
use crate::milvus::wire::schema::{BytesArray, ScalarField};
use crate::model::{DYNAMIC_FIELD, DataType, Field};
use crate::{Error, Result};

/// What a row without undeclared keys has in `$meta`.
pub(super) const NO_KEYS: &str = "{}";

/// Whether values of the type are texts.
pub(super) fn is_text(kind: DataType) -> bool {
    matches!(
        kind,
        DataType::VarChar
            | DataType::Text
            | DataType::Json
            | DataType::Geometry
            | DataType::Timestamptz
            | DataType::Mol
    )
}

/// The column of an answer's texts.
///
/// `$meta` is null in rows that are older than a collection's dynamic field; the column says `{}` then.
pub(super) fn decode(field: &Field, data: ScalarField, valid: Vec<bool>) -> Result<ArrayRef> {
    let values = match field.data_type {
        DataType::VarChar | DataType::Text => strings(field, data)?,
        DataType::Timestamptz => instants(field, data)?,
        DataType::Json => jsons(field, data)?,
        DataType::Geometry => geometries(field, data)?,
        DataType::Mol => smiles(field, data)?,
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

/// The instants of a payload: as texts, or as microseconds since 1970.
fn instants(field: &Field, data: ScalarField) -> Result<Vec<Bytes>> {
    let Some(Data::TimestamptzData(numbers)) = data.data else {
        return strings(field, data);
    };
    let text = |microseconds| match jiff::Timestamp::from_microsecond(microseconds) {
        Ok(instant) => Ok(instant.to_string().into()),
        Err(error) => Err(Error::column(
            &field.name,
            format!("{microseconds} microseconds are no instant: {error}"),
        )),
    };
    numbers.data.into_iter().map(text).collect()
}

/// The geometries of a payload: as WKT, or as WKB, which becomes WKT.
fn geometries(field: &Field, data: ScalarField) -> Result<Vec<Bytes>> {
    match data.data {
        None => Ok(Vec::new()),
        Some(Data::GeometryWktData(texts)) => Ok(texts.data),
        Some(Data::GeometryData(geometries)) => {
            let text = |geometry: Bytes| match wkt(&geometry) {
                Some(text) => Ok(text),
                None => Err(Error::column(&field.name, "a geometry is no WKB")),
            };
            geometries.data.into_iter().map(text).collect()
        }
        Some(other) => Err(unexpected(field, &other)),
    }
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
        DataType::VarChar | DataType::Text | DataType::Timestamptz => {
            Data::StringData(BytesArray { data })
        }
        DataType::Json => Data::JsonData(BytesArray { data }),
        DataType::Geometry => Data::GeometryWktData(BytesArray { data }),
        DataType::Mol => Data::MolSmilesData(BytesArray { data }),
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
