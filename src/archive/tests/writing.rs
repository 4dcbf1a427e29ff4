//! Archives come to be whole, or not at all.

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;

use super::*;
use crate::Error;
use crate::archive::{Archive, CHECKSUM, MANIFEST, SUMMARY, UNFINISHED, list};
use crate::store::{ObjectWriter, Role};

#[tokio::test]
async fn what_was_exported_is_read_back() {
    let (_folder, store) = folder();
    let written = export(&store, "prod").await;
    let archive = Archive::open(store, "prod").await.unwrap();
    assert_eq!(*archive.manifest(), written);
    let totals = written.totals();
    assert_eq!((totals.rows, totals.files), (1000, 4));
    for (entry, first) in written.collections.iter().zip([0, 10_000]) {
        assert_eq!(archive.fields(entry).unwrap(), fields());
        let mut read = Vec::new();
        for file in entry.files() {
            let batches: Vec<_> = archive
                .batches(entry, file)
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            assert!(batches.iter().all(|batch| batch.schema() == schema()));
            read.extend(batches);
        }
        assert_eq!(values(&read), values(&[rows(first..first + 500)]));
    }
}

#[tokio::test]
async fn large_files_are_read_in_batches_and_in_order() {
    let (_folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let file = data_file(&writer, "docs", rows(0..70_000)).await;
    let manifest = manifest("prod", vec![entry("docs", vec![file])]);
    writer.seal(&manifest).await.unwrap();
    let archive = Archive::open(store, "prod").await.unwrap();
    let entry = &manifest.collections[0];
    let file = entry.files().next().unwrap();
    let batches: Vec<_> = archive
        .batches(entry, file)
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert!(batches.len() >= 9);
    assert_eq!(values(&batches), values(&[rows(0..70_000)]));
}

#[tokio::test]
async fn an_archive_without_rows_is_whole() {
    let (_folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "empty").await.unwrap();
    writer
        .seal(&manifest("empty", vec![entry("docs", Vec::new())]))
        .await
        .unwrap();
    let archive = Archive::open(store, "empty").await.unwrap();
    assert_eq!(archive.manifest().totals().rows, 0);
}

#[tokio::test]
async fn an_unfinished_archive_is_no_archive() {
    let (_folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    data_file(&writer, "docs", rows(0..10)).await;
    assert_eq!(
        store.list("prod").await.unwrap(),
        ["collections/", UNFINISHED]
    );
    let listing = list(&store).await.unwrap();
    assert!(listing.archives.is_empty() && listing.unreadable.is_empty());
    let opened = Archive::open(store.clone(), "prod").await;
    assert!(matches!(opened, Err(Error::Damaged { reason, .. }) if reason.contains("unfinished")));
    drop(writer);
    let again = ArchiveWriter::begin(store, "prod").await;
    assert!(matches!(again, Err(Error::Exists { what, way_out })
            if what.contains("unfinished") && way_out.contains("another --name")));
}

#[tokio::test]
async fn a_sealed_archive_keeps_no_marker_and_its_name() {
    let (_folder, store) = folder();
    export(&store, "prod").await;
    assert_eq!(
        store.list("prod").await.unwrap(),
        ["collections/", MANIFEST, CHECKSUM, SUMMARY]
    );
    let again = ArchiveWriter::begin(store, "prod").await;
    assert!(matches!(again, Err(Error::Exists { what, way_out })
            if what.starts_with("archive ") && way_out == "choose another --name"));
}

#[tokio::test]
async fn of_many_exports_of_one_name_one_begins() {
    let (_folder, store) = folder();
    let racers = (0..12).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { ArchiveWriter::begin(store, "prod").await })
    });
    let mut begun = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Ok(_) => begun += 1,
            Err(error) => assert!(matches!(error, Error::Exists { .. }), "{error}"),
        }
    }
    assert_eq!(begun, 1);
}

/// A store as it was a moment ago: empty.
#[derive(Debug)]
struct Late(Arc<dyn Store>);

#[async_trait]
impl Store for Late {
    fn uri(&self) -> String {
        self.0.uri()
    }
    async fn create(&self, path: &str, role: Role) -> crate::Result<Box<dyn ObjectWriter>> {
        self.0.create(path, role).await
    }
    async fn read(&self, path: &str) -> crate::Result<Bytes> {
        self.0.read(path).await
    }
    async fn read_range(&self, path: &str, range: Range<u64>) -> crate::Result<Bytes> {
        self.0.read_range(path, range).await
    }
    async fn size(&self, path: &str) -> crate::Result<u64> {
        self.0.size(path).await
    }
    async fn list(&self, _: &str) -> crate::Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn remove(&self, path: &str) -> crate::Result<()> {
        self.0.remove(path).await
    }
    async fn remove_all(&self, path: &str) -> crate::Result<()> {
        self.0.remove_all(path).await
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[tokio::test]
async fn an_archive_that_was_sealed_meanwhile_is_left_alone() {
    let (_folder, store) = folder();
    export(&store, "prod").await;
    let begun = ArchiveWriter::begin(Arc::new(Late(store.clone())), "prod").await;
    assert!(matches!(begun, Err(Error::Exists { what, .. }) if what.starts_with("archive ")));
    assert_eq!(
        store.list("prod").await.unwrap(),
        ["collections/", MANIFEST, CHECKSUM, SUMMARY]
    );
}

#[tokio::test]
async fn two_writers_of_one_file_do_not_mix() {
    let (_folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let begin = || writer.data_file("collections/x.parquet", schema(), fields(), "id");
    let first = begin().await.unwrap().push(rows(0..5)).await.unwrap();
    let second = begin().await.unwrap().push(rows(0..6)).await.unwrap();
    let (file, _) = second.finish().await.unwrap();
    assert!(matches!(first.finish().await, Err(Error::Exists { .. })));
    assert_eq!(
        store.size("prod/collections/x.parquet").await.unwrap(),
        file.bytes
    );
}

#[tokio::test]
async fn a_discarded_archive_leaves_nothing() {
    let (_folder, store) = folder();
    export(&store, "kept").await;
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    data_file(&writer, "docs", rows(0..10)).await;
    writer.discard().await.unwrap();
    assert_eq!(store.list("").await.unwrap(), ["kept/"]);
    assert!(ArchiveWriter::begin(store, "prod").await.is_ok());
}

/// Somebody has cleared the name away and taken it while we were writing.
#[tokio::test]
async fn a_discarded_archive_takes_nothing_of_others_with_it() {
    let (_folder, store) = folder();
    let lost = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    store.remove_all("prod").await.unwrap();
    let other = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    data_file(&other, "docs", rows(0..10)).await;
    assert!(matches!(lost.discard().await, Err(Error::Exists { .. })));
    assert_eq!(
        store.list("prod").await.unwrap(),
        ["collections/", UNFINISHED]
    );

    store.remove_all("prod").await.unwrap();
    export(&store, "prod").await;
    assert!(matches!(lost.discard().await, Err(Error::Exists { .. })));
    assert!(Archive::open(store, "prod").await.is_ok());
}

#[tokio::test]
async fn a_file_that_is_given_up_leaves_nothing() {
    let (_folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let file = writer
        .data_file("collections/x.parquet", schema(), fields(), "id")
        .await
        .unwrap();
    let file = file.push(rows(0..5)).await.unwrap();
    assert!(file.push(rows(0..5)).await.is_err());
    assert!(store.list("prod/collections").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_manifest_that_contradicts_itself_is_not_written() {
    let (_folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let (mut file, digests) = data_file(&writer, "docs", rows(0..10)).await;
    file.rows = 11;
    let sealed = writer
        .seal(&manifest(
            "prod",
            vec![entry("docs", vec![(file, digests)])],
        ))
        .await;
    assert!(matches!(sealed, Err(Error::Damaged { reason, .. }) if reason.contains("11")));
    assert!(
        !store
            .list("prod")
            .await
            .unwrap()
            .contains(&MANIFEST.to_owned())
    );
}

#[tokio::test]
async fn an_archive_that_is_not_there_is_missing() {
    let (_folder, store) = folder();
    let opened = Archive::open(store.clone(), "prod").await;
    let Err(Error::Missing { uri, hint }) = opened else {
        panic!("{opened:?}")
    };
    assert!(uri.ends_with("/prod") && hint.contains(&format!("milvault ls {}", store.uri())));
    assert!(matches!(
        Archive::open(store, "../prod").await,
        Err(Error::Usage(_))
    ));
}
