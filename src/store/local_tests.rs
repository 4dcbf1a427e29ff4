#![allow(clippy::unwrap_used)]

use super::*;

fn store() -> (tempfile::TempDir, LocalStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path().to_str().unwrap());
    (folder, store)
}

async fn put(store: &LocalStore, path: &str, bytes: &'static [u8]) -> Result<()> {
    let mut writer = store.create(path, Role::Part).await?;
    writer.write(Bytes::from_static(bytes)).await?;
    writer.finish().await
}

fn files_below(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files_below(&path) } else { 1 }
        })
        .sum()
}

#[tokio::test]
async fn what_was_written_is_read_back() {
    let (folder, store) = store();
    let mut writer = store.create("a/b/object", Role::Part).await.unwrap();
    writer.write(Bytes::from_static(b"hello ")).await.unwrap();
    writer.write(Bytes::from_static(b"world")).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(store.read("a/b/object").await.unwrap(), "hello world");
    assert_eq!(store.read_range("a/b/object", 4..7).await.unwrap(), "o w");
    assert_eq!(store.read_range("a/b/object", 11..11).await.unwrap(), "");
    assert_eq!(store.size("a/b/object").await.unwrap(), 11);
    assert_eq!(files_below(folder.path()), 1, "the temporary file is gone");
}

#[tokio::test]
async fn nothing_shows_before_finish_and_nothing_stays_after_drop() {
    let (folder, store) = store();
    let mut writer = store.create("a/object", Role::Part).await.unwrap();
    writer.write(Bytes::from_static(b"half")).await.unwrap();
    assert!(store.list("a").await.unwrap().is_empty());
    assert!(matches!(
        store.read("a/object").await,
        Err(Error::Missing { .. })
    ));
    assert_eq!(files_below(folder.path()), 1);
    drop(writer);
    assert_eq!(files_below(folder.path()), 0);
}

#[tokio::test]
async fn an_object_is_created_once() {
    let (folder, store) = store();
    put(&store, "object", b"first").await.unwrap();
    let second = put(&store, "object", b"second").await;
    assert!(matches!(second, Err(Error::Exists { what, .. }) if what.ends_with("/object")));
    assert_eq!(store.read("object").await.unwrap(), "first");
    assert_eq!(files_below(folder.path()), 1);
}

#[tokio::test]
async fn of_many_writers_of_one_path_one_wins() {
    let (_folder, store) = store();
    let racers = (0..16).map(|number: u32| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut writer = store.create("deep/er/object", Role::Part).await.unwrap();
            writer.write(Bytes::from(number.to_string())).await.unwrap();
            writer.finish().await.map(|()| number)
        })
    });
    let results = futures::future::join_all(racers).await;
    let winners: Vec<u32> = results
        .into_iter()
        .filter_map(|result| result.unwrap().ok())
        .collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(
        store.read("deep/er/object").await.unwrap(),
        winners[0].to_string()
    );
}

#[test]
fn without_hard_links_a_name_is_taken_once_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("object");
    let first = Temp::create(&target, READABLE).unwrap();
    let second = Temp::create(&target, READABLE).unwrap();
    publish_by_claim(&first, &target).unwrap();
    let refused = publish_by_claim(&second, &target).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    drop((first, second));
    assert!(target.exists());
    assert_eq!(files_below(folder.path()), 1);
}

#[tokio::test]
async fn lists_are_sorted_and_mark_folders() {
    let (_folder, store) = store();
    for path in ["x/b", "x/a", "x/c/d", "x/.hidden"] {
        put(&store, path, b"").await.unwrap();
    }
    assert_eq!(store.list("x").await.unwrap(), [".hidden", "a", "b", "c/"]);
    assert_eq!(store.list("").await.unwrap(), ["x/"]);
    assert!(store.list("nowhere").await.unwrap().is_empty());
}

#[tokio::test]
async fn removing_removes_and_forgives() {
    let (folder, store) = store();
    for path in ["x/a", "x/b/c", "y"] {
        put(&store, path, b"1").await.unwrap();
    }
    store.remove("x/a").await.unwrap();
    store.remove("x/a").await.unwrap();
    assert_eq!(store.list("x").await.unwrap(), ["b/"]);
    store.remove_all("x").await.unwrap();
    store.remove_all("x").await.unwrap();
    store.remove_all("y").await.unwrap();
    assert!(store.list("").await.unwrap().is_empty());
    assert!(matches!(store.remove_all("").await, Err(Error::Usage(_))));
    assert!(folder.path().exists());
}

#[tokio::test]
async fn paths_out_of_the_store_are_refused() {
    let (_folder, store) = store();
    for path in [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a\0b",
    ] {
        assert!(
            matches!(store.create(path, Role::Part).await, Err(Error::Usage(_))),
            "{path}"
        );
        assert!(
            matches!(store.read(path).await, Err(Error::Usage(_))),
            "{path}"
        );
        assert!(
            matches!(store.size(path).await, Err(Error::Usage(_))),
            "{path}"
        );
        assert!(
            matches!(store.list(path).await, Err(Error::Usage(_))),
            "{path}"
        );
        assert!(
            matches!(store.remove(path).await, Err(Error::Usage(_))),
            "{path}"
        );
        assert!(
            matches!(store.remove_all(path).await, Err(Error::Usage(_))),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_range_past_the_end_is_an_error() {
    let (_folder, store) = store();
    put(&store, "object", b"12345").await.unwrap();
    for range in [0..6, 6..7, Range { start: 3, end: 2 }, 0..u64::MAX] {
        assert!(matches!(
            store.read_range("object", range).await,
            Err(Error::Store { .. })
        ));
    }
}

#[tokio::test]
async fn a_missing_object_is_missing() {
    let (_folder, store) = store();
    put(&store, "folder/object", b"").await.unwrap();
    for path in ["object", "folder", "folder/none"] {
        let size = store.size(path).await;
        assert!(
            matches!(size, Err(Error::Missing { uri, .. }) if uri.ends_with(path)),
            "{path}"
        );
        let read = store.read(path).await;
        assert!(matches!(read, Err(Error::Missing { .. })), "{path}");
        let read = store.read_range(path, 0..1).await;
        assert!(matches!(read, Err(Error::Missing { .. })), "{path}");
    }
}

#[tokio::test]
async fn a_store_below_a_file_says_so() {
    let (folder, store) = store();
    put(&store, "file", b"").await.unwrap();
    let below = LocalStore::new(folder.path().join("file/backups").to_str().unwrap());
    let error = put(&below, "object", b"").await.unwrap_err();
    assert!(matches!(error, Error::Store { doing: "write", .. }));
    let message = error.to_string();
    assert!(
        message.contains("file/backups/object") && message.contains("part of the path"),
        "{message}"
    );
}

/// `/dev/full` is a device on which every write meets a full disk.
#[tokio::test]
async fn a_full_disk_says_what_to_do_and_leaves_nothing() {
    let (folder, store) = store();
    let (target, uri) = store.locate("object").unwrap();
    let mut temp = Temp::create(&target, READABLE).unwrap();
    temp.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut writer = LocalWriter {
        temp: Some(temp),
        target,
        uri,
    };
    let error = writer.write(Bytes::from_static(b"x")).await.unwrap_err();
    let Error::Store {
        doing: "write",
        source,
        ..
    } = &error
    else {
        unreachable!("{error}");
    };
    assert_eq!(source.kind(), ErrorKind::StorageFull);
    assert!(error.to_string().contains("/object: "), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(
        writer.write(Bytes::from_static(b"y")).await.is_err(),
        "a failed object stays failed"
    );
    assert!(Box::new(writer).finish().await.is_err());
    assert_eq!(files_below(folder.path()), 0);
}

#[test]
fn refusals_of_the_system_come_with_a_way_out() {
    for (kind, advice) in [
        (ErrorKind::ReadOnlyFilesystem, "another store"),
        (ErrorKind::PermissionDenied, "rights"),
        (ErrorKind::QuotaExceeded, "free some space"),
        (ErrorKind::NotFound, "another store"),
    ] {
        let advised = advise("write", kind.into());
        assert_eq!(advised.kind(), kind);
        assert!(advised.to_string().contains(advice), "{advised}");
    }
}
