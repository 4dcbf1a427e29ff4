//! From rows to the `FieldData` of an insert.

use arrow_array::{Array, RecordBatch};

use super::schema::column;
use super::validity::valid_data;
use super::{array, dense, number, sparse, struct_array, text, vector_array};
use crate::Result;
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::{FieldData, ScalarField};
use crate::model::{DYNAMIC_FIELD, DataType, Field};

/// The rows as Insert and Upsert take them: one `FieldData` for each of `fields`, in their order; columns of
/// `batch` that no field names are left out.
///
/// Where a field is nullable or has a default, `valid_data` has one entry a row, beside the values as all releases
/// want it; the values are only those that are not null. Milvus makes a null the default in a field that has one.
///
/// # Errors
/// [`crate::Error::Column`] where a column is missing, has another type than its field, null where the field
/// takes none, or vectors of another dimension.
pub fn encode(fields: &[Field], batch: &RecordBatch) -> Result<Vec<FieldData>> {
    fields
        .iter()
        .map(|field| encode_column(field, column(field, batch)?))
        .collect()
}

pub(super) fn encode_column(field: &Field, column: &dyn Array) -> Result<FieldData> {
    let mut valid_data = valid_data(field, column)?;
    let scalars = |data| {
        Payload::Scalars(ScalarField {
            data: Some(data),
            valid_data: Vec::new(),
        })
    };
    let payload = match field.data_type {
        DataType::SparseFloatVector => Payload::Vectors(sparse::encode(field, column)?),
        DataType::ArrayOfVector => Payload::Vectors(vector_array::encode(field, column)?),
        DataType::ArrayOfStruct => {
            // Its fields have it, each for itself.
            valid_data.clear();
            Payload::StructArrays(struct_array::encode(field, column)?)
        }
        kind if kind.is_vector() => Payload::Vectors(dense::encode(field, column)?),
        DataType::Array => scalars(array::encode(field, column)?),
        kind if text::is_text(kind) => scalars(text::encode(field, column)?),
        _ => scalars(number::encode(field, column)?),
    };
    Ok(FieldData {
        r#type: field.data_type.code(),
        field_name: field.name.clone(),
        field: Some(payload),
        field_id: 0,
        is_dynamic: field.name == DYNAMIC_FIELD,
        valid_data,
    })
}
