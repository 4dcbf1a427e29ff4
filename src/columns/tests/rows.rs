//! Random rows of every type, free of Arrow and of the wire.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{DataType, Field};

pub const DIM: usize = 8;
pub const KEY: &str = "id";

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Single(f32),
    Double(f64),
    Text(String),
    Array(Vec<Value>),
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
    Sparse(Vec<(u32, f32)>),
    /// One value of each field a struct.
    Structs(Vec<Vec<Value>>),
}

pub fn field(name: &str, data_type: DataType) -> Field {
    let params = BTreeMap::from([("dim".to_owned(), DIM.to_string())]);
    Field {
        name: name.to_owned(),
        data_type,
        params,
        ..Field::dynamic()
    }
}

pub fn nullable(name: &str, data_type: DataType) -> Field {
    Field {
        nullable: true,
        ..field(name, data_type)
    }
}

pub fn array(name: &str, element: DataType) -> Field {
    Field {
        element_type: Some(element),
        ..field(name, DataType::Array)
    }
}

pub fn array_of_vectors(name: &str, element: DataType) -> Field {
    Field {
        element_type: Some(element),
        ..field(name, DataType::ArrayOfVector)
    }
}

pub fn structs(name: &str, fields: Vec<Field>) -> Field {
    Field {
        fields,
        ..field(name, DataType::ArrayOfStruct)
    }
}

/// A field of each kind that structs may have, named after its elements, in no order.
pub fn every_part() -> Vec<Field> {
    let arrays = ELEMENTS.map(|kind| array(&kind.to_string(), kind));
    let vectors = VECTORS.map(|kind| array_of_vectors(&kind.to_string(), kind));
    vectors.into_iter().chain(arrays).collect()
}

pub const VECTORS: [DataType; 5] = [
    DataType::FloatVector,
    DataType::BinaryVector,
    DataType::Float16Vector,
    DataType::BFloat16Vector,
    DataType::Int8Vector,
];

const ELEMENTS: [DataType; 8] = [
    DataType::Bool,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Float,
    DataType::Double,
    DataType::VarChar,
];

/// The key, then a plain and a nullable field of every type, then `$meta`.
pub fn every_field() -> Vec<Field> {
    let others = [
        DataType::Text,
        DataType::Mol,
        DataType::Json,
        DataType::Geometry,
        DataType::Timestamptz,
        DataType::SparseFloatVector,
    ];
    let simple = ELEMENTS.iter().chain(&others).chain(&VECTORS);
    let plain = simple.map(|kind| field(&format!("{kind}"), *kind));
    let arrays = ELEMENTS.map(|kind| array(&format!("Array of {kind}"), kind));
    let vectors = VECTORS.map(|kind| array_of_vectors(&format!("Array of {kind}"), kind));
    let nested = [structs("structs", every_part())];
    let mut fields = vec![field(KEY, DataType::Int64)];
    for field in plain.chain(arrays).chain(vectors).chain(nested) {
        fields.push(Field {
            name: format!("nullable {}", field.name),
            nullable: true,
            ..field.clone()
        });
        fields.push(field);
    }
    fields.push(Field::dynamic());
    fields
}

fn single() -> impl Strategy<Value = f32> {
    let extremes = [
        -0.0,
        0.0,
        f32::MIN,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::NAN,
        f32::from_bits(1),
    ];
    prop_oneof![select(extremes.to_vec()), any::<f32>()]
}

/// Texts that stay different whatever is done to them as JSON.
const JSONS: [&str; 8] = [
    "{}",
    "[]",
    "\"\"",
    "{\"b\": 1, \"a\": 1}",
    "{\"b\": 1.0, \"a\": 1}",
    "9007199254740993",
    "no JSON",
    "{\"clé\": \"值\\n\"}",
];
const INSTANTS: [&str; 4] = [
    "2024-02-29T23:59:59.999999Z",
    "1969-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "yesterday",
];

pub fn value(field: &Field) -> BoxedStrategy<Value> {
    let texts = |choices: &'static [&'static str]| {
        select(choices).prop_map(|text| Value::Text(text.to_owned()))
    };
    let present = match field.data_type {
        DataType::Array | DataType::ArrayOfVector => {
            vec(element(field), 0..4).prop_map(Value::Array).boxed()
        }
        DataType::ArrayOfStruct => {
            let members: Vec<_> = field.fields.iter().map(element).collect();
            vec(members, 0..4).prop_map(Value::Structs).boxed()
        }
        DataType::Mol => texts(&["CCO", "c1ccccc1", ""]).boxed(),
        DataType::Text => scalar(DataType::VarChar),
        DataType::Json => texts(&JSONS).boxed(),
        DataType::Timestamptz => texts(&INSTANTS).boxed(),
        DataType::Geometry => texts(&["POINT (1 2)", "POINT EMPTY", ""]).boxed(),
        DataType::FloatVector => vec(single(), DIM).prop_map(Value::Floats).boxed(),
        DataType::BinaryVector => vec(any::<u8>(), DIM / 8).prop_map(Value::Bytes).boxed(),
        DataType::Int8Vector => vec(any::<u8>(), DIM).prop_map(Value::Bytes).boxed(),
        DataType::Float16Vector | DataType::BFloat16Vector => {
            vec(any::<u8>(), DIM * 2).prop_map(Value::Bytes).boxed()
        }
        DataType::SparseFloatVector => {
            proptest::collection::btree_map(any::<u32>(), single(), 0..4)
                .prop_map(|pairs| Value::Sparse(pairs.into_iter().collect()))
                .boxed()
        }
        kind => scalar(kind),
    };
    if field.nullable {
        prop_oneof![1 => Just(Value::Null), 2 => present].boxed()
    } else {
        present
    }
}

/// An element of the field's arrays.
fn element(array: &Field) -> BoxedStrategy<Value> {
    value(&field("", array.element_type.unwrap()))
}

fn scalar(kind: DataType) -> BoxedStrategy<Value> {
    fn integer(min: i64, max: i64) -> BoxedStrategy<Value> {
        prop_oneof![Just(min), Just(max), Just(0), min..=max]
            .prop_map(Value::Int)
            .boxed()
    }
    match kind {
        DataType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        DataType::Int8 => integer(i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => integer(i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => integer(i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => {
            prop_oneof![Just(Value::Int((1 << 53) + 1)), integer(i64::MIN, i64::MAX)].boxed()
        }
        DataType::Float => single().prop_map(Value::Single).boxed(),
        DataType::Double => {
            let extremes = [
                -0.0,
                f64::MAX,
                f64::MIN,
                f64::from_bits(1),
                9_007_199_254_740_993.0,
            ];
            prop_oneof![select(extremes.to_vec()), any::<f64>()]
                .prop_map(Value::Double)
                .boxed()
        }
        DataType::VarChar => prop_oneof![Just(String::new()), any::<String>()]
            .prop_map(Value::Text)
            .boxed(),
        other => panic!("{other} is no scalar"),
    }
}

/// Columns of `fields`, all of one length, sorted by the first field, whose values differ.
pub fn columns(fields: Vec<Field>) -> impl Strategy<Value = Vec<Vec<Value>>> {
    let keys = proptest::collection::btree_set(
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()],
        0..9,
    );
    keys.prop_flat_map(move |keys| {
        let rows = keys.len();
        let keys: Vec<Value> = keys.into_iter().map(Value::Int).collect();
        let mut columns = vec![Just(keys).boxed()];
        columns.extend(
            fields[1..]
                .iter()
                .map(|field| vec(value(field), rows).boxed()),
        );
        columns
    })
}
