//! Values that 2.5 to 3.0 hold: NULL, defaults, embeddings, keys of their own.

use bytes::Bytes;
use milvault::milvus::wire::schema::scalar_field::Data as Scalar;
use milvault::milvus::wire::schema::value_field::Data as Value;
use milvault::milvus::wire::schema::{
    ArrayArray, BoolArray, BytesArray, CollectionSchema, FieldData, FieldSchema, IntArray,
    LongArray, ScalarField, ValueField,
};
use prost::Message;

use crate::made::{
    field, insert, key, longs, make, nullable, round_trip, scalars, text, texts, vector, vectors,
};
use crate::sim::Sim;

fn may_be_null(field: FieldSchema) -> FieldSchema {
    FieldSchema {
        nullable: true,
        ..field
    }
}

fn bytes(values: &[&str]) -> BytesArray {
    BytesArray {
        data: values
            .iter()
            .map(|text| Bytes::copy_from_slice(text.as_bytes()))
            .collect(),
    }
}

/// Rows 0 to 4, of which 1 and 3 are NULL.
const VALID: [bool; 5] = [true, false, true, false, true];

fn nullable_scalars() -> Vec<(FieldSchema, FieldData)> {
    let array = FieldSchema {
        element_type: 5,
        type_params: crate::made::pairs(&[("max_capacity", "10")]),
        ..field("array", 22)
    };
    let long_array = |data: Vec<i64>| ScalarField {
        data: Some(Scalar::LongData(LongArray { data })),
        ..ScalarField::default()
    };
    let arrays = ArrayArray {
        data: vec![
            long_array(vec![1, 2]),
            long_array(vec![]),
            long_array(vec![3]),
        ],
        element_type: 5,
    };
    vec![
        (
            field("bool", 1),
            scalars(
                "bool",
                1,
                Scalar::BoolData(BoolArray {
                    data: vec![true, false, true],
                }),
            ),
        ),
        (
            field("int8", 2),
            scalars(
                "int8",
                2,
                Scalar::IntData(IntArray {
                    data: vec![-128, 0, 127],
                }),
            ),
        ),
        (
            field("int64", 5),
            longs("int64", vec![i64::MIN, 0, i64::MAX]),
        ),
        (
            text("text"),
            texts("text", ["".into(), "ä\n\"".into(), "x".into()]),
        ),
        (
            field("json", 23),
            scalars(
                "json",
                23,
                Scalar::JsonData(bytes(&["{\"a\":  1}", "null", "{}"])),
            ),
        ),
        (array, scalars("array", 22, Scalar::ArrayData(arrays))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn null_scalars_come_back_as_null() {
    for version in [(2, 5, 10), (2, 6, 4), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        let mut fields = vec![key("id"), vector("vector", 101)];
        let mut columns = vec![longs("id", (0..5).collect()), vectors("vector", 0..5)];
        for (field, column) in nullable_scalars() {
            fields.push(may_be_null(field));
            columns.push(nullable(column, &VALID));
        }
        let schema = CollectionSchema {
            fields,
            ..CollectionSchema::default()
        };
        make(&mut source.world(), "docs", schema, &[]);
        insert(&mut source.world(), "docs", 5, columns);
        round_trip(&source, &target).await;
        let content = target.world().content("docs");
        let nulls: Vec<bool> = content
            .values()
            .map(|cells| cells["text"].is_none())
            .collect();
        assert_eq!(nulls, [false, true, false, true, false], "{version:?}");
    }
}

/// In an answer they take no place, unlike scalars; a column of none at all has no values.
#[tokio::test(flavor = "multi_thread")]
async fn null_vectors_come_back_as_null_from_3_0() {
    let (source, target) = (Sim::start((3, 0, 0)).await, Sim::start((3, 0, 0)).await);
    let schema = CollectionSchema {
        fields: vec![
            key("id"),
            vector("vector", 101),
            may_be_null(vector("some", 101)),
            may_be_null(vector("none", 101)),
        ],
        ..CollectionSchema::default()
    };
    make(&mut source.world(), "docs", schema, &[]);
    let columns = vec![
        longs("id", (0..5).collect()),
        vectors("vector", 0..5),
        nullable(vectors("some", [0, 20, 40]), &VALID),
        nullable(vectors("none", []), &[false; 5]),
    ];
    insert(&mut source.world(), "docs", 5, columns);
    round_trip(&source, &target).await;
    let content = target.world().content("docs");
    assert!(content.values().all(|cells| cells["none"].is_none()));
    assert_eq!(
        content
            .values()
            .filter(|cells| cells["some"].is_some())
            .count(),
        3
    );
}

fn with_default(field: FieldSchema, value: Value) -> FieldSchema {
    FieldSchema {
        default_value: ValueField { data: Some(value) }.encode_to_vec().into(),
        ..field
    }
}

/// A field with a default wants to hear of each row whether it has a value.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_fields_with_defaults_are_kept() {
    for version in [(2, 5, 10), (2, 6, 4), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        let schema = CollectionSchema {
            fields: vec![
                key("id"),
                vector("vector", 101),
                with_default(field("number", 5), Value::LongData(7)),
                with_default(text("text"), Value::StringData("so".into())),
                with_default(may_be_null(field("other", 5)), Value::LongData(9)),
            ],
            ..CollectionSchema::default()
        };
        make(&mut source.world(), "docs", schema, &[]);
        let columns = vec![
            longs("id", (0..5).collect()),
            vectors("vector", 0..5),
            nullable(longs("number", vec![1, 2, 3]), &VALID),
            nullable(texts("text", ["a".into(), "b".into(), "c".into()]), &VALID),
            nullable(longs("other", vec![1, 2, 3]), &VALID),
        ];
        insert(&mut source.world(), "docs", 5, columns);
        round_trip(&source, &target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_partition_key_find_their_partitions() {
    for version in [(2, 3, 5), (2, 5, 10), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        let tenant = FieldSchema {
            is_partition_key: true,
            ..text("tenant")
        };
        let schema = CollectionSchema {
            fields: vec![key("id"), tenant, vector("vector", 101)],
            enable_dynamic_field: true,
            ..CollectionSchema::default()
        };
        make(&mut source.world(), "docs", schema, &[]);
        let more = (0..100).map(|number| format!("{{\"n\":{number}}}"));
        let meta = FieldData {
            is_dynamic: true,
            ..scalars(
                "$meta",
                23,
                Scalar::JsonData(BytesArray {
                    data: more.map(Bytes::from).collect(),
                }),
            )
        };
        let columns = vec![
            longs("id", (0..100).collect()),
            texts(
                "tenant",
                (0..100).map(|number| format!("tenant {}", number % 7)),
            ),
            vectors("vector", 0..100),
            meta,
        ];
        insert(&mut source.world(), "docs", 100, columns);
        round_trip(&source, &target).await;
    }
}
