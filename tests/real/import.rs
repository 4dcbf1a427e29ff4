//! Restores by bulk import: the same rows as by insert, nothing left behind, and every failure by name.

use std::sync::Arc;

use milvault::Error;
use milvault::archive::{Archive, Selection};
use milvault::export::{ExportOptions, export};
use milvault::milvus::{Address, Cluster, ConnectOptions};
use milvault::model::{CollectionName, Mask};
use milvault::progress::Context;
use milvault::restore::{IfExists, Mode, RestoreReport, restore};
use milvault::store::Store;
use tokio::sync::OnceCell;

use crate::support::buckets;
use crate::support::proxy::{Breaks, Proxy};
use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    FULL_ACCESS, Listener, Vault, assert_equal, collections, connect, database, into_database,
    live, mask_key, refused, restore_into, restoring, side, strings,
};
use crate::troubled_store::{Trouble, TroubledStore, importing};

/// What Milvus 2.3.5 holds of every type and of every kind of key and partition.
const SCENARIOS: [&str; 9] = [
    "every_type",
    "binary_vector",
    "hard_text_keys",
    "hard_int_keys",
    "partitioned",
    "partition_key",
    "deleted",
    "auto_id",
    "empty",
];

/// An archive of a database that is filled with scenarios first.
async fn archived(vault: &Vault, server: &Server, from: &str, scenarios: &[&str]) -> Archive {
    python::fill_database(server, from, scenarios);
    let cluster = connect(server).await;
    vault.export(&cluster, "a", &database(from)).await
}

async fn assert_same_rows(archive: &Archive, cluster: &Cluster, to: &str, number: usize) {
    let all = Selection::default();
    let naming = into_database(to);
    assert_equal(&side(archive), &live(cluster), &all, &naming, number).await;
}

fn ways(report: &RestoreReport) -> Vec<Mode> {
    let all = report.collections.iter();
    all.map(|one| one.way.mode).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_milvus_2_3_holds_is_imported() {
    let server = servers::milvus_235();
    let (vault, put) = (Vault::new(), Vault::new());
    let archive = archived(&vault, server, "to_import", &SCENARIOS).await;
    let cluster = connect(server).await;
    let naming = into_database("imported");
    let store = TroubledStore::new(&put, Trouble::None);
    let options = importing(restoring(&naming), store);
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(report.collections.len(), SCENARIOS.len());
    assert_imported(&report);
    assert_eq!(put.content(), Vec::<String>::new());
    assert_same_rows(&archive, &cluster, "imported", SCENARIOS.len()).await;
    python::assert_holds(
        server,
        &SCENARIOS.join(","),
        &["--db", "imported", "--load"],
    );
}

/// Milvus 2.3.5 that keeps its data in a bucket of SeaweedFS, and that bucket.
async fn milvus_in_a_bucket() -> &'static (Server, String) {
    static SERVER: OnceCell<(Server, String)> = OnceCell::const_new();
    let start = async || {
        let bucket = buckets::bucket(false).await;
        let (key, secret) = buckets::ADMIN;
        let service = &servers::seaweedfs().address;
        let storage = format!("http://{key}:{secret}@{service}/{bucket}");
        let server = Server::start(&["milvus-2.3.5", "--storage", &storage]);
        (server, bucket)
    };
    SERVER.get_or_init(start).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_scattered_keys_are_imported_from_files_and_from_a_bucket() {
    let server = servers::milvus_235();
    let from = ["long_to_import", "million", "1000000"];
    python::run("long.py", &[&[server.address.as_str()], &from[..]].concat());
    let (vault, put) = (Vault::new(), Vault::new());
    let cluster = connect(server).await;
    let all = database("long_to_import");
    let archive = vault.export(&cluster, "a", &all).await;
    // Milvus 2.3 would take each key from the second page on for the next one.
    assert!(archive.manifest().files().any(|file| file.rows > 30_000));
    let naming = into_database("long_imported");
    let store = TroubledStore::new(&put, Trouble::None);
    let options = importing(restoring(&naming), store);
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(ways(&report), [Mode::Import]);
    assert_eq!(report.collections[0].rows, 1_000_000);
    assert_eq!(put.content(), Vec::<String>::new());
    assert_same_rows(&archive, &cluster, "long_imported", 1).await;

    let (server, bucket) = milvus_in_a_bucket().await;
    let place = format!("s3://{bucket}/import a million");
    let put = buckets::open(&place, &buckets::options()).await;
    let cluster = connect(server).await;
    let options = importing(restoring(&naming), put.clone());
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(ways(&report), [Mode::Import]);
    assert_eq!(report.collections[0].rows, 1_000_000);
    assert_eq!(put.list("").await.unwrap(), Vec::<String>::new());
    assert_same_rows(&archive, &cluster, "long_imported", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_import_store_is_read_there() {
    let server = servers::milvus_235();
    let vault = Vault::new();
    let names = ["hard_text_keys", "partition_key"];
    let archive = archived(&vault, server, "to_import_there", &names).await;
    let before = vault.content();
    let naming = into_database("imported_there");
    let store = TroubledStore::new(&vault, Trouble::Full);
    let options = importing(restoring(&naming), store);
    let cluster = connect(server).await;
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(ways(&report), [Mode::Import; 2]);
    assert_eq!(vault.content(), before);
    assert_same_rows(&archive, &cluster, "imported_there", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_files_that_milvus_cannot_read_are_inserted() {
    let server = servers::milvus_235();
    let vault = Vault::new();
    let archive = archived(&vault, server, "to_fail", &["partitioned"]).await;
    let cluster = connect(server).await;
    for (to, trouble, words) in [
        ("spoilt", Trouble::Spoilt(2), "parquet"),
        ("vanished", Trouble::Vanished(2), "no such file"),
    ] {
        let put = Vault::new();
        let store = TroubledStore::new(&put, trouble);
        let mut options = importing(restoring(&into_database(to)), store.clone());
        // One after the other, so that it is one file that fails twice.
        options.jobs = 1;
        let listener = Listener::default();
        let report = restore(&archive, &cluster, &options, &listener.context())
            .await
            .unwrap();
        let notes = report.collections[0].notes.join("\n");
        assert!(notes.contains("1 of 4 files were inserted"), "{notes}");
        assert!(notes.contains(words), "{notes}");
        assert!(listener.heard(words));
        assert_eq!(put.content(), Vec::<String>::new());
        assert_same_rows(&archive, &cluster, to, 1).await;
        python::assert_holds(server, "partitioned", &["--db", to]);
    }
    // A file that is read at the second try is imported.
    let put = Vault::new();
    let store = TroubledStore::new(&put, Trouble::Spoilt(1));
    let options = importing(restoring(&into_database("tried_again")), store);
    let report = restore_into(&archive, &cluster, &options).await;
    let notes = report.collections[0].notes.join("\n");
    assert!(!notes.contains("inserted"), "{notes}");
    assert_same_rows(&archive, &cluster, "tried_again", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_import_leaves_nothing_and_blocks_no_other() {
    let server = servers::other_milvus_235();
    let (vault, put) = (Vault::new(), Vault::new());
    let archive = archived(&vault, server, "to_stop", &["partitioned"]).await;
    let cluster = connect(server).await;
    let options = importing(
        restoring(&into_database("stopped")),
        TroubledStore::new(&put, Trouble::None),
    );
    let listener = Listener::stopping("restore", 1);
    let stopped = restore(&archive, &cluster, &options, &listener.context()).await;
    assert!(matches!(stopped, Err(Error::Stopped(_))), "{stopped:?}");
    assert!(
        !cluster
            .databases()
            .await
            .unwrap()
            .contains(&"stopped".to_owned())
    );
    assert_eq!(put.content(), Vec::<String>::new());
    // Milvus 2.3 begins no job any more where the collection of a running one was dropped.
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(ways(&report), [Mode::Import]);
    assert_same_rows(&archive, &cluster, "stopped", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_beginning_was_not_answered_is_begun_once() {
    let server = servers::milvus_235();
    python::fill(server, "empty", &["--collection", "begun_once"]);
    let direct = connect(server).await;
    let name = CollectionName::new("default", "begun_once");
    let (mut lost, mut begun) = (0, 0);
    // Wherever a connection breaks: before the request, in it, or when it was answered.
    for (number, after_sent) in (300..1500).step_by(40).enumerate() {
        let breaks = Breaks {
            after_sent,
            after_received: u64::MAX,
            times: 1,
        };
        let proxy = Proxy::start(&server.address, breaks).await;
        let address = Address::parse(&format!("http://{}", proxy.address)).unwrap();
        // It may break while we connect, which is not what is tried.
        let Ok(cluster) = Cluster::connect(&address, &ConnectOptions::default()).await else {
            continue;
        };
        let before = proxy.broken();
        let path = format!("/nowhere/{number}.parquet");
        let job = cluster.begin_import(&name, None, &path).await.unwrap();
        lost += proxy.broken() - before;
        begun += 1;
        let jobs = direct.import_jobs(&name).await.unwrap();
        assert!(jobs.iter().any(|(one, _)| *one == job));
        assert_eq!(jobs.len(), begun, "broken after {after_sent} bytes");
    }
    assert!(lost > 0, "no answer was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn milvus_2_2_imports_no_parquet_and_says_so() {
    let server = servers::milvus_2216();
    let (vault, put) = (Vault::new(), Vault::new());
    let archive = archived(&vault, server, "to_import", &["deleted"]).await;
    let cluster = connect(server).await;
    let store = TroubledStore::new(&put, Trouble::Full);
    let mut options = importing(restoring(&into_database("not_imported")), store);
    let refusal = refused(&archive, &cluster, &options).await.to_string();
    assert!(refusal.contains("imports no Parquet"), "{refusal}");
    options.mode = Mode::Auto;
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(ways(&report), [Mode::Insert]);
    let notes = report.collections[0].notes.join("\n");
    assert!(notes.contains("imports no Parquet"), "{notes}");
    python::assert_holds(server, "deleted", &["--db", "not_imported"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_insert_changes_on_the_way_is_not_imported() {
    let server = servers::milvus_235();
    let (vault, put) = (Vault::new(), Vault::new());
    python::fill(server, "auto_id", &["--collection", "changed_on_the_way"]);
    let cluster = connect(server).await;
    let mine = collections("default", &["changed_on_the_way"]);
    let archive = vault.export(&cluster, "a", &mine).await;
    let store = TroubledStore::new(&put, Trouble::Full);
    let plain = importing(restoring(&into_database("changed")), store);

    let mut limited = plain.clone();
    limited.selection.limit = Some(7);
    let mut sampled = plain.clone();
    sampled.selection.sample = Some("10%".parse().unwrap());
    let mut masked = plain.clone();
    masked.selection.masks = vec!["number=hash".parse::<Mask>().unwrap()];
    masked.mask_key = mask_key(&masked.selection);
    let mut narrow = plain.clone();
    narrow.selection.exclude_fields = strings(&["number"]);
    let mut anew = plain.clone();
    anew.adapt.auto_id = milvault::compat::AutoId::Regenerate;
    for (mut options, why) in [
        (limited, "a part of the rows"),
        (sampled, "a part of the rows"),
        (masked, "masked"),
        (narrow, "number is left out"),
        (anew, "made anew"),
    ] {
        options.dry_run = true;
        let refusal = refused(&archive, &cluster, &options).await.to_string();
        assert!(refusal.contains(why), "{refusal}");
        options.mode = Mode::Auto;
        let report = restore_into(&archive, &cluster, &options).await;
        let way = &report.collections[0].way;
        assert_eq!(way.mode, Mode::Insert);
        assert!(way.mode_reason.contains(why), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_replaces_a_collection_and_appends_to_none() {
    let server = servers::milvus_235();
    let (vault, put) = (Vault::new(), Vault::new());
    let archive = archived(&vault, server, "to_replace", &["deleted"]).await;
    let cluster = connect(server).await;
    let store = TroubledStore::new(&put, Trouble::None);
    let mut options = importing(restoring(&into_database("replaced")), store);
    options.selection.limit = Some(10);
    options.mode = Mode::Auto;
    restore_into(&archive, &cluster, &options).await;
    options.selection.limit = None;
    options.mode = Mode::Import;
    options.if_exists = IfExists::Append;
    let refusal = refused(&archive, &cluster, &options).await.to_string();
    assert!(refusal.contains("appended"), "{refusal}");
    options.if_exists = IfExists::Replace;
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(ways(&report), [Mode::Import]);
    assert_eq!(put.content(), Vec::<String>::new());
    assert_same_rows(&archive, &cluster, "replaced", 1).await;
}

/// Milvus and archives in buckets of one service: what lies in Milvus's own is read there, what lies in another is
/// copied by the service, and what comes from a folder is uploaded.
#[tokio::test(flavor = "multi_thread")]
async fn a_milvus_that_keeps_its_data_in_a_bucket_imports_from_there() {
    let (server, own) = milvus_in_a_bucket().await;
    let other = buckets::bucket(false).await;
    let names = [
        "every_type",
        "hard_text_keys",
        "partition_key",
        "partitioned",
    ];
    python::fill_database(server, "to_import", &names);
    let cluster = connect(server).await;
    let all = database("to_import");
    let vault = Vault::new();
    let in_a_folder = vault.export(&cluster, "a", &all).await;

    let admin = buckets::options();
    let put = buckets::open(&format!("s3://{own}/import area"), &admin).await;
    let options = importing(restoring(&into_database("uploaded")), put.clone());
    let report = restore_into(&in_a_folder, &cluster, &options).await;
    assert_imported(&report);
    assert_same_rows(&in_a_folder, &cluster, "uploaded", names.len()).await;
    let more = ["--db", "uploaded", "--load"];
    python::assert_holds(server, &names.join(","), &more);
    assert_eq!(put.list("").await.unwrap(), Vec::<String>::new());

    let elsewhere = buckets::open(&format!("s3://{other}/archives"), &admin).await;
    let in_another = exported(&cluster, elsewhere, &all).await;
    let options = importing(restoring(&into_database("copied")), put.clone());
    let report = restore_into(&in_another, &cluster, &options).await;
    assert_imported(&report);
    assert_same_rows(&in_another, &cluster, "copied", names.len()).await;
    assert_eq!(put.list("").await.unwrap(), Vec::<String>::new());

    let beside = buckets::open(&format!("s3://{own}/archives"), &admin).await;
    let in_place = exported(&cluster, beside, &all).await;
    let (key, secret) = buckets::READER;
    let mut reader = buckets::options();
    reader.s3.credentials = Some(buckets::credentials(key, secret));
    // Whoever may only read cannot have put anything anywhere.
    let read_only = buckets::open(&format!("s3://{own}"), &reader).await;
    let mut options = importing(restoring(&into_database("in_place")), read_only);
    options.selection = collections("to_import", &["hard_text_keys", "partition_key"]);
    let report = restore_into(&in_place, &cluster, &options).await;
    assert_imported(&report);
    let naming = into_database("in_place");
    let (from, to) = (side(&in_place), live(&cluster));
    assert_equal(&from, &to, &options.selection, &naming, 2).await;
}

fn assert_imported(report: &RestoreReport) {
    for one in &report.collections {
        assert_eq!(one.way.mode, Mode::Import, "{}", one.target);
        let failed = one.notes.iter().any(|note| note.contains("import failed"));
        assert!(!failed, "{}: {:?}", one.target, one.notes);
    }
}

/// An archive in any store.
async fn exported(cluster: &Cluster, store: Arc<dyn Store>, selection: &Selection) -> Archive {
    let options = ExportOptions {
        name: "a".into(),
        source: cluster.server().into(),
        selection: selection.clone(),
        mask_key: None,
        access: FULL_ACCESS,
        rbac: false,
        jobs: 4,
        memory: 512 << 20,
    };
    export(cluster, store.clone(), &options, &Context::silent())
        .await
        .unwrap();
    Archive::open(store, "a").await.unwrap()
}
