//! What type a field has as a column.

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{
    DataType as ArrowType, Field as ArrowField, FieldRef, Fields, Schema, SchemaRef,
};

use crate::model::{DataType, Field};
use crate::{Error, Result};

/// The name of the items of every list, as Parquet's own specification has it.
const ELEMENT: &str = "element";

/// The columns of `fields` as the archive's Parquet has them, in the order given.
///
/// | field | column |
/// |---|---|
/// | Bool, Int8 … Int64, Float, Double | Boolean, Int8 … Int64, Float32, Float64 |
/// | VarChar, Text, JSON, `$meta`, Geometry (WKT), Timestamptz (ISO 8601, UTC), Mol (SMILES) | Utf8 |
/// | Array | List of the element's type |
/// | FloatVector, Int8Vector | List of Float32, of Int8 |
/// | BinaryVector, Float16Vector, BFloat16Vector | Binary: the raw bytes, little-endian |
/// | SparseFloatVector | Struct of `indices`: List of UInt32 and `values`: List of Float32 |
/// | ArrayOfVector | List of List of Float32, of Int8, or of UInt8: the raw bytes of the other dense vectors |
/// | ArrayOfStruct | List of Struct, whose members are the elements of its fields, under their short names |
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
            None => problems.extend(refusal(field)),
        }
    }
    if problems.is_empty() {
        Ok(Arc::new(Schema::new(columns)))
    } else {
        Err(Error::Incompatible { problems })
    }
}

/// Why a field cannot be carried, and the way out; none where it can.
pub fn refusal(field: &Field) -> Option<String> {
    arrow_type(field).is_none().then(|| {
        let name = &field.name;
        format!(
            "field {name}: {} is not a type that this version of milvault carries; leave it out with \
             --exclude-fields {name}",
            type_name(field)
        )
    })
}

/// The type of the field's column, or none where it cannot be carried.
fn arrow_type(field: &Field) -> Option<ArrowType> {
    Some(match field.data_type {
        _ if field.element_nullable => return None,
        DataType::Array => ArrowType::List(element(element_type(field.element_type?)?)),
        DataType::ArrayOfVector => {
            let numbers = element(vector_numbers(field.element_type?)?);
            ArrowType::List(element(ArrowType::List(numbers)))
        }
        DataType::ArrayOfStruct => ArrowType::List(element(ArrowType::Struct(members(field)?))),
        DataType::FloatVector => ArrowType::List(element(ArrowType::Float32)),
        DataType::Int8Vector => ArrowType::List(element(ArrowType::Int8)),
        DataType::BinaryVector | DataType::Float16Vector | DataType::BFloat16Vector => {
            ArrowType::Binary
        }
        DataType::SparseFloatVector => ArrowType::Struct(super::sparse::parts()),
        DataType::Text
        | DataType::Json
        | DataType::Geometry
        | DataType::Timestamptz
        | DataType::Mol => ArrowType::Utf8,
        scalar => element_type(scalar)?,
    })
}

/// What a vector in an array is a list of: Milvus's bulk import wants bytes one by one there.
fn vector_numbers(kind: DataType) -> Option<ArrowType> {
    Some(match kind {
        DataType::FloatVector => ArrowType::Float32,
        DataType::Int8Vector => ArrowType::Int8,
        DataType::BinaryVector | DataType::Float16Vector | DataType::BFloat16Vector => {
            ArrowType::UInt8
        }
        _ => return None,
    })
}

/// The members of a struct array's elements, in the order of its fields.
pub(super) fn members(field: &Field) -> Option<Fields> {
    let mut members: Vec<ArrowField> = Vec::with_capacity(field.fields.len());
    for part in &field.fields {
        let twice = members.iter().any(|member| *member.name() == part.name);
        match (part.data_type, arrow_type(part)?) {
            (DataType::Array | DataType::ArrayOfVector, ArrowType::List(item)) if !twice => {
                members.push(ArrowField::new(&part.name, item.data_type().clone(), false));
            }
            _ => return None,
        }
    }
    (!members.is_empty()).then(|| members.into())
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
pub fn type_name(field: &Field) -> String {
    let mut name = field.data_type.to_string();
    match (field.data_type, field.element_type) {
        (DataType::Array | DataType::ArrayOfVector, Some(element)) => {
            name = format!("{name} of {element}");
        }
        (DataType::Array | DataType::ArrayOfVector, None) => name.push_str(" of an unknown type"),
        (DataType::ArrayOfStruct, _) => {
            let not_carried = |part: &&Field| {
                let array = matches!(part.data_type, DataType::Array | DataType::ArrayOfVector);
                !array || arrow_type(part).is_none()
            };
            if field.fields.is_empty() {
                name.push_str(" without fields");
            } else if let Some(part) = field.fields.iter().find(not_carried) {
                name = format!("{name} with {} in {}", type_name(part), part.name);
            }
        }
        _ => {}
    }
    if field.element_nullable {
        name.push_str(" with null elements");
    }
    name
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
