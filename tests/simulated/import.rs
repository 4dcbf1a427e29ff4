//! Restores by bulk import into servers that no test can install.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use milvault::Error;
use milvault::archive::Archive;
use milvault::columns;
use milvault::milvus::wire::common::ImportState;
use milvault::milvus::wire::schema::{CollectionSchema, FieldSchema};
use milvault::model::Field;
use milvault::naming::Naming;
use milvault::restore::{ImportOptions, ImportStore, Mode, RestoreOptions};
use milvault::store::LocalStore;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::made::plain_rows;
use crate::made::{connect, insert, key, make, make_plain, plain, request, vector, vectors};
use crate::sim::Sim;
use crate::sim::import::Reader;
use crate::support::vault::{Vault, collections, refused, restore_into, restoring};

const VERSIONS: [(u32, u32, u32); 5] = [(2, 4, 17), (2, 5, 10), (2, 6, 2), (2, 6, 4), (3, 0, 0)];

/// An archive of `docs`, and a target that can read its files.
async fn archived(source: &Sim, target: &Sim, vault: &Vault) -> Archive {
    let selection = collections("default", &["docs"]);
    let archive = vault.export(&connect(source).await, "a", &selection).await;
    let entry = &archive.manifest().collections[0];
    target.world().imports.reader = Some(reader(archive.fields(entry).unwrap()));
    archive
}

/// Reads files whose columns are `fields`.
fn reader(fields: Vec<Field>) -> Reader {
    Box::new(move |path: &Path| {
        let file = std::fs::File::open(path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let mut batches = reader.with_batch_size(1 << 20).build().unwrap();
        let batch = batches.next().unwrap().unwrap();
        assert!(batches.next().is_none());
        let rows = u32::try_from(batch.num_rows()).unwrap();
        (columns::encode(&fields, &batch).unwrap(), rows)
    })
}

fn importing(put: &Vault) -> RestoreOptions {
    let store = Arc::new(LocalStore::new(put.path().to_str().unwrap()));
    RestoreOptions {
        mode: Mode::Import,
        import: Some(ImportOptions {
            store: ImportStore::new(store, None).unwrap(),
            timeout: Duration::from_secs(60),
        }),
        ..restoring(&Naming::default())
    }
}

/// Rows of [`plain`] in partitions, so that there are several files.
async fn partitioned(number: i64) -> Sim {
    let source = Sim::start((2, 5, 10)).await;
    {
        let mut world = source.world();
        make(&mut world, "docs", plain(), &[]);
        for part in 0..number {
            let name = format!("part_{part}");
            world.collection("docs").partitions.push(name.clone());
            let mut request = request("docs", 10, plain_rows(part * 10..part * 10 + 10, 0));
            request.partition_name = name;
            world.insert(request).unwrap();
        }
    }
    source
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_imported_once_even_where_an_answer_was_lost() {
    for version in VERSIONS {
        let (source, target) = (Sim::start((2, 5, 10)).await, Sim::start(version).await);
        make_plain(&mut source.world(), 50);
        let (vault, put) = (Vault::new(), Vault::new());
        let archive = archived(&source, &target, &vault).await;
        target.world().lost_answers = vec!["Import"];
        let report = restore_into(&archive, &connect(&target).await, &importing(&put)).await;
        assert_eq!(report.collections[0].way.mode, Mode::Import);
        assert_eq!(put.content(), Vec::<String>::new());
        let mut world = target.world();
        assert_eq!(world.import_states(), [ImportState::ImportCompleted]);
        assert_eq!(world.content("docs"), source.world().content("docs"));
        assert_eq!(world.collection("docs").rows.len(), 50, "{version:?}");
    }
}

/// From 2.6.3 on a property lets keys in that a server has made, in files as in inserts.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_a_server_made_are_imported() {
    for version in VERSIONS {
        let (source, target) = (Sim::start((2, 5, 10)).await, Sim::start(version).await);
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
        let rows = vec![vectors("vector", 0..50)];
        insert(&mut source.world(), "docs", 50, rows);
        let (vault, put) = (Vault::new(), Vault::new());
        let archive = archived(&source, &target, &vault).await;
        let report = restore_into(&archive, &connect(&target).await, &importing(&put)).await;
        assert_eq!(report.collections[0].way.mode, Mode::Import);
        let mut world = target.world();
        assert_eq!(world.content("docs"), source.world().content("docs"));
        let made = world.collection("docs");
        assert_eq!(made.key().auto_id, version >= (2, 6, 3), "{version:?}");
        assert!(made.properties.is_empty(), "{:?}", made.properties);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_few_jobs_is_given_no_more() {
    let (source, target) = (partitioned(8).await, Sim::start((2, 6, 4)).await);
    let (vault, put) = (Vault::new(), Vault::new());
    let archive = archived(&source, &target, &vault).await;
    target.world().imports.most = Some(2);
    restore_into(&archive, &connect(&target).await, &importing(&put)).await;
    let mut world = target.world();
    assert_eq!(world.imports.at_once, 2);
    assert_eq!(world.import_states(), [ImportState::ImportCompleted; 8]);
    assert_eq!(world.content("docs"), source.world().content("docs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_jobs_that_fail_twice_are_inserted() {
    let (source, target) = (partitioned(4).await, Sim::start((3, 0, 0)).await);
    let (vault, put) = (Vault::new(), Vault::new());
    let archive = archived(&source, &target, &vault).await;
    target.world().imports.failing = 2;
    let mut options = importing(&put);
    options.jobs = 1;
    let report = restore_into(&archive, &connect(&target).await, &options).await;
    let notes = report.collections[0].notes.join("\n");
    assert!(notes.contains("1 of 4 files were inserted"), "{notes}");
    assert!(notes.contains("lost its head"), "{notes}");
    let mut world = target.world();
    assert_eq!(world.content("docs"), source.world().content("docs"));
    assert_eq!(world.collection("docs").rows.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_stand_still_end_the_restore_by_name() {
    let (source, target) = (partitioned(2).await, Sim::start((2, 6, 4)).await);
    let (vault, put) = (Vault::new(), Vault::new());
    let archive = archived(&source, &target, &vault).await;
    target.world().imports.stuck = true;
    let mut options = importing(&put);
    if let Some(import) = &mut options.import {
        import.timeout = Duration::from_secs(1);
    }
    let cluster = connect(&target).await;
    let waiting = refused(&archive, &cluster, &options);
    let unstuck = async {
        // The restore waits for jobs that it cannot cancel before it drops their collection.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(target.world().databases["default"].contains_key("docs"));
        target.world().imports.stuck = false;
    };
    let (failure, ()) = tokio::join!(waiting, unstuck);
    assert!(matches!(failure, Error::Incomplete { .. }), "{failure}");
    assert!(
        failure.to_string().contains("--import-timeout"),
        "{failure}"
    );
    assert!(!target.world().databases["default"].contains_key("docs"));
    assert_eq!(put.content(), Vec::<String>::new());
}
