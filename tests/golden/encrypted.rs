//! An encrypted archive, with the keys that open it.

use std::fs;
use std::path::{Path, PathBuf};

use milvault::archive::{Archive, Keys, verify};
use milvault::progress::Context;
use milvault::store::{self, StoreOptions};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v2")
}

async fn open(keys: Keys) -> milvault::Result<Archive> {
    let folder = fixtures();
    let options = StoreOptions::default();
    let store = store::open(folder.to_str().unwrap(), &options);
    let store = store.await.unwrap();
    Archive::open_with(store, "encrypted", || Ok(keys)).await
}

#[tokio::test]
async fn the_encrypted_archive_is_good_and_holds_what_it_held() {
    let mut keys = Keys::default();
    let text = fs::read_to_string(fixtures().join("identity.txt")).unwrap();
    keys.add_identities("identity.txt", &text).unwrap();
    let archive = open(keys).await.unwrap();
    assert_eq!(archive.summary().format, 2);
    let entry = &archive.manifest().collections[0];
    assert_eq!(
        (entry.rows, entry.digests.all.to_string().as_str()),
        (120, "fb666a37cbf3d895a80adbec4db1e7f9")
    );
    let report = verify(&archive, &Context::silent(), 1).await.unwrap();
    assert!(report.is_good(), "{:?}", report.problems);
    assert!(open(Keys::default()).await.is_err());
}
