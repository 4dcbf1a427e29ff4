//! ArrayOfVector: a list of dense vectors a row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray};

use super::dense::{self, Shape, unexpected};
use super::schema::{element, typed, unsupported};
use super::validity::{Validity, offsets, refuse_null_elements, valid_rows};
use crate::milvus::wire::schema::vector_field::Data;
use crate::milvus::wire::schema::{VectorArray, VectorField};
use crate::model::Field;
use crate::{Error, Result};

/// The column of an answer's arrays of vectors.
pub(super) fn decode(field: &Field, data: VectorField, valid: Vec<bool>) -> Result<ArrayRef> {
    let mut rows = match data.data {
        Some(Data::VectorArray(array)) => array.data,
        None => Vec::new(),
        Some(_) => return Err(unexpected(field)),
    };
    let vectors = elements(field)?;
    let shape = Shape::of(&vectors)?;
    let validity = Validity::new(field, valid, rows.len())?;
    let mut lengths = Vec::with_capacity(validity.rows());
    let mut chunks = Vec::with_capacity(rows.len());
    for position in validity.positions() {
        let row = position.map_or_else(VectorField::default, |at| std::mem::take(&mut rows[at]));
        refuse_null_elements(field, &row.valid_data)?;
        let answered = row.dim;
        let row = dense::chunks(&vectors, row.data)?;
        let bytes = row.iter().map(|chunk| chunk.len()).sum();
        lengths.push(shape.count(field, answered, bytes)?);
        chunks.extend(row);
    }
    let offsets = offsets(field, lengths.into_iter())?;
    let values = dense::in_array(&vectors, shape, &chunks)?;
    let item = element(values.data_type().clone());
    ListArray::try_new(item, offsets, values, validity.nulls())
        .map(|list| Arc::new(list) as ArrayRef)
        .map_err(|error| Error::column(&field.name, error.to_string()))
}

/// The arrays of a column as they are sent: those that are not null.
pub(super) fn encode(field: &Field, column: &dyn Array) -> Result<VectorField> {
    let column = typed::<ListArray>(field, column)?;
    let vectors = elements(field)?;
    let dim = Shape::of(&vectors)?.dim();
    let data: Result<Vec<VectorField>> = valid_rows(column)
        .map(|row| dense::encode_lists(&vectors, &column.value(row)))
        .collect();
    Ok(VectorField {
        dim,
        data: Some(Data::VectorArray(VectorArray {
            dim,
            data: data?,
            element_type: vectors.data_type.code(),
        })),
        valid_data: Vec::new(),
    })
}

/// The vectors in the arrays of a field, as if they were a field.
pub(super) fn elements(field: &Field) -> Result<Field> {
    Ok(Field {
        data_type: field.element_type.ok_or_else(|| unsupported(field))?,
        element_type: None,
        nullable: false,
        ..field.clone()
    })
}
