//! What a store is said to hold.

use super::*;
use crate::Error;
use crate::archive::{MANIFEST, list};
use crate::store::Role;

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
        b"{\"format\": 2}".to_vec(),
    )
    .await;
    put(&store, "somebody elses/manifest.json", b"{}".to_vec()).await;
    put(&store, "notes.txt", b"hello".to_vec()).await;
    let listing = list(&store).await.unwrap();
    assert_eq!(listing.archives.len(), 1);
    assert!(matches!(
        &listing.unreadable[..],
        [Error::Damaged { uri, .. }, Error::FutureFormat { found: 2, .. }] if uri.contains("/bad/")
    ));
}

#[tokio::test]
async fn a_store_that_is_not_there_yet_is_empty() {
    let (folder, _) = folder();
    let store = crate::store::open(folder.path().join("new").to_str().unwrap()).unwrap();
    let listing = list(&store).await.unwrap();
    assert!(listing.archives.is_empty() && listing.unreadable.is_empty());
}
