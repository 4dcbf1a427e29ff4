//! Values that servers make: keys, and what functions fill.

use milvault::milvus::wire::schema::{CollectionSchema, FieldSchema, FunctionSchema};
use milvault::naming::Naming;

use crate::made::{
    connect, field, insert, key, longs, make, pairs, request, round_trip, text, texts, vector,
    vectors,
};
use crate::sim::{Provider, Sim, World};
use crate::support::vault::{Vault, collections, restore_into, restoring};

const ALLOW_KEYS: &str = "allow_insert_auto_id";
const ALLOW_OUTPUTS: &str = "collection.function.allowInsertNonBM25FunctionOutputs";

/// From 2.6.3 on a property lets them in, and the server goes on making keys; it is not left there.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_server_made_are_kept() {
    for (from, to) in [
        ((2, 4, 17), (2, 5, 10)),
        ((2, 5, 10), (2, 6, 2)),
        ((2, 5, 10), (2, 6, 3)),
        ((2, 6, 4), (3, 0, 0)),
        ((3, 0, 0), (2, 4, 17)),
    ] {
        let (source, target) = (Sim::start(from).await, Sim::start(to).await);
        let schema = CollectionSchema {
            fields: vec![
                FieldSchema {
                    auto_id: true,
                    ..key("id")
                },
                vector("vector", 101),
            ],
            auto_id: true,
            ..CollectionSchema::default()
        };
        make(&mut source.world(), "docs", schema, &[]);
        insert(
            &mut source.world(),
            "docs",
            50,
            vec![vectors("vector", 0..50)],
        );
        // Sent again, they keep their keys: an upsert would have them made anew.
        target.world().lost_answers = vec!["Insert"];
        round_trip(&source, &target).await;
        let mut world = target.world();
        assert!(world.lost_answers.is_empty());
        let made = world.collection("docs");
        assert_eq!(made.key().auto_id, to >= (2, 6, 3), "{to:?}");
        assert!(made.properties.is_empty(), "{to:?}: {:?}", made.properties);
        let keyless = world.insert(request("docs", 1, vec![vectors("vector", 0..1)]));
        assert_eq!(keyless.is_ok(), to >= (2, 6, 3), "{to:?}");
    }
}

fn function(name: &str, kind: i32, input: &str, output: &str) -> FunctionSchema {
    FunctionSchema {
        name: name.into(),
        r#type: kind,
        input_field_names: vec![input.into()],
        output_field_names: vec![output.into()],
        ..FunctionSchema::default()
    }
}

fn filled(field: FieldSchema) -> FieldSchema {
    FieldSchema {
        is_function_output: true,
        ..field
    }
}

/// What BM25 computes can neither be read nor written; the function is made, and fills it anew.
#[tokio::test(flavor = "multi_thread")]
async fn bm25_is_made_anew() {
    for version in [(2, 5, 10), (2, 6, 4), (2, 6, 8), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        let schema = CollectionSchema {
            fields: vec![
                key("id"),
                text("text"),
                vector("vector", 101),
                filled(field("sparse", 104)),
            ],
            functions: vec![function("bm25", 1, "text", "sparse")],
            ..CollectionSchema::default()
        };
        make(&mut source.world(), "docs", schema, &[]);
        let columns = vec![
            longs("id", (0..5).collect()),
            texts("text", (0..5).map(|number| format!("text {number}"))),
            vectors("vector", 0..5),
        ];
        insert(&mut source.world(), "docs", 5, columns);
        round_trip(&source, &target).await;
        let mut world = target.world();
        let made = world.collection("docs");
        assert_eq!(made.schema.functions.len(), 1, "{version:?}");
        assert!(
            made.indexes
                .iter()
                .any(|index| index.field_name == "sparse")
        );
    }
}

/// A collection whose vectors a provider made, or somebody else did.
fn make_embedded(world: &mut World) {
    let schema = CollectionSchema {
        fields: vec![key("id"), text("text"), filled(vector("embedded", 101))],
        functions: vec![FunctionSchema {
            params: pairs(&[("provider", "openai"), ("model_name", "small")]),
            ..function("embed", 2, "text", "embedded")
        }],
        ..CollectionSchema::default()
    };
    make(world, "docs", schema, &[(ALLOW_OUTPUTS, "true")]);
    let rows = |ids: std::ops::Range<i64>| {
        vec![
            longs("id", ids.clone().collect()),
            texts("text", ids.map(|id| format!("text {id}"))),
        ]
    };
    insert(world, "docs", 5, rows(0..5));
    let mut brought = rows(5..10);
    brought.push(vectors("embedded", 5..10));
    insert(world, "docs", 5, brought);
    world.collection("docs").properties.clear();
}

/// The vectors are those that were there: the provider is not asked, neither when the collection is made nor for rows.
#[tokio::test(flavor = "multi_thread")]
async fn embeddings_are_kept_without_their_provider() {
    for version in [(2, 6, 4), (2, 6, 8), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        make_embedded(&mut source.world());
        source.world().provider = Provider::Gone;
        target.world().provider = Provider::Gone;
        round_trip(&source, &target).await;
        let mut world = target.world();
        let made = world.collection("docs");
        assert_eq!(made.schema.functions.len(), 1, "{version:?}");
        assert!(
            made.properties.is_empty(),
            "{version:?}: {:?}",
            made.properties
        );
        assert_eq!(made.schema.functions[0].params.len(), 2);
    }
}

/// What MinHash computes is neither read nor written, as with BM25.
#[tokio::test(flavor = "multi_thread")]
async fn minhash_is_made_anew() {
    let (source, target) = (Sim::start((3, 0, 0)).await, Sim::start((3, 0, 0)).await);
    let hash = FieldSchema {
        type_params: pairs(&[("dim", "64")]),
        ..field("hash", 100)
    };
    let schema = CollectionSchema {
        fields: vec![key("id"), text("text"), vector("vector", 101), filled(hash)],
        functions: vec![function("minhash", 4, "text", "hash")],
        ..CollectionSchema::default()
    };
    make(&mut source.world(), "docs", schema, &[]);
    let columns = vec![
        longs("id", (0..5).collect()),
        texts("text", (0..5).map(|number| format!("text {number}"))),
        vectors("vector", 0..5),
    ];
    insert(&mut source.world(), "docs", 5, columns);
    round_trip(&source, &target).await;
    assert_eq!(target.world().collection("docs").schema.functions.len(), 1);
}

/// A property that the archive has stays, whatever the restore needs it for.
#[tokio::test(flavor = "multi_thread")]
async fn properties_of_the_source_are_there_in_the_end() {
    let (source, target) = (Sim::start((3, 0, 0)).await, Sim::start((3, 0, 0)).await);
    let properties = [
        (ALLOW_KEYS, "true"),
        ("collection.ttl.seconds", "3600"),
        ("mmap.enabled", "true"),
    ];
    make(
        &mut source.world(),
        "docs",
        crate::made::plain(),
        &properties,
    );
    let vault = Vault::new();
    let selection = collections("default", &["docs"]);
    let archive = vault.export(&connect(&source).await, "a", &selection).await;
    restore_into(
        &archive,
        &connect(&target).await,
        &restoring(&Naming::default()),
    )
    .await;
    let mut made = target.world().collection("docs").properties.clone();
    made.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(made, pairs(&properties));
}
