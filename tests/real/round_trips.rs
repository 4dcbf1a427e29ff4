//! Out of one server and into another: every row is there afterwards, bit for bit, and everything about it.

use milvault::archive::{Drift, Selection};
use milvault::compat::Indexes;
use milvault::restore::Outcome;
use serde_json::{Value, json};

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    Vault, assert_equal, collections, connect, database, into_database, live, refused, renamed,
    restore_into, restoring, side, strings, suffixed,
};

/// Everything that Milvus 2.3.5 holds and shows.
const OF_MILVUS_235: [&str; 15] = [
    "every_type",
    "binary_vector",
    "big",
    "hard_text_keys",
    "hard_int_keys",
    "duplicates",
    "in_a_row",
    "wide",
    "partitioned",
    "partition_key",
    "deleted",
    "auto_id",
    "empty",
    "unindexed",
    "not_loaded",
];

fn index_of<'a>(definitions: &'a Value, collection: &str, field: &str) -> &'a str {
    definitions[collection]["indexes"][field]["index_type"]
        .as_str()
        .unwrap_or("none")
}

/// pymilvus's words on what was restored, without what must differ: keys are no longer generated, aliases have the
/// suffix.
fn without_the_suffix(mut definition: Value, suffix: &str) -> Value {
    for alias in definition["aliases"].as_array_mut().unwrap() {
        *alias = alias.as_str().unwrap().strip_suffix(suffix).unwrap().into();
    }
    definition
}

#[tokio::test]
async fn all_that_milvus_2_3_holds_comes_back_on_another_one() {
    let (source, target) = (servers::milvus_235(), servers::other_milvus_235());
    python::fill_database(source, "all", &OF_MILVUS_235);
    let ttl =
        json!({"collection_name": "deleted", "properties": {"collection.ttl.seconds": "987654"}});
    python::call(source, "all", &[("alter_collection_properties", ttl)]);
    let before = python::definitions(source, "all", &OF_MILVUS_235);
    let vault = Vault::new();
    let cluster = connect(source).await;
    let archive = vault.export(&cluster, "all", &database("all")).await;
    assert_eq!(archive.manifest().consistency.drift, Drift::default());
    let now = python::definitions(source, "all", &OF_MILVUS_235);
    python::assert_same(&now, &before, "the source");

    let other = connect(target).await;
    let naming = suffixed("_copy");
    let report = restore_into(&archive, &other, &restoring(&naming)).await;
    let restored: u64 = report.collections.iter().map(|one| one.rows).sum();
    assert_eq!(restored, archive.manifest().totals().rows);
    let copies: Vec<String> = OF_MILVUS_235
        .iter()
        .map(|name| format!("{name}_copy"))
        .collect();
    let copies: Vec<&str> = copies.iter().map(String::as_str).collect();
    let after = python::definitions(target, "all", &copies);

    for name in OF_MILVUS_235 {
        let copy = without_the_suffix(after[format!("{name}_copy")].clone(), "_copy");
        let mut meant = before[name].clone();
        if name == "auto_id" {
            meant["fields"]["id"]["auto_id"] = copy["fields"]["id"]["auto_id"].clone();
            assert_ne!(copy["fields"]["id"]["auto_id"], Value::Bool(true));
        }
        python::assert_same(&copy, &meant, name);
    }
    for (name, field, kind) in [
        ("every_type", "vector", "HNSW"),
        ("every_type", "int32", "STL_SORT"),
        ("every_type", "varchar", "Trie"),
        ("big", "vector", "IVF_FLAT"),
        ("hard_text_keys", "vector", "IVF_SQ8"),
        ("partitioned", "vector", "IVF_PQ"),
        ("deleted", "vector", "FLAT"),
        ("binary_vector", "vector", "BIN_IVF_FLAT"),
        ("unindexed", "vector", "none"),
    ] {
        assert_eq!(index_of(&after, &format!("{name}_copy"), field), kind);
    }
    let properties = &after["deleted_copy"]["properties"];
    assert_eq!(properties["collection.ttl.seconds"], "987654");
    assert_eq!(after["not_loaded_copy"]["shards"], 2);
    assert_eq!(after["not_loaded_copy"]["level"], "Eventually");
    for (name, loaded) in [("big", true), ("unindexed", false), ("not_loaded", false)] {
        assert_eq!(after[format!("{name}_copy")]["loaded"], loaded, "{name}");
    }

    assert_equal(
        &side(&archive),
        &live(&other),
        &Selection::default(),
        &naming,
        OF_MILVUS_235.len(),
    )
    .await;
    let compared = python::definitions(target, "all", &copies);
    python::assert_same(&compared, &after, "the target after a comparison");
    python::assert_holds(
        target,
        &OF_MILVUS_235.join(","),
        &["--db", "all", "--suffix", "_copy", "--load"],
    );
}

/// Exports from `source`, restores into `target`'s database `to` with the indexes that it knows, and proves the rows.
async fn carry(
    (source, from): (&Server, &str),
    (target, to): (&Server, &str),
    names: &[&str],
    of: &str,
) {
    python::fill_database(source, from, names);
    let vault = Vault::new();
    let archive = vault
        .export(&connect(source).await, "a", &database(from))
        .await;
    let cluster = connect(target).await;
    let naming = renamed(&format!("{from}.*:{to}.*"));
    let mut options = restoring(&naming);
    options.adapt.indexes = Indexes::Fallback;
    restore_into(&archive, &cluster, &options).await;
    assert_equal(
        &side(&archive),
        &live(&cluster),
        &Selection::default(),
        &naming,
        names.len(),
    )
    .await;
    let more = ["--db", to, "--of", of, "--load"];
    python::assert_holds(target, &names.join(","), &more);
}

#[tokio::test]
async fn rows_of_milvus_lite_3_come_back_on_milvus_2_3() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    // What else both know, the matrix carries.
    let names = ["big", "wide", "empty", "not_loaded"];
    carry(
        (source, "to_235"),
        (target, "of_lite"),
        &names,
        "lite-3.2.2",
    )
    .await;
}

#[tokio::test]
async fn rows_of_milvus_2_3_come_back_on_milvus_lite_3() {
    let (source, target) = (servers::milvus_235(), servers::lite_322());
    // What else both know, the matrix carries; here indexes are translated.
    let names = [
        "every_type",
        "big",
        "duplicates",
        "partitioned",
        "empty",
        "unindexed",
    ];
    carry(
        (source, "to_lite"),
        (target, "of_235"),
        &names,
        "milvus-2.3.5",
    )
    .await;
}

#[tokio::test]
async fn rows_of_milvus_lite_3_come_back_on_milvus_lite_3() {
    let server = servers::lite_322();
    let names = ["every_type", "nullable", "partitioned", "hard_int_keys"];
    carry((server, "here"), (server, "there"), &names, "lite-3.2.2").await;
    let before = python::definitions(server, "here", &names);
    let after = python::definitions(server, "there", &names);
    python::assert_same(&after, &before, "there");
}

#[tokio::test]
async fn rows_of_milvus_lite_2_come_back_on_milvus_lite_2_and_3() {
    let (source, target) = (servers::lite_251(), servers::lite_322());
    let names = ["every_type", "binary_vector", "hard_text_keys", "big"];
    let of = ["--suffix", "_trip", "--of", "lite-2.5.1"];
    python::fill(source, &names.join(","), &["--suffix", "_trip"]);
    let vault = Vault::new();
    let cluster = connect(source).await;
    let mine = collections("default", &["*_trip"]);
    let archive = vault.export(&cluster, "a", &mine).await;

    let naming = renamed("*_trip:*_back");
    restore_into(&archive, &cluster, &restoring(&naming)).await;
    assert_equal(&side(&archive), &live(&cluster), &mine, &naming, 4).await;
    python::assert_holds(source, &names.join(","), &["--suffix", "_back"]);

    // milvus-lite 3 has lost types that milvus-lite 2 had.
    let newer = connect(target).await;
    let mut options = restoring(&into_database("of_lite_2"));
    let refusal = refused(&archive, &newer, &options).await.to_string();
    for field in ["float16_vector", "bfloat16_vector"] {
        assert!(refusal.contains(field), "{refusal}");
    }
    options.selection = Selection {
        collections: strings(&["every_type_trip"]),
        exclude_fields: strings(&["float16_vector", "bfloat16_vector"]),
        ..Selection::default()
    };
    restore_into(&archive, &newer, &options).await;
    let fields = "float16_vector,bfloat16_vector";
    let there = ["--db", "of_lite_2", "--without", fields];
    python::assert_holds(target, "every_type", &[&of[..], &there].concat());
    options.selection = Selection {
        collections: strings(&["hard_text_keys_trip", "big_trip"]),
        ..Selection::default()
    };
    restore_into(&archive, &newer, &options).await;
    let there = ["--db", "of_lite_2"];
    python::assert_holds(target, "hard_text_keys,big", &[&of[..], &there].concat());
}

#[tokio::test]
async fn rows_of_milvus_2_3_come_back_on_milvus_lite_2() {
    let (source, target) = (servers::milvus_235(), servers::lite_251());
    let names = ["binary_vector", "big", "hard_text_keys"];
    python::fill_database(source, "to_lite_2", &names);
    let vault = Vault::new();
    let archive = vault
        .export(&connect(source).await, "a", &database("to_lite_2"))
        .await;
    let cluster = connect(target).await;
    let mut naming = into_database("default");
    naming.suffix = "_of_235".into();
    let mut options = restoring(&naming);
    let refusal = refused(&archive, &cluster, &options).await;
    assert!(refusal.to_string().contains("--no-aliases"), "{refusal}");
    options.aliases = false;
    options.adapt.indexes = Indexes::Fallback;
    let report = restore_into(&archive, &cluster, &options).await;
    assert!(
        report
            .collections
            .iter()
            .all(|one| one.outcome == Outcome::Created)
    );
    assert_equal(
        &side(&archive),
        &live(&cluster),
        &Selection::default(),
        &options.naming,
        3,
    )
    .await;
    let more = ["--suffix", "_of_235", "--of", "milvus-2.3.5"];
    python::assert_holds(target, &names.join(","), &more);
}
