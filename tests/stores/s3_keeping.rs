//! How S3 keeps what is put into it: locks, holds, keys, classes and tags.

use std::path::Path;
use std::sync::Arc;

use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode,
    ObjectLockRule,
};
use milvault::Error;
use milvault::archive::{ArchiveWriter, Inventory, list};
use milvault::copy::copy;
use milvault::forget::{Action, ForgetOptions, Which, forget, plan};
use milvault::progress::Context;
use milvault::store::{
    CustomerKey, LocalStore, Lock, LockMode, Protection, Role, ServerEncryption, Store,
    StoreOptions,
};

use crate::conformance::{put, put_as, put_large};
use crate::support::buckets::{self, client};

fn in_a_day() -> jiff::Timestamp {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now + 86_400).unwrap()
}

fn locking(mode: LockMode) -> StoreOptions {
    let mut options = buckets::options();
    options.keep.lock = Some(Lock {
        mode,
        until: in_a_day(),
    });
    options
}

/// Whether anything is left of a key.
async fn versions(bucket: &str, key: &str) -> usize {
    let listed = client().list_object_versions().bucket(bucket).prefix(key);
    listed.send().await.unwrap().versions().len()
}

#[tokio::test]
async fn a_locked_object_cannot_be_removed_and_a_mark_can() {
    for mode in [LockMode::Compliance, LockMode::Governance] {
        let bucket = buckets::bucket(true).await;
        let options = locking(mode);
        let store = buckets::open(&format!("s3://{bucket}"), &options).await;
        put_as(&store, "a/mark", "m", Role::Mark).await.unwrap();
        put(&store, "a/part", "p").await.unwrap();
        put_large(&store, "a/large", 1).await.unwrap();
        // What was not locked yet can be removed: an export that failed leaves nothing for years.
        put(&store, "b/part", "p").await.unwrap();
        store.remove_all("b").await.unwrap();
        assert_eq!(versions(&bucket, "b").await, 0);

        for path in ["a/part", "a/large"] {
            store.lock(path).await.unwrap();
            let protection = store.protection(path).await.unwrap();
            assert_eq!(protection.lock, options.keep.lock);
            assert!(protection.holds(jiff::Timestamp::now()));
            let error = store.remove(path).await.unwrap_err();
            assert!(error.to_string().contains("locked"), "{error}");
        }
        let error = store.remove_all("a").await.unwrap_err();
        assert!(error.to_string().contains("locked"), "{error}");
        assert_eq!(store.read("a/part").await.unwrap(), "p");
        assert_eq!(versions(&bucket, "a/part").await, 1);

        put_as(&store, "c/mark", "m", Role::Mark).await.unwrap();
        assert_eq!(
            store.protection("c/mark").await.unwrap(),
            Protection::default()
        );
        store.remove("c/mark").await.unwrap();
        assert_eq!(versions(&bucket, "c/mark").await, 0);
    }
}

/// A bucket that locks all that is put into it.
async fn locking_by_itself(mode: LockMode, days: i32) -> String {
    let bucket = buckets::bucket(true).await;
    rule(&bucket, mode, days).await;
    bucket
}

/// Makes a bucket lock whatever is put into it.
async fn rule(bucket: &str, mode: LockMode, days: i32) {
    let rule = DefaultRetention::builder()
        .mode(match mode {
            LockMode::Compliance => ObjectLockRetentionMode::Compliance,
            LockMode::Governance => ObjectLockRetentionMode::Governance,
        })
        .days(days)
        .build();
    let configuration = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(rule).build())
        .build();
    let request = client().put_object_lock_configuration().bucket(bucket);
    let request = request.object_lock_configuration(configuration);
    request.send().await.unwrap();
}

/// No object of it is locked any more, but the marker of its removal is as soon as it is there.
#[tokio::test]
async fn an_archive_whose_locks_are_over_goes_from_a_bucket_that_locks_all_by_itself() {
    let bucket = buckets::bucket(true).await;
    let store = buckets::open(&format!("s3://{bucket}"), &buckets::options()).await;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v1");
    let golden: Arc<dyn Store> = Arc::new(LocalStore::new(golden.to_str().unwrap()));
    let source = Inventory::open(golden, "milvus-2.3.5").await.unwrap();
    copy(&source, &store, "old", 2, &Context::silent())
        .await
        .unwrap();
    rule(&bucket, LockMode::Compliance, 1).await;
    let options = ForgetOptions {
        which: Which::Named(vec!["old".to_owned()]),
        unfinished: None,
    };
    let planned = plan(&store, &options).await.unwrap();
    let done = forget(&store, &planned, &Context::silent()).await.unwrap();
    assert_eq!((done.removed.len(), done.failed), (1, Vec::new()));
    let hidden = store.read("old/forgotten.json").await;
    assert!(matches!(hidden, Err(Error::Missing { .. })), "{hidden:?}");
    let listing = list(&store).await.unwrap();
    assert!(listing.archives.is_empty() && listing.unfinished.is_empty());
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    // Nor is there anything to do for the next.
    let options = ForgetOptions {
        which: Which::None,
        unfinished: Some("1h".parse().unwrap()),
    };
    let planned = plan(&store, &options).await.unwrap();
    assert_eq!(planned.removals().count(), 0);
    // What is there now is locked by the bucket, and is kept with its reason.
    copy(&source, &store, "old", 2, &Context::silent())
        .await
        .unwrap();
    let options = ForgetOptions {
        which: Which::Named(vec!["old".to_owned()]),
        unfinished: None,
    };
    let planned = plan(&store, &options).await.unwrap();
    assert_eq!(planned.archives[0].action, Action::Locked);
    assert!(planned.archives[0].reasons[0].contains("compliance"));
}

#[tokio::test]
async fn a_bucket_that_locks_for_as_long_by_itself_is_no_obstacle() {
    for (bucket_mode, days, asked) in [
        (LockMode::Compliance, 1, LockMode::Compliance),
        (LockMode::Compliance, 3, LockMode::Compliance),
        (LockMode::Compliance, 3, LockMode::Governance),
        (LockMode::Governance, 3, LockMode::Governance),
    ] {
        let bucket = locking_by_itself(bucket_mode, days).await;
        let mut options = locking(asked);
        let store = buckets::open(&format!("s3://{bucket}"), &options).await;
        put(&store, "part", "p").await.unwrap();
        let before = store.protection("part").await.unwrap();
        store.lock("part").await.unwrap();
        assert_eq!(store.protection("part").await.unwrap(), before);
        assert_eq!(before.lock.as_ref().unwrap().mode, bucket_mode);

        // A later end is taken, in the stricter mode.
        let mut until = in_a_day().as_second() + 10 * 86_400;
        options.keep.lock = Some(Lock {
            mode: bucket_mode,
            until: jiff::Timestamp::from_second(until).unwrap(),
        });
        let later = buckets::open(&format!("s3://{bucket}"), &options).await;
        later.lock("part").await.unwrap();
        assert_eq!(
            later.protection("part").await.unwrap().lock,
            options.keep.lock
        );
        until -= 86_400;
        options.keep.lock.as_mut().unwrap().until = jiff::Timestamp::from_second(until).unwrap();
        let earlier = buckets::open(&format!("s3://{bucket}"), &options).await;
        earlier.lock("part").await.unwrap();
        let held = earlier.protection("part").await.unwrap().lock.unwrap();
        assert_eq!(held.until.as_second(), until + 86_400);
    }
}

#[tokio::test]
async fn a_lock_that_the_buckets_own_contradicts_is_refused_before_anything_is_written() {
    let bucket = locking_by_itself(LockMode::Governance, 30).await;
    let store = buckets::open(&format!("s3://{bucket}"), &locking(LockMode::Compliance)).await;
    let error = put_as(&store, "mark", "1", Role::Mark).await.unwrap_err();
    assert!(matches!(error, Error::Usage(_)), "{error:?}");
    assert!(error.to_string().contains("in governance mode"), "{error}");
    assert!(store.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_mark_goes_from_a_bucket_that_locks_all_by_itself() {
    let bucket = locking_by_itself(LockMode::Compliance, 1).await;
    let store = buckets::open(&format!("s3://{bucket}"), &buckets::options()).await;
    put_as(&store, "a/mark", "m", Role::Mark).await.unwrap();
    put(&store, "a/part", "p").await.unwrap();
    assert!(store.protection("a/part").await.unwrap().lock.is_some());
    store.remove("a/mark").await.unwrap();
    assert_eq!(store.list("a").await.unwrap(), ["part"]);
    assert!(store.remove("a/part").await.is_err());
}

#[tokio::test]
async fn a_legal_hold_lasts_until_it_is_lifted() {
    let bucket = buckets::bucket(true).await;
    let mut options = buckets::options();
    options.keep.legal_hold = true;
    let store = buckets::open(&format!("s3://{bucket}"), &options).await;
    put(&store, "object", "1").await.unwrap();
    store.lock("object").await.unwrap();
    let protection = store.protection("object").await.unwrap();
    assert!(
        protection.legal_hold && protection.lock.is_none(),
        "{protection:?}"
    );
    assert!(store.remove("object").await.is_err());
}

#[tokio::test]
async fn locks_in_a_bucket_without_them_are_refused_before_anything_is_written() {
    let bucket = buckets::bucket(false).await;
    let store = buckets::open(&format!("s3://{bucket}"), &locking(LockMode::Compliance)).await;
    let written = put_as(&store, "mark", "1", Role::Mark).await;
    // A dry run finds it out as well.
    let rehearsed = ArchiveWriter::check_vacant(store.clone(), "a").await;
    for error in [written.unwrap_err(), rehearsed.unwrap_err()] {
        assert!(matches!(error, Error::Usage(_)), "{error:?}");
        assert!(error.to_string().contains("has no Object Lock"), "{error}");
    }
    assert!(store.list("").await.unwrap().is_empty());
    assert_eq!(
        store.protection("mark").await.unwrap(),
        Protection::default()
    );
}

#[tokio::test]
async fn what_a_customers_key_encrypts_is_read_with_that_key_alone() {
    let bucket = buckets::bucket(false).await;
    let uri = format!("s3://{bucket}/x");
    let mut options = buckets::options();
    options.customer_key = Some(CustomerKey::new([0xab; 32]));
    let store = buckets::open(&uri, &options).await;
    put_as(&store, "mark", "secret", Role::Mark).await.unwrap();
    put_large(&store, "large", 5).await.unwrap();
    assert_eq!(store.read("mark").await.unwrap(), "secret");
    let part = store
        .read_range("large", 9_000_000..9_000_010)
        .await
        .unwrap();
    assert_eq!(part, crate::conformance::noise(9_000_010, 5)[9_000_000..]);
    let again = put(&store, "mark", "other").await;
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
    assert!(
        store
            .copy_within(&*store, "mark", "copy", Role::Part)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(store.read("copy").await.unwrap(), "secret");

    let plain = buckets::open(&uri, &buckets::options()).await;
    let error = plain.read("mark").await.unwrap_err().to_string();
    assert!(error.contains("key"), "{error}");
    options.customer_key = Some(CustomerKey::new([0xcd; 32]));
    let other = buckets::open(&uri, &options).await;
    assert!(other.read("mark").await.is_err());
    // Who removes needs no key.
    plain.remove_all("").await.unwrap();
    assert!(plain.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn class_tags_and_the_services_key_are_as_asked() {
    let bucket = buckets::bucket(false).await;
    let mut options = buckets::options();
    options.keep.class = Some("STANDARD_IA".into());
    options.keep.encryption = Some(ServerEncryption::Service);
    options.keep.tags = [("team", "search"), ("cost-center", "a1.b_2")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let store = buckets::open(&format!("s3://{bucket}"), &options).await;
    put_as(&store, "mark", "1", Role::Mark).await.unwrap();
    put(&store, "part", "1").await.unwrap();
    put_large(&store, "large", 1).await.unwrap();
    assert!(
        store
            .copy_within(&*store, "part", "copy", Role::Part)
            .await
            .unwrap()
            .is_some()
    );
    for key in ["part", "large", "copy"] {
        let head = client().head_object().bucket(&bucket).key(key);
        let head = head.send().await.unwrap();
        assert_eq!(
            head.storage_class().unwrap().as_str(),
            "STANDARD_IA",
            "{key}"
        );
        assert_eq!(
            head.server_side_encryption().unwrap().as_str(),
            "AES256",
            "{key}"
        );
        let tags = client().get_object_tagging().bucket(&bucket).key(key);
        let tags = tags.send().await.unwrap();
        let mut held: Vec<_> = tags
            .tag_set()
            .iter()
            .map(|tag| (tag.key(), tag.value()))
            .collect();
        held.sort_unstable();
        assert_eq!(
            held,
            [("cost-center", "a1.b_2"), ("team", "search")],
            "{key}"
        );
    }
    let mark = client().head_object().bucket(&bucket).key("mark");
    let mark = mark.send().await.unwrap();
    assert!(
        mark.storage_class()
            .is_none_or(|class| class.as_str() == "STANDARD")
    );
    assert_eq!(
        store.read("large").await.unwrap().len() as u64,
        store.size("large").await.unwrap()
    );
}

#[tokio::test]
async fn tags_may_hold_what_headers_escape() {
    let bucket = buckets::bucket(false).await;
    let mut options = buckets::options();
    let odd = ("für wen", "a+b=c / d@e");
    options.keep.tags = [(odd.0.to_owned(), odd.1.to_owned())].into();
    let store = buckets::open(&format!("s3://{bucket}"), &options).await;
    put(&store, "part", "1").await.unwrap();
    let tags = client().get_object_tagging().bucket(&bucket).key("part");
    let tags = tags.send().await.unwrap();
    let held: Vec<_> = tags
        .tag_set()
        .iter()
        .map(|tag| (tag.key(), tag.value()))
        .collect();
    assert_eq!(held, [odd]);
}

#[tokio::test]
async fn an_archive_that_is_there_already_is_locked_by_the_next_copy() {
    use milvault::archive::Inventory;
    use milvault::copy::copy;
    use milvault::progress::Context;
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/archive-v1");
    let from = milvault::store::open(fixtures, &StoreOptions::default())
        .await
        .unwrap();
    let source = Inventory::open(from, "milvus-lite-3.2.2").await.unwrap();
    let bucket = buckets::bucket(true).await;
    let uri = format!("s3://{bucket}/x");
    let context = Context::silent();
    let plain = buckets::open(&uri, &buckets::options()).await;
    let first = copy(&source, &plain, "a", 4, &context).await.unwrap();
    assert!(!first.complete && !first.locked, "{first:?}");

    let mut options = locking(LockMode::Governance);
    options.keep.legal_hold = true;
    let locking = buckets::open(&uri, &options).await;
    for again in 0..2 {
        // One that is missing is sent, and locked with the others.
        let path = &source.objects()[0].path;
        if again == 0 {
            plain.remove(&format!("a/{path}")).await.unwrap();
        }
        let done = copy(&source, &locking, "a", 4, &context).await.unwrap();
        assert!(done.complete && done.locked, "{done:?}");
        assert_eq!(done.repaired, 1 - again);
        let objects = source.objects().into_iter().map(|object| object.path);
        let last = ["manifest.json", "manifest.sha256", "summary.json"].map(str::to_owned);
        let mut seen = 0;
        for path in objects.chain(last) {
            match plain.protection(&format!("a/{path}")).await {
                Err(Error::Missing { .. }) if path == "summary.json" => continue,
                found => {
                    let found = found.unwrap();
                    assert_eq!(found.lock, options.keep.lock, "{path}");
                    assert!(found.legal_hold, "{path}");
                }
            }
            seen += 1;
        }
        assert!(seen > 2, "{seen}");
    }
}
