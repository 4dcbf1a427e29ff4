//! What type a field has as a column.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType as ArrowType, Field as ArrowField, FieldRef, Schema, SchemaRef};

use crate::model::{DataType, Field};
use crate::{Error, Result};

/// The name of the items of every list, as Parquet's own specification has it.
const ELEMENT: &str = "element";

/// The columns of `fields` as the archive's Parquet has them, in the order given.
///
/// | field | column |
/// |---|---|
/// | Bool, Int8 … Int64, Float, Double | Boolean, Int8 … Int64, Float32, Float64 |
/// | VarChar, JSON, `$meta`, Geometry (WKT), Timestamptz (ISO 8601, UTC) | Utf8 |
/// | Array | List of the element's type |
/// | FloatVector | List of Float32 |
/// | BinaryVector, Float16Vector, BFloat16Vector | Binary: the raw bytes, little-endian |
/// | SparseFloatVector | Struct of `indices`: List of UInt32 and `values`: List of Float32 |
///
/// A column is nullable where its field is; items of lists never are. Milvus's bulk import, pandas, DuckDB
/// and Spark read all of these as they are.
///
/// # Errors
/// [`Error::Incompatible`], naming every field whose type has no column.
pub fn arrow_schema(fields: &[Field]) -> Result<SchemaRef> {
    let mut columns = Vec::with_capacity(fields.len());
    let mut problems = Vec::new();
    for field in fields {
        match arrow_type(field) {
            Some(kind) => columns.push(ArrowField::new(&field.name, kind, field.nullable)),
            None => problems.push(format!(
                "field {}: {} is not a type that this version of milvault carries; leave it out with \
                 --exclude-fields {}",
                field.name,
                type_name(field),
                field.name
            )),
        }
    }
    if problems.is_empty() {
        Ok(Arc::new(Schema::new(columns)))
    } else {
        Err(Error::Incompatible { problems })
    }
}

/// The type of the field's column, or none where it cannot be carried.
fn arrow_type(field: &Field) -> Option<ArrowType> {
    Some(match field.data_type {
        DataType::Array => ArrowType::List(element(element_type(field.element_type?)?)),
        DataType::FloatVector => ArrowType::List(element(ArrowType::Float32)),
        DataType::BinaryVector | DataType::Float16Vector | DataType::BFloat16Vector => {
            ArrowType::Binary
        }
        DataType::SparseFloatVector => ArrowType::Struct(super::sparse::parts()),
        DataType::Json | DataType::Geometry | DataType::Timestamptz => ArrowType::Utf8,
        scalar => element_type(scalar)?,
    })
}

/// The type of an array's elements, which are scalars.
fn element_type(kind: DataType) -> Option<ArrowType> {
    Some(match kind {
        DataType::Bool => ArrowType::Boolean,
        DataType::Int8 => ArrowType::Int8,
        DataType::Int16 => ArrowType::Int16,
        DataType::Int32 => ArrowType::Int32,
        DataType::Int64 => ArrowType::Int64,
        DataType::Float => ArrowType::Float32,
        DataType::Double => ArrowType::Float64,
        DataType::VarChar => ArrowType::Utf8,
        _ => return None,
    })
}

/// The type as an error names it.
pub(super) fn type_name(field: &Field) -> String {
    match (field.data_type, field.element_type) {
        (DataType::Array, Some(element)) => format!("Array of {element}"),
        (DataType::Array, None) => "Array of an unknown type".to_owned(),
        (kind, _) => kind.to_string(),
    }
}

/// The items of a list.
pub(super) fn element(kind: ArrowType) -> FieldRef {
    Arc::new(ArrowField::new(ELEMENT, kind, false))
}

/// The column of a field.
pub(super) fn column<'a>(field: &Field, batch: &'a RecordBatch) -> Result<&'a dyn Array> {
    match batch.column_by_name(&field.name) {
        Some(column) => Ok(column.as_ref()),
        None => Err(Error::column(&field.name, "the rows have no such column")),
    }
}

/// The column as the array that its field's type calls for.
pub(super) fn typed<'a, A: Array + 'static>(field: &Field, column: &'a dyn Array) -> Result<&'a A> {
    column
        .as_any()
        .downcast_ref()
        .ok_or_else(|| mistyped(field, column))
}

/// The error of a column that does not have its field's type.
pub(super) fn mistyped(field: &Field, column: &dyn Array) -> Error {
    Error::column(
        &field.name,
        format!(
            "a column of {} does not hold {}",
            column.data_type(),
            type_name(field)
        ),
    )
}

/// The error of a field whose type cannot be carried.
pub(super) fn unsupported(field: &Field) -> Error {
    Error::column(
        &field.name,
        format!("{} cannot be carried", type_name(field)),
    )
}
