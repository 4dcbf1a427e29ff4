//! From an answer's `FieldData` to rows.

use std::cmp::Ordering;
use std::fmt;

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, UInt32Array, cast::AsArray};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use super::schema::{column, mistyped, unsupported};
use super::validity::take_valid_data;
use super::{array, dense, number, sparse, struct_array, text, vector_array};
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::{
    FieldData, ScalarField, StructArrayField, VectorField, scalar_field, vector_field,
};
use crate::model::{DYNAMIC_FIELD, DataType, Field};
use crate::{Error, Result};

/// The rows of an answer, as columns of `schema` (which [`super::arrow_schema`] made of the same `fields`),
/// sorted by the primary key `key_field` (numbers by value, texts by bytes).
///
/// The order of `data` does not matter, and columns of other fields are ignored. An answer without rows may
/// lack columns, or have them without any payload.
///
/// # Errors
/// [`Error::Column`] where a column is missing, is not as long as the others, has null where its field takes
/// none, or has a value that does not fit its field.
pub fn decode(
    fields: &[Field],
    schema: &SchemaRef,
    mut data: Vec<FieldData>,
    key_field: &str,
) -> Result<RecordBatch> {
    if data.iter().all(has_no_rows) {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(fields.len());
    for field in fields {
        let Some(position) = data.iter().position(|data| is_of(field, data)) else {
            return Err(Error::column(&field.name, "missing from the answer"));
        };
        let column = decode_column(field, data.swap_remove(position))?;
        if let (Some(first), Some(first_field)) = (columns.first(), fields.first())
            && first.len() != column.len()
        {
            return Err(Error::column(
                &field.name,
                format!(
                    "{} rows came, but {} of {}",
                    column.len(),
                    first.len(),
                    first_field.name
                ),
            ));
        }
        columns.push(column);
    }
    let batch = RecordBatch::try_new(schema.clone(), columns)
        .map_err(|error| Error::column(key_field, error.to_string()))?;
    match fields.iter().find(|field| field.name == key_field) {
        Some(key) => sorted(batch, key),
        None => Err(Error::column(
            key_field,
            "the primary key is not among the fields",
        )),
    }
}

/// The rows of all batches, which have the columns of `schema`, as one, sorted by the primary key as [`decode`] does.
///
/// # Errors
/// [`Error::Column`] where the key is not a column of `Int64` or `VarChar`.
pub fn in_key_order(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    key: &Field,
) -> Result<RecordBatch> {
    let batch = concat_batches(schema, batches)
        .map_err(|error| Error::column(&key.name, error.to_string()))?;
    sorted(batch, key)
}

fn is_of(field: &Field, data: &FieldData) -> bool {
    data.field_name == field.name || (field.name == DYNAMIC_FIELD && data.is_dynamic)
}

pub(super) fn decode_column(field: &Field, mut data: FieldData) -> Result<ArrayRef> {
    let valid = take_valid_data(&mut data)?;
    let payload = data.field.unwrap_or_else(|| empty(field));
    let column = match (kind(field), payload) {
        (Kind::Scalars, Payload::Scalars(data)) => scalar(field, data, valid)?,
        (Kind::Vectors, Payload::Vectors(data)) => vector(field, data, valid)?,
        (Kind::Structs, Payload::StructArrays(data)) => struct_array::decode(field, data, valid)?,
        (expected, other) => {
            let came = match other {
                Payload::Scalars(_) => Kind::Scalars,
                Payload::Vectors(_) => Kind::Vectors,
                Payload::StructArrays(_) => Kind::Structs,
            };
            return Err(Error::column(
                &field.name,
                format!("{came} came where {expected} were expected"),
            ));
        }
    };
    if column.null_count() > 0 && !field.nullable {
        return Err(Error::column(
            &field.name,
            "null came, but the field takes no nulls",
        ));
    }
    Ok(column)
}

/// The kinds of payload that a column may have.
#[derive(Clone, Copy)]
enum Kind {
    Scalars,
    Vectors,
    Structs,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Scalars => "scalars",
            Kind::Vectors => "vectors",
            Kind::Structs => "structs",
        })
    }
}

fn kind(field: &Field) -> Kind {
    match field.data_type {
        DataType::ArrayOfStruct => Kind::Structs,
        vectors if vectors.is_vector() => Kind::Vectors,
        _ => Kind::Scalars,
    }
}

/// What a column without a payload stands for.
fn empty(field: &Field) -> Payload {
    match kind(field) {
        Kind::Scalars => Payload::Scalars(ScalarField::default()),
        Kind::Vectors => Payload::Vectors(VectorField::default()),
        Kind::Structs => Payload::StructArrays(StructArrayField::default()),
    }
}

fn scalar(field: &Field, data: ScalarField, valid: Vec<bool>) -> Result<ArrayRef> {
    match field.data_type {
        DataType::Array => array::decode(field, data, valid),
        kind if text::is_text(kind) => text::decode(field, data, valid),
        _ => number::decode(field, data, valid),
    }
}

fn vector(field: &Field, data: VectorField, valid: Vec<bool>) -> Result<ArrayRef> {
    match field.data_type {
        DataType::SparseFloatVector => sparse::decode(field, data, valid),
        DataType::ArrayOfVector => vector_array::decode(field, data, valid),
        _ => dense::decode(field, data, valid),
    }
}

/// Whether a column says nothing of any row.
pub(super) fn has_no_rows(data: &FieldData) -> bool {
    use scalar_field::Data as Scalars;
    use vector_field::Data as Vectors;
    data.valid_data.is_empty()
        && match &data.field {
            None => true,
            Some(Payload::Scalars(scalars)) if !scalars.valid_data.is_empty() => false,
            Some(Payload::Scalars(scalars)) => match &scalars.data {
                None => true,
                Some(Scalars::BoolData(array)) => array.data.is_empty(),
                Some(Scalars::IntData(array)) => array.data.is_empty(),
                Some(Scalars::LongData(array) | Scalars::TimestamptzData(array)) => {
                    array.data.is_empty()
                }
                Some(Scalars::FloatData(array) | Scalars::DoubleData(array)) => {
                    array.data.iter().all(|chunk| chunk.is_empty())
                }
                Some(
                    Scalars::StringData(array)
                    | Scalars::BytesData(array)
                    | Scalars::JsonData(array)
                    | Scalars::GeometryData(array)
                    | Scalars::GeometryWktData(array)
                    | Scalars::MolData(array)
                    | Scalars::MolSmilesData(array),
                ) => array.data.is_empty(),
                Some(Scalars::ArrayData(array)) => array.data.is_empty(),
            },
            Some(Payload::Vectors(vectors)) if !vectors.valid_data.is_empty() => false,
            Some(Payload::Vectors(vectors)) => match &vectors.data {
                None => true,
                Some(Vectors::FloatVector(array)) => {
                    array.data.iter().all(|chunk| chunk.is_empty())
                }
                Some(
                    Vectors::BinaryVector(bytes)
                    | Vectors::Float16Vector(bytes)
                    | Vectors::Bfloat16Vector(bytes)
                    | Vectors::Int8Vector(bytes),
                ) => bytes.is_empty(),
                Some(Vectors::SparseFloatVector(array)) => array.contents.is_empty(),
                Some(Vectors::VectorArray(array)) => array.data.is_empty(),
            },
            Some(Payload::StructArrays(structs)) => structs.fields.iter().all(has_no_rows),
        }
}

/// The rows in order of their keys. Servers mostly answer in that order, which costs one look at each key.
fn sorted(batch: RecordBatch, field: &Field) -> Result<RecordBatch> {
    let keys = column(field, &batch)?;
    let order = match field.data_type {
        DataType::Int64 => {
            let keys = keys.as_primitive_opt::<Int64Type>();
            let keys = keys.ok_or_else(|| unsupported(field))?.values();
            order(keys.len(), |a, b| keys[a].cmp(&keys[b]))
        }
        DataType::VarChar => {
            let keys: &StringArray = keys.as_string_opt().ok_or_else(|| mistyped(field, keys))?;
            order(keys.len(), |a, b| keys.value(a).cmp(keys.value(b)))
        }
        _ => return Err(unsupported(field)),
    };
    match order {
        None => Ok(batch),
        Some(order) => take_record_batch(&batch, &order)
            .map_err(|error| Error::column(&field.name, error.to_string())),
    }
}

/// The order that sorts the rows, rows that compare equal staying as they are; none if they are sorted.
fn order(rows: usize, compare: impl Fn(usize, usize) -> Ordering) -> Option<UInt32Array> {
    if (1..rows).all(|row| compare(row - 1, row).is_le()) {
        return None;
    }
    let mut order: Vec<u32> = (0..rows as u32).collect();
    order.sort_by(|&a, &b| compare(a as usize, b as usize));
    Some(order.into())
}
