//! Exports while others write: from 2.5 on all that is read is of one moment.

use std::time::Duration;

use milvault::Error;
use milvault::archive::{Archive, Drift, Manifest, Mode};
use milvault::columns::digest::Digests;
use milvault::model::Key;
use milvault::naming::Naming;

use crate::made::{connect, copy, insert, make, make_plain, plain, plain_rows, request, upsert};
use crate::sim::data::{Content, content};
use crate::sim::{Sim, World};
use crate::support::program::{Milvault, stderr, stdout};
use crate::support::vault::{FULL_ACCESS, Listener, Vault, collections, restore_into, restoring};

const PINNING: [(u32, u32, u32); 3] = [(2, 5, 10), (2, 6, 4), (3, 0, 0)];
const ROWS: i64 = 3_000;

/// Writes, replaces and deletes rows, others each time.
fn write(world: &mut World, time: u64) {
    let time = time as i64;
    let keys: Vec<i64> = (0..40).map(|n| (n * 71 + time * 13) % ROWS).collect();
    upsert(world, "docs", 40, plain_rows(keys, time + 1));
    insert(
        world,
        "docs",
        7,
        plain_rows((0..7).map(|n| ROWS + time * 7 + n), time),
    );
    insert(world, "docs", 1, plain_rows([-1 - time], time));
    let gone: Vec<Key> = (0..20)
        .map(|n| Key::Int((n * 131 + time * 29) % ROWS))
        .collect();
    world.delete("docs", &gone);
}

/// A collection of 3,000 rows that somebody writes to before the first page is read, and at each Query after that,
/// as long as `until` says.
async fn written_to(version: (u32, u32, u32), until: u64) -> Sim {
    let sim = Sim::start(version).await;
    let mut world = sim.world();
    make_plain(&mut world, ROWS);
    world.meanwhile = Some(Box::new(move |world, queries| {
        if queries < until {
            write(world, queries);
        }
    }));
    drop(world);
    sim
}

/// What an export of just these rows comes to.
async fn digests_of(rows: &Content) -> Digests {
    let quiet = Sim::start((2, 5, 10)).await;
    make(&mut quiet.world(), "docs", plain(), &[]);
    copy(rows, &mut quiet.world(), "docs");
    let vault = Vault::new();
    let archive = export(&quiet, &vault).await;
    archive.manifest().collections[0].digests.clone()
}

async fn export(sim: &Sim, vault: &Vault) -> Archive {
    let selection = collections("default", &["docs"]);
    vault.export(&connect(sim).await, "a", &selection).await
}

async fn try_export(sim: &Sim, listener: &Listener) -> Result<Manifest, Error> {
    let selection = collections("default", &["docs"]);
    let cluster = connect(sim).await;
    let vault = Vault::new();
    let context = listener.context();
    vault
        .try_export(&cluster, "a", &selection, FULL_ACCESS, &context)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_of_one_moment_whatever_is_written_meanwhile() {
    for version in PINNING {
        let sim = written_to(version, u64::MAX).await;
        let archive = export(&sim, &Vault::new()).await;
        let consistency = archive.manifest().consistency;
        assert_eq!(
            (consistency.mode, consistency.drift),
            (Mode::Snapshot, Drift::default()),
            "{version:?}"
        );

        let rows = sim.world().collection("docs").rows.clone();
        let at_that_moment = content(&rows, consistency.timestamp.unwrap());
        let exported = &archive.manifest().collections[0].digests;
        assert_eq!(*exported, digests_of(&at_that_moment).await, "{version:?}");

        // Else nothing was written that could have shown.
        let in_the_end = content(&rows, u64::MAX);
        assert_ne!(*exported, digests_of(&in_the_end).await);
    }
}

/// Two collections and a partition: what is written to one and then to the other is in both, or in neither.
#[tokio::test(flavor = "multi_thread")]
async fn all_collections_of_an_export_are_of_the_same_moment() {
    for version in PINNING {
        let sim = Sim::start(version).await;
        {
            let mut world = sim.world();
            for name in ["docs", "more"] {
                make(&mut world, name, plain(), &[]);
                world.collection(name).partitions.push("other".into());
                insert(&mut world, name, 500, plain_rows(0..500, 0));
                let mut elsewhere = request(name, 500, plain_rows(500..1_000, 0));
                elsewhere.partition_name = "other".into();
                world.insert(elsewhere).unwrap();
            }
            world.meanwhile = Some(Box::new(|world, queries| {
                let key = 1_000 + queries as i64;
                for name in ["docs", "more"] {
                    insert(world, name, 1, plain_rows([key], 0));
                    world.delete(name, &[Key::Int(queries as i64 * 9)]);
                }
            }));
        }
        let vault = Vault::new();
        let selection = collections("default", &["docs", "more"]);
        let archive = vault.export(&connect(&sim).await, "a", &selection).await;
        let entries = &archive.manifest().collections;
        assert_eq!(entries[0].digests, entries[1].digests, "{version:?}");
        let moment = archive.manifest().consistency.timestamp.unwrap();
        let rows = sim.world().collection("more").rows.clone();
        assert_eq!(entries[1].rows, content(&rows, moment).len() as u64);
        assert_ne!(
            entries[1].digests,
            digests_of(&content(&rows, u64::MAX)).await
        );
    }
}

/// With no archive in between, by the program: the target is the source as it was at that moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_of_one_moment_too() {
    let (source, target) = (
        written_to((2, 6, 4), u64::MAX).await,
        Sim::start((3, 0, 0)).await,
    );
    let (from, to) = (
        format!("http://{}", source.address),
        format!("http://{}", target.address),
    );
    let output = Milvault::new().run(&["migrate", "--from", &from, "--to", &to, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(report["consistency"]["mode"], "snapshot", "{report}");
    let moment = report["consistency"]["timestamp"].as_u64().unwrap();
    let rows = source.world().collection("docs").rows.clone();
    assert_eq!(target.world().content("docs"), content(&rows, moment));
}

/// The same writer, and a server that pins nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_meanwhile_shows_where_reads_cannot_be_pinned() {
    let sim = written_to((2, 4, 17), u64::MAX).await;
    let error = try_export(&sim, &Listener::default()).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");

    // Holds still after a while.
    let sim = written_to((2, 4, 17), 6).await;
    let listener = Listener::default();
    let manifest = try_export(&sim, &listener).await.unwrap();
    let consistency = manifest.consistency;
    assert_eq!(
        (consistency.mode, consistency.timestamp),
        (Mode::Walk, None)
    );
    assert!(consistency.drift.ranges_rewalked > 0, "{consistency:?}");
}

/// Rows in the midst of the others come and go with each Query: no two answers agree, and none has to.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_touches_are_exported_however_fast_others_are_written() {
    let sim = Sim::start((2, 4, 17)).await;
    make_plain(&mut sim.world(), ROWS);
    sim.world().meanwhile = Some(Box::new(|world, queries| {
        let queries = queries as i64;
        let own = |round: i64| (0..30).map(move |n| (n * 7 + round * 11) % 100 * 30 + 1);
        let gone: Vec<Key> = own(queries).map(Key::Int).collect();
        world.delete("docs", &gone);
        upsert(world, "docs", 30, plain_rows(own(queries + 50), queries));
    }));
    let vault = Vault::new();
    let archive = export(&sim, &vault).await;
    assert!(archive.manifest().consistency.drift.keys_removed > 0);

    let target = Sim::start((2, 4, 17)).await;
    let options = restoring(&Naming::default());
    restore_into(&archive, &connect(&target).await, &options).await;
    let untouched = |sim: &Sim| -> Content {
        let rows = sim.world().collection("docs").rows.clone();
        let rows = content(&rows, u64::MAX).into_iter();
        rows.filter(|((_, key), _)| !matches!(key, Key::Int(key) if key % 30 == 1))
            .collect()
    };
    assert_eq!(untouched(&target).len(), ROWS as usize - 100);
    assert_eq!(untouched(&target), untouched(&sim));
}

/// A row whose key is there but which never comes has not been deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_key_alone_comes_fails_the_export() {
    for version in [(2, 2, 16), (2, 4, 17), (2, 6, 4)] {
        let sim = Sim::start(version).await;
        make_plain(&mut sim.world(), ROWS);
        sim.world().bare = vec![Key::Int(1_000)];
        let error = try_export(&sim, &Listener::default()).await.unwrap_err();
        assert!(matches!(error, Error::Incomplete { .. }), "{error}");
        assert!(error.to_string().contains("1 of them missing"), "{error}");
    }
}

/// Keys that grow with time: there is always one more after the last.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_ends_though_rows_are_added_without_end() {
    for (version, added) in [
        ((2, 2, 16), 3),
        ((2, 3, 5), 3),
        ((2, 3, 5), 600),
        ((2, 4, 17), 3),
    ] {
        let sim = Sim::start(version).await;
        make_plain(&mut sim.world(), ROWS);
        sim.world().meanwhile = Some(Box::new(move |world, queries| {
            let next = ROWS + queries as i64 * added;
            insert(
                world,
                "docs",
                added as usize,
                plain_rows(next..next + added, 0),
            );
        }));
        let listener = Listener::default();
        let work = try_export(&sim, &listener);
        let manifest = tokio::time::timeout(Duration::from_secs(60), work)
            .await
            .unwrap()
            .unwrap();
        assert!(manifest.totals().rows >= ROWS as u64, "{version:?}");
    }
}

/// As many rows come in meanwhile as are never returned, so that the sums agree.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_the_greatest_key_is_missed_though_others_come_in_its_place() {
    let sim = Sim::start((2, 3, 5)).await;
    make_plain(&mut sim.world(), ROWS);
    insert(&mut sim.world(), "docs", 1, plain_rows([i64::MAX], 0));
    sim.world().meanwhile = Some(Box::new(|world, queries| {
        if queries == 2 {
            insert(world, "docs", 1, plain_rows([ROWS], 0));
        }
    }));
    let error = try_export(&sim, &Listener::default()).await.unwrap_err();
    assert!(matches!(error, Error::Incomplete { .. }), "{error}");
    assert!(
        error.to_string().contains("id < 9223372036854775807"),
        "{error}"
    );
}

/// Writes explain that numbers differ, but not that a row is never returned.
#[tokio::test(flavor = "multi_thread")]
async fn writes_do_not_excuse_rows_that_are_missing() {
    let none = || vec![];
    for (hidden, added) in [
        // Others come to share keys with rows that are there: they count, and are not returned.
        (none(), vec![5, 6, 7]),
        (vec![Key::Int(1_000)], vec![5, 6, 7]),
        // New ones come, as many as are never returned, or more.
        (none(), vec![ROWS]),
        (vec![Key::Int(1_000)], vec![ROWS]),
        (vec![Key::Int(1_000)], vec![ROWS, ROWS + 1, ROWS + 2]),
    ] {
        let sim = Sim::start((2, 4, 17)).await;
        make_plain(&mut sim.world(), ROWS);
        let whole = hidden.is_empty();
        sim.world().hidden = hidden;
        let at_query = if added[0] == ROWS { 1 } else { 3 };
        sim.world().meanwhile = Some(Box::new(move |world, queries| {
            if queries == at_query {
                insert(world, "docs", added.len(), plain_rows(added.clone(), 0));
            }
        }));
        let listener = Listener::default();
        let exported = try_export(&sim, &listener).await;
        match exported {
            Ok(manifest) => {
                assert!(whole, "{:?}", manifest.consistency);
                assert!(manifest.totals().rows >= ROWS as u64);
            }
            Err(error) => {
                assert!(!whole, "{error}");
                assert!(matches!(error, Error::Incomplete { .. }), "{error}");
                let words = error.to_string();
                let named = ["counts 1 rows more", "what is missing (1)"];
                assert!(named.iter().any(|name| words.contains(name)), "{words}");
            }
        }
    }
}

/// Deleted rows that compaction takes away are gone for readers of an earlier moment, too. Late in the export, and
/// before the first row is read: then the count alone can tell.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_does_not_pass_for_one_of_a_moment_whose_rows_compaction_took_away() {
    for version in PINNING {
        for at_query in 2..5 {
            let sim = Sim::start(version).await;
            make_plain(&mut sim.world(), ROWS);
            sim.world().meanwhile = Some(Box::new(move |world, queries| {
                if queries == at_query {
                    let gone: Vec<Key> = (0..100).map(Key::Int).collect();
                    world.delete("docs", &gone);
                    world.compact("docs");
                }
            }));
            let listener = Listener::default();
            let manifest = try_export(&sim, &listener).await.unwrap();
            assert_eq!(manifest.totals().rows, 2_900);
            assert_eq!(
                manifest.consistency.mode,
                Mode::Walk,
                "{version:?}, {at_query}"
            );
            assert_eq!(manifest.consistency.timestamp, None);
            assert!(listener.heard("gone for good"), "{:?}", listener.said);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_come_back_from_every_version() {
    for version in [
        (2, 2, 16),
        (2, 3, 5),
        (2, 4, 17),
        (2, 5, 10),
        (2, 6, 4),
        (3, 0, 0),
    ] {
        let sim = Sim::start(version).await;
        make_plain(&mut sim.world(), ROWS);
        let archive = export(&sim, &Vault::new()).await;
        let all = sim.world().content("docs");
        assert_eq!(archive.manifest().totals().rows, 3_000, "{version:?}");
        assert_eq!(
            archive.manifest().collections[0].digests,
            digests_of(&all).await,
            "{version:?}"
        );
    }
}
