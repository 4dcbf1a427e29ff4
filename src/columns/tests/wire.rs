//! Rows as an answer has them, made without the code under test.

use bytes::Bytes;

use super::rows::{DIM, Value};
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::scalar_field::Data as Scalars;
use crate::milvus::wire::schema::vector_field::Data as Vectors;
use crate::milvus::wire::schema::{
    ArrayArray, BoolArray, BytesArray, FieldData, FloatArray, IntArray, LongArray, ScalarField,
    SparseFloatArray, VectorField,
};
use crate::model::{DataType, Field};

/// How an answer has its nulls: with a filler each, or not at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nulls {
    Filled,
    LeftOut,
}

pub fn wire(field: &Field, values: &[Value], nulls: Nulls) -> FieldData {
    let sent: Vec<Value> = values
        .iter()
        .filter(|value| nulls == Nulls::Filled || **value != Value::Null)
        .cloned()
        .map(|value| {
            if value == Value::Null {
                filler(field)
            } else {
                value
            }
        })
        .collect();
    let payload = match field.data_type {
        DataType::SparseFloatVector => vectors(Vectors::SparseFloatVector(SparseFloatArray {
            contents: sent.iter().map(|value| Bytes::from(raw(value))).collect(),
            dim: 0,
        })),
        DataType::FloatVector => vectors(Vectors::FloatVector(floats(&sent))),
        DataType::BinaryVector => vectors(Vectors::BinaryVector(joined(&sent))),
        DataType::Float16Vector => vectors(Vectors::Float16Vector(joined(&sent))),
        DataType::BFloat16Vector => vectors(Vectors::Bfloat16Vector(joined(&sent))),
        DataType::Array => {
            let element = field.element_type.unwrap();
            let rows = sent.iter().map(|value| match value {
                Value::Array(items) => ScalarField {
                    data: Some(scalars(element, items)),
                },
                other => panic!("{other:?}"),
            });
            let rows = ArrayArray {
                data: rows.collect(),
                element_type: element.code(),
            };
            Payload::Scalars(ScalarField {
                data: Some(Scalars::ArrayData(rows)),
            })
        }
        kind => Payload::Scalars(ScalarField {
            data: Some(scalars(kind, &sent)),
        }),
    };
    FieldData {
        r#type: field.data_type.code(),
        field_name: field.name.clone(),
        field: Some(payload),
        field_id: 100,
        is_dynamic: false,
        valid_data: if field.nullable {
            values.iter().map(|value| *value != Value::Null).collect()
        } else {
            Vec::new()
        },
    }
}

fn vectors(data: Vectors) -> Payload {
    Payload::Vectors(VectorField {
        dim: 0,
        data: Some(data),
    })
}

fn filler(field: &Field) -> Value {
    match field.data_type {
        DataType::Bool => Value::Bool(true),
        DataType::Float => Value::Single(0.0),
        DataType::Double => Value::Double(0.0),
        DataType::Array => Value::Array(Vec::new()),
        DataType::FloatVector => Value::Floats(vec![0.0; DIM]),
        DataType::BinaryVector => Value::Bytes(vec![0; DIM / 8]),
        DataType::Float16Vector | DataType::BFloat16Vector => Value::Bytes(vec![0; DIM * 2]),
        DataType::SparseFloatVector => Value::Sparse(vec![(1, 1.0)]),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Value::Int(7),
        _ => Value::Text("filler".to_owned()),
    }
}

fn raw(value: &Value) -> Vec<u8> {
    match value {
        Value::Single(value) => value.to_le_bytes().to_vec(),
        Value::Double(value) => value.to_le_bytes().to_vec(),
        Value::Text(value) => value.clone().into_bytes(),
        Value::Bytes(value) => value.clone(),
        Value::Floats(values) => values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        Value::Sparse(pairs) => pairs
            .iter()
            .flat_map(|(index, value)| [index.to_le_bytes(), value.to_le_bytes()].concat())
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn joined(values: &[Value]) -> Bytes {
    values.iter().flat_map(raw).collect()
}

fn floats(values: &[Value]) -> FloatArray {
    FloatArray {
        data: vec![joined(values)],
    }
}

fn scalars(kind: DataType, values: &[Value]) -> Scalars {
    let integers = || {
        values.iter().map(|value| match value {
            Value::Int(value) => *value,
            other => panic!("{other:?}"),
        })
    };
    let texts = || BytesArray {
        data: values.iter().map(|value| Bytes::from(raw(value))).collect(),
    };
    match kind {
        DataType::Bool => Scalars::BoolData(BoolArray {
            data: values
                .iter()
                .map(|value| *value == Value::Bool(true))
                .collect(),
        }),
        DataType::Int64 => Scalars::LongData(LongArray {
            data: integers().collect(),
        }),
        DataType::Float => Scalars::FloatData(floats(values)),
        DataType::Double => Scalars::DoubleData(floats(values)),
        DataType::VarChar | DataType::Timestamptz => Scalars::StringData(texts()),
        DataType::Json => Scalars::JsonData(texts()),
        DataType::Geometry => Scalars::GeometryWktData(texts()),
        _ => Scalars::IntData(IntArray {
            data: integers().map(|value| value as i32).collect(),
        }),
    }
}
