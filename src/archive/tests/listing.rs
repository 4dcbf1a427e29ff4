//! What a store is said to hold.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::archive::{Archive, CHECKSUM, FORGOTTEN, MANIFEST, SUMMARY, UNFINISHED, list};
use crate::store::{ObjectWriter, Role};
use crate::{Error, Result};

async fn put(store: &Arc<dyn Store>, path: &str, bytes: Vec<u8>) {
    let mut object = store.create(path, Role::Part).await.unwrap();
    object.write(bytes.into()).await.unwrap();
    object.finish().await.unwrap();
}

async fn put_manifest(store: &Arc<dyn Store>, name: &str, created: &str) {
    let manifest = Manifest {
        created: created.to_owned(),
        ..manifest(name, Vec::new())
    };
    let writer = ArchiveWriter::begin(store.clone(), name).await.unwrap();
    writer.seal(&manifest).await.unwrap();
}

#[tokio::test]
async fn archives_are_listed_newest_first() {
    let (_folder, store) = folder();
    // As text the second would come before the first.
    put_manifest(&store, "older", "2026-11-21T02:00:00Z").await;
    put_manifest(&store, "newer", "2026-11-21T02:00:00.5Z").await;
    put_manifest(&store, "oldest", "2025-01-01T00:00:00Z").await;
    export(&store, "prod").await;
    let listing = list(&store).await.unwrap();
    let names: Vec<&str> = listing
        .archives
        .iter()
        .map(|archive| archive.name.as_str())
        .collect();
    assert_eq!(names, ["newer", "older", "prod", "oldest"]);
    let prod = &listing.archives[2];
    assert_eq!((prod.rows, prod.collections), (1000, 2));
    assert_eq!(prod.uri, format!("{}/prod", store.uri()));
    assert!(prod.bytes > 1000);
}

#[tokio::test]
async fn one_bad_manifest_does_not_hide_the_others() {
    let (_folder, store) = folder();
    put_manifest(&store, "good", "2026-11-21T02:00:00Z").await;
    put(&store, &format!("bad/{MANIFEST}"), b"{".to_vec()).await;
    put(
        &store,
        &format!("future/{MANIFEST}"),
        b"{\"format\": 3}".to_vec(),
    )
    .await;
    put(&store, "somebody elses/manifest.json", b"{}".to_vec()).await;
    put(&store, "notes.txt", b"hello".to_vec()).await;
    let listing = list(&store).await.unwrap();
    assert_eq!(listing.archives.len(), 1);
    assert!(matches!(
        &listing.unreadable[..],
        [(bad, Error::Damaged { uri, .. }), (future, Error::FutureFormat { found: 3, .. })]
            if uri.contains("/bad/") && bad == "bad" && future == "future"
    ));
}

#[tokio::test]
async fn a_store_that_is_not_there_yet_is_empty() {
    let (folder, _) = folder();
    let store = crate::store::open(
        folder.path().join("new").to_str().unwrap(),
        &crate::store::StoreOptions::default(),
    )
    .await
    .unwrap();
    let listing = list(&store).await.unwrap();
    assert!(listing.archives.is_empty() && listing.unreadable.is_empty());
}

/// A store in another town: every call takes its time, and is counted.
#[derive(Debug)]
struct Far {
    store: Arc<dyn Store>,
    reads: AtomicUsize,
    others: AtomicUsize,
}

const WAY: Duration = Duration::from_millis(20);

#[async_trait]
impl Store for Far {
    fn uri(&self) -> String {
        self.store.uri()
    }
    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>> {
        self.store.create(path, role).await
    }
    async fn read(&self, path: &str) -> Result<Bytes> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(WAY).await;
        self.store.read(path).await
    }
    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        self.store.read_range(path, range).await
    }
    async fn size(&self, path: &str) -> Result<u64> {
        self.others.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(WAY).await;
        self.store.size(path).await
    }
    async fn list(&self, path: &str) -> Result<Vec<String>> {
        self.others.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(WAY).await;
        self.store.list(path).await
    }
    async fn remove(&self, path: &str) -> Result<()> {
        self.store.remove(path).await
    }
    async fn remove_all(&self, path: &str) -> Result<()> {
        self.store.remove_all(path).await
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[tokio::test]
async fn a_thousand_archives_are_listed_in_seconds_by_two_small_requests_each() {
    let (folder, store) = folder();
    export(&store, "0000").await;
    let first = folder.path().join("0000");
    for number in 1..1000 {
        let place = folder.path().join(format!("{number:04}"));
        std::fs::create_dir(&place).unwrap();
        for object in [SUMMARY, MANIFEST, CHECKSUM] {
            std::fs::copy(first.join(object), place.join(object)).unwrap();
        }
    }
    let far = Arc::new(Far {
        store,
        reads: AtomicUsize::new(0),
        others: AtomicUsize::new(0),
    });
    let start = Instant::now();
    let listing = list(&(far.clone() as Arc<dyn Store>)).await.unwrap();
    let time = start.elapsed();
    assert_eq!(listing.archives.len(), 1000);
    assert!(listing.archives.iter().all(|one| one.rows == 1000));
    assert_eq!(far.reads.load(Ordering::Relaxed), 1000);
    assert_eq!(far.others.load(Ordering::Relaxed), 1001, "listings");
    assert!(time < Duration::from_secs(5), "{time:?}");
}

#[tokio::test]
async fn a_list_is_the_same_without_summaries() {
    let (_folder, store) = folder();
    export(&store, "prod").await;
    let with = list(&store).await.unwrap();
    store.remove(&format!("prod/{SUMMARY}")).await.unwrap();
    let without = list(&store).await.unwrap();
    assert_eq!(with.archives, without.archives);
    assert_eq!(with.archives.len(), 1);
}

#[tokio::test]
async fn a_bad_summary_is_named() {
    let (_folder, store) = folder();
    for (name, json) in [
        ("a", "{"),
        ("b", "{\"format\": 1}"),
        ("c", "{\"format\": 9}"),
    ] {
        export(&store, name).await;
        store.remove(&format!("{name}/{SUMMARY}")).await.unwrap();
        put(&store, &format!("{name}/{SUMMARY}"), json.into()).await;
    }
    let listing = list(&store).await.unwrap();
    assert!(listing.archives.is_empty());
    assert!(matches!(
        &listing.unreadable[..],
        [
            (_, Error::Damaged { uri, .. }),
            (_, Error::Damaged { .. }),
            (_, Error::FutureFormat { found: 9, .. })
        ] if uri.ends_with("/a/summary.json")
    ));
}

#[tokio::test]
async fn archives_that_are_not_whole_are_listed_apart() {
    let (_folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "begun").await.unwrap();
    data_file(&writer, "docs", rows(0..10)).await;
    export(&store, "gone").await;
    let marker = br#"{"started": "2026-11-21T02:00:00Z"}"#;
    put(&store, &format!("gone/{FORGOTTEN}"), marker.to_vec()).await;
    // The next forget goes on with a removal, even one that was only announced.
    let announced = list(&store).await.unwrap();
    assert_eq!(
        (announced.archives.len(), announced.unfinished.len()),
        (0, 2)
    );
    store.remove(&format!("gone/{SUMMARY}")).await.unwrap();
    store.remove(&format!("gone/{MANIFEST}")).await.unwrap();
    put(&store, &format!("odd/{UNFINISHED}"), b"?".to_vec()).await;
    let listing = list(&store).await.unwrap();
    assert!(listing.archives.is_empty() && listing.unreadable.is_empty());
    let found: Vec<(&str, bool, bool)> = listing
        .unfinished
        .iter()
        .map(|one| (one.name.as_str(), one.forgotten, one.started.is_some()))
        .collect();
    assert_eq!(
        found,
        [
            ("begun", false, true),
            ("gone", true, true),
            ("odd", false, false)
        ]
    );
    let opened = Archive::open(store, "gone").await;
    assert!(matches!(opened, Err(Error::Damaged { reason, .. }) if reason.contains("forget")));
}

#[tokio::test]
async fn what_has_lost_its_manifest_is_damaged() {
    let (folder, store) = folder();
    for (name, kept) in [("summary", true), ("parts", false)] {
        export(&store, name).await;
        store.remove(&format!("{name}/{MANIFEST}")).await.unwrap();
        store.remove(&format!("{name}/{CHECKSUM}")).await.unwrap();
        if !kept {
            store.remove(&format!("{name}/{SUMMARY}")).await.unwrap();
        }
    }
    put(&store, "sealed/objects/abc.age", b"?".to_vec()).await;
    // Of somebody else: what git keeps, notes, a store of others.
    put(&store, "repository/objects/ab/cdef", b"?".to_vec()).await;
    put(&store, "notes/read.me", b"?".to_vec()).await;
    put_manifest(&store, "good", "2026-11-21T02:00:00Z").await;
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let listing = list(&store).await.unwrap();
    assert_eq!(listing.archives.len(), 1);
    let names: Vec<&str> = listing.unreadable.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["parts", "sealed", "summary"]);
    for (name, error) in &listing.unreadable {
        assert!(
            matches!(error, Error::Damaged { reason, .. }
                if reason.contains("no manifest.json") && reason.contains(&format!("{} {name}`", store.uri()))),
            "{error}"
        );
    }
}
