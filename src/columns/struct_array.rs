//! ArrayOfStruct: a list of structs a row.
//!
//! Milvus keeps and sends each field of the structs as an array of its own, with an element for each struct.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray, StructArray, cast::AsArray};

use super::decode::decode_column;
use super::encode::encode_column;
use super::schema::{element, members, mistyped, typed, unsupported};
use crate::milvus::wire::schema::{FieldData, StructArrayField};
use crate::model::Field;
use crate::{Error, Result};

/// The column of an answer's struct arrays. The fields are found by their short names, or as `struct[field]`.
pub(super) fn decode(
    field: &Field,
    mut data: StructArrayField,
    valid: Vec<bool>,
) -> Result<ArrayRef> {
    let members = members(field).ok_or_else(|| unsupported(field))?;
    let mut lists: Vec<ListArray> = Vec::with_capacity(members.len());
    for part in &field.fields {
        let full = outside(field, part);
        let is_it = |data: &FieldData| data.field_name == part.name || data.field_name == full.name;
        let Some(position) = data.fields.iter().position(is_it) else {
            return Err(Error::column(&full.name, "missing from the answer"));
        };
        let mut column = data.fields.swap_remove(position);
        if column.valid_data.is_empty() {
            column.valid_data.clone_from(&valid);
        }
        let column = decode_column(&full, column)?;
        let list = typed::<ListArray>(&full, &column)?;
        if let (Some(first), Some(first_part)) = (lists.first(), field.fields.first()) {
            alike((&outside(field, first_part), first), (&full, list))?;
        }
        lists.push(list.clone());
    }
    let Some(first) = lists.first() else {
        return Err(unsupported(field));
    };
    let of_parts = (0..first.len()).map(|row| first.is_valid(row));
    if !valid.is_empty() && !of_parts.eq(valid.iter().copied()) {
        return Err(Error::column(
            &field.name,
            "its fields are null in other rows than it is itself",
        ));
    }
    let (offsets, nulls) = (first.offsets().clone(), first.nulls().cloned());
    let values = lists.iter().map(|list| list.values().clone()).collect();
    let list = StructArray::try_new(members, values, None).and_then(|structs| {
        let item = element(structs.data_type().clone());
        ListArray::try_new(item, offsets, Arc::new(structs), nulls)
    });
    match list {
        Ok(list) => Ok(Arc::new(list)),
        Err(error) => Err(Error::column(&field.name, error.to_string())),
    }
}

/// The struct arrays of a column as they are sent: a column for each field, under its short name, with the rows
/// that are not null and its own `valid_data`.
pub(super) fn encode(field: &Field, column: &dyn Array) -> Result<StructArrayField> {
    let column = typed::<ListArray>(field, column)?;
    let structs = structs(field, column)?;
    let fields = field.fields.iter().map(|part| {
        let full = outside(field, part);
        let values = member(field, structs, part)?;
        let list = ListArray::try_new(
            element(values.data_type().clone()),
            column.offsets().clone(),
            values.clone(),
            column.nulls().cloned(),
        );
        let list = list.map_err(|error| Error::column(&full.name, error.to_string()))?;
        Ok(FieldData {
            field_name: part.name.clone(),
            ..encode_column(&full, &list)?
        })
    });
    Ok(StructArrayField {
        fields: fields.collect::<Result<_>>()?,
    })
}

/// The structs in the arrays of a column; none is null.
pub(super) fn structs<'a>(field: &Field, column: &'a ListArray) -> Result<&'a StructArray> {
    let structs = column.values().as_struct_opt();
    let structs = structs.ok_or_else(|| mistyped(field, column))?;
    match structs.null_count() {
        0 => Ok(structs),
        _ => Err(Error::column(&field.name, "an element is null")),
    }
}

/// What the structs have of one of their fields.
pub(super) fn member<'a>(
    field: &Field,
    structs: &'a StructArray,
    part: &Field,
) -> Result<&'a ArrayRef> {
    let member = structs.column_by_name(&part.name);
    member.ok_or_else(|| mistyped(field, structs))
}

/// A field of a struct array as a column of its own: its rows are null where those of the struct array are.
pub(super) fn outside(field: &Field, part: &Field) -> Field {
    Field {
        name: field.part_name(part),
        nullable: field.nullable,
        ..part.clone()
    }
}

/// Refuses fields of a struct array that do not have the same elements.
fn alike((a, of_a): (&Field, &ListArray), (b, of_b): (&Field, &ListArray)) -> Result<()> {
    let refuse = |what: String| Err(Error::column(&b.name, what));
    if of_a.len() != of_b.len() {
        return refuse(format!(
            "{} rows came, but {} of {}",
            of_b.len(),
            of_a.len(),
            a.name
        ));
    }
    for row in 0..of_a.len() {
        if of_a.is_null(row) != of_b.is_null(row) {
            let (null, other) = if of_a.is_null(row) { (a, b) } else { (b, a) };
            return refuse(format!(
                "row {row} is null in {}, but not in {}",
                null.name, other.name
            ));
        }
        let (in_a, in_b) = (of_a.value_length(row), of_b.value_length(row));
        if in_a != in_b {
            return refuse(format!(
                "row {row} has {in_b} elements, but {in_a} in {}",
                a.name
            ));
        }
    }
    Ok(())
}
