//! Whatever an answer holds, it becomes rows or an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message;

use super::rows::{KEY, Value as Wanted, columns, every_field};
use super::wire::{Nulls, wire, within};
use crate::columns::digest::digest;
use crate::columns::{KeyColumn, arrow_schema, decode, encode, row_bytes};
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::scalar_field::Data as Scalars;
use crate::milvus::wire::schema::vector_field::Data as Vectors;
use crate::milvus::wire::schema::{
    ArrayArray, BoolArray, BytesArray, FieldData, FloatArray, IntArray, LongArray, ScalarField,
    SparseFloatArray, StructArrayField, VectorArray, VectorField,
};
use crate::model::Field;

/// Panics only where the code under test does: rows that were read can be measured, digested and sent again.
fn survives(fields: &[Field], data: Vec<FieldData>) -> Result<(), TestCaseError> {
    let read = AssertUnwindSafe(|| -> crate::Result<RecordBatch> {
        for column in &data {
            let _ = KeyColumn::from_wire(column.clone());
        }
        let rows = decode(fields, &arrow_schema(fields)?, data.clone(), KEY)?;
        assert_eq!(row_bytes(&rows).len(), rows.num_rows());
        digest(fields, &rows, KEY)?;
        encode(fields, &rows)?;
        Ok(rows)
    });
    match catch_unwind(read) {
        Ok(_) => Ok(()),
        Err(_) => Err(TestCaseError::fail("a panic")),
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn texts() -> impl Strategy<Value = BytesArray> {
    let text = prop_oneof![bytes(), ".*".prop_map(Bytes::from)];
    vec(text, 0..4).prop_map(|data| BytesArray { data })
}

fn floats() -> impl Strategy<Value = FloatArray> {
    vec(bytes(), 0..3).prop_map(|data| FloatArray { data })
}

fn longs() -> impl Strategy<Value = LongArray> {
    vec(any::<i64>(), 0..4).prop_map(|data| LongArray { data })
}

fn valid_data() -> impl Strategy<Value = Vec<bool>> {
    prop_oneof![2 => Just(Vec::new()), 1 => vec(any::<bool>(), 0..5)]
}

fn scalars() -> impl Strategy<Value = ScalarField> {
    let flat = prop_oneof![
        vec(any::<bool>(), 0..4).prop_map(|data| Scalars::BoolData(BoolArray { data })),
        vec(any::<i32>(), 0..4).prop_map(|data| Scalars::IntData(IntArray { data })),
        longs().prop_map(Scalars::LongData),
        longs().prop_map(Scalars::TimestamptzData),
        floats().prop_map(Scalars::FloatData),
        floats().prop_map(Scalars::DoubleData),
        texts().prop_map(Scalars::StringData),
        texts().prop_map(Scalars::BytesData),
        texts().prop_map(Scalars::JsonData),
        texts().prop_map(Scalars::GeometryData),
        texts().prop_map(Scalars::GeometryWktData),
        texts().prop_map(Scalars::MolData),
        texts().prop_map(Scalars::MolSmilesData),
    ];
    let field = |data| {
        (proptest::option::weighted(0.9, data), valid_data())
            .prop_map(|(data, valid_data)| ScalarField { data, valid_data })
    };
    field(flat).prop_recursive(2, 16, 4, move |inner| {
        (vec(inner, 0..4), any::<i32>(), valid_data()).prop_map(
            |(data, element_type, valid_data)| ScalarField {
                data: Some(Scalars::ArrayData(ArrayArray { data, element_type })),
                valid_data,
            },
        )
    })
}

fn vectors() -> impl Strategy<Value = VectorField> {
    // Whole vectors of the dimensions that the fields have, or not.
    let bytes = || {
        (select(vec![1, 8, 16, 32, 7]), 0usize..4)
            .prop_map(|(width, n)| Bytes::from(vec![3; width * n]))
    };
    let dim = || select(vec![0i64, 8, -1, i64::MAX]);
    let flat = prop_oneof![
        vec(bytes(), 0..3).prop_map(|data| Vectors::FloatVector(FloatArray { data })),
        bytes().prop_map(Vectors::BinaryVector),
        bytes().prop_map(Vectors::Float16Vector),
        bytes().prop_map(Vectors::Bfloat16Vector),
        bytes().prop_map(Vectors::Int8Vector),
        (vec(bytes(), 0..4), dim()).prop_map(|(contents, dim)| {
            Vectors::SparseFloatVector(SparseFloatArray { contents, dim })
        }),
    ];
    let field = (dim(), proptest::option::weighted(0.9, flat), valid_data());
    let field = field.prop_map(|(dim, data, valid_data)| VectorField {
        dim,
        data,
        valid_data,
    });
    field.prop_recursive(2, 16, 4, move |inner| {
        (vec(inner, 0..4), dim(), any::<i32>(), valid_data()).prop_map(
            |(data, dim, element_type, valid_data)| VectorField {
                dim,
                data: Some(Vectors::VectorArray(VectorArray {
                    dim,
                    data,
                    element_type,
                })),
                valid_data,
            },
        )
    })
}

fn column() -> impl Strategy<Value = FieldData> {
    let names: Vec<String> = every_field()
        .iter()
        .flat_map(Field::and_parts)
        .map(|field| field.name.clone())
        .collect();
    let flat = prop_oneof![
        1 => Just(None),
        8 => scalars().prop_map(|data| Some(Payload::Scalars(data))),
        8 => vectors().prop_map(|data| Some(Payload::Vectors(data))),
    ];
    let column = (select(names), flat, valid_data(), any::<bool>());
    let column = column.prop_map(|(field_name, field, valid_data, is_dynamic)| FieldData {
        field_name,
        field,
        valid_data,
        is_dynamic,
        ..FieldData::default()
    });
    column.prop_recursive(1, 32, 16, |inner| {
        (vec(inner, 0..16), valid_data()).prop_map(|(fields, valid_data)| FieldData {
            field: Some(Payload::StructArrays(StructArrayField { fields })),
            valid_data,
            ..FieldData::default()
        })
    })
}

fn keys() -> impl Strategy<Value = FieldData> {
    let key = |rows| (0..rows).map(Wanted::Int).collect::<Vec<_>>();
    (0i64..5).prop_map(move |rows| wire(&every_field()[0], &key(rows), Nulls::Filled))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_payload_under_any_field_is_rows_or_an_error(
        data in column(),
        key in prop_oneof![column(), keys()],
        at in 0..every_field().len(),
        dim in select(vec!["8", "8", "8", "0", "-1", "", "18446744073709551615", "4611686018427387904"]),
    ) {
        let mut fields = vec![every_field().remove(at), every_field().remove(0)];
        for part in &mut fields[0].fields {
            part.params.insert("dim".to_owned(), dim.to_owned());
        }
        fields[0].params.insert("dim".to_owned(), dim.to_owned());
        fields[0].name = "x".to_owned();
        let data = FieldData { field_name: "x".to_owned(), ..data };
        let key = FieldData { field_name: KEY.to_owned(), ..key };
        survives(&fields, vec![data, key])?;
    }

    #[test]
    fn a_damaged_answer_is_rows_or_an_error(
        columns in columns(every_field()),
        damage in vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..4),
        deep in any::<bool>(),
    ) {
        let fields = every_field();
        let mut data: Vec<FieldData> = fields
            .iter()
            .zip(&columns)
            .map(|(field, values)| wire(field, values, Nulls::Filled))
            .map(|data| if deep { within(data) } else { data })
            .collect();
        for (column, at, byte) in damage {
            let column = column.index(data.len());
            let mut encoded = data[column].encode_to_vec();
            let at = at.index(encoded.len());
            encoded[at] = byte;
            if let Ok(damaged) = FieldData::decode(encoded.as_slice()) {
                data[column] = FieldData { field_name: fields[column].name.clone(), ..damaged };
            }
        }
        survives(&fields, data)?;
    }
}
