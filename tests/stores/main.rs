//! Tests of stores: what every one of them keeps to, on real services, and what is each one's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "most of it is for Milvus")]
mod support;

mod azure;
mod clouds_simulated;
mod conformance;
mod encrypted;
mod gcs;
mod named;
mod s3;
mod s3_faults;
mod s3_keeping;
mod s3_simulated;
mod secrets;
mod simulated;

mod local {
    use std::sync::Arc;

    use milvault::store::{LocalStore, Store};

    async fn store() -> (tempfile::TempDir, Arc<dyn Store>) {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path().to_str().unwrap());
        (folder, Arc::new(store))
    }

    crate::conformance::suite!(store);
    crate::conformance::suite!(store: of_many_writers_of_one_large_object_one_succeeds);
}
