//! A part of the rows, with values that may leave: samples, limits and masks.

use std::collections::BTreeSet;

use milvault::archive::Selection;
use milvault::columns;
use milvault::compat::Indexes;
use milvault::migrate::migrate;
use milvault::model::Key;
use milvault::progress::Context;
use milvault::restore::RestoreOptions;
use milvault::{Error, Kind};
use serde_json::json;

use futures::TryStreamExt;
use milvault::archive::Archive;

use crate::migration::{migrated, migrating};
use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    FULL_ACCESS, SECRET, Vault, collections, compared, connect, database, files, live, mask_key,
    renamed, restore_into, restoring, side, suffixed,
};

fn sampled(mut selection: Selection, share: &str) -> Selection {
    selection.sample = Some(share.parse().unwrap());
    selection
}

fn limited(mut selection: Selection, rows: u64) -> Selection {
    selection.limit = Some(rows);
    selection
}

fn masked(mut selection: Selection, masks: &[&str]) -> Selection {
    selection.masks = masks.iter().map(|mask| mask.parse().unwrap()).collect();
    selection
}

/// The keys of an archive's only collection.
async fn keys(archive: &Archive) -> BTreeSet<Key> {
    let entry = &archive.manifest().collections[0];
    let key = &entry.schema.primary_key().unwrap().name;
    let mut keys = BTreeSet::new();
    for file in entry.files() {
        let mut batches = std::pin::pin!(archive.batches(entry, file).unwrap());
        while let Some(batch) = batches.try_next().await.unwrap() {
            keys.extend(columns::keys(&batch, key).unwrap());
        }
    }
    keys
}

/// The keys that pymilvus finds, which are whole numbers.
fn keys_there(server: &Server, database: &str, collection: &str, limit: u64) -> Vec<i64> {
    let query = json!({"collection_name": collection, "filter": "id >= -5000",
        "output_fields": ["id"], "limit": limit, "consistency_level": "Strong"});
    let rows = python::call(server, database, &[("query", query)]);
    let mut keys: Vec<i64> = rows[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_i64().unwrap())
        .collect();
    keys.sort();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_has_the_same_rows_in_every_run_and_from_every_server() {
    let (milvus, lite) = (servers::milvus_235(), servers::lite_322());
    let vault = Vault::new();
    let mut found = Vec::new();
    for (server, name) in [(milvus, "a"), (milvus, "b"), (lite, "c")] {
        if name != "b" {
            python::fill_database(server, "sampled", &["big"]);
        }
        let cluster = connect(server).await;
        let selection = sampled(database("sampled"), "5%");
        found.push(vault.export(&cluster, name, &selection).await);
    }
    assert_eq!(files(&found[0]), files(&found[1]), "two runs");
    let rows = found[0].manifest().totals().rows;
    assert!((1_850..2_150).contains(&rows), "{rows} of 40,000 rows");
    assert_eq!(keys(&found[0]).await, keys(&found[2]).await, "two servers");

    let cluster = connect(milvus).await;
    let smaller = sampled(database("sampled"), "1%");
    let smaller = vault.export(&cluster, "d", &smaller).await;
    assert!(keys(&smaller).await.is_subset(&keys(&found[0]).await));
    assert_eq!(smaller.manifest().collections[0].server_rows, Some(40_000));

    // The archive says what it is, and so does a comparison, which asks the source for no more.
    let naming = renamed("a:a");
    let all = Selection::default();
    let comparison = compared(&side(&smaller), &live(&cluster), &all, &naming)
        .await
        .unwrap();
    assert!(comparison.equal, "{comparison:#?}");
    assert!(
        comparison.notes[0].contains("1% of the rows"),
        "{:?}",
        comparison.notes
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_takes_the_first_rows_of_all_partitions_by_key() {
    let server = servers::milvus_235();
    python::fill_database(server, "first_rows", &["partitioned"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    // 7 rows are in the default partition, the next 1,500 in another; their keys ascend.
    for (name, rows, limit) in [("a", 5, 5), ("b", 50, 50), ("c", 1808, 5000)] {
        let selection = limited(database("first_rows"), limit);
        let archive = vault.export(&cluster, name, &selection).await;
        let first: BTreeSet<Key> = (0..rows).map(|row| Key::Int(row * 5 - 1000)).collect();
        assert_eq!(keys(&archive).await, first, "the first {limit}");
        let whole = Selection::default();
        let comparison = compared(&side(&archive), &live(&cluster), &whole, &renamed("a:a")).await;
        assert!(comparison.unwrap().equal, "the first {limit}");
    }
    // Of a sample, and out of an archive.
    let selection = sampled(database("first_rows"), "50%");
    let half = vault.export(&cluster, "half", &selection).await;
    let picked = keys(&half).await;
    let first = vault
        .export(&cluster, "some", &limited(selection, 100))
        .await;
    let expected: BTreeSet<Key> = picked.iter().take(100).cloned().collect();
    assert_eq!(keys(&first).await, expected);

    let whole = vault.open("c").await;
    let mut options = restoring(&suffixed("_some"));
    options.selection = limited(sampled(Selection::default(), "50%"), 100);
    let report = restore_into(&whole, &cluster, &options).await;
    assert_eq!(report.collections[0].rows, 100);
    let there = keys_there(server, "first_rows", "partitioned_some", 1000);
    let there: BTreeSet<Key> = there.into_iter().map(Key::Int).collect();
    assert_eq!(there, expected);
}

/// Masks of every kind that fits `every_type`, which has texts, numbers, vectors and dynamic keys.
const MASKS: [&str; 9] = [
    "varchar=hash",
    "int64=hash",
    "int8=hash",
    "bool=constant:true",
    "float=noise:0.5",
    "vector=noise:0.25",
    "$meta.colour=hash",
    "$meta.deep=null",
    "$meta.number=constant:{\"was\": \"a number\"}",
];

fn assert_masked(source: (&Server, &str, &str), target: (&Server, &str, &str), masks: &[&str]) {
    let secret = std::str::from_utf8(SECRET).unwrap();
    let of = |(server, database, name): (&Server, &str, &str)| {
        [server.address.clone(), database.to_owned(), name.to_owned()]
    };
    let mut arguments: Vec<String> = of(source).into_iter().chain(of(target)).collect();
    arguments.push(secret.to_owned());
    arguments.extend(masks.iter().map(|mask| mask.to_string()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    python::run("masked.py", &arguments);
}

#[tokio::test(flavor = "multi_thread")]
async fn masks_hold_in_the_target_by_every_way_and_the_source_is_untouched() {
    let (source, target) = (servers::milvus_235(), servers::other_milvus_235());
    python::fill_database(source, "secrets", &["every_type"]);
    let there = (source, "secrets", "every_type");
    let selection = masked(database("secrets"), &MASKS);

    let report = migrated(
        source,
        target,
        &migrating(selection.clone(), &suffixed("_m")),
    )
    .await;
    assert!(report.verification.unwrap().equal);
    assert_masked(there, (target, "secrets", "every_type_m"), &MASKS);

    // Through a masked archive, and out of one that is not.
    let (from, to) = (connect(source).await, connect(target).await);
    let vault = Vault::new();
    let archive = vault.export(&from, "masked", &selection).await;
    restore_into(&archive, &to, &restoring(&suffixed("_a"))).await;
    assert_masked(there, (target, "secrets", "every_type_a"), &MASKS);
    let comparison = compared(
        &side(&archive),
        &live(&from),
        &Selection::default(),
        &renamed("a:a"),
    )
    .await
    .unwrap();
    assert!(comparison.equal, "{comparison:#?}");
    let not_compared = [
        "bool", "float", "int64", "int8", "vector", "$meta", "varchar",
    ];
    let found: BTreeSet<&str> = comparison.collections[0]
        .masked
        .iter()
        .map(String::as_str)
        .collect();
    assert_eq!(found, BTreeSet::from(not_compared));

    let whole = vault.export(&from, "whole", &database("secrets")).await;
    let options = RestoreOptions {
        selection: masked(Selection::default(), &MASKS),
        mask_key: mask_key(&selection),
        ..restoring(&suffixed("_r"))
    };
    restore_into(&whole, &to, &options).await;
    assert_masked(there, (target, "secrets", "every_type_r"), &MASKS);

    // No trace of the values, nor of the secret, in the archive that must not have them.
    let manifest = std::fs::read_to_string(vault.path().join("masked/manifest.json")).unwrap();
    assert!(manifest.contains("varchar=hash"));
    assert!(!manifest.contains(std::str::from_utf8(SECRET).unwrap()));
    python::assert_holds(source, "every_type", &["--db", "secrets"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_hashed_where_their_order_does_not_matter_and_null_goes_where_it_may() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    python::fill_database(source, "secrets", &["nullable", "partition_key"]);
    let mut selection = masked(
        collections("secrets", &["partition_key"]),
        &["id=hash", "partition_key.tenant=hash"],
    );
    let mut options = migrating(selection.clone(), &suffixed("_hashed"));
    options.adapt.indexes = Indexes::Fallback;
    let report = migrated(source, target, &options).await;
    assert!(report.verification.unwrap().equal);
    assert_masked(
        (source, "secrets", "partition_key"),
        (target, "secrets", "partition_key_hashed"),
        &["id=hash", "tenant=hash"],
    );

    let masks = [
        "varchar=null",
        "json=null",
        "int16=null",
        "array=null",
        "double=constant:0.5",
    ];
    selection = masked(collections("secrets", &["nullable"]), &masks);
    let report = migrated(source, source, &migrating(selection, &suffixed("_nulls"))).await;
    assert!(report.verification.unwrap().equal);
    assert_masked(
        (source, "secrets", "nullable"),
        (source, "secrets", "nullable_nulls"),
        &masks,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_masked_so_is_refused_by_name_before_anything_is_read() {
    let server = servers::milvus_235();
    python::fill_database(server, "unmaskable", &["every_type"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let masks = [
        "id=null",
        "varchar=null",
        "bool=hash",
        "int8=constant:128",
        "int32=noise:1",
        "array_int8=constant:[]",
        "json=constant:{",
        "nothing=null",
        "other.vector=noise:1",
        "$meta.a=noise:1",
        "vector=noise:1",
        "vector=noise:2",
    ];
    let selection = masked(database("unmaskable"), &masks);
    let refused = vault
        .try_export(&cluster, "a", &selection, FULL_ACCESS, &Context::silent())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), Kind::Usage);
    let words = refused.to_string();
    let wrong = masks.iter().filter(|mask| **mask != "vector=noise:1");
    for mask in wrong {
        assert!(words.contains(&format!("--mask {mask}")), "{mask}: {words}");
    }
    assert!(!words.contains("--mask vector=noise:1"), "{words}");
    assert_eq!(vault.content(), Vec::<String>::new());

    // An archive is in the order of its keys.
    let selection = masked(database("unmaskable"), &["id=hash"]);
    let refused = vault
        .try_export(&cluster, "a", &selection, FULL_ACCESS, &Context::silent())
        .await;
    assert!(
        matches!(&refused, Err(Error::Usage(words)) if words.contains("primary key")),
        "{refused:?}"
    );

    let mut options = migrating(
        masked(database("unmaskable"), &["varchar=hash"]),
        &suffixed("_x"),
    );
    options.mask_key = None;
    let refused = migrate(&cluster, &cluster, &options, &Context::silent()).await;
    assert!(
        matches!(&refused, Err(Error::Usage(words)) if words.contains("MILVAULT_MASK_KEY")),
        "{refused:?}"
    );
}
