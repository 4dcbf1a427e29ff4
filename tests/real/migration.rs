//! Out of one server and into another, with no archive in between.

use milvault::archive::Selection;
use milvault::compat::{Adaptation, Indexes};
use milvault::migrate::{MigrateOptions, MigrateReport, migrate};
use milvault::naming::Naming;
use milvault::progress::Context;
use milvault::restore::{IfExists, Outcome};

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    FULL_ACCESS, assert_equal, connect, database, live, renamed, suffixed,
};

/// A migration of what is selected, as the command line does it by default.
pub fn migrating(selection: Selection, naming: &Naming) -> MigrateOptions {
    MigrateOptions {
        selection,
        access: FULL_ACCESS,
        naming: naming.clone(),
        if_exists: IfExists::Fail,
        adapt: Adaptation::default(),
        aliases: true,
        load: true,
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
    assert_eq!(report.collections.len(), names.len());
    let more = ["--db", to, "--of", of, "--load"];
    python::assert_holds(target, &names.join(","), &more);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_milvus_lite_3_arrive_at_milvus_2_3() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    let names = [
        "big",
        "hard_text_keys",
        "wide",
        "partitioned",
        "partition_key",
        "deleted",
        "auto_id",
        "empty",
        "not_loaded",
    ];
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
    let names = [
        "every_type",
        "big",
        "hard_text_keys",
        "hard_int_keys",
        "duplicates",
        "partitioned",
        "partition_key",
        "deleted",
        "auto_id",
        "empty",
        "unindexed",
    ];
    carry(
        (source, "m_to_lite"),
        (target, "m_of_235"),
        &names,
        "milvus-2.3.5",
    )
    .await;
}
