//! Inserts as servers take them, and the size of rows.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Int64Array, ListArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType as ArrowType;

use super::arrow::batch;
use super::rows::{DIM, KEY, Value, array, field, nullable};
use crate::columns::schema::element;
use crate::columns::{arrow_schema, encode, row_bytes};
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::scalar_field::Data as Scalars;
use crate::milvus::wire::schema::vector_field::Data as Vectors;
use crate::milvus::wire::schema::{FieldData, LongArray, ScalarField};
use crate::model::{DataType, DefaultValue, Field};

fn two_rows(field: &Field, values: [Value; 2]) -> RecordBatch {
    batch(std::slice::from_ref(field), &[values.to_vec()])
}

fn floats_sent(data: &FieldData) -> &[bytes::Bytes] {
    match &data.field {
        Some(Payload::Vectors(vectors)) => match &vectors.data {
            Some(Vectors::FloatVector(floats)) => &floats.data,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn vectors_and_texts_are_sent_from_where_they_lie() {
    let fields = [
        field("v", DataType::FloatVector),
        field("t", DataType::VarChar),
    ];
    let vectors = [1.0, 2.0, 3.0].map(|n| Value::Floats(vec![n; DIM]));
    let texts = ["one", "", "three"].map(|text| Value::Text(text.to_owned()));
    let rows = batch(&fields, &[vectors.to_vec(), texts.to_vec()]).slice(1, 2);
    let sent = encode(&fields, &rows).unwrap();
    let [chunk] = floats_sent(&sent[0]) else {
        panic!("not one chunk")
    };
    let memory = rows["v"]
        .as_list::<i32>()
        .values()
        .as_primitive::<Float32Type>()
        .values()
        .inner();
    assert_eq!(chunk.as_ptr(), memory[DIM * 4..].as_ptr());
    assert_eq!(chunk.len(), 2 * DIM * 4);
    let Some(Payload::Scalars(ScalarField {
        data: Some(Scalars::StringData(texts)),
        ..
    })) = &sent[1].field
    else {
        panic!("no strings")
    };
    assert_eq!(texts.data, ["", "three"]);
    assert_eq!(
        texts.data[1].as_ptr(),
        rows["t"].as_string::<i32>().value_data()[3..].as_ptr()
    );
}

#[test]
fn vectors_under_null_are_not_sent() {
    let vector = nullable("v", DataType::FloatVector);
    let mut vectors =
        ListBuilder::new(Float32Builder::new()).with_field(element(ArrowType::Float32));
    for n in [1.0, 2.0, 3.0] {
        vectors.values().append_slice(&[n; DIM]);
        vectors.append(true);
    }
    let (item, offsets, values, _) = vectors.finish().into_parts();
    let nulls = NullBuffer::from(vec![true, false, true]);
    let vectors: ArrayRef = Arc::new(ListArray::new(item, offsets, values, Some(nulls)));
    let fields = [vector];
    let rows = RecordBatch::try_new(arrow_schema(&fields).unwrap(), vec![vectors]).unwrap();
    let sent = encode(&fields, &rows).unwrap();
    assert_eq!(sent[0].valid_data, [true, false, true]);
    let expected: Vec<u8> = [1.0f32, 3.0]
        .iter()
        .flat_map(|n| [n.to_le_bytes(); DIM])
        .flatten()
        .collect();
    assert_eq!(floats_sent(&sent[0]), [expected]);
    assert_eq!(row_bytes(&rows), [32, 0, 32]);
}

#[test]
fn a_field_with_a_default_always_says_which_values_it_has() {
    let with_default = Field {
        default: Some(DefaultValue::Long(7)),
        ..field("n", DataType::Int64)
    };
    let rows = two_rows(&with_default, [Value::Int(1), Value::Int(2)]);
    let sent = encode(&[with_default], &rows).unwrap();
    assert_eq!(sent[0].valid_data, [true, true]);
    let plain = field("n", DataType::Int64);
    let sent = encode(&[plain], &rows).unwrap();
    let longs = Scalars::LongData(LongArray { data: vec![1, 2] });
    let expected = FieldData {
        r#type: 5,
        field_name: "n".to_owned(),
        field: Some(Payload::Scalars(ScalarField {
            data: Some(longs),
            valid_data: Vec::new(),
        })),
        ..FieldData::default()
    };
    assert_eq!(sent, [expected]);
}

#[test]
fn the_dynamic_field_is_sent_as_such() {
    let rows = two_rows(
        &Field::dynamic(),
        ["{}", "{\"a\":1}"].map(|t| Value::Text(t.to_owned())),
    );
    let sent = encode(&[Field::dynamic()], &rows).unwrap();
    assert_eq!(
        (
            sent[0].field_name.as_str(),
            sent[0].is_dynamic,
            sent[0].r#type
        ),
        ("$meta", true, 23)
    );
}

#[test]
fn dims_are_sent() {
    for (field, value, dim) in [
        (field("v", DataType::BinaryVector), Value::Bytes(vec![7]), 8),
        (
            field("v", DataType::BFloat16Vector),
            Value::Bytes(vec![7; 16]),
            8,
        ),
        (
            field("v", DataType::SparseFloatVector),
            Value::Sparse(vec![(2, 1.0), (41, 1.0)]),
            42,
        ),
    ] {
        let sent = encode(
            std::slice::from_ref(&field),
            &two_rows(&field, [value.clone(), value]),
        )
        .unwrap();
        let Some(Payload::Vectors(vectors)) = &sent[0].field else {
            panic!("no vectors")
        };
        assert_eq!(vectors.dim, dim);
    }
}

#[test]
fn rows_that_do_not_fit_the_target_are_refused() {
    let holed = nullable("x", DataType::Int64);
    let rows = two_rows(&holed, [Value::Int(1), Value::Null]);
    let says = |fields: &[Field], rows: &RecordBatch, part: &str| {
        let text = encode(fields, rows).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    says(&[field("x", DataType::Int64)], &rows, "row 1 is null");
    says(
        &[nullable("x", DataType::VarChar)],
        &rows,
        "a column of Int64 does not hold VarChar",
    );
    says(&[field("y", DataType::Int64)], &rows, "no such column");
    let vector = field("v", DataType::FloatVector);
    let rows = two_rows(
        &vector,
        [DIM, DIM + 1].map(|dim| Value::Floats(vec![0.0; dim])),
    );
    says(
        &[vector],
        &rows,
        "row 1 has a vector of 36 bytes, but 8 dimensions take 32",
    );
}

#[test]
fn rows_are_as_large_as_their_values() {
    let fields = [
        field(KEY, DataType::Int64),
        nullable("b", DataType::Bool),
        field("t", DataType::VarChar),
        array("a", DataType::VarChar),
        nullable("s", DataType::SparseFloatVector),
    ];
    let text = |text: &str| Value::Text(text.to_owned());
    let rows = batch(
        &fields,
        &[
            vec![Value::Int(1), Value::Int(2)],
            vec![Value::Bool(true), Value::Null],
            vec![text("é"), text("")],
            vec![
                Value::Array(vec![text("abc"), text(""), text("d")]),
                Value::Array(Vec::new()),
            ],
            vec![Value::Null, Value::Sparse(vec![(1, 1.0), (2, 2.0)])],
        ],
    );
    assert_eq!(row_bytes(&rows), [8 + 1 + 2 + 4, 8 + 16]);
    assert_eq!(row_bytes(&rows.slice(1, 1)), [24]);
    let keys = RecordBatch::try_from_iter([(KEY, Arc::new(Int64Array::from(vec![1])) as ArrayRef)]);
    assert_eq!(row_bytes(&keys.unwrap()), [8]);
}
