//! Archives that earlier versions wrote, which every later version must read; `fixtures/README.md` has their story.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod encrypted;
mod types;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use futures::TryStreamExt;
use milvault::archive::{Archive, CollectionEntry, Damage, Mode, verify};
use milvault::progress::Context;
use milvault::store::{self, StoreOptions};

/// Name, rows, and the digest of all rows of a collection.
type Known = (&'static str, u64, &'static str);

/// The same rows, whichever server they come from.
const HARD_TEXT_KEYS: Known = ("hard_text_keys", 56, "5d7bed37a6e657eedb6ae1aaebe2a3ad");

/// Every archive of `archive-v1`, with what its server called itself and what is in it.
const ARCHIVES: [(&str, &str, &[Known]); 2] = [
    (
        "milvus-2.3.5",
        "v2.3.5-lite",
        &[
            ("every_type", 120, "e53d994e9822581c7ccb359e17497f7d"),
            HARD_TEXT_KEYS,
            ("partition_key", 1000, "1dd22ad0184674d95b1c48248ae7a9fe"),
            ("partitioned", 1808, "1fb05f64f8a4ffd1b36ffa9ed80771a6"),
        ],
    ),
    (
        "milvus-lite-3.2.2",
        "milvus_lite-3.2.2",
        &[
            ("every_type", 120, "fb666a37cbf3d895a80adbec4db1e7f9"),
            HARD_TEXT_KEYS,
            ("nullable", 90, "7b8a0bd5c97b159fb9e5d1ab1a129d81"),
        ],
    ),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v1")
}

async fn open_in(folder: &Path, name: &str) -> Archive {
    let store = store::open(folder.to_str().unwrap(), &StoreOptions::default())
        .await
        .unwrap();
    Archive::open(store, name).await.unwrap()
}

async fn open(name: &str) -> Archive {
    open_in(&fixtures(), name).await
}

fn entry<'a>(archive: &'a Archive, collection: &str) -> &'a CollectionEntry {
    let entries = &archive.manifest().collections;
    let found = |entry: &&CollectionEntry| entry.schema.name.collection == collection;
    entries.iter().find(found).unwrap()
}

/// The rows of a collection's first file that has some, which is one batch.
async fn rows(archive: &Archive, collection: &str) -> RecordBatch {
    let entry = entry(archive, collection);
    let file = entry.files().next().unwrap();
    let batches = archive.batches(entry, file).unwrap();
    let batches: Vec<RecordBatch> = batches.try_collect().await.unwrap();
    assert_eq!(batches.len(), 1);
    batches[0].clone()
}

fn ints<'a>(rows: &'a RecordBatch, field: &str) -> &'a arrow_array::Int64Array {
    rows.column_by_name(field)
        .unwrap()
        .as_primitive::<Int64Type>()
}

fn texts(rows: &RecordBatch, field: &str) -> Vec<String> {
    let column = rows.column_by_name(field).unwrap().as_string::<i32>();
    column.iter().map(|text| text.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_list_has_every_golden_archive() {
    let store = store::open(fixtures().to_str().unwrap(), &StoreOptions::default())
        .await
        .unwrap();
    let listing = milvault::archive::list(&Arc::clone(&store)).await.unwrap();
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    let mut found: Vec<String> = listing.archives.into_iter().map(|one| one.name).collect();
    found.sort();
    let known: Vec<&str> = ARCHIVES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(found, known);
}

#[tokio::test]
async fn golden_archives_are_good_and_hold_what_they_held() {
    for (name, server, collections) in ARCHIVES {
        let archive = open(name).await;
        let manifest = archive.manifest();
        assert_eq!((manifest.format, manifest.name.as_str()), (1, name));
        assert_eq!(manifest.source.server_version, server);
        assert_eq!(manifest.consistency.mode, Mode::Walk);
        let found: Vec<(String, u64, String)> = manifest
            .collections
            .iter()
            .map(|entry| {
                let name = entry.schema.name.collection.clone();
                (name, entry.rows, entry.digests.all.to_string())
            })
            .collect();
        let known: Vec<(String, u64, String)> = collections
            .iter()
            .map(|(name, rows, digest)| (name.to_string(), *rows, digest.to_string()))
            .collect();
        assert_eq!(found, known);
        // This computes all digests anew.
        let report = verify(&archive, &Context::silent(), 2).await.unwrap();
        assert!(report.is_good(), "{:?}", report.problems);
        assert_eq!(report.good_rows, known.iter().map(|one| one.1).sum::<u64>());
        assert_eq!(report.warnings, []);
    }
}

#[tokio::test]
async fn schemas_of_golden_archives_are_read() {
    let archive = open("milvus-2.3.5").await;
    let schema = &entry(&archive, "every_type").schema;
    assert!(schema.dynamic && schema.load.loaded);
    assert_eq!(schema.aliases, ["every_type_alias"]);
    let kinds: Vec<&str> = schema
        .indexes
        .iter()
        .map(|index| index.params["index_type"].as_str())
        .collect();
    assert_eq!(kinds, ["STL_SORT", "Trie", "HNSW"]);
    assert_eq!(schema.field("vector").unwrap().params["dim"], "16");

    let partitions: Vec<(Option<&str>, u64)> = entry(&archive, "partitioned")
        .partitions
        .iter()
        .map(|partition| (partition.name.as_deref(), partition.rows))
        .collect();
    let sizes = [
        ("_default", 7),
        ("empty", 0),
        ("north", 1500),
        ("south", 300),
        ("west_1", 1),
    ];
    assert_eq!(partitions, sizes.map(|(name, rows)| (Some(name), rows)));
    let by_key = &entry(&archive, "partition_key").partitions;
    assert_eq!((by_key.len(), by_key[0].name.clone()), (1, None));

    let archive = open("milvus-lite-3.2.2").await;
    let schema = &entry(&archive, "nullable").schema;
    assert!(schema.field("json").unwrap().nullable);
    assert!(schema.field("defaulted").unwrap().default.is_some());
}

#[tokio::test]
async fn values_of_golden_archives_are_read() {
    let archive = open("milvus-2.3.5").await;
    let every = rows(&archive, "every_type").await;
    assert_eq!(ints(&every, "id").values()[..3], [-20, -19, -18]);
    let longs = &ints(&every, "int64").values()[..6];
    assert_eq!(longs, [0, 1, -1, i64::MIN, i64::MAX, (1 << 53) + 1]);
    let floats = every.column_by_name("float").unwrap();
    let negative_zero = floats.as_primitive::<Float32Type>().value(1);
    assert_eq!(negative_zero.to_bits(), (-0.0_f32).to_bits());
    assert_eq!(texts(&every, "varchar")[2], "  leading");
    assert_eq!(texts(&every, "$meta")[1], "{\"colour\":\" \"}");

    let keys = texts(&rows(&archive, "hard_text_keys").await, "id");
    assert_eq!(keys[0], "");
    for key in ["'\"`", "\\n is no newline", "e\u{301} is not \u{e9}", "👩‍👩‍👧‍👦"]
    {
        assert!(keys.iter().any(|found| found == key), "{key:?}");
    }

    let archive = open("milvus-lite-3.2.2").await;
    let nullable = rows(&archive, "nullable").await;
    for field in ["bool", "int8", "double", "varchar", "json", "array"] {
        let column = nullable.column_by_name(field).unwrap();
        assert!(!column.is_null(0) && column.is_null(1), "{field}");
    }
    assert_eq!(ints(&nullable, "defaulted").values()[..3], [0, 1, 2]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for found in fs::read_dir(from).unwrap() {
        let found = found.unwrap();
        let target = to.join(found.file_name());
        if found.file_type().unwrap().is_dir() {
            copy(&found.path(), &target);
        } else {
            fs::copy(found.path(), target).unwrap();
        }
    }
}

/// What is done to a data file, and what verification calls it.
type Harm = (fn(&mut Vec<u8>), Damage);

#[tokio::test]
async fn damage_in_golden_archives_is_found() {
    let harms: [Harm; 3] = [
        (|bytes| bytes[100] ^= 1, Damage::Checksum),
        (|bytes| bytes.truncate(bytes.len() - 1), Damage::Size),
        (|bytes| bytes.push(0), Damage::Size),
    ];
    for (name, ..) in ARCHIVES {
        for (harm, kind) in harms {
            let folder = tempfile::tempdir().unwrap();
            copy(&fixtures().join(name), &folder.path().join(name));
            let archive = open_in(folder.path(), name).await;
            let path = archive.manifest().files().next().unwrap().path.clone();
            let file = folder.path().join(name).join(&path);
            let mut bytes = fs::read(&file).unwrap();
            harm(&mut bytes);
            fs::write(&file, bytes).unwrap();
            assert_damage(&archive, kind, &path).await;
            fs::remove_file(&file).unwrap();
            assert_damage(&archive, Damage::Missing, &path).await;
        }
    }
}

/// Panics unless this is all that verification finds.
async fn assert_damage(archive: &Archive, kind: Damage, path: &str) {
    let report = verify(archive, &Context::silent(), 2).await.unwrap();
    let found: Vec<Damage> = report.problems.iter().map(|one| one.damage).collect();
    assert_eq!(found, [kind], "{:?}", report.problems);
    assert!(report.problems[0].uri.ends_with(path), "{path}");
}
