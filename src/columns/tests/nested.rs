//! Arrays of vectors and struct arrays as servers give them, odd ones among them.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::rows::{DIM, KEY, Value, array, array_of_vectors, field, nullable, structs};
use super::wire::{Nulls, wire, within};
use crate::columns::{arrow_schema, decode, encode, row_bytes};
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::scalar_field::Data as Scalars;
use crate::milvus::wire::schema::vector_field::Data as Vectors;
use crate::milvus::wire::schema::{FieldData, VectorField};
use crate::model::{DataType, Field};

fn key_data(rows: i64) -> FieldData {
    let keys: Vec<Value> = (0..rows).map(Value::Int).collect();
    wire(&field(KEY, DataType::Int64), &keys, Nulls::Filled)
}

/// An answer of two rows in which `field` has these data.
fn answer(field: &Field, data: FieldData) -> crate::Result<RecordBatch> {
    let fields = [super::rows::field(KEY, DataType::Int64), field.clone()];
    decode(
        &fields,
        &arrow_schema(&fields)?,
        vec![data, key_data(2)],
        KEY,
    )
}

fn refusal(field: &Field, data: FieldData) -> String {
    answer(field, data).unwrap_err().to_string()
}

/// `chunks` with the fields `page` (Int64) and `vector` (Int8Vector).
fn chunks(nullable: bool) -> Field {
    let parts = vec![
        array("page", DataType::Int64),
        array_of_vectors("vector", DataType::Int8Vector),
    ];
    Field {
        nullable,
        ..structs("chunks", parts)
    }
}

fn chunk(page: i64) -> Vec<Value> {
    vec![Value::Int(page), Value::Bytes(vec![page as u8; DIM])]
}

fn parts(data: &mut FieldData) -> &mut Vec<FieldData> {
    match &mut data.field {
        Some(Payload::StructArrays(structs)) => &mut structs.fields,
        other => panic!("{other:?}"),
    }
}

fn rows_of(data: &mut FieldData) -> &mut Vec<VectorField> {
    match &mut data.field {
        Some(Payload::Vectors(VectorField {
            data: Some(Vectors::VectorArray(array)),
            ..
        })) => &mut array.data,
        other => panic!("{other:?}"),
    }
}

#[test]
fn structs_are_put_together_whatever_their_fields_are_called_and_in_which_order_they_come() {
    let field = chunks(false);
    let rows = [
        Value::Structs(vec![chunk(1), chunk(2)]),
        Value::Structs(Vec::new()),
    ];
    let short = wire(&field, &rows, Nulls::Filled);
    let mut long = short.clone();
    for part in parts(&mut long) {
        part.field_name = format!("chunks[{}]", part.field_name);
    }
    parts(&mut long).reverse();
    let read = answer(&field, long).unwrap();
    assert_eq!(answer(&field, short).unwrap(), read);
    let lists = read["chunks"].as_list::<i32>();
    assert_eq!((lists.value_length(0), lists.value_length(1)), (2, 0));
    let first = lists.value(0);
    let pages = first.as_struct().column_by_name("page").unwrap();
    assert_eq!(pages.as_primitive::<Int64Type>().values(), &[1, 2]);
}

#[test]
fn fields_of_structs_must_have_the_same_elements_in_the_same_rows() {
    let field = chunks(true);
    let rows = [Value::Structs(vec![chunk(1), chunk(2)]), Value::Null];
    let good = wire(&field, &rows, Nulls::Filled);
    assert!(answer(&field, good.clone()).is_ok());
    let spoilt = |spoil: fn(&mut Vec<FieldData>)| {
        let mut data = good.clone();
        spoil(parts(&mut data));
        refusal(&field, data)
    };
    assert_eq!(
        spoilt(|parts| drop(parts.remove(1))),
        "field chunks[vector]: missing from the answer"
    );
    assert_eq!(
        spoilt(|parts| rows_of(&mut parts[1])[0] = VectorField::default()),
        "field chunks[vector]: row 0 has 0 elements, but 2 in chunks[page]"
    );
    assert_eq!(
        spoilt(|parts| parts[1].valid_data = vec![true, true]),
        "field chunks[vector]: row 1 is null in chunks[page], but not in chunks[vector]"
    );
    assert_eq!(
        spoilt(|parts| {
            parts[1].valid_data = vec![true];
            rows_of(&mut parts[1]).truncate(1);
        }),
        "field chunks[vector]: 1 rows came, but 2 of chunks[page]"
    );
}

#[test]
fn a_struct_array_may_say_itself_which_rows_are_null() {
    let field = chunks(true);
    let rows = [Value::Structs(vec![chunk(1)]), Value::Null];
    let mut data = wire(&field, &rows, Nulls::LeftOut);
    let read = answer(&field, data.clone()).unwrap();
    for part in parts(&mut data) {
        part.valid_data.clear();
    }
    data.valid_data = vec![true, false];
    assert_eq!(answer(&field, data.clone()).unwrap(), read);
    for part in parts(&mut data) {
        part.valid_data = vec![true, false];
    }
    data.valid_data = vec![false, true];
    assert!(refusal(&field, data).contains("null in other rows"));
}

#[test]
fn null_struct_arrays_of_a_field_without_nulls_are_refused() {
    let rows = [Value::Structs(vec![chunk(1)]), Value::Null];
    let data = wire(&chunks(true), &rows, Nulls::Filled);
    assert!(refusal(&chunks(false), data).contains("takes no nulls"));
}

#[test]
fn valid_data_is_taken_from_either_place_but_not_from_two_that_differ() {
    let vector = nullable("x", DataType::Int8Vector);
    let rows = [Value::Null, Value::Bytes(vec![7; DIM])];
    let beside = wire(&vector, &rows, Nulls::LeftOut);
    let inside = within(beside.clone());
    assert_ne!(beside, inside);
    let read = answer(&vector, beside).unwrap();
    assert_eq!(answer(&vector, inside.clone()).unwrap(), read);
    let both = |valid: [bool; 2]| FieldData {
        valid_data: valid.to_vec(),
        ..inside.clone()
    };
    assert_eq!(answer(&vector, both([false, true])).unwrap(), read);
    assert!(refusal(&vector, both([true, false])).contains("valid_data came twice"));
}

#[test]
fn null_elements_are_refused() {
    let numbers = array("x", DataType::Int64);
    let rows = [1, 2].map(|n| Value::Array(vec![Value::Int(n), Value::Int(n)]));
    let mut data = wire(&numbers, &rows, Nulls::Filled);
    let Some(Payload::Scalars(scalars)) = &mut data.field else {
        panic!("no scalars")
    };
    let Some(Scalars::ArrayData(arrays)) = &mut scalars.data else {
        panic!("no arrays")
    };
    arrays.data[1].valid_data = vec![true, true];
    let all_valid = data.clone();
    assert!(answer(&numbers, all_valid).is_ok());
    let Some(Payload::Scalars(scalars)) = &mut data.field else {
        panic!("no scalars")
    };
    let Some(Scalars::ArrayData(arrays)) = &mut scalars.data else {
        panic!("no arrays")
    };
    arrays.data[1].valid_data = vec![true, false, true];
    assert!(refusal(&numbers, data).contains("element of an array is null"));

    let vectors = array_of_vectors("x", DataType::FloatVector);
    let mut data = wire(
        &vectors,
        &[1, 2].map(|_| Value::Array(Vec::new())),
        Nulls::Filled,
    );
    rows_of(&mut data)[0].valid_data = vec![false];
    assert!(refusal(&vectors, data).contains("element of an array is null"));
}

#[test]
fn vectors_of_another_shape_are_refused_in_arrays_too() {
    let vectors = array_of_vectors("x", DataType::Float16Vector);
    let two = Value::Bytes(vec![1; 2 * DIM]);
    let rows = [
        Value::Array(vec![two.clone(), two]),
        Value::Array(Vec::new()),
    ];
    let good = wire(&vectors, &rows, Nulls::Filled);
    let says = |spoil: fn(&mut FieldData), part: &str| {
        let mut data = good.clone();
        spoil(&mut data);
        let text = refusal(&vectors, data);
        assert!(text.contains(part), "{text}");
    };
    says(
        |data| rows_of(data)[0].dim = 5,
        "vectors of 5 dimensions came",
    );
    says(
        |data| rows_of(data)[0].data = Some(Vectors::Float16Vector(vec![0; 17].into())),
        "no whole vectors",
    );
    says(
        |data| rows_of(data)[1].data = Some(Vectors::Int8Vector(vec![0; DIM].into())),
        "vectors of another type",
    );
    says(|data| drop(rows_of(data).pop()), "1 rows came, but 2 of id");
    says(
        |data| data.field = Some(Payload::StructArrays(Default::default())),
        "structs came where vectors were expected",
    );
    let plain = field("x", DataType::Float16Vector);
    assert!(refusal(&plain, good.clone()).contains("vectors of another type"));
    assert!(
        refusal(
            &chunks(false),
            FieldData {
                field_name: "chunks".into(),
                ..good
            }
        )
        .contains("vectors came where structs")
    );
}

#[test]
fn what_has_no_column_is_refused_by_name() {
    let mut holed = array("holed", DataType::Int64);
    holed.element_nullable = true;
    let of = |part: Field| structs("chunks", vec![array("page", DataType::Int64), part]);
    for (field, says) in [
        (
            holed.clone(),
            "field holed: Array of Int64 with null elements is not",
        ),
        (
            array_of_vectors("v", DataType::SparseFloatVector),
            "field v: ArrayOfVector of SparseFloatVector is not",
        ),
        (
            field("born", DataType::Unknown(28)),
            "field born: type 28 (Date) is not",
        ),
        (
            structs("chunks", Vec::new()),
            "field chunks: ArrayOfStruct without fields is not",
        ),
        (
            of(holed),
            "ArrayOfStruct with Array of Int64 with null elements in holed is not",
        ),
        (
            of(field("x", DataType::Int64)),
            "ArrayOfStruct with Int64 in x is not",
        ),
        (
            of(array("page", DataType::Bool)),
            "field chunks: ArrayOfStruct is not",
        ),
    ] {
        let refused = arrow_schema(&[field]).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn struct_arrays_are_sent_by_short_names_and_without_null_rows() {
    let field = chunks(true);
    let rows = [
        Value::Null,
        Value::Structs(vec![chunk(3)]),
        Value::Structs(Vec::new()),
    ];
    let batch = super::arrow::batch(std::slice::from_ref(&field), &[rows.to_vec()]);
    let mut sent = encode(&[field], &batch).unwrap().remove(0);
    assert_eq!((sent.r#type, sent.valid_data.len()), (200, 0));
    let parts = parts(&mut sent);
    let named: Vec<_> = parts
        .iter()
        .map(|part| {
            (
                part.field_name.as_str(),
                part.r#type,
                part.valid_data.clone(),
            )
        })
        .collect();
    let valid = vec![false, true, true];
    assert_eq!(named, [("page", 22, valid.clone()), ("vector", 106, valid)]);
    let vectors = rows_of(&mut parts[1]);
    assert_eq!(vectors.len(), 2);
    assert_eq!(
        (vectors[0].dim, vectors[1].data.clone()),
        (DIM as i64, Some(Vectors::Int8Vector(Vec::new().into()))),
        "Milvus refuses an array without a payload"
    );
}

#[test]
fn nested_rows_are_as_large_as_their_values() {
    let vectors = array_of_vectors("halves", DataType::Float16Vector);
    let fields = [chunks(true), field("bytes", DataType::Int8Vector), vectors];
    let half = Value::Bytes(vec![0; 2 * DIM]);
    let rows = super::arrow::batch(
        &fields,
        &[
            vec![Value::Structs(vec![chunk(1), chunk(2)]), Value::Null],
            vec![Value::Bytes(vec![0; DIM]), Value::Bytes(vec![0; DIM])],
            vec![
                Value::Array(vec![half.clone(), half]),
                Value::Array(Vec::new()),
            ],
        ],
    );
    let page = size_of::<i64>();
    let first = 2 * (page + DIM) + DIM + 2 * 2 * DIM;
    assert_eq!(row_bytes(&rows), [first as u32, DIM as u32]);
}

#[test]
fn geometries_and_instants_come_in_either_form() {
    let point = |text: &str| Value::Text(text.to_owned());
    let place = nullable("x", DataType::Geometry);
    let texts = wire(&place, &[point("POINT (1 2)"), Value::Null], Nulls::LeftOut);
    let scalars = |data| FieldData {
        field: Some(Payload::Scalars(super::wire::scalar_field(data))),
        ..texts.clone()
    };
    let mut wkb = vec![1, 1, 0, 0, 0];
    wkb.extend([1.0f64, 2.0].map(f64::to_le_bytes).concat());
    let bytes = |rows: [Vec<u8>; 2]| {
        let data = rows.map(Into::into).to_vec();
        scalars(Scalars::GeometryData(
            crate::milvus::wire::schema::BytesArray { data },
        ))
    };
    let read = answer(&place, texts.clone()).unwrap();
    assert_eq!(
        answer(&place, bytes([wkb.clone(), Vec::new()])).unwrap(),
        read
    );
    assert!(refusal(&place, bytes([wkb[..9].to_vec(), Vec::new()])).contains("no WKB"));

    let made = nullable("x", DataType::Timestamptz);
    let data = vec![1_709_204_400_500_000, 0];
    let numbers = Scalars::TimestamptzData(crate::milvus::wire::schema::LongArray { data });
    let read = answer(&made, scalars(numbers)).unwrap();
    assert_eq!(
        read["x"].as_string::<i32>().value(0),
        "2024-02-29T11:00:00.5Z"
    );
    let data = vec![i64::MAX, 0];
    let numbers = Scalars::TimestamptzData(crate::milvus::wire::schema::LongArray { data });
    assert!(refusal(&made, scalars(numbers)).contains("no instant"));

    let mol = nullable("x", DataType::Mol);
    let data = vec![vec![1].into(), vec![2].into()];
    let binary = Scalars::MolData(crate::milvus::wire::schema::BytesArray { data });
    assert!(refusal(&mol, scalars(binary)).contains("molecules in binary came"));
}
