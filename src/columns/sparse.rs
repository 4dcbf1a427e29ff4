//! SparseFloatVector: the dimensions that are not zero, with their values.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float32Array, ListArray, StructArray, UInt32Array};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType as ArrowType, Field as ArrowField, Fields};
use bytes::{Bytes, BytesMut};

use super::schema::{element, mistyped, typed};
use super::validity::{Validity, offsets, valid_rows};
use crate::milvus::wire::schema::vector_field::Data;
use crate::milvus::wire::schema::{SparseFloatArray, VectorField};
use crate::model::Field;
use crate::{Error, Result};

/// A dimension on the wire: its index and its value, 4 bytes each.
const PAIR: usize = 8;

/// The two lists that a column of sparse vectors has.
pub(super) fn parts() -> Fields {
    let list = |kind| ArrowType::List(element(kind));
    Fields::from(vec![
        ArrowField::new("indices", list(ArrowType::UInt32), false),
        ArrowField::new("values", list(ArrowType::Float32), false),
    ])
}

/// The column of an answer's vectors.
pub(super) fn decode(field: &Field, data: VectorField, valid: Vec<bool>) -> Result<ArrayRef> {
    let contents = match data.data {
        Some(Data::SparseFloatVector(sparse)) => sparse.contents,
        None => Vec::new(),
        Some(_) => return Err(super::dense::unexpected(field)),
    };
    let validity = Validity::new(field, valid, contents.len())?;
    let row = |position: Option<usize>| position.map_or(&b""[..], |at| contents[at].as_ref());
    let rows = || validity.positions().map(row);
    if let Some(bytes) = rows()
        .map(<[u8]>::len)
        .find(|len| !len.is_multiple_of(PAIR))
    {
        return Err(Error::column(
            &field.name,
            format!("a vector of {bytes} bytes is no whole number of index and value pairs"),
        ));
    }
    let offsets = offsets(field, rows().map(|row| row.len() / PAIR))?;
    let pairs = offsets.last() as usize;
    let mut indices = Vec::with_capacity(pairs);
    let mut values = Vec::with_capacity(pairs);
    for pair in rows().flat_map(|row| row.as_chunks::<PAIR>().0) {
        let [a, b, c, d, e, f, g, h] = *pair;
        indices.push(u32::from_le_bytes([a, b, c, d]));
        values.push(f32::from_le_bytes([e, f, g, h]));
    }
    let indices = list(field, &offsets, Arc::new(UInt32Array::from(indices)))?;
    let values = list(field, &offsets, Arc::new(Float32Array::from(values)))?;
    StructArray::try_new(parts(), vec![indices, values], validity.nulls())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| Error::column(&field.name, error.to_string()))
}

fn list(field: &Field, offsets: &OffsetBuffer<i32>, items: ArrayRef) -> Result<ArrayRef> {
    let item = element(items.data_type().clone());
    ListArray::try_new(item, offsets.clone(), items, None)
        .map(|list| Arc::new(list) as ArrayRef)
        .map_err(|error| Error::column(&field.name, error.to_string()))
}

/// The vectors of a column as they are sent: those that are not null.
pub(super) fn encode(field: &Field, column: &dyn Array) -> Result<VectorField> {
    let rows = SparseRows::of(field, column)?;
    let mut contents = Vec::with_capacity(column.len() - column.null_count());
    let mut dim = 0;
    for row in valid_rows(column) {
        let mut bytes = BytesMut::with_capacity(rows.width(row) * PAIR);
        for (index, value) in rows.pairs(row)? {
            bytes.extend_from_slice(&index.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
            dim = dim.max(i64::from(index) + 1);
        }
        contents.push(Bytes::from(bytes));
    }
    Ok(VectorField {
        dim,
        data: Some(Data::SparseFloatVector(SparseFloatArray { contents, dim })),
        valid_data: Vec::new(),
    })
}

/// A column of sparse vectors, row by row.
pub(super) struct SparseRows<'a> {
    field: &'a Field,
    index_offsets: &'a [i32],
    indices: &'a [u32],
    value_offsets: &'a [i32],
    values: &'a [f32],
}

impl<'a> SparseRows<'a> {
    /// Looks into the column.
    pub(super) fn of(field: &'a Field, column: &'a dyn Array) -> Result<SparseRows<'a>> {
        let vectors = typed::<StructArray>(field, column)?;
        let part = |name: &str| match vectors.column_by_name(name) {
            Some(part) => typed::<ListArray>(field, part),
            None => Err(mistyped(field, column)),
        };
        let (indices, values) = (part("indices")?, part("values")?);
        Ok(SparseRows {
            field,
            index_offsets: indices.value_offsets(),
            indices: typed::<UInt32Array>(field, indices.values())?.values(),
            value_offsets: values.value_offsets(),
            values: typed::<Float32Array>(field, values.values())?.values(),
        })
    }

    /// How many dimensions of the row are not zero.
    pub(super) fn width(&self, row: usize) -> usize {
        (self.index_offsets[row + 1] - self.index_offsets[row]) as usize
    }

    /// The row's indices and values, in the order in which they are stored.
    ///
    /// # Errors
    /// Where there are not as many values as indices.
    pub(super) fn pairs(&self, row: usize) -> Result<impl Iterator<Item = (u32, f32)> + 'a> {
        let within = |offsets: &[i32]| offsets[row] as usize..offsets[row + 1] as usize;
        let indices = &self.indices[within(self.index_offsets)];
        let values = &self.values[within(self.value_offsets)];
        if indices.len() != values.len() {
            return Err(Error::column(
                &self.field.name,
                format!(
                    "row {row} has {} indices, but {} values",
                    indices.len(),
                    values.len()
                ),
            ));
        }
        Ok(indices.iter().copied().zip(values.iter().copied()))
    }
}
