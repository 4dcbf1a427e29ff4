//! Servers that ask for patience, send no large answers, or whose answers get lost.

use milvault::Error;
use milvault::archive::{Archive, Selection};
use milvault::naming::Naming;

use crate::made::{connect, insert, make_plain, plain_rows};
use crate::sim::Sim;
use crate::support::program::{Milvault, stderr, stdout};
use crate::support::vault::{
    Vault, assert_equal, collections, live, restore_into, restoring, side,
};

const VERSIONS: [(u32, u32, u32); 6] = [
    (2, 2, 16),
    (2, 3, 5),
    (2, 4, 17),
    (2, 5, 10),
    (2, 6, 4),
    (3, 0, 0),
];

async fn docs(sim: &Sim, vault: &Vault) -> Archive {
    let selection = collections("default", &["docs"]);
    vault.export(&connect(sim).await, "a", &selection).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_shrink_until_the_server_sends_them() {
    for version in VERSIONS {
        let sim = Sim::start(version).await;
        make_plain(&mut sim.world(), 1_000);
        let vault = Vault::new();
        let whole = docs(&sim, &vault).await;
        // A page of all keys alone weighs more.
        sim.world().largest_answer = 3_000;
        let small = Vault::new();
        let archive = docs(&sim, &small).await;
        assert_eq!(
            archive.manifest().collections[0].digests,
            whole.manifest().collections[0].digests,
            "{version:?}"
        );
        assert_eq!(archive.manifest().totals().rows, 1_000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_no_answer_can_hold_fails_the_export_by_its_key() {
    for version in VERSIONS {
        let sim = Sim::start(version).await;
        make_plain(&mut sim.world(), 10);
        sim.world().largest_answer = 60;
        let selection = collections("default", &["docs"]);
        let (cluster, vault) = (connect(&sim).await, Vault::new());
        let silent = milvault::progress::Context::silent();
        let access = crate::support::vault::FULL_ACCESS;
        let error = vault
            .try_export(&cluster, "a", &selection, access, &silent)
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Incomplete { .. }),
            "{version:?}: {error}"
        );
        assert!(
            error.to_string().contains("key 0 alone"),
            "{version:?}: {error}"
        );
        assert_eq!(vault.content(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_refused_for_their_rate_are_made_again() {
    for version in VERSIONS {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        make_plain(&mut source.world(), 2_000);
        source.world().rate_limit_every = Some(3);
        target.world().rate_limit_every = Some(3);
        let vault = Vault::new();
        let archive = docs(&source, &vault).await;
        let cluster = connect(&target).await;
        restore_into(&archive, &cluster, &restoring(&Naming::default())).await;
        assert_eq!(
            target.world().content("docs"),
            source.world().content("docs"),
            "{version:?}"
        );
    }
}

/// The rows are there, the answer is not: sent again, they must not be there twice.
#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_insert_was_not_answered_are_there_once() {
    for version in [(2, 2, 16), (2, 4, 17), (3, 0, 0)] {
        let (source, target) = (Sim::start(version).await, Sim::start(version).await);
        make_plain(&mut source.world(), 17_000);
        let vault = Vault::new();
        let archive = docs(&source, &vault).await;
        target.world().lost_answers = vec!["Insert", "Insert", "DescribeCollection", "Flush"];
        let cluster = connect(&target).await;
        restore_into(&archive, &cluster, &restoring(&Naming::default())).await;
        let mut world = target.world();
        assert!(world.lost_answers.is_empty(), "{version:?}");
        let again = if version < (2, 3, 0) {
            "Delete"
        } else {
            "Upsert"
        };
        assert!(world.calls[again] > 0);
        let moment = world.clock;
        let visible = world
            .collection("docs")
            .rows
            .iter()
            .filter(|row| row.is_visible(moment))
            .count();
        assert_eq!(visible, 17_000, "{version:?}");
        assert_eq!(
            world.content("docs"),
            source.world().content("docs"),
            "{version:?}"
        );
    }
}

/// Of rows that share a key a query returns the newest; `count(*)` counts each.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_share_a_key_are_exported_once() {
    for version in [(2, 2, 16), (2, 4, 17), (3, 0, 0)] {
        let sim = Sim::start(version).await;
        make_plain(&mut sim.world(), 2_000);
        // A page of 16,384 rows is short with these, and not the end.
        sim.world().collection("docs").segments = 1;
        for time in 1..=17 {
            let rows = plain_rows(500..1_500, time);
            insert(&mut sim.world(), "docs", 1_000, rows);
        }
        let content = sim.world().content("docs");
        let vault = Vault::new();
        let archive = docs(&sim, &vault).await;
        assert_eq!(
            archive.manifest().totals().rows,
            content.len() as u64,
            "{version:?}"
        );
        let all = Selection::default();
        assert_equal(
            &side(&archive),
            &live(&connect(&sim).await),
            &all,
            &Naming::default(),
            1,
        )
        .await;

        let target = Sim::start(version).await;
        let cluster = connect(&target).await;
        restore_into(&archive, &cluster, &restoring(&Naming::default())).await;
        assert_eq!(target.world().content("docs"), content, "{version:?}");
    }
}

/// The program as a user runs it, from an old server to the newest.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_carries_a_collection_from_2_2_to_3_0() {
    let (source, target) = (Sim::start((2, 2, 16)).await, Sim::start((3, 0, 0)).await);
    make_plain(&mut source.world(), 1_000);
    let milvault = Milvault::new();
    let from = format!("http://{}", source.address);
    let to = format!("http://{}", target.address);
    let run = |arguments: &[&str]| {
        let output = milvault.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    run(&["export", "--from", &from, "--to", "store", "--name", "a"]);
    run(&["restore", "--from", "store/a", "--to", &to]);
    run(&["compare", &from, &to]);
    assert_eq!(
        target.world().content("docs"),
        source.world().content("docs")
    );
    let listed = run(&["ls", &to, "--json"]);
    assert!(listed.contains("docs"), "{listed}");

    let migrated = run(&[
        "migrate", "--from", &from, "--to", &to, "--suffix", "_again",
    ]);
    assert!(!migrated.is_empty());
    assert_eq!(
        target.world().content("docs_again"),
        source.world().content("docs")
    );

    // A second time there is something in the way.
    let output = milvault.run(&["restore", "--from", "store/a", "--to", &to]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("already exists"),
        "{}",
        stderr(&output)
    );
}
