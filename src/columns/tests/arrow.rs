//! Rows as Arrow, made without the code under test.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Float32Builder, ListBuilder, PrimitiveBuilder,
    StringBuilder, UInt32Builder,
};
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type,
};
use arrow_array::{ArrayRef, ListArray, RecordBatch, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType as ArrowType, Field as ArrowField};

use super::rows::{Value, array};
use crate::columns::arrow_schema;
use crate::columns::schema::element;
use crate::columns::sparse::parts;
use crate::model::{DataType, Field};

pub fn batch(fields: &[Field], columns: &[Vec<Value>]) -> RecordBatch {
    let arrays = fields
        .iter()
        .zip(columns)
        .map(|(field, values)| column(field, values))
        .collect();
    RecordBatch::try_new(arrow_schema(fields).unwrap(), arrays).unwrap()
}

pub fn column(field: &Field, values: &[Value]) -> ArrayRef {
    match field.data_type {
        DataType::Array => match field.element_type.unwrap() {
            DataType::Bool => lists(values, BooleanBuilder::new(), ArrowType::Boolean, |b, v| {
                let Value::Bool(v) = v else { panic!("{v:?}") };
                b.append_value(*v);
            }),
            DataType::Int8 => int_lists::<Int8Type>(values),
            DataType::Int16 => int_lists::<Int16Type>(values),
            DataType::Int32 => int_lists::<Int32Type>(values),
            DataType::Int64 => int_lists::<Int64Type>(values),
            DataType::Float => lists(values, Float32Builder::new(), ArrowType::Float32, |b, v| {
                let Value::Single(v) = v else { panic!("{v:?}") };
                b.append_value(*v);
            }),
            DataType::Double => {
                let builder = PrimitiveBuilder::<Float64Type>::new();
                lists(values, builder, ArrowType::Float64, |b, v| {
                    let Value::Double(v) = v else { panic!("{v:?}") };
                    b.append_value(*v);
                })
            }
            _ => lists(values, StringBuilder::new(), ArrowType::Utf8, |b, v| {
                let Value::Text(v) = v else { panic!("{v:?}") };
                b.append_value(v);
            }),
        },
        DataType::Bool => {
            let mut builder = BooleanBuilder::new();
            values.iter().for_each(|value| match value {
                Value::Bool(value) => builder.append_value(*value),
                _ => builder.append_null(),
            });
            Arc::new(builder.finish())
        }
        DataType::Int8 => integers::<Int8Type>(values),
        DataType::Int16 => integers::<Int16Type>(values),
        DataType::Int32 => integers::<Int32Type>(values),
        DataType::Int64 => integers::<Int64Type>(values),
        DataType::Float => numbers::<Float32Type>(values, |value| match value {
            Value::Single(value) => Some(*value),
            _ => None,
        }),
        DataType::Double => numbers::<Float64Type>(values, |value| match value {
            Value::Double(value) => Some(*value),
            _ => None,
        }),
        DataType::FloatVector => {
            let lists_of: Vec<Value> = values
                .iter()
                .map(|value| match value {
                    Value::Floats(floats) => {
                        Value::Array(floats.iter().copied().map(Value::Single).collect())
                    }
                    _ => Value::Null,
                })
                .collect();
            column(&array("", DataType::Float), &lists_of)
        }
        DataType::Int8Vector => {
            let signed = |byte: &u8| Value::Int(i64::from(byte.cast_signed()));
            column(&array("", DataType::Int8), &numbers_of(values, signed))
        }
        DataType::ArrayOfVector => {
            let rows = values.iter().map(|value| match value {
                Value::Array(vectors) => Some(vectors.as_slice()),
                _ => None,
            });
            let rows: Vec<_> = rows.collect();
            let vectors: Vec<Value> = rows.iter().flatten().copied().flatten().cloned().collect();
            let lengths = rows.iter().map(|row| row.map(<[Value]>::len));
            listed(lengths, element_column(field, &vectors))
        }
        DataType::ArrayOfStruct => {
            let rows = values.iter().map(|value| match value {
                Value::Structs(structs) => Some(structs.as_slice()),
                _ => None,
            });
            let rows: Vec<_> = rows.collect();
            let members = field.fields.iter().enumerate().map(|(at, part)| {
                let structs = rows.iter().flatten().copied().flatten();
                let values: Vec<Value> = structs.map(|values| values[at].clone()).collect();
                let values = element_column(part, &values);
                let member = ArrowField::new(&part.name, values.data_type().clone(), false);
                (Arc::new(member), values)
            });
            let structs = StructArray::from(members.collect::<Vec<_>>());
            let lengths = rows.iter().map(|row| row.map(<[Vec<Value>]>::len));
            listed(lengths, Arc::new(structs))
        }
        DataType::SparseFloatVector => sparse(values),
        DataType::BinaryVector | DataType::Float16Vector | DataType::BFloat16Vector => {
            let mut builder = BinaryBuilder::new();
            values.iter().for_each(|value| match value {
                Value::Bytes(value) => builder.append_value(value),
                _ => builder.append_null(),
            });
            Arc::new(builder.finish())
        }
        _ => {
            let mut builder = StringBuilder::new();
            values.iter().for_each(|value| match value {
                Value::Text(value) => builder.append_value(value),
                _ => builder.append_null(),
            });
            Arc::new(builder.finish())
        }
    }
}

/// The elements of a field's arrays, one after the other.
fn element_column(array: &Field, values: &[Value]) -> ArrayRef {
    let kind = array.element_type.unwrap();
    match kind {
        DataType::BinaryVector | DataType::Float16Vector | DataType::BFloat16Vector => {
            let bytes = numbers_of(values, |byte| Value::Int((*byte).into()));
            int_lists::<UInt8Type>(&bytes)
        }
        _ => column(&super::rows::field("", kind), values),
    }
}

/// Bytes as arrays of numbers.
fn numbers_of(values: &[Value], number: impl Fn(&u8) -> Value) -> Vec<Value> {
    let array = |value: &Value| match value {
        Value::Bytes(bytes) => Value::Array(bytes.iter().map(&number).collect()),
        _ => Value::Null,
    };
    values.iter().map(array).collect()
}

/// Lists of these lengths, or null.
fn listed(lengths: impl Iterator<Item = Option<usize>> + Clone, values: ArrayRef) -> ArrayRef {
    let valid: Vec<bool> = lengths.clone().map(|length| length.is_some()).collect();
    let offsets = OffsetBuffer::from_lengths(lengths.map(Option::unwrap_or_default));
    let item = element(values.data_type().clone());
    Arc::new(ListArray::new(item, offsets, values, Some(valid.into())))
}

fn numbers<T: ArrowPrimitiveType>(
    values: &[Value],
    number: impl Fn(&Value) -> Option<T::Native>,
) -> ArrayRef {
    let mut builder = PrimitiveBuilder::<T>::new();
    values
        .iter()
        .for_each(|value| builder.append_option(number(value)));
    Arc::new(builder.finish())
}

fn integers<T: ArrowPrimitiveType<Native: TryFrom<i64>>>(values: &[Value]) -> ArrayRef {
    numbers::<T>(values, |value| match value {
        Value::Int(value) => T::Native::try_from(*value).ok(),
        _ => None,
    })
}

fn int_lists<T: ArrowPrimitiveType<Native: TryFrom<i64>>>(values: &[Value]) -> ArrayRef {
    lists(
        values,
        PrimitiveBuilder::<T>::new(),
        T::DATA_TYPE,
        |b, v| {
            let Value::Int(v) = v else { panic!("{v:?}") };
            b.append_option(T::Native::try_from(*v).ok());
        },
    )
}

fn lists<B: ArrayBuilder>(
    values: &[Value],
    elements: B,
    kind: ArrowType,
    append: impl Fn(&mut B, &Value),
) -> ArrayRef {
    let mut builder = ListBuilder::new(elements).with_field(element(kind));
    for value in values {
        if let Value::Array(items) = value {
            items.iter().for_each(|item| append(builder.values(), item));
        }
        builder.append(matches!(value, Value::Array(_)));
    }
    Arc::new(builder.finish())
}

fn sparse(values: &[Value]) -> ArrayRef {
    let mut indices = ListBuilder::new(UInt32Builder::new()).with_field(element(ArrowType::UInt32));
    let mut weights =
        ListBuilder::new(Float32Builder::new()).with_field(element(ArrowType::Float32));
    for value in values {
        if let Value::Sparse(pairs) = value {
            for (index, weight) in pairs {
                indices.values().append_value(*index);
                weights.values().append_value(*weight);
            }
        }
        indices.append(true);
        weights.append(true);
    }
    let valid: Vec<bool> = values.iter().map(|value| *value != Value::Null).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(indices.finish()), Arc::new(weights.finish())];
    Arc::new(StructArray::try_new(parts(), columns, Some(valid.into())).unwrap())
}
