//! What a server does not know is never sent to it; the simulator fails a test that does.

use milvault::Error;
use milvault::milvus::wire::common::Status;
use milvault::milvus::wire::milvus::{CreateCollectionRequest, QueryRequest};
use milvault::milvus::wire::schema::value_field::Data as Value;
use milvault::milvus::wire::schema::{CollectionSchema, FieldSchema, FunctionSchema, ValueField};
use milvault::naming::Naming;
use prost::Message;

use crate::made::{
    connect, field, insert, key, longs, make, make_plain, nullable, pairs, plain, plain_rows,
    request, text, texts, vector, vectors,
};
use crate::sim::{Provider, Sim, World, refusal::Refusal};
use crate::support::vault::{FULL_ACCESS, Vault, collections, refused, restoring};

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

/// The simulator itself: a request like that of a careless client kills it, and ends the test.
#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_dies_of_what_its_version_does_not_know() {
    let sim = Sim::start((2, 3, 5)).await;
    let schema = CollectionSchema {
        fields: vec![key("id"), vector("vector", 101), field("shape", 24)],
        ..CollectionSchema::default()
    };
    let asked = CreateCollectionRequest {
        collection_name: "docs".into(),
        schema: schema.encode_to_vec().into(),
        ..CreateCollectionRequest::default()
    };
    let answer = sim
        .world()
        .answer("CreateCollection", "", asked.encode_to_vec().into());
    assert!(matches!(answer, Err(Refusal::Grpc(14, _))), "{answer:?}");
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(sim)));
    let words = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(words.contains("type 24 of shape in docs"), "{words}");
}

/// The rules of the proxy, in the words that users meet.
#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_refuses_what_servers_refuse() {
    let sim = Sim::start((2, 6, 4)).await;
    let mut world = sim.world();
    let schema = CollectionSchema {
        fields: vec![
            key("id"),
            FieldSchema {
                nullable: true,
                ..field("maybe", 5)
            },
            field("never", 5),
            vector("vector", 101),
        ],
        ..CollectionSchema::default()
    };
    make(&mut world, "docs", schema, &[]);
    let mut words = |maybe, never| {
        let columns = vec![
            longs("id", vec![1, 2]),
            maybe,
            never,
            vectors("vector", 0..2),
        ];
        match world.insert(request("docs", 2, columns)) {
            Err(Refusal::Milvus(1100, 5, words)) => words,
            other => panic!("{other:?}"),
        }
    };
    let never = || longs("never", vec![1, 2]);
    let full = nullable(longs("maybe", vec![0, 1]), &[false, true]);
    assert!(words(full, never()).starts_with("the length of field is wrong"));
    assert!(
        words(longs("maybe", vec![1, 2]), never()).contains("valid_data of field(maybe) is wrong")
    );
    let maybe = || nullable(longs("maybe", vec![1]), &[false, true]);
    let masked = nullable(never(), &[true, true]);
    assert!(words(maybe(), masked).contains("valid_data of field(never) is wrong"));
    assert!(words(maybe(), longs("never", vec![1])).contains("num_rows"));
    drop(world);

    let asked = |expr: &str, limit: &str, field: &str| {
        let query = QueryRequest {
            collection_name: "docs".into(),
            expr: expr.into(),
            output_fields: vec![field.into()],
            query_params: pairs(&[("limit", limit)]),
            ..QueryRequest::default()
        };
        match sim.world().query(query) {
            Err(Refusal::Milvus(_, _, words)) => words,
            other => panic!("{other:?}"),
        }
    };
    assert!(asked("id > 1", "16385", "id").contains("max query result window"));
    assert!(asked("id like 1", "5", "id").contains("cannot parse expression"));
    assert!(asked("id > -9223372036854775808", "5", "id").contains("out of range"));
    assert!(asked("id > 1", "5", "nowhere").contains("not exist"));
    assert!(asked("id > 1", "5", "count(*)").contains("pagination"));
}

/// From 2.6.8 on whoever makes a collection with an embedding needs its provider, or the property.
#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_asks_the_provider_of_an_embedding() {
    let schema = CollectionSchema {
        fields: vec![
            key("id"),
            text("text"),
            FieldSchema {
                is_function_output: true,
                ..vector("embedded", 101)
            },
        ],
        functions: vec![FunctionSchema {
            name: "embed".into(),
            r#type: 2,
            input_field_names: vec!["text".into()],
            output_field_names: vec!["embedded".into()],
            ..FunctionSchema::default()
        }],
        ..CollectionSchema::default()
    };
    let made = |version, properties: &[(&str, &str)]| {
        let mut world = World::new(version);
        world.provider = Provider::Gone;
        let asked = CreateCollectionRequest {
            collection_name: "docs".into(),
            schema: schema.encode_to_vec().into(),
            properties: pairs(properties),
            ..CreateCollectionRequest::default()
        };
        world.create_collection(asked).is_ok()
    };
    assert!(made((2, 6, 7), &[]));
    assert!(!made((2, 6, 8), &[]));
    assert!(made((2, 6, 8), &[("disable_func_runtime_check", "true")]));
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
