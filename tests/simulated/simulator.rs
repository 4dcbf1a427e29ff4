//! The simulator itself: it refuses what servers refuse, and ends tests that send what its version does not know.

use milvault::milvus::wire::milvus::{CreateCollectionRequest, QueryRequest};
use milvault::milvus::wire::schema::{CollectionSchema, FieldSchema, FunctionSchema};
use prost::Message;

use crate::made::{field, key, longs, make, nullable, pairs, request, text, vector, vectors};
use crate::sim::{Provider, Sim, World, refusal::Refusal};

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
