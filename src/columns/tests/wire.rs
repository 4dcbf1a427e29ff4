//! Rows as an answer has them, made without the code under test.

use bytes::Bytes;

use super::rows::{DIM, Value};
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::scalar_field::Data as Scalars;
use crate::milvus::wire::schema::vector_field::Data as Vectors;
use crate::milvus::wire::schema::{
    ArrayArray, BoolArray, BytesArray, FieldData, FloatArray, IntArray, LongArray, ScalarField,
    SparseFloatArray, StructArrayField, VectorArray, VectorField,
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
        DataType::Int8Vector => vectors(Vectors::Int8Vector(joined(&sent))),
        DataType::Array => {
            let element = field.element_type.unwrap();
            let rows = sent.iter().map(|value| match value {
                Value::Array(items) => scalar_field(scalars(element, items)),
                other => panic!("{other:?}"),
            });
            let rows = ArrayArray {
                data: rows.collect(),
                element_type: element.code(),
            };
            Payload::Scalars(scalar_field(Scalars::ArrayData(rows)))
        }
        DataType::ArrayOfVector => {
            let element = super::rows::field("", field.element_type.unwrap());
            let rows = sent.iter().map(|value| match value {
                Value::Array(items) => match wire(&element, items, Nulls::Filled).field {
                    Some(Payload::Vectors(vectors)) => vectors,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            });
            vectors(Vectors::VectorArray(VectorArray {
                dim: 0,
                data: rows.collect(),
                element_type: element.data_type.code(),
            }))
        }
        DataType::ArrayOfStruct => {
            let parts = field.fields.iter().enumerate().map(|(at, part)| {
                let of_row = |value: &Value| match value {
                    Value::Structs(structs) => {
                        Value::Array(structs.iter().map(|values| values[at].clone()).collect())
                    }
                    other => other.clone(),
                };
                let part = Field {
                    nullable: field.nullable,
                    ..part.clone()
                };
                wire(&part, &values.iter().map(of_row).collect::<Vec<_>>(), nulls)
            });
            Payload::StructArrays(StructArrayField {
                fields: parts.collect(),
            })
        }
        kind => Payload::Scalars(scalar_field(scalars(kind, &sent))),
    };
    FieldData {
        r#type: field.data_type.code(),
        field_name: field.name.clone(),
        field: Some(payload),
        field_id: 100,
        is_dynamic: false,
        valid_data: if field.nullable && field.fields.is_empty() {
            values.iter().map(|value| *value != Value::Null).collect()
        } else {
            Vec::new()
        },
    }
}

/// The same column with `valid_data` in its payload, as milvus-proto's head has it.
pub fn within(mut data: FieldData) -> FieldData {
    let valid_data = std::mem::take(&mut data.valid_data);
    match &mut data.field {
        Some(Payload::Scalars(scalars)) => scalars.valid_data = valid_data,
        Some(Payload::Vectors(vectors)) => vectors.valid_data = valid_data,
        Some(Payload::StructArrays(structs)) => {
            structs.fields = std::mem::take(&mut structs.fields)
                .into_iter()
                .map(within)
                .collect();
        }
        None => {}
    }
    data
}

pub fn vectors(data: Vectors) -> Payload {
    Payload::Vectors(VectorField {
        dim: 0,
        data: Some(data),
        valid_data: Vec::new(),
    })
}

pub fn scalar_field(data: Scalars) -> ScalarField {
    ScalarField {
        data: Some(data),
        valid_data: Vec::new(),
    }
}

fn filler(field: &Field) -> Value {
    match field.data_type {
        DataType::Bool => Value::Bool(true),
        DataType::Float => Value::Single(0.0),
        DataType::Double => Value::Double(0.0),
        DataType::Array | DataType::ArrayOfVector => Value::Array(Vec::new()),
        DataType::ArrayOfStruct => Value::Structs(Vec::new()),
        DataType::Int8Vector => Value::Bytes(vec![0; DIM]),
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
        DataType::VarChar | DataType::Text | DataType::Timestamptz => Scalars::StringData(texts()),
        DataType::Mol => Scalars::MolSmilesData(texts()),
        DataType::Json => Scalars::JsonData(texts()),
        DataType::Geometry => Scalars::GeometryWktData(texts()),
        _ => Scalars::IntData(IntArray {
            data: integers().map(|value| value as i32).collect(),
        }),
    }
}
