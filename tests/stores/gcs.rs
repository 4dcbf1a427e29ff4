//! Google Cloud Storage, on a real fake-gcs-server: what every store keeps to, its faults, and what it has to refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use milvault::Error;
use milvault::store::{
    GcsOptions, GcsStore, KeepOptions, Lock, LockMode, Role, Store, StoreOptions,
};

use crate::conformance::{noise, put, put_as, suite};
use crate::support::proxy::{Breaks, Proxy};
use crate::support::servers;

/// As in tests/servers/fakegcs.py.
pub const BUCKET: &str = "backups";

pub fn options(address: &str) -> StoreOptions {
    StoreOptions {
        gcs: GcsOptions {
            endpoint: Some(format!("http://{address}")),
            anonymous: true,
            ..GcsOptions::default()
        },
        ..StoreOptions::default()
    }
}

/// A place of its own in the bucket that all tests share, with what is awkward in addresses.
fn place() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    format!("gs://{BUCKET}/a b+c%41/store {number}")
}

fn open(uri: &str, options: &StoreOptions) -> Arc<dyn Store> {
    Arc::new(GcsStore::open(uri, options).unwrap())
}

async fn store() -> ((), Arc<dyn Store>) {
    ((), open(&place(), &options(&servers::fake_gcs().address)))
}

// All but one: the server does not heed the condition on large objects when they are finished, only what is looked for before
// they begin. A simulated service does.
suite!(store:
    an_object_is_read_back_whole_and_in_ranges
    a_range_that_reaches_past_the_end_is_an_error
    a_missing_object_is_told_as_missing
    an_object_is_created_once
    of_many_writers_of_one_path_one_succeeds
    names_with_odd_characters_come_back
    lists_and_removals_go_beyond_a_page
    an_empty_object_is_an_object
    an_object_of_many_parts_comes_back
    an_object_that_was_not_finished_leaves_nothing
    names_that_look_alike_are_kept_apart
    many_objects_are_written_at_once
    paths_that_leave_the_store_are_refused
    a_copy_within_a_service_is_an_object_like_any_other
    what_was_not_locked_can_be_removed
);

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let store = open("gs://nowhere/x", &options(&servers::fake_gcs().address));
    for error in [
        store.list("").await.unwrap_err(),
        put(&store, "small", "1").await.unwrap_err(),
        put(&store, "large", noise(20 << 20, 1)).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
        let words = error.to_string();
        assert!(words.contains("create the bucket nowhere"), "{words}");
        assert!(!words.contains('\n') && words.len() < 600, "{words}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_named() {
    let store = open(&place(), &options("127.0.0.1:9"));
    let words = store.read("object").await.unwrap_err().to_string();
    assert!(
        words.contains("--gcs-endpoint") && !words.contains('\n'),
        "{words}"
    );
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_for_ours() {
    // The request is through with its body, and its answer is not.
    let breaks = Breaks {
        after_sent: 20_000,
        after_received: u64::MAX,
        times: 1,
    };
    let proxy = Proxy::start(&servers::fake_gcs().address, breaks).await;
    let store = open(&place(), &options(&proxy.address));
    put(&store, "object", noise(20_000, 1)).await.unwrap();
    assert_eq!(proxy.broken(), 1);
    assert!(store.read("object").await.unwrap() == noise(20_000, 1));
    let again = put(&store, "object", noise(20_000, 1)).await;
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
}

#[tokio::test]
async fn a_read_survives_broken_connections() {
    let uri = place();
    let size = 40 << 20;
    let store = open(&uri, &options(&servers::fake_gcs().address));
    put(&store, "object", noise(size, 2)).await.unwrap();
    let breaks = Breaks {
        after_sent: u64::MAX,
        after_received: 11 << 20,
        times: 2,
    };
    let proxy = Proxy::start(&servers::fake_gcs().address, breaks).await;
    let store = open(&uri, &options(&proxy.address));
    assert!(store.read("object").await.unwrap() == noise(size, 2));
    assert_eq!(proxy.broken(), 2);
}

#[tokio::test]
async fn what_a_bucket_cannot_do_is_refused_before_anything_is_written() {
    let mut options = options(&servers::fake_gcs().address);
    options.keep = KeepOptions {
        lock: Some(Lock {
            mode: LockMode::Compliance,
            until: "2099-01-01T00:00:00Z".parse().unwrap(),
        }),
        ..KeepOptions::default()
    };
    let store = open(&place(), &options);
    let refusal = put(&store, "object", "1").await.unwrap_err();
    assert!(matches!(refusal, Error::Usage(_)), "{refusal}");
    assert!(
        refusal.to_string().contains("object retention"),
        "{refusal}"
    );
}

#[tokio::test]
async fn classes_and_tags_are_those_that_were_asked_for() {
    let mut options = options(&servers::fake_gcs().address);
    options.keep = KeepOptions {
        class: Some("nearline".to_owned()),
        tags: [("of".to_owned(), "a/b c".to_owned())].into(),
        ..KeepOptions::default()
    };
    let uri = place();
    let store = open(&uri, &options);
    put(&store, "small", "1").await.unwrap();
    put(&store, "large", noise(20 << 20, 1)).await.unwrap();
    put_as(&store, "mark", "1", Role::Mark).await.unwrap();
    for (name, tagged) in [("small", true), ("large", true), ("mark", false)] {
        let path = uri.replace(&format!("gs://{BUCKET}/"), "");
        let name = format!("{path}/{name}");
        let encoded =
            percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        let address = &servers::fake_gcs().address;
        let url = format!("http://{address}/storage/v1/b/{BUCKET}/o/{encoded}");
        let answer = reqwest::Client::new().get(url).send().await.unwrap();
        let found: serde_json::Value =
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(found["metadata"]["of"] == "a/b c", tagged, "{found}");
        // The server forgets the class of large ones.
        let classed = tagged && name.ends_with("small");
        assert_eq!(found["storageClass"] == "NEARLINE", classed, "{found}");
    }
}
