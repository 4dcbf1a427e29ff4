//! What every store keeps to. Each check is given an empty store.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use milvault::store::{Protection, Role, Store, Told};
use milvault::{Error, Result};

/// Makes a test of each check; `$open` gives something that is kept for as long as the test runs, and a store.
macro_rules! suite {
    ($open:path) => {
        crate::conformance::suite!($open:
            an_object_is_read_back_whole_and_in_ranges
            a_range_that_reaches_past_the_end_is_an_error
            a_missing_object_is_told_as_missing
            an_object_is_created_once
            of_many_writers_of_one_path_one_succeeds
            a_large_object_whose_name_was_taken_meanwhile_is_refused
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
    };
    ($open:path: $($check:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $check() {
            let (_kept, store) = $open().await;
            crate::conformance::$check(store).await;
        }
    )*};
}
pub(crate) use suite;

/// More than any store sends in one request, and no multiple of anything.
const LARGE: usize = (20 << 20) + 12_345;

pub async fn put(store: &Arc<dyn Store>, path: &str, bytes: impl Into<Bytes>) -> Result<()> {
    put_as(store, path, bytes, Role::Part).await
}

pub async fn put_as(
    store: &Arc<dyn Store>,
    path: &str,
    bytes: impl Into<Bytes>,
    role: Role,
) -> Result<()> {
    let mut writer = store.create(path, role).await?;
    writer.write(bytes.into()).await?;
    writer.finish().await
}

/// Bytes that are nowhere the same, of a writer's own.
pub fn noise(size: usize, writer: u64) -> Bytes {
    let mut state = writer.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(word)
        .take(size / 8 + 1)
        .flatten()
        .collect();
    bytes.truncate(size);
    bytes.into()
}

pub async fn put_large(store: &Arc<dyn Store>, path: &str, writer: u64) -> Result<()> {
    let bytes = noise(LARGE, writer);
    let mut object = store.create(path, Role::Part).await?;
    // Chunks that fit no part.
    for start in (0..LARGE).step_by(1_000_003) {
        object
            .write(bytes.slice(start..LARGE.min(start + 1_000_003)))
            .await?;
    }
    object.finish().await
}

fn is_missing<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Missing { .. }))
}

fn is_taken(result: &Result<()>) -> bool {
    matches!(result, Err(Error::Exists { .. }))
}

/// Panics if there is an object below a path. Some services go on naming folders that have become empty.
async fn assert_no_objects(store: &Arc<dyn Store>, path: &str) {
    for name in store.list(path).await.unwrap() {
        assert!(name.ends_with('/'), "{path}/{name}");
        let below = format!("{path}/{}", name.trim_end_matches('/'));
        assert!(store.list(&below).await.unwrap().is_empty(), "{below}");
    }
}

pub async fn an_object_is_read_back_whole_and_in_ranges(store: Arc<dyn Store>) {
    let mut writer = store.create("a/b/object", Role::Part).await.unwrap();
    writer.write(Bytes::from_static(b"hello ")).await.unwrap();
    writer.write(Bytes::from_static(b"world")).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(store.read("a/b/object").await.unwrap(), "hello world");
    assert_eq!(store.size("a/b/object").await.unwrap(), 11);
    for (range, part) in [(0..11, "hello world"), (4..7, "o w"), (10..11, "d")] {
        assert_eq!(store.read_range("a/b/object", range).await.unwrap(), part);
    }
    for nothing in [0..0, 5..5, 11..11] {
        assert_eq!(store.read_range("a/b/object", nothing).await.unwrap(), "");
    }
}

pub async fn a_range_that_reaches_past_the_end_is_an_error(store: Arc<dyn Store>) {
    put(&store, "object", "0123456789").await.unwrap();
    #[allow(clippy::reversed_empty_ranges)]
    for range in [0..11, 9..12, 10..11, 11..12, 100..200, 11..11, 5..4] {
        let read = store.read_range("object", range.clone()).await;
        assert!(
            matches!(read, Err(Error::Store { .. })),
            "{range:?}: {read:?}"
        );
    }
}

pub async fn a_missing_object_is_told_as_missing(store: Arc<dyn Store>) {
    put(&store, "a/object", "1").await.unwrap();
    for path in ["none", "a/none", "a", "a/object2", "a/objec"] {
        assert!(is_missing(&store.read(path).await), "{path}");
        assert!(is_missing(&store.read_range(path, 0..1).await), "{path}");
        assert!(is_missing(&store.read_range(path, 0..0).await), "{path}");
        assert!(is_missing(&store.size(path).await), "{path}");
    }
    assert!(store.list("none").await.unwrap().is_empty());
    assert!(store.list("a/none").await.unwrap().is_empty());
    store.remove("none").await.unwrap();
    store.remove_all("none").await.unwrap();
    assert_eq!(store.list("").await.unwrap(), ["a/"]);
}

pub async fn an_object_is_created_once(store: Arc<dyn Store>) {
    for role in [Role::Mark, Role::Part, Role::Secret] {
        let path = format!("{role:?}");
        put_as(&store, &path, "first", role).await.unwrap();
        for again in ["second", "first"] {
            let second = put_as(&store, &path, again, role).await;
            assert!(is_taken(&second), "{second:?}");
        }
        assert_eq!(store.read(&path).await.unwrap(), "first");
    }
    let large = put_large(&store, "Part", 1).await;
    assert!(is_taken(&large), "{large:?}");
    assert_eq!(store.read("Part").await.unwrap(), "first");
    store.remove("Part").await.unwrap();
    put(&store, "Part", "third").await.unwrap();
    assert_eq!(store.read("Part").await.unwrap(), "third");
}

pub async fn of_many_writers_of_one_path_one_succeeds(store: Arc<dyn Store>) {
    let racers = (0..16u32).map(|number| {
        let store = store.clone();
        // Half of them write the same: who won is not to be told by the content.
        tokio::spawn(async move { put(&store, "deep/er/object", (number / 2).to_string()).await })
    });
    let results = futures::future::join_all(racers).await;
    let results: Vec<Result<()>> = results.into_iter().map(Result::unwrap).collect();
    let winners: Vec<usize> = (0..16).filter(|number| results[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert_eq!(
        results.iter().filter(|result| is_taken(result)).count(),
        15,
        "{results:?}"
    );
    let held = store.read("deep/er/object").await.unwrap();
    assert_eq!(held, (winners[0] / 2).to_string());
}

pub async fn a_large_object_whose_name_was_taken_meanwhile_is_refused(store: Arc<dyn Store>) {
    let mut large = store.create("object", Role::Part).await.unwrap();
    large.write(noise(LARGE, 1)).await.unwrap();
    let mut other = store.create("object", Role::Part).await.unwrap();
    other.write(noise(LARGE, 2)).await.unwrap();
    other.finish().await.unwrap();
    let refused = large.finish().await;
    assert!(is_taken(&refused), "{refused:?}");
    assert!(store.read("object").await.unwrap() == noise(LARGE, 2));
}

/// Not in the suite: SeaweedFS 4.48 sometimes lets two of them through.
pub async fn of_many_writers_of_one_large_object_one_succeeds(store: Arc<dyn Store>) {
    let racers = (0..3u64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { put_large(&store, "object", number).await })
    });
    let results = futures::future::join_all(racers).await;
    let results: Vec<Result<()>> = results.into_iter().map(Result::unwrap).collect();
    let winners: Vec<u64> = (0..3)
        .filter(|number| results[*number as usize].is_ok())
        .collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert_eq!(
        results.iter().filter(|result| is_taken(result)).count(),
        2,
        "{results:?}"
    );
    assert!(store.read("object").await.unwrap() == noise(LARGE, winners[0]));
}

pub async fn names_with_odd_characters_come_back(store: Arc<dyn Store>) {
    let mut names = [
        "with space",
        "two  spaces",
        "plus+",
        "percent%",
        "%41",
        "%2F",
        "hash#1",
        "what?",
        "a&b=c",
        "star*",
        "quote'\"",
        "comma,;:@",
        "ünïcödé-数据",
        "emoji-🦀",
        "~tilde",
        "[b]{c}(d)",
        "<x>",
        "dollar$",
        "pipe|",
        "caret^",
        "-dash",
        ".hidden",
        "_under",
        "a.b.c",
    ];
    for name in names {
        put(&store, &format!("odd/{name}"), name).await.unwrap();
        put(&store, &format!("in/{name}/x"), name).await.unwrap();
    }
    for name in names {
        let path = format!("odd/{name}");
        assert_eq!(store.read(&path).await.unwrap(), name, "{name}");
        assert_eq!(
            store.size(&path).await.unwrap(),
            name.len() as u64,
            "{name}"
        );
        assert_eq!(
            store.list(&format!("in/{name}")).await.unwrap(),
            ["x"],
            "{name}"
        );
    }
    names.sort_unstable();
    assert_eq!(store.list("odd").await.unwrap(), names);
    let mut folders: Vec<String> = names.iter().map(|name| format!("{name}/")).collect();
    folders.sort_unstable();
    assert_eq!(store.list("in").await.unwrap(), folders);
    for name in names {
        store.remove(&format!("odd/{name}")).await.unwrap();
        store.remove_all(&format!("in/{name}")).await.unwrap();
    }
    assert_no_objects(&store, "odd").await;
    assert_no_objects(&store, "in").await;
}

pub async fn lists_and_removals_go_beyond_a_page(store: Arc<dyn Store>) {
    const NUMBER: usize = 1_105;
    let name = |number: usize| format!("{number:05}");
    stream::iter(0..NUMBER)
        .map(|number| {
            let store = &store;
            async move {
                put(store, &format!("many/{}", name(number)), "1").await?;
                put(store, &format!("folders/{}/x", name(number)), "1").await
            }
        })
        .buffer_unordered(32)
        .try_collect::<()>()
        .await
        .unwrap();
    let names: Vec<String> = (0..NUMBER).map(name).collect();
    assert_eq!(store.list("many").await.unwrap(), names);
    let folders: Vec<String> = names.iter().map(|name| format!("{name}/")).collect();
    assert_eq!(store.list("folders").await.unwrap(), folders);
    store.remove_all("many").await.unwrap();
    assert!(store.list("many").await.unwrap().is_empty());
    assert_eq!(store.list("folders").await.unwrap().len(), NUMBER);
    store.remove_all("folders").await.unwrap();
    assert_no_objects(&store, "folders").await;
    assert!(is_missing(&store.size("folders/00007/x").await));
}

pub async fn an_empty_object_is_an_object(store: Arc<dyn Store>) {
    store
        .create("a/nothing", Role::Part)
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    put(&store, "a/empty", "").await.unwrap();
    for path in ["a/nothing", "a/empty"] {
        assert_eq!(store.read(path).await.unwrap(), "");
        assert_eq!(store.read_range(path, 0..0).await.unwrap(), "");
        assert_eq!(store.size(path).await.unwrap(), 0);
        assert!(store.read_range(path, 0..1).await.is_err());
        assert!(is_taken(&put(&store, path, "").await));
    }
    assert_eq!(store.list("a").await.unwrap(), ["empty", "nothing"]);
}

pub async fn an_object_of_many_parts_comes_back(store: Arc<dyn Store>) {
    put_large(&store, "a/large", 7).await.unwrap();
    let bytes = noise(LARGE, 7);
    assert_eq!(store.size("a/large").await.unwrap(), LARGE as u64);
    assert!(store.read("a/large").await.unwrap() == bytes);
    for start in [0, (8 << 20) - 5, (16 << 20) - 1, LARGE - 10] {
        let range = start as u64..start as u64 + 10;
        let part = store.read_range("a/large", range).await.unwrap();
        assert_eq!(part, bytes[start..start + 10]);
    }
    let past = LARGE as u64 - 1..LARGE as u64 + 1;
    assert!(store.read_range("a/large", past).await.is_err());
}

pub async fn an_object_that_was_not_finished_leaves_nothing(store: Arc<dyn Store>) {
    let mut small = store.create("a/small", Role::Part).await.unwrap();
    small.write(Bytes::from_static(b"half")).await.unwrap();
    let mut large = store.create("a/large", Role::Part).await.unwrap();
    large.write(noise(LARGE, 1)).await.unwrap();
    // What is sent already is to arrive.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(
        store
            .list("")
            .await
            .unwrap()
            .iter()
            .all(|name| name == "a/")
    );
    assert!(store.list("a").await.unwrap().is_empty());
    assert!(is_missing(&store.read("a/small").await));
    assert!(is_missing(&store.size("a/large").await));
    drop(small);
    drop(large);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(store.list("a").await.unwrap().is_empty());
    // The names are free.
    put(&store, "a/small", "1").await.unwrap();
    put(&store, "a/large", "2").await.unwrap();
    assert_eq!(store.list("a").await.unwrap(), ["large", "small"]);
}

pub async fn names_that_look_alike_are_kept_apart(store: Arc<dyn Store>) {
    let paths = [
        "x/a", "x/b/c", "xy/a", "x-/a", "x.a", "X/a", "x/a.b", "x/ab",
    ];
    for path in paths {
        put(&store, path, path).await.unwrap();
    }
    assert_eq!(store.list("x").await.unwrap(), ["a", "a.b", "ab", "b/"]);
    assert_eq!(
        store.list("").await.unwrap(),
        ["X/", "x-/", "x.a", "x/", "xy/"]
    );
    store.remove("x/a").await.unwrap();
    assert_eq!(store.read("x/ab").await.unwrap(), "x/ab");
    store.remove_all("x/ab").await.unwrap();
    assert_eq!(store.list("x").await.unwrap(), ["a.b", "b/"]);
    store.remove_all("x").await.unwrap();
    assert_no_objects(&store, "x").await;
    for path in ["xy/a", "x-/a", "x.a", "X/a"] {
        assert_eq!(store.read(path).await.unwrap(), path);
    }
}

pub async fn many_objects_are_written_at_once(store: Arc<dyn Store>) {
    let writers = (0..8u64).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let path = format!("at-once/{number}");
            if number % 4 == 0 {
                put_large(&store, &path, number).await
            } else {
                put(&store, &path, noise(100_000, number)).await
            }
        })
    });
    for written in futures::future::join_all(writers).await {
        written.unwrap().unwrap();
    }
    for number in 0..8u64 {
        let size = if number % 4 == 0 { LARGE } else { 100_000 };
        let held = store.read(&format!("at-once/{number}")).await.unwrap();
        assert!(held == noise(size, number), "{number}");
    }
}

pub async fn paths_that_leave_the_store_are_refused(store: Arc<dyn Store>) {
    for path in [
        "", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "./a", "a/.", "a\0b",
    ] {
        let created = store.create(path, Role::Part).await;
        assert!(matches!(created, Err(Error::Usage(_))), "{path}");
        assert!(
            matches!(
                store.read(path).await,
                Err(Error::Usage(_)) | Err(Error::Missing { .. })
            ),
            "{path}"
        );
        assert!(
            matches!(store.remove(path).await, Err(Error::Usage(_))),
            "{path}"
        );
    }
}

pub async fn a_copy_within_a_service_is_an_object_like_any_other(store: Arc<dyn Store>) {
    put(&store, "from/a b+c%41", "content").await.unwrap();
    let copied = store
        .copy_within(&*store, "from/a b+c%41", "to/copy", Role::Part)
        .await
        .unwrap();
    let Some(told) = copied else {
        assert!(store.list("to").await.unwrap().is_empty());
        return;
    };
    match &told {
        Told::Sha256(sha) => {
            let sum = ring::digest::digest(&ring::digest::SHA256, b"content");
            assert_eq!(sha, sum.as_ref());
        }
        Told::Checksums { source, copy, .. } => assert_eq!(source, copy),
        Told::Size => {}
    }
    assert_eq!(store.read("to/copy").await.unwrap(), "content");
    put(&store, "other", "other").await.unwrap();
    let again = store
        .copy_within(&*store, "other", "to/copy", Role::Part)
        .await;
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
    assert_eq!(store.read("to/copy").await.unwrap(), "content");
    let missing = store
        .copy_within(&*store, "none", "to/none", Role::Part)
        .await;
    assert!(matches!(missing, Err(Error::Missing { .. })), "{missing:?}");
    assert_eq!(store.list("to").await.unwrap(), ["copy"]);
}

pub async fn what_was_not_locked_can_be_removed(store: Arc<dyn Store>) {
    put(&store, "object", "1").await.unwrap();
    store.lock("object").await.unwrap();
    assert_eq!(
        store.protection("object").await.unwrap(),
        Protection::default()
    );
    store.remove("object").await.unwrap();
    assert!(is_missing(&store.size("object").await));
}
