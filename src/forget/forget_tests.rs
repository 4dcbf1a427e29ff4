#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Mutex;

use super::*;
use crate::archive::tests::hooked::{Hooked, broken, hooked};
use crate::archive::tests::{data_file, entry, export, folder, manifest, rows};
use crate::archive::{Archive, ArchiveWriter, FORGOTTEN, MANIFEST, SUMMARY, UNFINISHED, list};
use crate::store::{Lock, LockMode, Protection};

/// Puts an archive of a time, a cluster and some collections into a store.
async fn put(store: &Arc<dyn Store>, name: &str, created: &str, host: &str, collections: &[&str]) {
    let entries = collections.iter().map(|name| entry(name, Vec::new()));
    let mut manifest = manifest(name, entries.collect());
    manifest.created = created.to_owned();
    manifest.source.address = format!("http://{host}:19530");
    let writer = ArchiveWriter::begin(store.clone(), name).await.unwrap();
    writer.seal(&manifest).await.unwrap();
}

fn last(count: u64, by_collections: bool) -> ForgetOptions {
    ForgetOptions {
        which: Which::Policy {
            policy: Policy {
                last: Keep::Newest(count),
                ..Policy::default()
            },
            by_collections,
        },
        unfinished: None,
    }
}

fn named(names: &[&str]) -> ForgetOptions {
    ForgetOptions {
        which: Which::Named(names.iter().map(|name| name.to_string()).collect()),
        unfinished: None,
    }
}

async fn names(store: &Arc<dyn Store>) -> Vec<String> {
    let archives = list(store).await.unwrap().archives;
    archives.into_iter().map(|one| one.name).collect()
}

async fn run(store: &Arc<dyn Store>, options: &ForgetOptions) -> Forgotten {
    let plan = plan(store, options).await.unwrap();
    forget(store, &plan, &Context::silent()).await.unwrap()
}

#[tokio::test]
async fn what_a_policy_does_not_keep_goes_and_nothing_else() {
    let (folder, store) = folder();
    for (name, created) in [
        ("c", "2026-11-21T02:00:00Z"),
        ("a", "2026-11-20T02:00:00Z"),
        ("b", "2026-11-19T02:00:00Z"),
    ] {
        put(&store, name, created, "prod", &["docs"]).await;
    }
    std::fs::create_dir(folder.path().join("somebody else")).unwrap();
    let planned = plan(&store, &last(2, false)).await.unwrap();
    assert_eq!(planned.removals().collect::<Vec<_>>(), ["b"]);
    assert_eq!(planned.archives[0].reasons, ["last"]);
    assert_eq!(names(&store).await.len(), 3, "a plan touches nothing");
    let done = run(&store, &last(2, false)).await;
    assert_eq!((done.removed, done.failed.len()), (vec!["b".to_owned()], 0));
    assert_eq!(
        store.list("").await.unwrap(),
        ["a/", "c/", "somebody else/"]
    );
}

#[tokio::test]
async fn an_empty_policy_is_refused() {
    let (_folder, store) = folder();
    let refused = plan(&store, &last(0, false)).await;
    assert!(matches!(refused, Err(Error::Usage(_))), "{refused:?}");
}

#[tokio::test]
async fn groups_are_sets_of_collections_of_a_cluster() {
    let (_folder, store) = folder();
    put(
        &store,
        "p1",
        "2026-11-19T02:00:00Z",
        "prod",
        &["docs", "news"],
    )
    .await;
    put(
        &store,
        "p2",
        "2026-11-20T02:00:00Z",
        "prod",
        &["news", "docs"],
    )
    .await;
    put(&store, "one", "2026-11-18T02:00:00Z", "prod", &["docs"]).await;
    put(
        &store,
        "other",
        "2026-11-17T02:00:00Z",
        "test",
        &["docs", "news"],
    )
    .await;
    let mut sample = manifest("sample", vec![entry("docs", Vec::new())]);
    sample.created = "2026-11-21T02:00:00Z".to_owned();
    sample.source.address = "http://prod:19530".to_owned();
    sample.selection.limit = Some(1);
    let writer = ArchiveWriter::begin(store.clone(), "sample").await.unwrap();
    writer.seal(&sample).await.unwrap();

    let planned = plan(&store, &last(1, true)).await.unwrap();
    assert_eq!(planned.removals().collect::<Vec<_>>(), ["p1"]);
    let titles: Vec<&str> = planned
        .archives
        .iter()
        .map(|one| one.group.as_deref().unwrap())
        .collect();
    assert_eq!(
        titles,
        [
            "http://prod:19530: docs ({\"limit\":1})",
            "http://prod:19530: docs",
            "http://prod:19530: docs, news",
            "http://prod:19530: docs, news",
            "http://test:19530: docs, news",
        ]
    );
    let all = plan(&store, &last(1, false)).await.unwrap();
    assert_eq!(all.removals().count(), 4);
}

#[tokio::test]
async fn an_archive_ends_being_one_before_anything_else_of_it_goes() {
    let (_folder, store) = folder();
    export(&store, "prod").await;
    let done = Arc::new(Mutex::new(Vec::new()));
    let hear = done.clone();
    let heard = hooked(&store, move |what, path| {
        if matches!(what, "finish" | "remove" | "remove_all") {
            hear.lock().unwrap().push(format!("{what} {path}"));
        }
        Ok(())
    });
    archive::remove(&*heard, "prod").await.unwrap();
    assert_eq!(
        *done.lock().unwrap(),
        [
            "remove prod/summary.json",
            "finish prod/forgotten.json",
            "remove prod/manifest.json",
            "remove_all prod/collections",
            "remove prod/manifest.sha256",
            "remove_all prod",
        ]
    );
    assert!(store.list("").await.unwrap().is_empty());
}

/// Wherever it is interrupted, the archive is whole or none, and the next forget completes it.
#[tokio::test]
async fn an_interrupted_removal_is_completed_by_the_next() {
    for stop in 0..6 {
        let (_folder, store) = folder();
        export(&store, "old").await;
        put(&store, "new", "2026-11-22T02:00:00Z", "prod", &["docs"]).await;
        let count = Mutex::new(0);
        let failing = hooked(&store, move |what, path| {
            let mut count = count.lock().unwrap();
            if matches!(what, "finish" | "remove" | "remove_all") {
                *count += 1;
                if *count > stop {
                    return Err(broken(path));
                }
            }
            Ok(())
        });
        let done = run(&failing, &last(1, false)).await;
        assert_eq!((done.removed.len(), done.failed.len()), (0, 1), "{stop}");

        let listed = names(&store).await.contains(&"old".to_owned());
        assert_eq!(listed, stop < 2, "{stop}");
        // As long as nothing of it is gone, it can be read.
        if let Ok(archive) = Archive::open(store.clone(), "old").await {
            assert!(stop < 3, "{stop}");
            let report = archive::verify(&archive, &Context::silent(), 1)
                .await
                .unwrap();
            assert!(report.is_good(), "{stop}: {:?}", report.problems);
        }
        if !listed {
            let listing = list(&store).await.unwrap();
            assert!(listing.unfinished[0].forgotten, "{stop}");
            assert!(ArchiveWriter::begin(store.clone(), "old").await.is_err());
        }
        let done = run(&store, &last(1, false)).await;
        assert_eq!(done.removed, ["old"], "{stop}");
        assert_eq!(store.list("").await.unwrap(), ["new/"], "{stop}");
    }
}

fn hold(path: &str) -> Protection {
    let until = "2999-01-01T00:00:00Z".parse().unwrap();
    let mode = LockMode::Compliance;
    Protection {
        // Only one of its objects.
        lock: (path.starts_with("old/") && path.ends_with(".parquet"))
            .then_some(Lock { mode, until }),
        legal_hold: false,
    }
}

#[tokio::test]
async fn locked_archives_are_kept_and_named() {
    let (_folder, store) = folder();
    export(&store, "old").await;
    put(&store, "older", "2020-01-01T00:00:00Z", "prod", &[]).await;
    put(&store, "new", "2026-11-22T02:00:00Z", "prod", &[]).await;
    let locked: Arc<dyn Store> = Arc::new(Hooked {
        store: store.clone(),
        hook: Arc::new(|_, _| Ok(())),
        protection: hold,
        locked: None,
    });
    for options in [last(1, false), named(&["old", "older"])] {
        let planned = plan(&locked, &options).await;
        let planned = planned.unwrap();
        assert_eq!(planned.removals().collect::<Vec<_>>(), ["older"]);
        let old = planned
            .archives
            .iter()
            .find(|one| one.archive.name == "old");
        let old = old.unwrap();
        assert_eq!(old.action, Action::Locked);
        assert_eq!(
            old.reasons,
            ["locked until 2999-01-01T00:00:00Z (compliance)"]
        );
    }
    run(&locked, &last(1, false)).await;
    assert_eq!(names(&store).await, ["new", "old"]);
}

/// What an export left that failed when it was being locked, and what a removal left.
#[tokio::test]
async fn locked_remains_are_kept_and_named() {
    let (folder, store) = folder();
    export(&store, "old").await;
    for (marker, forgotten) in [(UNFINISHED, false), (FORGOTTEN, true)] {
        let place = folder.path().join("old");
        std::fs::remove_file(place.join(MANIFEST)).ok();
        std::fs::remove_file(place.join(UNFINISHED)).ok();
        let old = "{\"started\": \"2026-01-01T00:00:00Z\"}";
        std::fs::write(place.join(marker), old).unwrap();
        let locked: Arc<dyn Store> = Arc::new(Hooked {
            store: store.clone(),
            hook: Arc::new(|_, _| Ok(())),
            protection: hold,
            locked: None,
        });
        let options = ForgetOptions {
            which: Which::None,
            unfinished: Some("1h".parse().unwrap()),
        };
        let planned = plan(&locked, &options).await.unwrap();
        let one = &planned.unfinished[0];
        assert_eq!(one.archive.forgotten, forgotten);
        assert_eq!(one.action, Action::Locked);
        let why = "locked until 2999-01-01T00:00:00Z (compliance)";
        assert_eq!(one.reasons, [why]);
        let done = run(&locked, &options).await;
        assert_eq!((done.removed.len(), done.failed.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_damaged_archive_goes_by_its_name_only_and_counts_for_none() {
    let (folder, store) = folder();
    put(&store, "bad", "2026-11-22T02:00:00Z", "prod", &["docs"]).await;
    put(&store, "good", "2026-11-21T02:00:00Z", "prod", &["docs"]).await;
    // Its summary is as good as ever.
    std::fs::write(folder.path().join("bad").join(MANIFEST), b"{").unwrap();
    let planned = plan(&store, &last(1, false)).await.unwrap();
    assert_eq!(planned.removals().count(), 0);
    assert_eq!(planned.archives[0].archive.name, "good");
    assert_eq!(planned.unreadable[0].name, "bad");
    assert_eq!(run(&store, &named(&["bad"])).await.removed, ["bad"]);
    assert_eq!(store.list("").await.unwrap(), ["good/"]);
}

#[tokio::test]
async fn no_archive_goes_for_one_of_which_some_is_gone() {
    let (folder, store) = folder();
    for (name, created) in [
        ("lost", "2026-11-23T02:00:00Z"),
        ("cut", "2026-11-22T02:00:00Z"),
        ("good", "2026-11-21T02:00:00Z"),
        ("old", "2026-11-20T02:00:00Z"),
    ] {
        let writer = ArchiveWriter::begin(store.clone(), name).await.unwrap();
        let file = data_file(&writer, "docs", rows(0..10)).await;
        let path = folder.path().join(name).join(&file.0.path);
        let mut manifest = manifest(name, vec![entry("docs", vec![file])]);
        manifest.created = created.to_owned();
        writer.seal(&manifest).await.unwrap();
        match name {
            "lost" => std::fs::remove_file(path).unwrap(),
            "cut" => std::fs::write(path, b"PAR1").unwrap(),
            _ => {}
        }
    }
    let planned = plan(&store, &last(1, false)).await.unwrap();
    let bad: Vec<(&str, &str)> = planned
        .unreadable
        .iter()
        .map(|one| (one.name.as_str(), one.error.as_str()))
        .collect();
    assert!(matches!(bad[..], [("lost", _), ("cut", _)]), "{bad:?}");
    assert!(bad[0].1.contains(".parquet is missing"), "{bad:?}");
    assert!(bad[1].1.contains(".parquet has 4 bytes"), "{bad:?}");
    assert_eq!(planned.removals().collect::<Vec<_>>(), ["old"]);
    // Where nothing goes, nothing is looked into.
    let planned = plan(&store, &last(4, false)).await.unwrap();
    assert!(planned.unreadable.is_empty());
}

#[tokio::test]
async fn names_that_are_not_there_remove_nothing() {
    let (_folder, store) = folder();
    export(&store, "prod").await;
    let refused = plan(&store, &named(&["prod", "prod2"])).await;
    assert!(matches!(&refused, Err(Error::Missing { uri, .. }) if uri.ends_with("/prod2")));
    assert_eq!(names(&store).await, ["prod"]);
}

#[tokio::test]
async fn unfinished_archives_go_when_they_are_old_and_it_is_asked_for() {
    let (folder, store) = folder();
    export(&store, "whole").await;
    let writer = ArchiveWriter::begin(store.clone(), "running")
        .await
        .unwrap();
    data_file(&writer, "docs", rows(0..10)).await;
    for (name, marker) in [
        ("abandoned", "{\"started\": \"2026-01-01T00:00:00Z\"}"),
        ("unknown", "{}"),
    ] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join(UNFINISHED), marker).unwrap();
    }
    assert_eq!(run(&store, &last(1, false)).await.removed, [""; 0]);
    let refused = plan(&store, &named(&["running"])).await;
    assert!(matches!(refused, Err(Error::Usage(_))), "{refused:?}");
    let options = ForgetOptions {
        which: Which::None,
        unfinished: Some("7d".parse().unwrap()),
    };
    assert_eq!(run(&store, &options).await.removed, ["abandoned"]);
    assert_eq!(
        store.list("").await.unwrap(),
        ["running/", "unknown/", "whole/"]
    );
}

/// A folder of an archive that was begun long ago.
fn abandon(folder: &tempfile::TempDir, name: &str) {
    let place = folder.path().join(name);
    std::fs::create_dir_all(place.join("collections")).unwrap();
    let marker = "{\"started\": \"2026-01-01T00:00:00Z\", \"copy_of\": \"abc\"}";
    std::fs::write(place.join(UNFINISHED), marker).unwrap();
}

#[tokio::test]
async fn with_names_no_other_unfinished_archive_goes() {
    let (folder, store) = folder();
    for name in ["broken", "other"] {
        abandon(&folder, name);
    }
    export(&store, "whole").await;
    let options = ForgetOptions {
        unfinished: Some("1h".parse().unwrap()),
        ..named(&["broken"])
    };
    assert_eq!(run(&store, &options).await.removed, ["broken"]);
    assert_eq!(store.list("").await.unwrap(), ["other/", "whole/"]);
}

#[tokio::test]
async fn what_came_to_be_whole_after_the_plan_stays() {
    let (folder, store) = folder();
    abandon(&folder, "sealed");
    abandon(&folder, "resumed");
    abandon(&folder, "gone");
    abandon(&folder, "old");
    let options = ForgetOptions {
        which: Which::None,
        unfinished: Some("1h".parse().unwrap()),
    };
    let planned = plan(&store, &options).await.unwrap();
    assert_eq!(planned.removals().count(), 4);
    std::fs::write(folder.path().join("sealed").join(MANIFEST), "{}").unwrap();
    let claim = archive::claim::Claim::take_for_copy(store.clone(), "resumed", "abc");
    let (claim, _) = claim.await.unwrap();
    std::fs::remove_file(folder.path().join("gone").join(UNFINISHED)).unwrap();
    let done = forget(&store, &planned, &Context::silent()).await.unwrap();
    assert_eq!(done.removed, ["old"]);
    let kept: Vec<&str> = done.kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(kept, ["gone", "resumed", "sealed"]);
    assert!(done.kept[2].1.contains("whole"), "{:?}", done.kept);
    claim.check_ours().await.unwrap();
}

/// The manifest comes between the last look and the removal of the marker.
#[tokio::test]
async fn what_is_sealed_while_it_is_given_up_stays() {
    let (folder, store) = folder();
    abandon(&folder, "late");
    let options = ForgetOptions {
        which: Which::None,
        unfinished: Some("1h".parse().unwrap()),
    };
    let manifest = folder.path().join("late").join(MANIFEST);
    let sealing = hooked(&store, move |what, path| {
        if what == "remove" && path.ends_with(UNFINISHED) {
            std::fs::write(&manifest, "{}").unwrap();
        }
        Ok(())
    });
    let done = run(&sealing, &options).await;
    assert_eq!((done.removed.len(), done.kept.len()), (0, 1));
    assert!(folder.path().join("late/collections").exists());
}

#[tokio::test]
async fn a_forgotten_archive_without_a_summary_is_no_other() {
    let (_folder, store) = folder();
    export(&store, "old").await;
    store.remove(&format!("old/{SUMMARY}")).await.unwrap();
    put(&store, "new", "2026-11-22T02:00:00Z", "prod", &[]).await;
    assert_eq!(run(&store, &last(1, false)).await.removed, ["old"]);
    assert_eq!(store.list("").await.unwrap(), ["new/"]);
}
