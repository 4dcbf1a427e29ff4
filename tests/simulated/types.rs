//! Types that no installable server has, or not all of them.

use bytes::Bytes;
use milvault::milvus::wire::schema::field_data::Field as Payload;
use milvault::milvus::wire::schema::scalar_field::Data as Scalar;
use milvault::milvus::wire::schema::vector_field::Data as Vector;
use milvault::milvus::wire::schema::{
    ArrayArray, BytesArray, CollectionSchema, FieldData, FieldSchema, FloatArray, LongArray,
    ScalarField, SparseFloatArray, StructArrayField, StructArrayFieldSchema, VectorArray,
    VectorField,
};
use milvault::naming::Naming;

use crate::made::{
    DIM, connect, field, insert, key, longs, make, nullable, pairs, round_trip, scalars, texts,
    vector, vectors,
};
use crate::sim::{Sim, cells};
use crate::support::vault::{
    Vault, assert_equal, collections, live, restore_into, restoring, side,
};

fn payload(name: &str, data_type: i32, payload: Payload) -> FieldData {
    FieldData {
        r#type: data_type,
        field_name: name.into(),
        field: Some(payload),
        ..FieldData::default()
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

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_times_and_shapes_come_back() {
    for version in [(2, 6, 4), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        let mut fields = vec![
            key("id"),
            vector("vector", 101),
            field("shape", 24),
            field("time", 26),
            vector("int8", 105),
        ];
        let times = [
            "2026-11-20T20:30:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
        ];
        let mut columns = vec![
            longs("id", vec![1, 2, 3]),
            vectors("vector", 0..3),
            scalars(
                "shape",
                24,
                Scalar::GeometryWktData(bytes(&[
                    "POINT (1 2)",
                    "POINT (0 0)",
                    "POLYGON ((0 0, 1 0, 1 1, 0 0))",
                ])),
            ),
            texts("time", times.map(str::to_owned)),
            payload(
                "int8",
                105,
                cells::of_vectors(
                    DIM as i64,
                    Vector::Int8Vector((0..3 * DIM as u8).collect::<Vec<u8>>().into()),
                ),
            ),
        ];
        if version >= (3, 0, 0) {
            fields.push(field("long", 25));
            fields.push(field("mol", 27));
            columns.push(texts("long", ["".into(), "x".repeat(100_000), "ä".into()]));
            columns.push(scalars(
                "mol",
                27,
                Scalar::MolSmilesData(bytes(&["CCO", "", "c1ccccc1"])),
            ));
        }
        let schema = CollectionSchema {
            fields,
            ..CollectionSchema::default()
        };
        make(&mut source.world(), "docs", schema, &[]);
        insert(&mut source.world(), "docs", 3, columns);
        round_trip(&source, &target).await;
    }
}

fn array_of(name: &str, data_type: i32, element_type: i32) -> FieldSchema {
    FieldSchema {
        element_type,
        type_params: pairs(&[("max_capacity", "10"), ("dim", &DIM.to_string())]),
        ..field(name, data_type)
    }
}

/// Rows of so many vectors each.
fn vector_arrays(name: &str, lengths: &[usize]) -> FieldData {
    let mut next = 0.0f32;
    let mut row = |length: usize| {
        let floats = (0..length * DIM).flat_map(|_| {
            next += 0.25;
            next.to_le_bytes()
        });
        let data = vec![floats.collect::<Vec<u8>>().into()];
        VectorField {
            dim: DIM as i64,
            data: Some(Vector::FloatVector(FloatArray { data })),
            ..VectorField::default()
        }
    };
    let array = VectorArray {
        dim: DIM as i64,
        data: lengths.iter().map(|length| row(*length)).collect(),
        element_type: 101,
    };
    payload(
        name,
        106,
        cells::of_vectors(DIM as i64, Vector::VectorArray(array)),
    )
}

/// Rows of so many numbers each.
fn number_arrays(name: &str, lengths: &[usize]) -> FieldData {
    let row = |length: usize| ScalarField {
        data: Some(Scalar::LongData(LongArray {
            data: (0..length as i64).collect(),
        })),
        ..ScalarField::default()
    };
    let array = ArrayArray {
        data: lengths.iter().map(|length| row(*length)).collect(),
        element_type: 5,
    };
    scalars(name, 22, Scalar::ArrayData(array))
}

/// A struct array `chunks` of numbers and vectors.
fn with_chunks(nullable: bool) -> CollectionSchema {
    CollectionSchema {
        fields: vec![key("id"), vector("vector", 101)],
        struct_array_fields: vec![StructArrayFieldSchema {
            name: "chunks".into(),
            fields: vec![array_of("number", 22, 5), array_of("embedded", 106, 101)],
            nullable,
            ..StructArrayFieldSchema::default()
        }],
        ..CollectionSchema::default()
    }
}

fn chunks(fields: Vec<FieldData>) -> FieldData {
    payload(
        "chunks",
        200,
        Payload::StructArrays(StructArrayField { fields }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn struct_arrays_come_back_from_2_6_4() {
    for version in [(2, 6, 4), (2, 6, 14), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        make(&mut source.world(), "docs", with_chunks(false), &[]);
        let lengths = [2, 0, 3];
        let parts = vec![
            number_arrays("number", &lengths),
            vector_arrays("embedded", &lengths),
        ];
        insert(
            &mut source.world(),
            "docs",
            3,
            vec![
                longs("id", vec![1, 2, 3]),
                vectors("vector", 0..3),
                chunks(parts),
            ],
        );
        round_trip(&source, &target).await;
        let made = target.world().collection("docs").columns.len();
        assert_eq!(made, 4, "{version:?}");
    }
}

/// In 3.0, and as milvus-proto's head sends them.
#[tokio::test(flavor = "multi_thread")]
async fn null_struct_arrays_and_null_vectors_come_back_wherever_the_answer_says_which() {
    for version in [(3, 0, 0), (3, 9, 9)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        let mut schema = with_chunks(true);
        schema.fields.push(FieldSchema {
            nullable: true,
            ..vector("some", 101)
        });
        schema.fields.push(FieldSchema {
            nullable: true,
            ..field("number", 5)
        });
        make(&mut source.world(), "docs", schema, &[]);
        let (valid, lengths) = ([true, false, true], [2, 1]);
        let parts = vec![
            nullable(number_arrays("number", &lengths), &valid),
            nullable(vector_arrays("embedded", &lengths), &valid),
        ];
        insert(
            &mut source.world(),
            "docs",
            3,
            vec![
                longs("id", vec![1, 2, 3]),
                vectors("vector", 0..3),
                chunks(parts),
                nullable(vectors("some", [5]), &[false, false, true]),
                nullable(longs("number", vec![5]), &[false, true, false]),
            ],
        );
        round_trip(&source, &target).await;
        let content = target.world().content("docs");
        let nulls = content
            .values()
            .filter(|cells| cells["chunks[embedded]"].is_none());
        assert_eq!(nulls.count(), 1, "{version:?}");
    }
}

/// Halves of floats, bytes and bits: `dim` means something else for each.
#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_every_width_come_back() {
    for version in [(2, 4, 17), (2, 5, 10), (2, 6, 4), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        let bits = FieldSchema {
            type_params: crate::made::pairs(&[("dim", "16")]),
            ..field("bits", 100)
        };
        let schema = CollectionSchema {
            fields: vec![
                key("id"),
                bits,
                vector("half", 102),
                vector("brain", 103),
                field("sparse", 104),
            ],
            ..CollectionSchema::default()
        };
        let payload = |name: &str, data_type, dim, data| FieldData {
            r#type: data_type,
            field_name: name.into(),
            field: Some(cells::of_vectors(dim, data)),
            ..FieldData::default()
        };
        let run = |length: u8| (0..length).collect::<Vec<u8>>().into();
        let pair = |index: u32, value: f32| [index.to_le_bytes(), value.to_le_bytes()].concat();
        let contents = vec![
            pair(3, 0.5).into(),
            [pair(1, -1.0), pair(9, 2.0)].concat().into(),
            pair(70, 1.5).into(),
        ];
        make(&mut source.world(), "docs", schema, &[]);
        let columns = vec![
            longs("id", vec![1, 2, 3]),
            payload("bits", 100, 16, Vector::BinaryVector(run(6))),
            payload("half", 102, DIM as i64, Vector::Float16Vector(run(24))),
            payload("brain", 103, DIM as i64, Vector::Bfloat16Vector(run(24))),
            payload(
                "sparse",
                104,
                71,
                Vector::SparseFloatVector(SparseFloatArray { contents, dim: 71 }),
            ),
        ];
        insert(&mut source.world(), "docs", 3, columns);
        let selection = collections("default", &["docs"]);
        let vault = Vault::new();
        let archive = vault.export(&connect(&source).await, "a", &selection).await;
        let to = connect(&target).await;
        restore_into(&archive, &to, &restoring(&Naming::default())).await;
        assert_equal(
            &side(&archive),
            &live(&to),
            &Default::default(),
            &Naming::default(),
            1,
        )
        .await;
        let (was, is) = (
            source.world().content("docs"),
            target.world().content("docs"),
        );
        for name in ["bits", "half", "brain"] {
            for key in was.keys() {
                assert_eq!(is[key][name], was[key][name], "{version:?}, {name}");
            }
        }
    }
}
