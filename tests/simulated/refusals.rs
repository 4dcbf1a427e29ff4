//! What a server does not know is never sent to it; the simulator fails a test that does.

use milvault::Error;
use milvault::compat::{Droppable, Indexes};
use milvault::milvus::wire::common::Status;
use milvault::milvus::wire::schema::scalar_field::Data as Scalar;
use milvault::milvus::wire::schema::value_field::Data as Value;
use milvault::milvus::wire::schema::vector_field::Data as Vector;
use milvault::milvus::wire::schema::{
    BytesArray, CollectionSchema, FieldData, FieldSchema, FunctionSchema, ValueField,
};
use milvault::naming::Naming;
use prost::Message;

use crate::made::{
    DIM, connect, field, insert, key, longs, make, make_plain, nullable, pairs, plain, plain_rows,
    scalars, text, texts, vector, vectors,
};
use crate::sim::{Sim, cells, refusal::Refusal};
use crate::support::vault::{
    FULL_ACCESS, Vault, collections, refused, restore_into, restoring, strings,
};

/// Restores the `docs` of a source into a target, which must be refused; gives the problems.
async fn problems(source: &Sim, target: &Sim) -> Vec<String> {
    let selection = collections("default", &["docs"]);
    let vault = Vault::new();
    let archive = vault.export(&connect(source).await, "a", &selection).await;
    let cluster = connect(target).await;
    let error = refused(&archive, &cluster, &restoring(&Naming::default())).await;
    let Error::Incompatible { problems } = error else {
        panic!("{error}");
    };
    assert!(!target.world().calls.contains_key("CreateCollection"));
    assert!(target.world().databases["default"].is_empty());
    problems
}

fn named(problems: &[String], what: &str) {
    assert!(
        problems.iter().any(|problem| problem.contains(what)),
        "{what}: {problems:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_2_5_has_and_older_servers_have_not_is_refused_by_name() {
    let source = Sim::start((2, 5, 10)).await;
    let schema = CollectionSchema {
        fields: vec![
            key("id"),
            vector("vector", 101),
            FieldSchema {
                nullable: true,
                ..field("maybe", 5)
            },
            FieldSchema {
                default_value: ValueField {
                    data: Some(Value::LongData(7)),
                }
                .encode_to_vec()
                .into(),
                ..field("defaulted", 5)
            },
            text("text"),
            FieldSchema {
                is_function_output: true,
                ..field("sparse", 104)
            },
        ],
        functions: vec![FunctionSchema {
            name: "bm25".into(),
            r#type: 1,
            input_field_names: vec!["text".into()],
            output_field_names: vec!["sparse".into()],
            ..FunctionSchema::default()
        }],
        ..CollectionSchema::default()
    };
    make(&mut source.world(), "docs", schema, &[]);
    let columns = vec![
        longs("id", vec![1, 2]),
        vectors("vector", 0..2),
        nullable(longs("maybe", vec![5]), &[true, false]),
        nullable(longs("defaulted", vec![5]), &[true, false]),
        texts("text", ["a".into(), "b".into()]),
    ];
    insert(&mut source.world(), "docs", 2, columns);
    for version in [(2, 2, 16), (2, 3, 5), (2, 4, 17)] {
        let target = Sim::start(version).await;
        let problems = problems(&source, &target).await;
        for what in [
            "null values of field maybe",
            "default value of field defaulted",
            "function bm25",
        ] {
            named(&problems, what);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_of_2_6_are_refused_by_older_targets() {
    let source = Sim::start((2, 6, 4)).await;
    let schema = CollectionSchema {
        fields: vec![
            key("id"),
            vector("vector", 101),
            field("shape", 24),
            field("time", 26),
            vector("half", 102),
        ],
        ..CollectionSchema::default()
    };
    make(&mut source.world(), "docs", schema, &[]);
    for version in [(2, 2, 16), (2, 3, 5), (2, 4, 17), (2, 5, 10), (2, 6, 0)] {
        let target = Sim::start(version).await;
        let problems = problems(&source, &target).await;
        named(&problems, "field shape");
        named(&problems, "field time");
        let half = problems
            .iter()
            .any(|problem| problem.contains("field half"));
        assert_eq!(half, version < (2, 4, 0), "{version:?}: {problems:?}");
    }
}

/// A server that newly knows a type must not be refused what it can hold.
#[tokio::test(flavor = "multi_thread")]
async fn null_vectors_are_refused_before_3_0() {
    let source = Sim::start((3, 0, 0)).await;
    let schema = CollectionSchema {
        fields: vec![
            key("id"),
            vector("vector", 101),
            FieldSchema {
                nullable: true,
                ..vector("maybe", 101)
            },
        ],
        ..CollectionSchema::default()
    };
    make(&mut source.world(), "docs", schema, &[]);
    for version in [(2, 4, 17), (2, 5, 10), (2, 6, 4)] {
        let target = Sim::start(version).await;
        named(
            &problems(&source, &target).await,
            "null values of field maybe",
        );
    }
}

/// All that 3.0 has and others have not, and the flags that let go of it: nothing unknown is sent, and the rows are
/// all there.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_dropped_fits_every_version() {
    let source = Sim::start((3, 0, 0)).await;
    let default = Some(Value::LongData(7));
    let schema = CollectionSchema {
        fields: vec![
            key("id"),
            vector("vector", 101),
            FieldSchema {
                nullable: true,
                is_clustering_key: true,
                ..field("maybe", 5)
            },
            FieldSchema {
                default_value: ValueField { data: default }.encode_to_vec().into(),
                ..field("defaulted", 5)
            },
            FieldSchema {
                type_params: pairs(&[
                    ("max_length", "1000"),
                    ("enable_analyzer", "true"),
                    ("enable_match", "true"),
                ]),
                ..text("text")
            },
            FieldSchema {
                is_function_output: true,
                ..field("sparse", 104)
            },
            FieldSchema {
                is_partition_key: true,
                ..text("tenant")
            },
            field("shape", 24),
            vector("int8", 105),
        ],
        functions: vec![FunctionSchema {
            name: "bm25".into(),
            r#type: 1,
            input_field_names: vec!["text".into()],
            output_field_names: vec!["sparse".into()],
            ..FunctionSchema::default()
        }],
        enable_dynamic_field: true,
        ..CollectionSchema::default()
    };
    let properties = [
        ("collection.ttl.seconds", "3600"),
        ("allow_insert_auto_id", "true"),
        ("timezone", "UTC"),
    ];
    make(&mut source.world(), "docs", schema, &properties);
    let all = [true; 50];
    let numbers = |shift: i64| (0..50).map(|id| id * shift).collect::<Vec<i64>>();
    let shapes = BytesArray {
        data: vec!["POINT (1 2)".into(); 50],
    };
    let bytes = vec![5u8; 50 * DIM].into();
    let columns = vec![
        longs("id", numbers(1)),
        vectors("vector", 0..50),
        nullable(longs("maybe", numbers(2)), &all),
        nullable(longs("defaulted", numbers(3)), &all),
        texts("text", (0..50).map(|id| format!("text {id}"))),
        texts("tenant", (0..50).map(|id| format!("tenant {}", id % 5))),
        scalars("shape", 24, Scalar::GeometryWktData(shapes)),
        FieldData {
            r#type: 105,
            field_name: "int8".into(),
            field: Some(cells::of_vectors(DIM as i64, Vector::Int8Vector(bytes))),
            ..FieldData::default()
        },
    ];
    insert(&mut source.world(), "docs", 50, columns);
    let selection = collections("default", &["docs"]);
    let vault = Vault::new();
    let archive = vault.export(&connect(&source).await, "a", &selection).await;
    let was = source.world().content("docs");

    for version in [
        (2, 2, 16),
        (2, 3, 5),
        (2, 4, 17),
        (2, 5, 10),
        (2, 6, 4),
        (3, 0, 0),
    ] {
        let target = Sim::start(version).await;
        let mut options = restoring(&Naming::default());
        options.adapt.indexes = Indexes::Fallback;
        options.adapt.drop = [
            Droppable::Functions,
            Droppable::Defaults,
            Droppable::Nullable,
            Droppable::Analyzers,
            Droppable::ClusteringKey,
            Droppable::Properties,
        ]
        .into();
        if version < (2, 6, 1) {
            options.selection.exclude_fields = strings(&["shape", "int8"]);
        }
        restore_into(&archive, &connect(&target).await, &options).await;
        let is = target.world().content("docs");
        assert_eq!(is.len(), 50, "{version:?}");
        for ((_, key), cells) in &is {
            let mut same_key = was.iter().filter(|((_, other), _)| other == key);
            let (_, meant) = same_key.next().unwrap();
            assert!(cells.len() >= 7, "{version:?}: {:?}", cells.keys());
            for (name, cell) in cells {
                assert_eq!(cell, &meant[name], "{version:?}: {name} of {key}");
            }
        }
    }
}

/// Milvus takes the making of a collection that is there for a success; a restore must not.
#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_somebody_else_makes_at_the_same_time_is_not_filled() {
    let (source, target) = (Sim::start((2, 6, 4)).await, Sim::start((2, 6, 4)).await);
    make_plain(&mut source.world(), 10);
    make(&mut target.world(), "docs", plain(), &[]);
    insert(&mut target.world(), "docs", 3, plain_rows(100..103, 0));
    let selection = collections("default", &["docs"]);
    let vault = Vault::new();
    let archive = vault.export(&connect(&source).await, "a", &selection).await;
    let cluster = connect(&target).await;
    let error = refused(&archive, &cluster, &restoring(&Naming::default())).await;
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert_eq!(target.world().content("docs").len(), 3);
}

/// Each version in its own way: the legacy code alone on 2.2.
#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_not_there_is_told_so() {
    for version in [(2, 2, 16), (2, 3, 5), (2, 6, 4), (3, 0, 0)] {
        let sim = Sim::start(version).await;
        let cluster = connect(&sim).await;
        let name = milvault::model::CollectionName::new("default", "nowhere");
        let error = cluster.describe(&name).await.unwrap_err();
        assert!(
            matches!(error, Error::NoCollection { .. }),
            "{version:?}: {error}"
        );
        let status = Refusal::no_collection("default", "nowhere")
            .status(version)
            .unwrap();
        assert_eq!(status.code == 0, version < (2, 3, 0));
        assert_ne!(Status::default(), status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_is_not_loaded_is_loaded_and_released() {
    for version in [(2, 2, 16), (2, 4, 17), (2, 6, 4), (3, 0, 0)] {
        let sim = Sim::start(version).await;
        make_plain(&mut sim.world(), 10);
        {
            let mut world = sim.world();
            let docs = world.collection("docs");
            docs.replicas = 0;
            docs.indexes.clear();
        }
        let vault = Vault::new();
        let selection = collections("default", &["docs"]);
        let cluster = connect(&sim).await;
        let silent = milvault::progress::Context::silent();
        vault
            .try_export(&cluster, "a", &selection, FULL_ACCESS, &silent)
            .await
            .unwrap();
        let mut world = sim.world();
        let docs = world.collection("docs");
        assert_eq!((docs.replicas, docs.indexes.len()), (0, 0), "{version:?}");
    }
}
