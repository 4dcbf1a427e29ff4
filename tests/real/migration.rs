//! Out of one server and into another, with no archive in between.

use std::sync::Arc;
use std::time::Duration;

use milvault::Error;
use milvault::archive::Selection;
use milvault::compare::RowChange;
use milvault::compat::{Adaptation, Indexes};
use milvault::migrate::{MigrateOptions, MigrateReport, migrate};
use milvault::milvus::{Address, Cluster, ConnectOptions};
use milvault::model::Key;
use milvault::naming::Naming;
use milvault::progress::{Context, Monitor, Silent, Task};
use milvault::restore::{IfExists, Outcome};
use serde_json::json;

use crate::support::program::{Milvault, stderr, stdout};
use crate::support::proxy::{Breaks, Proxy};
use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    FULL_ACCESS, Listener, assert_equal, collections, connect, database, live, mask_key, renamed,
    suffixed,
};

/// A migration of what is selected, as the command line does it by default.
pub fn migrating(selection: Selection, naming: &Naming) -> MigrateOptions {
    MigrateOptions {
        mask_key: mask_key(&selection),
        selection,
        access: FULL_ACCESS,
        naming: naming.clone(),
        if_exists: IfExists::Fail,
        adapt: Adaptation::default(),
        aliases: true,
        load: true,
        verify: true,
        rbac: None,
        dry_run: false,
        jobs: 4,
        memory: 512 << 20,
    }
}

pub async fn migrated(from: &Server, to: &Server, options: &MigrateOptions) -> MigrateReport {
    let (from, to) = (connect(from).await, connect(to).await);
    migrate(&from, &to, options, &Context::silent())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_milvus_2_3_holds_arrives_at_another_one() {
    let (source, target) = (servers::milvus_235(), servers::other_milvus_235());
    let names = [
        "every_type",
        "binary_vector",
        "big",
        "hard_text_keys",
        "hard_int_keys",
        "duplicates",
        "wide",
        "partitioned",
        "partition_key",
        "deleted",
        "auto_id",
        "empty",
        "unindexed",
        "not_loaded",
    ];
    python::fill_database(source, "leaving", &names);
    let before = python::definitions(source, "leaving", &names);
    let naming = suffixed("_moved");
    let report = migrated(source, target, &migrating(database("leaving"), &naming)).await;
    assert!(
        report
            .collections
            .iter()
            .all(|one| one.outcome == Outcome::Created)
    );
    let now = python::definitions(source, "leaving", &names);
    python::assert_same(&now, &before, "the source");
    python::assert_holds(
        target,
        &names.join(","),
        &["--db", "leaving", "--suffix", "_moved", "--load"],
    );
    assert_equal(
        &live(&connect(source).await),
        &live(&connect(target).await),
        &database("leaving"),
        &naming,
        names.len(),
    )
    .await;
}

/// Migrates a database, with the indexes that the target knows, and proves the rows.
async fn carry(
    (source, from): (&Server, &str),
    (target, to): (&Server, &str),
    names: &[&str],
    of: &str,
) {
    python::fill_database(source, from, names);
    let naming = renamed(&format!("{from}.*:{to}.*"));
    let mut options = migrating(database(from), &naming);
    options.adapt.indexes = Indexes::Fallback;
    let report = migrated(source, target, &options).await;
    let verified = report.verification.unwrap();
    assert!(verified.equal, "{verified:#?}");
    assert_eq!(verified.collections.len(), names.len());
    let more = ["--db", to, "--of", of, "--load"];
    python::assert_holds(target, &names.join(","), &more);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_milvus_lite_3_arrive_at_milvus_2_3() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    // What else both know, the matrix carries.
    let names = ["big", "wide", "empty", "not_loaded"];
    carry(
        (source, "m_to_235"),
        (target, "m_of_lite"),
        &names,
        "lite-3.2.2",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_milvus_2_3_arrive_at_milvus_lite_3() {
    let (source, target) = (servers::milvus_235(), servers::lite_322());
    let names = ["big", "duplicates", "empty", "unindexed"];
    carry(
        (source, "m_to_lite"),
        (target, "m_of_235"),
        &names,
        "milvus-2.3.5",
    )
    .await;
}

fn is_there(server: &Server, database: &str, collection: &str) -> bool {
    let given = json!({"collection_name": collection});
    python::call(server, database, &[("has_collection", given)])[0] == json!(true)
}

/// Changes a row of the target when all of them are there, while the index is built.
struct Planter {
    target: &'static Server,
    collection: &'static str,
}

impl Monitor for Planter {
    fn begin(&self, verb: &str, _: &str, _: Option<u64>) -> Box<dyn Task> {
        if verb == "index" {
            let vector = [7.0; 8];
            let data = json!([{"id": 7, "vector": vector}]);
            let given = json!({"collection_name": self.collection, "data": data});
            python::call(self.target, "planted", &[("upsert", given)]);
        }
        Box::new(Silent)
    }
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_finds_a_difference_that_was_planted() {
    let (source, target) = (servers::milvus_235(), servers::other_milvus_235());
    python::fill_database(source, "planted", &["not_loaded"]);
    let options = migrating(database("planted"), &suffixed("_seen"));
    let ctx = Context {
        monitor: Arc::new(Planter {
            target,
            collection: "not_loaded_seen",
        }),
        ..Context::silent()
    };
    let (from, to) = (connect(source).await, connect(target).await);
    let report = migrate(&from, &to, &options, &ctx).await.unwrap();
    let found = report.verification.unwrap();
    assert!(!found.equal);
    let found = &found.collections[0];
    assert!(
        found
            .schema
            .iter()
            .any(|what| what.contains("field vector")),
        "{found:#?}"
    );
    let first: Vec<&Key> = found.first.iter().map(|row| &row.key).collect();
    assert_eq!(first, [&Key::Int(7)], "{found:#?}");
    assert_eq!(
        found.first[0].what,
        RowChange::Fields(vec!["vector".into()])
    );
    let before = python::definitions(source, "planted", &["not_loaded"]);
    assert_eq!(
        before["not_loaded"]["loaded"], false,
        "the source was put back"
    );

    // The same from the command line, of a collection that is there already.
    let milvault = Milvault::new();
    let of = |server: &Server| format!("http://{}/planted", server.address);
    let (from, to) = (of(source), of(target));
    let more = ["--suffix", "_seen", "--if-exists", "skip", "--verify"];
    let output = milvault.run(&[&["migrate", "--from", &from, "--to", &to], &more[..]].concat());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        stdout(&output).contains("key 7 in partition _default: other vector"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_is_stopped_leaves_nothing_and_puts_the_source_back() {
    let (source, target) = (servers::milvus_235(), servers::other_milvus_235());
    python::fill_database(source, "stopped", &["wide", "not_loaded"]);
    for verb in ["migrate", "index"] {
        let listener = Listener::stopping(verb, if verb == "migrate" { 50 } else { 0 });
        let (from, to) = (connect(source).await, connect(target).await);
        let selection = if verb == "migrate" {
            "wide"
        } else {
            "not_loaded"
        };
        let mut options = migrating(collections("stopped", &[selection]), &suffixed("_half"));
        options.jobs = 1;
        let stopped = migrate(&from, &to, &options, &listener.context()).await;
        assert!(matches!(stopped, Err(Error::Stopped(_))), "{stopped:?}");
        // What has all its rows is kept, and that is said.
        let kept = verb == "index";
        assert_eq!(
            is_there(target, "stopped", &format!("{selection}_half")),
            kept
        );
        assert_eq!(listener.heard("has all its rows and is kept"), kept);
        let before = python::definitions(source, "stopped", &["not_loaded"]);
        assert_eq!(before["not_loaded"]["loaded"], false);
    }
}

async fn through(proxy: &Proxy) -> Cluster {
    let address = Address::parse(&format!("http://{}", proxy.address)).unwrap();
    let options = ConnectOptions {
        retry_for: Duration::from_secs(2),
        ..ConnectOptions::default()
    };
    Cluster::connect(&address, &options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_or_a_target_that_goes_away_is_named_and_leaves_nothing_half_done() {
    let (source, target) = (servers::milvus_235(), servers::other_milvus_235());
    python::fill_database(source, "going", &["wide"]);
    for target_goes in [false, true] {
        let (server, after_sent, after_received) = if target_goes {
            (target, 8 << 20, u64::MAX)
        } else {
            (source, u64::MAX, 10 << 20)
        };
        let breaks = Breaks {
            after_sent,
            after_received,
            times: u32::MAX,
        };
        let proxy = Proxy::start(&server.address, breaks).await;
        let (from, to) = if target_goes {
            (connect(source).await, through(&proxy).await)
        } else {
            (through(&proxy).await, connect(target).await)
        };
        let listener = Listener::default();
        let options = migrating(database("going"), &suffixed("_gone"));
        let failed = migrate(&from, &to, &options, &listener.context()).await;
        let server = format!("http://{}", proxy.address);
        assert!(
            matches!(&failed, Err(error @ Error::Unreachable { .. }) if error.to_string().contains(&server)),
            "{failed:?}"
        );
        assert!(proxy.broken() > 0);
        let left = is_there(target, "going", "wide_gone");
        assert_eq!(left, listener.heard("could not be removed"));
        assert!(left || listener.heard("has been removed"));
        if left {
            let given = json!({"collection_name": "wide_gone"});
            python::call(target, "going", &[("drop_collection", given)]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_never_migrated_onto_itself() {
    for (server, name) in [
        (servers::milvus_235(), "itself_235"),
        (servers::lite_322(), "itself_lite"),
    ] {
        python::fill_database(server, name, &["empty", "partitioned"]);
        let cluster = connect(server).await;
        for if_exists in [IfExists::Replace, IfExists::Append] {
            let mut options = migrating(database(name), &Naming::default());
            options.if_exists = if_exists;
            options.verify = false;
            let refused = migrate(&cluster, &cluster, &options, &Context::silent()).await;
            assert!(
                matches!(refused, Err(Error::Incompatible { .. })),
                "{refused:?}"
            );
            assert!(
                refused
                    .unwrap_err()
                    .to_string()
                    .contains("is a collection that is read")
            );
        }
        // Nor onto another one that is read: who is read later would find the rows of the first.
        let mut naming = renamed("empty:partitioned");
        naming.rename("partitioned:empty").unwrap();
        let mut options = migrating(database(name), &naming);
        options.if_exists = IfExists::Replace;
        let refused = migrate(&cluster, &cluster, &options, &Context::silent()).await;
        let words = refused.unwrap_err().to_string();
        assert_eq!(words.matches("is a collection that is read").count(), 2);
        python::assert_holds(server, "empty,partitioned", &["--db", name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_an_address_is_where_names_are_looked_for() {
    let (source, target) = (servers::milvus_235(), servers::other_milvus_235());
    python::fill_database(source, "at_home", &["partitioned", "empty"]);
    let milvault = Milvault::new();
    let (from, to) = (
        format!("http://{}/at_home", source.address),
        format!("http://{}/elsewhere", target.address),
    );
    let more = [
        "-c",
        "part*",
        "--partition",
        "south",
        "--no-load-target",
        "--json",
        "-q",
    ];
    let output = milvault.run(&[&["migrate", "--from", &from, "--to", &to], &more[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(report["rows"], 300);
    assert_eq!(report["collections"][0]["target"]["database"], "elsewhere");
    assert_eq!(report["collections"][0]["loaded"], false);
    let output = milvault.run(&["migrate", "--from", &from, "--to", &to, "-c", "part*"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("--if-exists"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_touches_nothing_and_rows_are_appended_once() {
    let (source, target) = (servers::milvus_235(), servers::other_milvus_235());
    python::fill_database(source, "appended", &["partitioned"]);
    let mut options = migrating(database("appended"), &suffixed("_more"));
    options.verify = false;
    options.dry_run = true;
    let report = migrated(source, target, &options).await;
    assert!(report.dry_run);
    assert_eq!(report.collections[0].rows, 1808);
    options.dry_run = false;
    migrated(source, target, &options).await;
    options.if_exists = IfExists::Append;
    let report = migrated(source, target, &options).await;
    assert_eq!(report.collections[0].outcome, Outcome::Appended);
    python::assert_holds(
        target,
        "partitioned",
        &["--db", "appended", "--suffix", "_more"],
    );
    options.verify = true;
    let (from, to) = (connect(source).await, connect(target).await);
    let refused = migrate(&from, &to, &options, &Context::silent()).await;
    assert!(matches!(refused, Err(Error::Usage(_))), "{refused:?}");
}
