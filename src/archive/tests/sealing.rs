//! The last steps of an archive: what becomes of it where one of them fails.

use std::sync::Mutex;

use super::hooked::{broken, hooked, locking};
use super::*;
use crate::archive::claim::Claim;
use crate::archive::{Archive, CHECKSUM, MANIFEST, SUMMARY, UNFINISHED, Unlocked, list, verify};
use crate::progress::Context;
use crate::{Error, Result};

const PARTS: usize = 3;

/// Writes and seals an archive of three files.
async fn seal(store: &Arc<dyn Store>) -> (ArchiveWriter, Result<Vec<Unlocked>>) {
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let mut files = Vec::new();
    for start in [0, 100, 200] {
        files.push(data_file(&writer, "docs", rows(start..start + 100)).await);
    }
    let manifest = manifest("prod", vec![entry("docs", files)]);
    let sealed = writer.seal(&manifest).await;
    (writer, sealed)
}

async fn assert_good(store: &Arc<dyn Store>) {
    let archive = Archive::open(store.clone(), "prod").await.unwrap();
    let report = verify(&archive, &Context::silent(), 2).await.unwrap();
    assert!(report.is_good() && report.warnings.is_empty(), "{report:?}");
    assert_eq!(
        store.list("prod").await.unwrap(),
        ["collections/", MANIFEST, CHECKSUM, SUMMARY]
    );
}

/// Wherever a lock fails: before the manifest the export fails, and what is locked stays where it can be seen; after it the
/// archive is whole, and what is not locked is told.
#[tokio::test]
async fn a_lock_that_fails_costs_no_archive() {
    for nth in 1..=PARTS + 3 {
        let (_folder, store) = folder();
        let (count, tried) = (Mutex::new(0), Arc::new(Mutex::new(Vec::new())));
        let hear = tried.clone();
        let failing = locking(&store, move |what, path| {
            if what == "lock" {
                hear.lock().unwrap().push(path.to_owned());
                let mut count = count.lock().unwrap();
                *count += 1;
                if *count == nth {
                    return Err(broken(path));
                }
            }
            Ok(())
        });
        let (writer, sealed) = seal(&failing).await;
        let tried = tried.lock().unwrap().clone();
        if nth > PARTS {
            let unlocked = sealed.unwrap();
            assert_eq!(unlocked.len(), 1, "{nth}");
            let path = ["manifest.sha256", "manifest.json", "summary.json"][nth - PARTS - 1];
            assert!(unlocked[0].error.to_string().contains(path), "{nth}");
            assert_eq!(tried.len(), PARTS + 3, "the others are locked");
            assert_good(&store).await;
            // Whatever a caller does: a whole archive is never taken apart.
            writer.discard().await.unwrap_err();
            assert_good(&store).await;
            continue;
        }
        assert!(matches!(sealed, Err(Error::Store { .. })), "{nth}");
        let left = writer.discard().await;
        if nth == 1 && tried.len() == 1 {
            left.unwrap();
            assert!(store.list("").await.unwrap().is_empty());
            continue;
        }
        let left = left.unwrap_err().to_string();
        assert!(left.contains("locked until 2999"), "{nth}: {left}");
        assert!(left.contains("milvault forget"), "{left}");
        assert_eq!(
            store.list("prod").await.unwrap(),
            ["collections/", UNFINISHED]
        );
        let listing = list(&store).await.unwrap();
        assert_eq!(listing.unfinished[0].name, "prod");
        assert_eq!(listing.archives.len(), 0);
    }
}

/// The parts are locked by then.
#[tokio::test]
async fn locked_parts_without_a_manifest_stay_and_are_seen() {
    for (what, path) in [
        ("create", "manifest.sha256"),
        ("finish", "manifest.sha256"),
        ("create", "manifest.json"),
        ("finish", "manifest.json"),
    ] {
        let (_folder, store) = folder();
        let failing = locking(&store, move |did, at| {
            if did == what && at.ends_with(path) {
                Err(broken(at))
            } else {
                Ok(())
            }
        });
        let (writer, sealed) = seal(&failing).await;
        sealed.unwrap_err();
        let left = writer.discard().await.unwrap_err().to_string();
        assert!(left.contains("unfinished"), "{left}");
        let held = store.list("prod").await.unwrap();
        assert!(held.contains(&UNFINISHED.to_owned()), "{held:?}");
        assert!(!held.contains(&MANIFEST.to_owned()), "{held:?}");
        assert_eq!(list(&store).await.unwrap().unfinished.len(), 1);
    }
}

#[tokio::test]
async fn a_summary_that_fails_costs_no_archive() {
    let (_folder, store) = folder();
    let failing = hooked(&store, |what, path| {
        if what == "finish" && path.ends_with(SUMMARY) {
            return Err(broken(path));
        }
        Ok(())
    });
    assert!(seal(&failing).await.1.unwrap().is_empty());
    let archive = Archive::open(store.clone(), "prod").await.unwrap();
    let report = verify(&archive, &Context::silent(), 2).await.unwrap();
    assert!(report.is_good(), "{report:?}");
}

/// Of two stores, one that cannot be locked is as whole as the other.
#[tokio::test]
async fn of_several_stores_the_one_that_is_not_locked_is_named() {
    let ((_a, a), (_b, b)) = (folder(), folder());
    let failing = locking(&b, |what, path| {
        if what == "lock" && path.ends_with(MANIFEST) {
            return Err(broken(path));
        }
        Ok(())
    });
    let writer = ArchiveWriter::begin_in(vec![a.clone(), failing], "prod")
        .await
        .unwrap();
    let file = data_file(&writer, "docs", rows(0..100)).await;
    let manifest = manifest("prod", vec![entry("docs", vec![file])]);
    let unlocked = writer.seal(&manifest).await.unwrap();
    assert_eq!(unlocked.len(), 1);
    assert_eq!(unlocked[0].archive, format!("{}/prod", b.uri()));
    assert!(writer.failures().await.is_empty());
    assert_eq!(writer.uris().len(), 2);
    assert_good(&a).await;
    assert_good(&b).await;
}

/// Somebody gives the archive up just before its manifest, or just after it.
#[tokio::test]
async fn an_archive_that_was_given_up_meanwhile_does_not_become_one() {
    for late in ["manifest.sha256", "manifest.json"] {
        let (folder, store) = folder();
        let marker = folder.path().join("prod").join(UNFINISHED);
        let losing = hooked(&store, move |what, path| {
            if what == "finish" && path.ends_with(late) {
                std::fs::remove_file(&marker).unwrap();
            }
            Ok(())
        });
        let (writer, sealed) = seal(&losing).await;
        sealed.unwrap_err();
        assert!(store.size("prod/manifest.json").await.is_err(), "{late}");
        assert!(list(&store).await.unwrap().archives.is_empty());
        assert!(matches!(writer.discard().await, Err(Error::Exists { .. })));
    }
}

/// Each of two files is being written to both stores when one store fails in the first file and the other in the second.
#[tokio::test]
async fn stores_that_fail_one_after_the_other_fail_the_export_and_are_both_named() {
    let ((_a, a), (_b, b)) = (folder(), folder());
    let fail = |store: &Arc<dyn Store>, file: &'static str| {
        hooked(store, move |what, path| {
            if what == "finish" && path.ends_with(file) {
                Err(broken(path))
            } else {
                Ok(())
            }
        })
    };
    let stores = vec![fail(&a, "one.parquet"), fail(&b, "two.parquet")];
    let writer = ArchiveWriter::begin_in(stores, "prod").await.unwrap();
    let begin = |path: &'static str| {
        let writer = writer.clone();
        async move {
            let file = writer.data_file(path, schema(), fields(), "id").await;
            file.unwrap().push(rows(0..5)).await.unwrap()
        }
    };
    let one = begin("collections/one.parquet").await;
    let two = begin("collections/two.parquet").await;
    one.finish().await.unwrap();
    let failed = two.finish().await.map(|_| ()).unwrap_err().to_string();
    for part in ["one.parquet", "two.parquet", &a.uri(), &b.uri()] {
        assert!(failed.contains(part), "{part}: {failed}");
    }
    let sealed = writer.seal(&manifest("prod", Vec::new())).await;
    assert!(matches!(sealed, Err(Error::Store { .. })), "{sealed:?}");
    writer.discard().await.unwrap();
    assert!(a.list("").await.unwrap().is_empty() && b.list("").await.unwrap().is_empty());
}

/// One store has lost the name to somebody else, the other has failed: what is in that one goes.
#[tokio::test]
async fn a_name_that_is_lost_in_one_store_leaves_nothing_in_the_others() {
    let ((_a, a), (_b, b)) = (folder(), folder());
    let failing = hooked(&a, |what, path| {
        if what == "finish" && path.ends_with(MANIFEST) {
            return Err(broken(path));
        }
        Ok(())
    });
    let writer = ArchiveWriter::begin_in(vec![failing, b.clone()], "prod").await;
    let writer = writer.unwrap();
    b.remove_all("prod").await.unwrap();
    let other = ArchiveWriter::begin(b.clone(), "prod").await.unwrap();
    let failed = writer.seal(&manifest("prod", Vec::new())).await;
    let failed = failed.unwrap_err().to_string();
    assert!(failed.contains("the cable is out") && failed.contains("already exists"));
    assert!(matches!(writer.discard().await, Err(Error::Exists { .. })));
    assert!(a.list("").await.unwrap().is_empty());
    other.seal(&manifest("prod", Vec::new())).await.unwrap();
}

#[tokio::test]
async fn a_copy_that_another_has_completed_is_told_so() {
    let (_folder, store) = folder();
    let begin = || Claim::take_for_copy(store.clone(), "prod", "abc");
    let (first, resumed) = begin().await.unwrap();
    assert!(!resumed);
    let lost = first.check_ours().await;
    lost.unwrap();
    let (second, resumed) = begin().await.unwrap();
    assert!(resumed);
    // Both may go on, though the marker is that of the second.
    first.check_ours().await.unwrap();
    let running = Claim::take_for_copy(store.clone(), "prod", "other").await;
    let running = running.map(|_| ()).unwrap_err().to_string();
    assert!(running.contains("unfinished"), "{running}");
    let way_out = format!("`milvault forget {} prod --unfinished=1h`", store.uri());
    assert!(running.contains(&way_out), "{running}");
    crate::store::put(
        &*store,
        "prod/manifest.json",
        "{}".into(),
        crate::store::Role::Part,
    )
    .await
    .unwrap();
    second.release().await;
    let late = first.check_ours().await.unwrap_err();
    assert!(
        matches!(&late, Error::Exists { what, way_out }
            if what.starts_with("archive ") && way_out == "choose another --name"),
        "{late}"
    );
}

/// Else whoever clears away what is old would take a copy that runs for one that was given up.
#[tokio::test]
async fn a_copy_that_is_gone_on_with_is_begun_anew() {
    let (folder, store) = folder();
    let place = folder.path().join("prod");
    std::fs::create_dir(&place).unwrap();
    let old = r#"{"id": "1", "started": "2026-01-01T00:00:00Z", "copy_of": "abc"}"#;
    std::fs::write(place.join(UNFINISHED), old).unwrap();
    let (claim, resumed) = Claim::take_for_copy(store.clone(), "prod", "abc")
        .await
        .unwrap();
    assert!(resumed);
    claim.check_ours().await.unwrap();
    let listing = list(&store).await.unwrap();
    let started = listing.unfinished[0].started.clone().unwrap();
    assert_ne!(started, "2026-01-01T00:00:00Z");
    // What is being removed is not gone on with.
    std::fs::write(place.join("forgotten.json"), "{}").unwrap();
    let refused = Claim::take_for_copy(store.clone(), "prod", "abc").await;
    let refused = refused.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("removed archive"), "{refused}");
}
