//! Rows as Arrow, made without the code under test.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Float32Builder, ListBuilder, PrimitiveBuilder,
    StringBuilder, UInt32Builder,
};
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::DataType as ArrowType;

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
