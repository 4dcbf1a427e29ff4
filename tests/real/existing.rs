//! What a restore does to collections that are there already, and what it leaves when it ends early.

use milvault::Error;
use milvault::archive::Selection;
use milvault::restore::{IfExists, Outcome, restore};
use serde_json::{Value, json};

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{
    FULL_ACCESS, Listener, Vault, connect, database, refused, renamed, restore_into, restoring,
    suffixed,
};

fn names(server: &Server, database: &str) -> Vec<String> {
    let listed = python::call(server, database, &[("list_collections", json!({}))]);
    let mut names: Vec<String> = serde_json::from_value(listed[0].clone()).unwrap();
    names.sort();
    names
}

fn change(server: &Server, database: &str, method: &str, more: Value) {
    let mut arguments = json!({"collection_name": "not_loaded"});
    let given = more.as_object().unwrap().clone();
    arguments.as_object_mut().unwrap().extend(given);
    python::call(server, database, &[(method, arguments)]);
}

fn numbers(server: &Server, database: &str) -> Vec<i64> {
    let query = json!({"collection_name": "not_loaded", "filter": "id >= 0", "output_fields": ["id"],
        "limit": 1000, "consistency_level": "Strong"});
    let rows = python::call(server, database, &[("query", query)]);
    let mut keys: Vec<i64> = rows[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_i64().unwrap())
        .collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_collection_that_is_there_is_kept_added_to_or_replaced_as_asked() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    python::fill_database(source, "exists", &["not_loaded"]);
    let vault = Vault::new();
    let archive = vault
        .export(&connect(source).await, "a", &database("exists"))
        .await;
    let cluster = connect(target).await;
    let mut options = restoring(&renamed("exists.*:exists.*"));
    restore_into(&archive, &cluster, &options).await;
    change(target, "exists", "load_collection", json!({}));
    // Row 5 is gone, row 6 has another vector, row 500 is new.
    change(target, "exists", "delete", json!({"ids": [5]}));
    let vector = [7.0; 8];
    let data = json!([{"id": 6, "vector": vector}, {"id": 500, "vector": vector}]);
    change(target, "exists", "upsert", json!({"data": data}));
    let mut changed: Vec<i64> = (0..100).filter(|id| *id != 5).collect();
    changed.push(500);
    assert_eq!(numbers(target, "exists"), changed);

    let error = refused(&archive, &cluster, &options).await;
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert!(error.to_string().contains("exists.not_loaded"), "{error}");
    assert_eq!(numbers(target, "exists"), changed);

    options.if_exists = IfExists::Skip;
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(report.collections[0].outcome, Outcome::Skipped);
    assert_eq!(numbers(target, "exists"), changed);

    options.if_exists = IfExists::Append;
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(report.collections[0].outcome, Outcome::Appended);
    let mut all: Vec<i64> = (0..100).collect();
    all.push(500);
    assert_eq!(numbers(target, "exists"), all);
    change(target, "exists", "delete", json!({"ids": [500]}));
    // Row 6 is the archive's again.
    python::assert_holds(target, "not_loaded", &["--db", "exists"]);

    change(
        target,
        "exists",
        "upsert",
        json!({"data": [{"id": 500, "vector": vector}]}),
    );
    options.if_exists = IfExists::Replace;
    let report = restore_into(&archive, &cluster, &options).await;
    assert_eq!(report.collections[0].outcome, Outcome::Replaced);
    python::assert_holds(target, "not_loaded", &["--db", "exists", "--load"]);
    let definition = python::definitions(target, "exists", &["not_loaded"]);
    assert_eq!(
        definition["not_loaded"]["aliases"],
        json!(["not_loaded_alias"])
    );
}

#[tokio::test]
async fn rows_are_not_appended_to_a_collection_of_another_shape() {
    let server = servers::lite_322();
    python::fill_database(server, "shapes", &["not_loaded", "deleted"]);
    let vault = Vault::new();
    let archive = vault
        .export(&connect(server).await, "a", &database("shapes"))
        .await;
    let mut options = restoring(&renamed("*.not_loaded:*.deleted"));
    options.if_exists = IfExists::Append;
    options.selection.collections = vec!["*.not_loaded".into()];
    let refusal = refused(&archive, &connect(server).await, &options).await;
    let words = refusal.to_string();
    assert!(words.contains("shapes.deleted"), "{words}");
    assert!(words.contains("version"), "{words}");
    python::assert_holds(server, "deleted", &["--db", "shapes"]);
}

#[tokio::test]
async fn an_alias_that_is_taken_stays_with_its_owner() {
    let (source, target) = (servers::lite_322(), servers::milvus_235());
    python::fill_database(source, "taken", &["empty", "not_loaded"]);
    let vault = Vault::new();
    let archive = vault
        .export(&connect(source).await, "a", &database("taken"))
        .await;
    python::fill(target, "empty", &["--db", "taken"]);
    python::call(
        target,
        "taken",
        &[(
            "create_alias",
            json!({"collection_name": "empty", "alias": "not_loaded_alias_copy"}),
        )],
    );
    let options = restoring(&suffixed("_copy"));
    let report = restore_into(&archive, &connect(target).await, &options).await;
    let copy = &report.collections[1];
    assert_eq!(copy.target.collection, "not_loaded_copy");
    assert_eq!(copy.aliases, Vec::<String>::new());
    let told = |note: &String| note.contains("not_loaded_alias_copy is taken by empty");
    assert!(copy.notes.iter().any(told), "{:?}", copy.notes);
    let there = ["empty", "empty_copy", "not_loaded_copy"];
    let definitions = python::definitions(target, "taken", &there);
    let aliases = there.map(|name| definitions[name]["aliases"].clone());
    let expected = [
        json!(["empty_alias", "not_loaded_alias_copy"]),
        json!(["empty_alias_copy"]),
        json!([]),
    ];
    assert_eq!(aliases, expected);
}

#[tokio::test]
async fn a_restore_that_is_stopped_leaves_nothing_of_its_own() {
    let server = servers::milvus_235();
    python::fill_database(server, "stop_restore", &["big", "not_loaded"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let mut selection = database("stop_restore");
    selection.collections = vec!["big".into()];
    let archive = vault.export(&cluster, "a", &selection).await;
    for rows in [0, 1] {
        let listener = Listener::stopping("restore", rows);
        let options = restoring(&suffixed("_copy"));
        let error = restore(&archive, &cluster, &options, &listener.context())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Stopped(_)), "{error}");
        assert_eq!(names(server, "stop_restore"), ["big", "not_loaded"]);
    }
    let listener = Listener::stopping("index", 0);
    let options = restoring(&suffixed("_copy"));
    let stopped = restore(&archive, &cluster, &options, &listener.context()).await;
    assert!(stopped.is_err());
    // All rows are there by then: hours of work are kept, and that is said.
    assert_eq!(
        names(server, "stop_restore"),
        ["big", "big_copy", "not_loaded"]
    );
    assert!(listener.heard("big_copy: has all its rows and is kept"));
    python::assert_holds(server, "big", &["--db", "stop_restore"]);
}

#[tokio::test]
async fn an_export_that_is_stopped_leaves_no_archive_and_nothing_loaded() {
    let server = servers::milvus_235();
    python::fill_database(server, "stop_export", &["big", "unindexed"]);
    python::call(
        server,
        "stop_export",
        &[("release_collection", json!({"collection_name": "big"}))],
    );
    let there = ["big", "unindexed"];
    let before = python::definitions(server, "stop_export", &there);
    assert_eq!(before["big"]["loaded"], false);
    let cluster = connect(server).await;
    let vault = Vault::new();
    for name in there {
        let listener = Listener::stopping("export", 1);
        let mut selection = database("stop_export");
        selection.collections = vec![name.into()];
        let error = vault
            .try_export(&cluster, "a", &selection, FULL_ACCESS, &listener.context())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Stopped(_)), "{error}");
        assert!(listener.heard("is not loaded; loading it"));
        assert_eq!(vault.content(), Vec::<String>::new());
    }
    let after = python::definitions(server, "stop_export", &there);
    python::assert_same(&after, &before, "the source");
}

#[tokio::test]
async fn what_may_not_be_loaded_is_not() {
    let server = servers::milvus_235();
    python::fill_database(server, "locked", &["not_loaded", "unindexed"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    for (name, load, flag) in [
        ("not_loaded", false, "--no-load"),
        ("unindexed", true, "--temp-index"),
    ] {
        let selection = Selection {
            collections: vec![name.into()],
            ..database("locked")
        };
        let mut access = FULL_ACCESS;
        (access.load, access.temp_index) = (load, false);
        let silent = milvault::progress::Context::silent();
        let error = vault
            .try_export(&cluster, "a", &selection, access, &silent)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::NotReadable { .. }), "{error}");
        assert!(error.to_string().contains(flag), "{error}");
        assert_eq!(vault.content(), Vec::<String>::new());
    }
}
