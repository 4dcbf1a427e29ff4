//! Answers as servers give them, odd ones among them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use bytes::{Bytes, BytesMut};

use super::rows::{DIM, KEY, Value, array, every_field, field, nullable};
use super::wire::{Nulls, wire};
use crate::Error;
use crate::columns::{KeyColumn, arrow_schema, decode, keys};
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::scalar_field::Data as Scalars;
use crate::milvus::wire::schema::vector_field::Data as Vectors;
use crate::milvus::wire::schema::{FieldData, FloatArray, IntArray, ScalarField, VectorField};
use crate::model::{DataType, Field, Key};

fn key_field() -> Field {
    field(KEY, DataType::Int64)
}

fn key_data(keys: &[i64]) -> FieldData {
    let keys: Vec<Value> = keys.iter().copied().map(Value::Int).collect();
    wire(&key_field(), &keys, Nulls::Filled)
}

fn answer(fields: &[Field], data: Vec<FieldData>) -> crate::Result<RecordBatch> {
    decode(fields, &arrow_schema(fields)?, data, KEY)
}

/// The error of an answer of two rows in which `field` has these data.
fn refusal(field: Field, data: FieldData) -> String {
    let error = answer(&[key_field(), field.clone()], vec![key_data(&[1, 2]), data]).unwrap_err();
    assert!(
        matches!(&error, Error::Column { field: name, .. } if *name == field.name),
        "{error}"
    );
    error.to_string()
}

fn floats(chunks: Vec<Bytes>, dim: i64) -> FieldData {
    let data = Some(Vectors::FloatVector(FloatArray { data: chunks }));
    FieldData {
        field_name: "v".to_owned(),
        field: Some(Payload::Vectors(VectorField {
            dim,
            data,
            valid_data: Vec::new(),
        })),
        ..FieldData::default()
    }
}

/// Two vectors' bytes at an address that is, or is not, a multiple of 4.
fn two_vectors(aligned: bool) -> Bytes {
    let size = 2 * DIM * size_of::<f32>();
    let memory = BytesMut::zeroed(size + 8).freeze();
    let start = memory.as_ptr().align_offset(4) + usize::from(!aligned);
    let numbers: Vec<u8> = (0..2 * DIM)
        .flat_map(|n| (n as f32).to_le_bytes())
        .collect();
    let mut memory = BytesMut::from(memory);
    memory[start..start + size].copy_from_slice(&numbers);
    let vectors = memory.freeze().slice(start..start + size);
    assert_eq!(vectors.as_ptr().align_offset(4) == 0, aligned);
    vectors
}

#[test]
fn aligned_vectors_are_not_copied() {
    let fields = [key_field(), field("v", DataType::FloatVector)];
    let vectors = two_vectors(true);
    let data = vec![key_data(&[1, 2]), floats(vec![vectors.clone()], DIM as i64)];
    let rows = answer(&fields, data).unwrap();
    let values = rows["v"].as_list::<i32>().values();
    assert_eq!(
        values
            .as_primitive::<Float32Type>()
            .values()
            .inner()
            .as_ptr(),
        vectors.as_ptr()
    );
}

#[test]
fn unaligned_and_chunked_vectors_are_the_same_rows() {
    let fields = [key_field(), field("v", DataType::FloatVector)];
    let chunked =
        |chunks| answer(&fields, vec![key_data(&[1, 2]), floats(chunks, DIM as i64)]).unwrap();
    let whole = two_vectors(true);
    let rows = chunked(vec![whole.clone()]);
    assert_eq!(
        rows["v"]
            .as_list::<i32>()
            .value(1)
            .as_primitive::<Float32Type>()
            .value(0),
        8.0
    );
    assert_eq!(chunked(vec![two_vectors(false)]), rows);
    assert_eq!(
        chunked(vec![whole.slice(..20), Bytes::new(), whole.slice(20..)]),
        rows
    );
}

#[test]
fn rows_out_of_order_come_back_sorted_with_their_values() {
    let text = field("t", DataType::VarChar);
    let texts = ["three", "minus", "three again"].map(|text| Value::Text(text.to_owned()));
    let data = vec![wire(&text, &texts, Nulls::Filled), key_data(&[3, -1, 3])];
    let rows = answer(&[key_field(), text], data).unwrap();
    assert_eq!(rows[KEY].as_primitive::<Int64Type>().values(), &[-1, 3, 3]);
    let texts: Vec<_> = rows["t"].as_string::<i32>().iter().flatten().collect();
    assert_eq!(texts, ["minus", "three", "three again"]);
}

#[test]
fn text_keys_sort_by_bytes_and_empty_ones_survive() {
    let key = field(KEY, DataType::VarChar);
    let texts = ["é", "z", "", "Z", "\u{10000}", "\u{ffff}"];
    let values = texts.map(|text| Value::Text(text.to_owned()));
    let data = wire(&key, &values, Nulls::Filled);
    let column = KeyColumn::from_wire(data.clone()).unwrap();
    let in_order: Vec<_> = (0..texts.len()).map(|at| column.key(at)).collect();
    assert_eq!(in_order, texts.map(|text| Some(Key::Text(text.to_owned()))));
    let rows = answer(&[key], vec![data]).unwrap();
    let sorted =
        ["", "Z", "z", "é", "\u{ffff}", "\u{10000}"].map(|text| Key::Text(text.to_owned()));
    assert_eq!(keys(&rows, KEY).unwrap(), sorted);
}

#[test]
fn an_answer_without_rows_is_an_empty_batch_however_it_is_put() {
    let fields = every_field();
    let unset = |field: &Field| FieldData {
        field_name: field.name.clone(),
        ..FieldData::default()
    };
    let hollow = |field: &Field| FieldData {
        field: Some(if field.data_type.is_vector() {
            Payload::Vectors(VectorField::default())
        } else {
            Payload::Scalars(ScalarField::default())
        }),
        ..unset(field)
    };
    let empty = |field: &Field| wire(field, &[], Nulls::Filled);
    for data in [
        Vec::new(),
        fields.iter().map(unset).collect(),
        fields.iter().map(hollow).collect(),
        fields.iter().map(empty).collect(),
    ] {
        let rows = answer(&fields, data).unwrap();
        assert_eq!(rows, RecordBatch::new_empty(arrow_schema(&fields).unwrap()));
    }
}

#[test]
fn vectors_that_are_all_null_may_come_without_data() {
    let vector = nullable("v", DataType::FloatVector);
    let data = FieldData {
        valid_data: vec![false, false],
        field: None,
        ..floats(Vec::new(), 0)
    };
    let rows = answer(&[key_field(), vector], vec![key_data(&[1, 2]), data]).unwrap();
    assert_eq!(rows["v"].null_count(), 2);
}

#[test]
fn the_dynamic_field_is_known_by_its_flag_and_reads_null_as_no_keys() {
    let as_nullable = Field {
        nullable: true,
        ..Field::dynamic()
    };
    let texts = [Value::Null, Value::Text("{\"a\":1}".to_owned())];
    let data = FieldData {
        field_name: String::new(),
        is_dynamic: true,
        ..wire(&as_nullable, &texts, Nulls::Filled)
    };
    let rows = answer(
        &[key_field(), Field::dynamic()],
        vec![data, key_data(&[1, 2])],
    )
    .unwrap();
    let texts: Vec<_> = rows["$meta"].as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("{}"), Some("{\"a\":1}")]);
}

#[test]
fn columns_of_other_fields_are_ignored() {
    let other = wire(
        &field("other", DataType::Bool),
        &[Value::Bool(true)],
        Nulls::Filled,
    );
    let rows = answer(&[key_field()], vec![other, key_data(&[1, 2])]).unwrap();
    assert_eq!((rows.num_rows(), rows.num_columns()), (2, 1));
}

#[test]
fn a_missing_column_is_named() {
    let error = answer(
        &[key_field(), field("t", DataType::Bool)],
        vec![key_data(&[1])],
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "field t: missing from the answer"
    );
}

#[test]
fn what_does_not_fit_its_field_is_refused() {
    let ints = |values: &[i64]| {
        let data = IntArray {
            data: values.iter().map(|&value| value as i32).collect(),
        };
        FieldData {
            field_name: "x".to_owned(),
            field: Some(Payload::Scalars(ScalarField {
                data: Some(Scalars::IntData(data)),
                valid_data: Vec::new(),
            })),
            ..FieldData::default()
        }
    };
    let x = |kind| field("x", kind);
    let says = |text: String, part: &str| assert!(text.contains(part), "{text}");
    says(
        refusal(x(DataType::Int8), ints(&[0, 128])),
        "128 does not fit 8 bits",
    );
    says(
        refusal(x(DataType::Int16), ints(&[-32769, 0])),
        "-32769 does not fit 16 bits",
    );
    says(
        refusal(x(DataType::Int64), ints(&[1, 2])),
        "32-bit integers came where Int64",
    );
    says(
        refusal(x(DataType::FloatVector), ints(&[1, 2])),
        "scalars came where vectors",
    );
    says(
        refusal(x(DataType::Int32), ints(&[1, 2, 3])),
        "3 rows came, but 2 of id",
    );
    let holed = |values: &[i64], valid: &[bool]| FieldData {
        valid_data: valid.to_vec(),
        ..ints(values)
    };
    says(
        refusal(x(DataType::Int32), holed(&[1, 2], &[true, false])),
        "takes no nulls",
    );
    let nullable = nullable("x", DataType::Int32);
    says(
        refusal(nullable, holed(&[1, 2, 3], &[true, false])),
        "3 values came for 2 rows",
    );

    let array = array("x", DataType::Int8);
    let rows = |values: &[i64]| {
        let rows = Value::Array(values.iter().copied().map(Value::Int).collect());
        let wide = Field {
            element_type: Some(DataType::Int32),
            ..array.clone()
        };
        wire(&wide, &[rows.clone(), rows], Nulls::Filled)
    };
    says(
        refusal(array.clone(), rows(&[0, 300])),
        "300 does not fit 8 bits",
    );
    let texts = Field {
        element_type: Some(DataType::VarChar),
        ..array.clone()
    };
    says(
        refusal(texts, rows(&[0])),
        "32-bit integers came where Array of VarChar",
    );
}

#[test]
fn vectors_of_another_shape_are_refused() {
    let v = field("v", DataType::FloatVector);
    let says = |text: String, part: &str| assert!(text.contains(part), "{text}");
    let bytes = two_vectors(true);
    says(
        refusal(v.clone(), floats(vec![bytes.clone()], 16)),
        "vectors of 16 dimensions came",
    );
    says(
        refusal(v.clone(), floats(vec![bytes.slice(..60)], 0)),
        "no whole vectors",
    );
    says(
        refusal(v.clone(), floats(vec![bytes.slice(..63)], 0)),
        "whole numbers",
    );
    says(
        refusal(v.clone(), floats(vec![bytes.slice(..32)], 0)),
        "1 rows came, but 2 of id",
    );
    let sparse = field("v", DataType::SparseFloatVector);
    let odd = [vec![0; 8], vec![0; 9]].map(|bytes| Value::Bytes(bytes.clone()));
    let odd = wire(&sparse, &odd, Nulls::Filled);
    says(refusal(sparse, odd.clone()), "9 bytes");
    says(refusal(v, odd), "vectors of another type");
}

#[test]
fn text_that_is_not_utf8_is_refused_even_if_its_neighbours_mend_it() {
    let text = field("x", DataType::VarChar);
    let halves = [Value::Bytes(vec![0xc3]), Value::Bytes(vec![0xa9])];
    let data = wire(&text, &halves, Nulls::Filled);
    assert!(refusal(text, data).contains("not a column of texts"));
}

#[test]
fn unknown_types_are_refused_by_name_and_all_at_once() {
    let fields = [
        field("a", DataType::Unknown(27)),
        array("b", DataType::Json),
        key_field(),
        field("c", DataType::Array),
    ];
    let Err(Error::Incompatible { problems }) = arrow_schema(&fields) else {
        panic!("not refused");
    };
    let named: Vec<_> = problems.iter().map(|problem| &problem[..8]).collect();
    assert_eq!(named, ["field a:", "field b:", "field c:"]);
    assert!(problems[0].contains("type 27"));
}

#[test]
fn keys_are_neither_null_nor_of_another_type() {
    let holed = FieldData {
        valid_data: vec![true, false],
        ..key_data(&[1, 2])
    };
    assert!(KeyColumn::from_wire(holed).is_err());
    let other = wire(
        &field(KEY, DataType::Bool),
        &[Value::Bool(true)],
        Nulls::Filled,
    );
    assert!(KeyColumn::from_wire(other).is_err());
    let text = wire(
        &field(KEY, DataType::VarChar),
        &[Value::Bytes(vec![0xff])],
        Nulls::Filled,
    );
    assert!(KeyColumn::from_wire(text).is_err());
    assert!(
        KeyColumn::from_wire(FieldData::default())
            .unwrap()
            .is_empty()
    );
    let column = KeyColumn::from_wire(key_data(&[i64::MAX, 7])).unwrap();
    assert_eq!(
        (column.len(), column.key(0), column.key(2)),
        (2, Some(Key::Int(i64::MAX)), None)
    );
}
